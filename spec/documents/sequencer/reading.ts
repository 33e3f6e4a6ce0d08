import type { LogRecord } from "../../../lib/documents/log/op-log.ts";
import type { SequencedOp } from "../../../lib/documents/sequencer.ts";

/** What a reader of the log knows of a connected write client. */
interface Reader {
  csn: number;
  rsn: number;
  sn: number;
}

/**
 * Reads a log by its bytes alone, as a program of somebody else's would, and checks what the documentation promises
 * of each op. It shares no code with the sequencer.
 */
export class Reading {
  sn = 0;
  msn = 0;
  time = 0;
  readonly clients = new Map<string, Reader>();
  readonly joined = new Set<string>();
  readonly left = new Set<string>();
  readonly departed = new Map<string, { csn: number; sn: number }>();
  /** The client's own ops, in order. */
  readonly ops = new Map<string, SequencedOp[]>();
  /** Handles of acknowledged summaries, and up to where they cover the document. */
  readonly summaries: { handle: string; sequenceNumber: number }[] = [];
  #proposal: { op: SequencedOp; handle: string } | null = null;

  read(record: LogRecord): void {
    const text = Buffer.from(record.bytes).toString();
    const newline = text.indexOf("\n");
    const header = JSON.parse(text.slice(0, newline)) as { first: number; rsns: [string, number, number][] };
    check(header.first === this.sn + 1 && record.first === header.first, "a record that doesn't follow");
    for (const [clientId, rsn, csn] of header.rsns) {
      const client = this.#client(clientId);
      check(rsn >= client.rsn && rsn <= this.sn, `a noop of ${clientId} to ${rsn}, from ${client.rsn}`);
      check(csn >= client.csn, "a noop that takes a number back");
      Object.assign(client, { rsn, csn });
    }
    this.msn = this.#minimum();
    const ops = JSON.parse(`[${text.slice(newline + 1)}]`) as SequencedOp[];
    check(ops.length > 0, "a record without ops");
    for (const op of ops) this.#op(op);
    check(record.last === this.sn, "a record that ends elsewhere");
    check(this.#proposal === null, "a summary that isn't answered in its record");
  }

  #op(op: SequencedOp): void {
    check(op.sequenceNumber === this.sn + 1, `op ${op.sequenceNumber} behind ${this.sn}`);
    check(op.timestamp >= this.time, "a timestamp that falls");
    check(op.minimumSequenceNumber >= this.msn, `the MSN falls from ${this.msn} at op ${op.sequenceNumber}`);
    check(op.minimumSequenceNumber <= this.sn, "an MSN above the head");
    if (this.#proposal !== null) this.#answered(op, this.#proposal);
    else check(!op.type.startsWith("summaryAck") && op.type !== "summaryNack", "an answer to no summary");
    const head = this.sn;
    this.sn = op.sequenceNumber;
    this.time = op.timestamp;
    if (op.clientId === null) this.#system(op);
    else this.#ofClient(op, op.clientId, head);
    const expected = this.#minimum();
    this.msn = op.minimumSequenceNumber;
    check(this.msn === expected, `the MSN is ${this.msn}, and should be ${expected}`);
    for (const [clientId, { rsn }] of this.clients) {
      check(this.msn <= rsn, `the MSN ${this.msn} is above the RSN ${rsn} of ${clientId}`);
    }
  }

  /** The least that a connected client refers to; with nobody connected it stays. */
  #minimum(): number {
    if (this.clients.size === 0) return this.msn;
    return Math.max(this.msn, Math.min(...[...this.clients.values()].map(({ rsn }) => rsn)));
  }

  #ofClient(op: SequencedOp, clientId: string, head: number): void {
    const client = this.#client(clientId);
    const { referenceSequenceNumber: rsn, clientSequenceNumber: csn, minimumSequenceNumber: msn } = op;
    check(rsn >= msn && rsn <= head, `the RSN ${rsn} isn't within ${msn} and ${head}`);
    check(csn > client.csn, `the CSN ${csn} behind ${client.csn}`);
    Object.assign(client, { rsn, csn, sn: op.sequenceNumber });
    const ops = this.ops.get(clientId) ?? [];
    ops.push(op);
    this.ops.set(clientId, ops);
    if (op.type === "summarize") this.#proposal = { op, handle: (op.contents as { handle: string }).handle };
  }

  #system(op: SequencedOp): void {
    check(op.clientSequenceNumber === -1 && op.referenceSequenceNumber === -1, "a system op with numbers");
    const data = (op as { data?: unknown }).data;
    if (op.contents !== null) check(data === JSON.stringify(op.contents), "data that isn't the contents");
    if (op.type === "join") {
      const { clientId } = op.contents as { clientId: string };
      check(!this.joined.has(clientId), `${clientId} joins twice`);
      this.joined.add(clientId);
      // With nobody else there the MSN stays, and it begins at that.
      this.clients.set(clientId, { csn: 0, rsn: this.msn, sn: 0 });
    } else if (op.type === "leave") {
      const clientId = op.contents as string;
      const { csn, sn } = this.#client(clientId);
      this.clients.delete(clientId);
      this.left.add(clientId);
      this.departed.set(clientId, { csn, sn });
    }
  }

  #answered(answer: SequencedOp, { op, handle }: { op: SequencedOp; handle: string }): void {
    this.#proposal = null;
    check(answer.clientId === null, "a summary that isn't answered at once");
    const { summaryProposal } = answer.contents as { summaryProposal: { summarySequenceNumber: number } };
    check(summaryProposal.summarySequenceNumber === op.sequenceNumber, "the answer to another summary");
    if (answer.type === "summaryNack") return;
    check(answer.type === "summaryAck", `a summary answered by ${answer.type}`);
    const covers = op.referenceSequenceNumber;
    const latest = this.summaries.at(-1);
    check(latest === undefined || covers > latest.sequenceNumber, "a summary that covers no more");
    this.summaries.push({ handle, sequenceNumber: covers });
  }

  #client(clientId: string): Reader {
    const client = this.clients.get(clientId);
    if (client === undefined) throw new Error(`${clientId} isn't connected at op ${this.sn}`);
    return client;
  }
}

/** Plain, since a history has thousands of them. */
export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

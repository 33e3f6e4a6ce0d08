import type { LogRecord } from "./log/op-log.ts";
import { NOOP, type OpDraft, opHash, readSummary, SUMMARIZE, type SummaryDraft } from "./op.ts";
import { encodeRecord, StoredRecord } from "./record.ts";
import type { DocumentState, WriteClient } from "./state.ts";

/*
 * The order of a document, as functions of its state: no clock, no I/O, so that every reader of a log comes to the
 * same state as the one that stamped it. `validate` is asked before an append only; `apply` takes what is in the log.
 */

/** Client and reference sequence numbers that noops have moved, and no record has carried yet. */
export type Moved = Map<string, { readonly rsn: number; readonly csn: number }>;

/** What becomes of a push: all of it, nothing, or it is there already. */
export type Verdict =
  /** Its first `skip` ops are sequenced already: as `first` to `last`, zeros if there are none. */
  | { readonly kind: "sequence"; readonly skip: number; readonly first: number; readonly last: number }
  | { readonly kind: "duplicate"; readonly first: number; readonly last: number }
  | {
      readonly kind: "refuse";
      readonly reason: "invalid_csn" | "invalid_rsn";
      readonly index: number;
      readonly message: string;
    };

/**
 * Judges one push of a connected write client: its ops in order, all or nothing.
 *
 * @param recordMinimum The MSN that the record begins with, which the noops in `moved` may raise.
 */
export function validate(
  state: DocumentState,
  client: WriteClient,
  ops: readonly OpDraft[],
  moved: Moved,
  recordMinimum: () => number = () => movedMinimum(state, moved),
): Verdict {
  const noop = moved.get(client.clientId);
  const owed = (noop?.csn ?? client.csn) + 1;
  const own = Math.max(client.rsn, noop?.rsn ?? 0);
  let skip = 0;
  let first = 0;
  let last = 0;
  let next = owed;
  let minimum = state.msn;
  let low = minimum;
  for (const [index, op] of ops.entries()) {
    if (op.csn !== null && op.csn !== next) {
      // Behind the first new one nothing is seen: a number that isn't the next one is wrong.
      const repeats = op.csn < owed && index === skip;
      const seen = repeats ? client.seen.find(({ csn }) => csn === op.csn) : undefined;
      if (seen !== undefined && seen.hash === op.hash) {
        skip++;
        first ||= seen.sn;
        last = seen.sn;
        continue;
      }
      // Noops leave no trace to compare, and do nothing: one that comes again with others must not fail them.
      if (repeats && seen === undefined && op.type === NOOP) {
        skip++;
        continue;
      }
      const other = repeats ? "it was sequenced with other contents, or long ago; " : "";
      const message = `clientSequenceNumber ${op.csn} doesn't follow ${next - 1}: ${other}the next one is ${next}`;
      return { kind: "refuse", reason: "invalid_csn", index, message };
    }
    next++;
    if (op.rsn === null) {
      low = state.sn;
      continue;
    }
    // The noops that wait go into the record before the push does, and may raise the MSN. It stays at or below what
    // the client itself has seen, so only one that goes back has to be compared.
    if (op.rsn < own) minimum = recordMinimum();
    low = Math.max(low, minimum);
    if (op.rsn > state.sn || op.rsn < low) {
      const bound =
        op.rsn > state.sn
          ? `is above the head ${state.sn}`
          : low > minimum
            ? `is below that of the op before it, ${low}`
            : `is below the minimum sequence number ${low}`;
      const message = `referenceSequenceNumber ${op.rsn} ${bound}`;
      return { kind: "refuse", reason: "invalid_rsn", index, message };
    }
    // What an op has seen, those behind it in the same push have seen too.
    low = op.rsn;
  }
  // Of noops alone, the place is that of the client's latest op.
  if (skip === ops.length) return { kind: "duplicate", first: first || client.sn, last: last || client.sn };
  return { kind: "sequence", skip, first, last };
}

/** The MSN that a record begins with which carries what noops have moved. */
export function movedMinimum(state: DocumentState, moved: Moved): number {
  let low = Number.POSITIVE_INFINITY;
  for (const { clientId, rsn } of state.clients.values()) {
    low = Math.min(low, Math.max(rsn, moved.get(clientId)?.rsn ?? 0));
  }
  return state.clients.size === 0 ? state.msn : Math.max(state.msn, low);
}

/** Judges the reference sequence number of a noop. */
export function validateNoop(state: DocumentState, rsn: number): string | null {
  if (rsn > state.sn) return `referenceSequenceNumber ${rsn} is above the head ${state.sn}`;
  if (rsn < state.msn)
    return `referenceSequenceNumber ${rsn} is below the minimum sequence number ${state.msn}`;
  return null;
}

export interface StampOptions {
  readonly node: string;
  readonly boot: string;
  /** Milliseconds since the epoch; the ops' timestamps don't fall if it does. */
  readonly now: number;
  /** Taken along, and emptied. */
  readonly moved: Moved;
}

/**
 * One record in the making. What it stamps is applied to the state at once, so a stamp that has begun is finished
 * and appended, or the state is built anew.
 */
export class Stamp {
  readonly #state: DocumentState;
  readonly #node: string;
  readonly #boot: string;
  readonly #first: number;
  readonly #rsns: [clientId: string, rsn: number, csn: number][] = [];
  readonly #ops: string[] = [];
  /** What summaries were answered: the type of the op, and its contents as JSON. */
  readonly answers: { readonly type: string; readonly contents: string }[] = [];
  /** The length of its ops so far, in UTF-16 units. */
  size = 0;

  constructor(state: DocumentState, { node, boot, now, moved }: StampOptions) {
    this.#state = state;
    this.#node = node;
    this.#boot = boot;
    this.#first = state.sn + 1;
    state.time = Math.max(state.time, Math.floor(now));
    for (const [clientId, { rsn, csn }] of moved) {
      const client = state.clients.get(clientId);
      if (client === undefined) continue;
      // A noop only moves forward: another one, applied before it, may have raised the MSN to what this client had seen.
      const seen = Math.max(client.rsn, rsn);
      state.moveClient(client, seen, csn);
      this.#rsns.push([clientId, seen, csn]);
    }
    moved.clear();
  }

  /** The ops in their wire form. */
  get ops(): readonly string[] {
    return this.#ops;
  }

  /** A write client connects. @param detail What the others learn of it. */
  join(clientId: string, detail: unknown): number {
    const { msn } = this.#state;
    const sn = this.#system("join", { clientId, detail });
    addClient(this.#state, clientId, detail, this.#node, this.#boot, sn, msn);
    return sn;
  }

  /** A write client is gone. */
  leave(clientId: string): number {
    // Before its op is written: the op carries the MSN without it.
    this.#state.removeClient(clientId);
    return this.#system("leave", clientId);
  }

  /** An op that says nothing, but carries the MSN. */
  noop(): number {
    return this.#write(null, -1, -1, `"${NOOP}","contents":null`);
  }

  /**
   * A push that `validate` has passed.
   *
   * @returns The first and last number of what is sequenced now, zeros if that is nothing; and in `trailing` where the noops at its end have
   * moved the client, for the next record.
   */
  push(
    client: WriteClient,
    ops: readonly OpDraft[],
    skip: number,
  ): { first: number; last: number; trailing: { rsn: number; csn: number } | null } {
    let first = 0;
    let last = 0;
    let trailing: { rsn: number; csn: number } | null = null;
    let { csn } = client;
    // Of an op that names none: a client hasn't seen what it sends in the same push.
    const head = this.#state.sn;
    for (let i = skip; i < ops.length; i++) {
      const op = ops[i] as OpDraft;
      csn++;
      const rsn = op.rsn ?? head;
      if (op.type === NOOP) {
        trailing = { rsn, csn };
        continue;
      }
      trailing = null;
      last = this.#op(client, op, csn, rsn);
      first ||= last;
    }
    return { first, last, trailing };
  }

  finish(): LogRecord {
    const state = this.#state;
    const header = { first: this.#first, node: this.#node, boot: this.#boot, rsns: this.#rsns };
    const record = encodeRecord(state.id, header, this.#ops);
    state.id = record.id;
    return record;
  }

  #op(client: WriteClient, op: OpDraft, csn: number, rsn: number): number {
    const state = this.#state;
    state.moveClient(client, rsn, csn);
    const { metadata, compression } = op;
    let tail = `${JSON.stringify(op.type)},"contents":${op.contents}`;
    if (metadata !== null) tail += `,"metadata":${metadata}`;
    if (compression !== null) tail += `,"compression":${JSON.stringify(compression)}`;
    const sn = this.#write(client.clientId, csn, rsn, tail);
    state.remember(client, { csn, sn, hash: op.hash });
    if (op.summary !== null) this.#answer(op.summary, sn, rsn);
    return sn;
  }

  /** A summary is acknowledged if it exists, follows the latest one and covers more than that. */
  #answer({ handle, parent, resolves }: SummaryDraft, sn: number, rsn: number): void {
    const state = this.#state;
    const latest = state.summary;
    const summaryProposal = { summarySequenceNumber: sn };
    const answer = (type: string, contents: object) => {
      this.answers.push({ type, contents: JSON.stringify(contents) });
      this.#system(type, contents);
    };
    const refuse = (message: string) => answer("summaryNack", { summaryProposal, message });
    if (!resolves) {
      refuse("the handle names no summary that is stored");
    } else if (parent !== (latest?.handle ?? null)) {
      const is = latest === null ? "there is none yet" : `the latest is of op ${latest.sequenceNumber}`;
      refuse(`the parent isn't the latest acknowledged summary: ${is}`);
    } else if (latest !== null && rsn <= latest.sequenceNumber) {
      refuse(`it covers no more than the latest summary, of op ${latest.sequenceNumber}`);
    } else {
      answer("summaryAck", { handle, summaryProposal });
      state.summary = { handle, sequenceNumber: rsn, proposal: sn };
    }
  }

  #system(type: string, contents: unknown): number {
    const json = JSON.stringify(contents);
    return this.#write(null, -1, -1, `"${type}","contents":${json},"data":${JSON.stringify(json)}`);
  }

  /** @param tail The type and what follows it, as JSON. */
  #write(clientId: string | null, csn: number, rsn: number, tail: string): number {
    const state = this.#state;
    const sn = ++state.sn;
    const id = clientId === null ? "null" : `"${clientId}"`;
    const json =
      `{"clientId":${id},"sequenceNumber":${sn},"minimumSequenceNumber":${state.msn},` +
      `"clientSequenceNumber":${csn},"referenceSequenceNumber":${rsn},"type":${tail},"timestamp":${state.time}}`;
    this.#ops.push(json);
    this.size += json.length + 1;
    return sn;
  }
}

/** An op as it stands in the log. */
export interface SequencedOp {
  readonly clientId: string | null;
  readonly sequenceNumber: number;
  readonly minimumSequenceNumber: number;
  readonly clientSequenceNumber: number;
  readonly referenceSequenceNumber: number;
  readonly type: string;
  readonly contents: unknown;
  readonly metadata?: unknown;
  readonly timestamp: number;
}

/**
 * Takes the next record of the log: whatever is in it has happened.
 *
 * @throws LogCorrupt if its bytes aren't those that its id was made of.
 */
export function apply(state: DocumentState, record: LogRecord): void {
  const stored = new StoredRecord(record);
  const { header } = stored;
  for (const [clientId, rsn, csn] of header.rsns) {
    const client = state.clients.get(clientId);
    if (client !== undefined) state.moveClient(client, rsn, csn);
  }
  for (const op of stored.ops() as SequencedOp[]) {
    if (op.clientId === null) applySystem(state, op, header.node, header.boot);
    else applyOp(state, op, op.clientId);
    state.sn = op.sequenceNumber;
    state.time = op.timestamp;
    state.setMinimum(op.minimumSequenceNumber);
  }
  state.id = record.id;
}

function applyOp(state: DocumentState, op: SequencedOp, clientId: string): void {
  const { type, contents, metadata, sequenceNumber: sn, clientSequenceNumber: csn } = op;
  const client = state.clients.get(clientId);
  if (client !== undefined) {
    state.moveClient(client, op.referenceSequenceNumber, csn);
    const meta = metadata === undefined ? null : JSON.stringify(metadata);
    state.remember(client, { csn, sn, hash: opHash(type, JSON.stringify(contents), meta) });
  }
  if (type !== SUMMARIZE) return;
  const summary = readSummary(contents);
  if (summary !== null) state.proposal = { handle: summary.handle, sn, rsn: op.referenceSequenceNumber };
}

function applySystem(state: DocumentState, op: SequencedOp, node: string, boot: string): void {
  switch (op.type) {
    case "join": {
      const { clientId, detail } = op.contents as { readonly clientId: string; readonly detail: unknown };
      addClient(state, clientId, detail, node, boot, op.sequenceNumber, op.minimumSequenceNumber);
      break;
    }
    case "leave":
      state.removeClient(op.contents as string);
      break;
    case "summaryAck":
    case "summaryNack": {
      const { proposal } = state;
      state.proposal = null;
      if (op.type === "summaryNack" || proposal === null) break;
      state.summary = { handle: proposal.handle, sequenceNumber: proposal.rsn, proposal: proposal.sn };
      break;
    }
    default:
  }
}

function addClient(
  state: DocumentState,
  clientId: string,
  detail: unknown,
  node: string,
  boot: string,
  sn: number,
  msn: number,
): void {
  state.addClient({ clientId, detail, node, boot, joined: sn, csn: 0, rsn: msn, sn: 0, seen: [] });
}

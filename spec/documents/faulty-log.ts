import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type LogRecord,
  type LogState,
  MemoryOpLog,
  type OpLog,
  OpLogError,
  type Position,
} from "../../lib/documents/index.ts";
import { encodeRecord } from "../../lib/documents/record.ts";
import { Gate, Journal } from "../support/gate.ts";

/**
 * What becomes of an append: it never gets to the log, it gets there but the answer is lost, it waits, or another
 * record is there first.
 */
export type Fault = "fails" | "committed, unanswered" | "hangs" | "beaten";

/** A log that behaves as a spec tells it to, above one that behaves well. */
export class FaultyLog implements OpLog {
  readonly name = "faulty";
  readonly inner: OpLog;
  /** The faults of the next appends, one each. */
  readonly next: Fault[] = [];
  /** The fault of all appends behind those. */
  always: Fault | null = null;
  /** What reading fails with. */
  readFailure: Error | null = null;
  /** The documents whose records come damaged out of the log. */
  readonly damaged = new Set<string>();
  /** The log was set back: it shows nothing above this op. */
  end = Number.POSITIVE_INFINITY;
  /** Each append, when the log was asked: its document and its first and last op. */
  readonly appends = new Journal<readonly [document: string, first: number, last: number]>();
  /** How often the log was read. */
  reads = 0;
  checkpoints = 0;
  #waiting: Gate[] = [];
  #holdingReads: Gate | null = null;
  readonly #holding = new Map<string, Gate>();

  constructor(inner: OpLog = new MemoryOpLog()) {
    this.inner = inner;
  }

  get guarantees() {
    return this.inner.guarantees;
  }

  get maxRecordBytes() {
    return this.inner.maxRecordBytes;
  }

  /** No append comes to an end before what this returns is called. */
  hold(document: string): () => void {
    const gate = new Gate();
    this.#holding.set(document, gate);
    return () => {
      this.#holding.delete(document);
      gate.open();
    };
  }

  /** The same for reads, of all documents. */
  holdReads(): () => void {
    const gate = new Gate();
    this.#holdingReads = gate;
    return () => {
      this.#holdingReads = null;
      gate.open();
    };
  }

  /** Appends that hang go on; later ones are as they should be. */
  recover(): void {
    this.always = null;
    this.next.length = 0;
    for (const gate of this.#waiting.splice(0)) gate.open();
  }

  async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    this.appends.add([name.document, record.first, record.last]);
    await this.#holding.get(name.document)?.promise;
    switch (this.next.shift() ?? this.always) {
      case "fails":
        throw new OpLogError("log_full", "the spec left no space");
      case "committed, unanswered":
        await this.inner.append(name, after, record);
        throw new OpLogError("log_failed", "the spec lost the answer");
      case "hangs": {
        const gate = new Gate();
        this.#waiting.push(gate);
        await gate.promise;
        break;
      }
      case "beaten":
        await this.inner.append(name, after, foreignRecord(after));
    }
    return this.inner.append(name, after, record);
  }

  async state(name: DocumentName): Promise<LogState> {
    await this.#beforeRead();
    return this.inner.state(name);
  }

  async read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    await this.#beforeRead();
    const records = (await this.inner.read(name, after, maxBytes)).filter(({ last }) => last <= this.end);
    return this.damaged.has(name.document) ? records.map(damage) : records;
  }

  async saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    this.checkpoints++;
    if (this.always === "fails") throw new OpLogError("log_full", "the spec left no space");
    return this.inner.saveCheckpoint(name, checkpoint);
  }

  truncate(name: DocumentName, upTo: number): Promise<number> {
    return this.inner.truncate(name, upTo);
  }

  async close(): Promise<void> {
    this.recover();
    for (const gate of this.#holding.values()) gate.open();
    this.#holdingReads?.open();
    await this.inner.close();
  }

  async #beforeRead(): Promise<void> {
    this.reads++;
    await this.#holdingReads?.promise;
    if (this.readFailure !== null) throw this.readFailure;
  }
}

/** A record that another process could have written. */
function foreignRecord(after: Position): LogRecord {
  const op = {
    clientId: null,
    sequenceNumber: after.sn + 1,
    minimumSequenceNumber: 0,
    clientSequenceNumber: -1,
    referenceSequenceNumber: -1,
    type: "noop",
    contents: null,
    timestamp: 0,
  };
  const header = { first: after.sn + 1, node: "another", boot: "another", rsns: [] };
  return encodeRecord(after.id, header, [JSON.stringify(op)]);
}

function damage(record: LogRecord): LogRecord {
  const bytes = Buffer.from(record.bytes);
  bytes[bytes.length - 1] = 0;
  return { ...record, bytes };
}

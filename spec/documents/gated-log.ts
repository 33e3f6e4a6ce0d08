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
import { Gate } from "../support/gate.ts";

/** A log in memory that counts what it is asked, and that a spec holds up, or lets fail. */
export class GatedLog implements OpLog {
  readonly name = "gated";
  readonly inner: MemoryOpLog;
  /** Every call, as `append acme/doc-1`. */
  readonly calls: string[] = [];
  #appends: Gate | null = null;
  #reads: Gate | null = null;
  /** What appends fail with, until it is null. */
  failure: string | null = null;

  constructor(inner = new MemoryOpLog()) {
    this.inner = inner;
  }

  get guarantees() {
    return this.inner.guarantees;
  }

  get maxRecordBytes() {
    return this.inner.maxRecordBytes;
  }

  /** Appends wait from now on. Returns what lets them go on. */
  holdAppends(): () => void {
    const gate = new Gate();
    this.#appends = gate;
    return () => {
      this.#appends = null;
      gate.open();
    };
  }

  /** The same for reads. */
  holdReads(): () => void {
    const gate = new Gate();
    this.#reads = gate;
    return () => {
      this.#reads = null;
      gate.open();
    };
  }

  async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    this.#called("append", name);
    await this.#appends?.promise;
    if (this.failure !== null) throw new OpLogError(this.failure, "the spec lets it fail");
    return this.inner.append(name, after, record);
  }

  async state(name: DocumentName): Promise<LogState> {
    this.#called("state", name);
    await this.#reads?.promise;
    return this.inner.state(name);
  }

  async read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    this.#called("read", name);
    await this.#reads?.promise;
    return this.inner.read(name, after, maxBytes);
  }

  async saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    this.#called("checkpoint", name);
    return this.inner.saveCheckpoint(name, checkpoint);
  }

  async truncate(name: DocumentName, upTo: number): Promise<number> {
    this.#called("truncate", name);
    return this.inner.truncate(name, upTo);
  }

  async close(): Promise<void> {
    await this.inner.close();
  }

  #called(what: string, { tenant, document }: DocumentName): void {
    this.calls.push(`${what} ${tenant}/${document}`);
  }
}

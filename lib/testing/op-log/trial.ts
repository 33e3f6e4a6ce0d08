import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type {
  Checkpoint,
  DocumentName,
  LogRecord,
  LogState,
  OpLog,
  Position,
} from "../../documents/log/op-log.ts";
import { START } from "../../documents/log/op-log.ts";
import { recordId } from "../../documents/record.ts";

/** How the suite gets at a log. */
export interface OpLogHarness {
  /** Opens a log. It may hold documents already: the suite takes names that are its own. */
  readonly open: () => Promise<OpLog> | OpLog;
  /**
   * Opens what a log that is closed by now held. A log whose `guarantees.durability` isn't `memory` must be
   * given this.
   */
  readonly reopen?: (closed: OpLog) => Promise<OpLog> | OpLog;
  /** Changes a byte of the stored record that begins with the op `first`, behind the log's back. */
  readonly corrupt?: (log: OpLog, name: DocumentName, first: number) => Promise<void> | void;
}

export interface Case {
  readonly name: string;
  /** What the harness must have for it. */
  readonly needs?: "reopen" | "corrupt";
  readonly run: (trial: Trial) => Promise<void>;
}

/** One case's log, and what the cases do with it again and again. */
export class Trial {
  readonly harness: OpLogHarness;
  log: OpLog;
  /** In the name of each document of this case, so that no other case has it. */
  readonly unique = randomBytes(6).toString("hex");
  readonly name: DocumentName = { tenant: `tenant-${this.unique}`, document: "document" };
  readonly #opened: Set<OpLog>;

  constructor(harness: OpLogHarness, log: OpLog, opened: Set<OpLog>) {
    this.harness = harness;
    this.log = log;
    this.#opened = opened;
    opened.add(log);
  }

  /** Closes the log, and opens it again. */
  async reopen(): Promise<void> {
    const closed = this.log;
    await closed.close();
    this.#opened.delete(closed);
    assert.ok(this.harness.reopen);
    this.log = await this.harness.reopen(closed);
    this.#opened.add(this.log);
  }

  /** Appends a record that must be committed. */
  async commit(name: DocumentName, after: Position, record: LogRecord): Promise<Position> {
    assert.deepEqual(await this.log.append(name, after, record), { outcome: "committed" });
    return end(record);
  }

  /** Appends records of so many ops each, one after the other. */
  async grow(name: DocumentName, ops: readonly number[], after: Position = START): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    let head = after;
    for (const count of ops) {
      const record = make(head, count);
      head = await this.commit(name, head, record);
      records.push(record);
    }
    return records;
  }

  /** All records above a sequence number, page by page. */
  async all(name: DocumentName, after = 0, maxBytes = 1_000): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (let sn = after; ; ) {
      const page = await this.log.read(name, sn, maxBytes);
      const last = page.at(-1);
      if (last === undefined) return records;
      assert.ok(
        last.last > sn,
        `read above ${sn} ended with op ${last.last}, so it would never come to an end`,
      );
      records.push(...page);
      sn = last.last;
    }
  }

  /** The document holds exactly these records. */
  async holds(name: DocumentName, records: readonly LogRecord[]): Promise<void> {
    same(await this.all(name), records);
    const last = records.at(-1);
    assert.deepEqual((await this.log.state(name)).head, last === undefined ? START : end(last));
  }
}

export function end({ last, id }: LogRecord): Position {
  return { sn: last, id };
}

/** A record of `ops` ops behind `after`, with bytes of its own, which needn't be those of ops. */
export function make(after: Position, ops = 1, bytes: Uint8Array = randomBytes(24)): LogRecord {
  return { id: recordId(after.id, bytes), prev: after.id, first: after.sn + 1, last: after.sn + ops, bytes };
}

/** Compares records with plain bytes, whatever kind of array they are in. */
export function same(actual: readonly LogRecord[], expected: readonly LogRecord[]): void {
  assert.deepEqual(actual.map(plain), expected.map(plain));
}

function plain({ id, prev, first, last, bytes }: LogRecord): object {
  return { id, prev, first, last, bytes: hex(bytes) };
}

export function sameState(actual: LogState, expected: LogState): void {
  const { head, floor, checkpoint } = actual;
  assert.deepEqual(
    { head, floor, checkpoint: checkpoint && plainCheckpoint(checkpoint) },
    { ...expected, checkpoint: expected.checkpoint && plainCheckpoint(expected.checkpoint) },
  );
}

function plainCheckpoint({ sn, id, bytes }: Checkpoint): object {
  return { sn, id, bytes: hex(bytes) };
}

function hex(bytes: Uint8Array): string {
  assert.ok(bytes instanceof Uint8Array, "bytes must be a Uint8Array");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** A call rejects with the code. */
export async function rejects(call: Promise<unknown>, code: string): Promise<Error & { floor?: number }> {
  const error = await call.then(
    (value) => assert.fail(`it must reject with ${code}, and resolved to ${show(value)}`),
    (cause: Error & { code?: string }) => cause,
  );
  if (error instanceof assert.AssertionError) throw error;
  assert.equal(error.code, code, `it must reject with ${code}, and did with ${error.code}: ${error.message}`);
  return error;
}

function show(value: unknown): string {
  return Array.isArray(value) ? `${value.length} items` : JSON.stringify(value);
}

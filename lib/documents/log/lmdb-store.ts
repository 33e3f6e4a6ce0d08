import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RootDatabase } from "lmdb";
import { checkLink, checkSum, endOf, isAt } from "./chain.ts";
import { flush, makeDirectory } from "./lmdb-files.ts";
import {
  checkpointSn,
  decodeCheckpoint,
  decodeValue,
  encodePosition,
  encodeValue,
  FORMAT,
  FORMAT_KEY,
  NEXT_KEY,
  nameKey,
  numberValue,
  openTables,
  POSITION,
  pairKey,
  readNumber,
  STATE,
  secondOf,
  type Tables,
  TOUCHED_KEY,
} from "./lmdb-tables.ts";
import type { Answer, ReadCall, WriteCall } from "./lmdb-wire.ts";
import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type LogRecord,
  type LogState,
  LogTruncated,
  OpLogError,
  type Position,
  START,
} from "./op-log.ts";

type Open = typeof import("lmdb").open;

/** What is known of a document without asking the engine: the only process that writes it is this one. */
interface Known {
  readonly number: number;
  head: Position;
}

/** How many documents are known at most. */
const MAX_KNOWN = 50_000;

/** How many records one transaction removes: others wait for it. */
const MAX_REMOVED = 1_000;

/** Truncating isn't done yet: call it again. */
export const AGAIN = Symbol("again");

/** The documents in an LMDB environment. All calls are synchronous: this lives on a thread of its own. */
export class LmdbStore {
  readonly #env: RootDatabase;
  readonly #path: string;
  readonly #tables: Tables;
  readonly #known = new Map<string, Known>();

  /** @throws what the engine throws; OpLogError (`log_failed`) for a directory of another format. */
  constructor(open: Open, path: string, mapSize: number) {
    this.#path = path;
    this.#env = open({
      path,
      // Else a directory with a dot in its name is taken for a file.
      noSubdir: false,
      mapSize,
      maxDbs: 4,
      encoding: "binary",
      keyEncoding: "binary",
      // By default lmdb answers when the system has the data, and flushes later.
      overlappingSync: false,
    });
    this.#tables = openTables(this.#env);
    this.#checkFormat();
    this.#flush();
  }

  /** Runs a function while no other process, and no other thread, can do so. */
  exclusively<T>(run: () => T): T {
    return this.#env.transactionSync(run);
  }

  /**
   * Carries out calls in one transaction. When this returns, it is on the disk.
   *
   * @returns What each comes to: a value, {@link AGAIN}, or its own error.
   * @throws what the engine throws; then none of the calls changed anything.
   */
  write(calls: readonly WriteCall[]): (Answered | typeof AGAIN)[] {
    try {
      return this.#env.transactionSync(() => calls.map((call) => this.#apply(call)));
    } catch (error) {
      // Heads that were never written may be among them.
      this.#known.clear();
      throw error;
    }
  }

  /** Commits something, and with it all that the environment shows. */
  touch(): void {
    const { meta } = this.#tables;
    this.#env.transactionSync(() => {
      const count = meta.getBinary(TOUCHED_KEY);
      meta.putSync(TOUCHED_KEY, numberValue(count === undefined ? 1 : readNumber(count) + 1));
    });
  }

  state(name: DocumentName): LogState {
    const known = this.#find(name);
    if (known === null) return { head: START, floor: 0, checkpoint: null };
    const { number } = known;
    const last = this.#recordUpTo(name, number, known.head.sn);
    if (last !== null) checkSum(name, last);
    return {
      head: last === null ? START : endOf(last),
      floor: this.#floor(name, number),
      checkpoint: this.#checkpoint(name, number),
    };
  }

  /** @throws LogTruncated, LogCorrupt */
  read({ name, after, maxBytes }: ReadCall & { kind: "read" }): LogRecord[] {
    const known = this.#find(name);
    if (known === null) return [];
    const { number } = known;
    const before = after === 0 ? null : this.#recordUpTo(name, number, after);
    let end = before && endOf(before);
    const page: LogRecord[] = [];
    let bytes = 0;
    const range = { start: pairKey(number, after + 1), end: pairKey(number + 1, 0) };
    for (const { key, value } of this.#tables.records.getRange(range)) {
      const record = decodeValue(name, secondOf(key), value);
      if (page.length === 0 && before === null && record.first > after + 1) {
        throw new LogTruncated(record.first - 1);
      }
      bytes += record.bytes.length;
      if (page.length > 0 && bytes > maxBytes) break;
      checkLink(name, end, record);
      end = endOf(record);
      page.push(record);
    }
    return page;
  }

  /** Copies the environment as it is now, without its free pages. Others go on meanwhile. */
  async backup(path: string): Promise<void> {
    makeDirectory(path);
    // LMDB would refuse it too, and not say what is there.
    const [found] = readdirSync(path);
    if (found !== undefined) throw new Error(`the directory holds ${found} already, it must be empty`);
    try {
      await this.#env.backup(path, true);
      flush(join(path, "data.mdb"));
    } catch (error) {
      rmSync(join(path, "data.mdb"), { force: true });
      throw error;
    }
    flush(path);
  }

  async close(): Promise<void> {
    await this.#env.close();
  }

  #apply(call: WriteCall): Answered | typeof AGAIN {
    try {
      switch (call.kind) {
        case "append":
          return { value: this.#append(call.name, call.after, call.record) };
        case "checkpoint":
          this.#saveCheckpoint(call.name, call.checkpoint);
          return { value: undefined };
        case "truncate": {
          const floor = this.#truncate(call.name, call.upTo);
          return floor === AGAIN ? AGAIN : { value: floor };
        }
      }
    } catch (error) {
      // It concerns this document alone, and comes before anything is written for it.
      if (error instanceof OpLogError) return { error };
      throw error;
    }
  }

  #append(name: DocumentName, after: Position, record: LogRecord): Appended {
    const found = this.#find(name);
    const head = found?.head ?? START;
    const end = endOf(record);
    if (isAt(head, end)) return { outcome: "committed" };
    if (!isAt(head, after)) return { outcome: "conflict", head };
    checkSum(name, record);
    const known = found ?? this.#create(name);
    this.#tables.records.putSync(pairKey(known.number, record.last), encodeValue(record));
    known.head = end;
    return { outcome: "committed" };
  }

  #saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): void {
    const { number } = this.#find(name) ?? this.#create(name);
    const { checkpoints } = this.#tables;
    const position = pairKey(number, POSITION);
    if (checkpointSn(checkpoints.getBinary(position)) > checkpoint.sn) return;
    checkpoints.putSync(position, encodePosition(checkpoint));
    checkpoints.putSync(pairKey(number, STATE), Buffer.from(checkpoint.bytes));
  }

  #truncate(name: DocumentName, upTo: number): number | typeof AGAIN {
    const known = this.#find(name);
    if (known === null) return 0;
    const { number, head } = known;
    const { records, checkpoints } = this.#tables;
    // The last record stays: the next one has to follow it.
    const cut = Math.min(upTo, checkpointSn(checkpoints.getBinary(pairKey(number, POSITION))), head.sn - 1);
    if (cut > 0) {
      const range = { start: pairKey(number, 0), end: pairKey(number, cut + 1), limit: MAX_REMOVED };
      const keys = [...records.getKeys(range)];
      for (const key of keys) records.removeSync(key);
      if (keys.length === MAX_REMOVED) return AGAIN;
    }
    return this.#floor(name, number);
  }

  #find(name: DocumentName): Known | null {
    const key = nameKey(name);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const value = this.#tables.names.getBinary(Buffer.from(key));
    if (value === undefined) return null;
    const number = readNumber(value);
    const last = this.#recordUpTo(name, number, Number.MAX_SAFE_INTEGER);
    return this.#remember(key, { number, head: last === null ? START : endOf(last) });
  }

  #create(name: DocumentName): Known {
    const { names, meta } = this.#tables;
    const key = nameKey(name);
    const next = meta.getBinary(NEXT_KEY);
    const number = next === undefined ? 1 : readNumber(next);
    meta.putSync(NEXT_KEY, numberValue(number + 1));
    names.putSync(Buffer.from(key), numberValue(number));
    return this.#remember(key, { number, head: START });
  }

  #remember(key: string, known: Known): Known {
    if (this.#known.size >= MAX_KNOWN) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(key, known);
    return known;
  }

  /** The last record that ends at or before a sequence number. */
  #recordUpTo(name: DocumentName, number: number, sn: number): LogRecord | null {
    const range = { start: pairKey(number, sn), end: pairKey(number, 0), reverse: true, limit: 1 };
    for (const { key, value } of this.#tables.records.getRange(range)) {
      return decodeValue(name, secondOf(key), value);
    }
    return null;
  }

  #floor(name: DocumentName, number: number): number {
    const range = { start: pairKey(number, 0), end: pairKey(number + 1, 0), limit: 1 };
    for (const { key, value } of this.#tables.records.getRange(range)) {
      return decodeValue(name, secondOf(key), value).first - 1;
    }
    return 0;
  }

  #checkpoint(name: DocumentName, number: number): Checkpoint | null {
    const { checkpoints } = this.#tables;
    const position = checkpoints.getBinary(pairKey(number, POSITION));
    if (position === undefined) return null;
    return decodeCheckpoint(name, position, checkpoints.getBinary(pairKey(number, STATE)));
  }

  #checkFormat(): void {
    const { meta } = this.#tables;
    const stored = meta.getBinary(FORMAT_KEY);
    if (stored === undefined) {
      meta.putSync(FORMAT_KEY, numberValue(FORMAT));
      return;
    }
    const format = readNumber(stored);
    if (format === FORMAT) return;
    throw new OpLogError(
      "log_failed",
      `the log in ${this.#path} has the format ${format}, this version reads ${FORMAT}: update the library`,
    );
  }

  /**
   * What a process wrote that was killed may have reached the system, but not the disk: it is there to be read, so
   * it must last.
   */
  #flush(): void {
    flush(join(this.#path, "data.mdb"));
    flush(this.#path);
  }
}

type Answered = Exclude<Answer, { failure: unknown }> | { readonly error: OpLogError };

import { createRequire } from "node:module";
import { resolve } from "node:path";
import type { Worker } from "node:worker_threads";
import { ConfigError, describe } from "../../errors.ts";
import { checkOptions, integer, type OptionCheck } from "../../options.ts";
import { checkRecord, MAX_RECORD_BYTES } from "./chain.ts";
import { startThread } from "./lmdb-thread.ts";
import {
  type Answer,
  type Call,
  type Calls,
  type Failure,
  type FromWorker,
  Parcel,
  type WorkerData,
} from "./lmdb-wire.ts";
import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type Guarantees,
  LogCorrupt,
  type LogRecord,
  type LogState,
  LogTruncated,
  type OpLog,
  OpLogError,
  type Position,
} from "./op-log.ts";

export interface LmdbOpLogOptions {
  /** The directory that holds the log, made if it isn't there. One process may have it open at a time. */
  readonly path: string;
  /** The most bytes that one record may have. @default 16 MiB */
  readonly maxRecordBytes?: number;
  /**
   * The bytes of address space that are mapped at the start. It takes neither disk nor memory, limits nothing, and
   * grows by itself. @default 16 GiB
   */
  readonly mapSize?: number;
}

const MAP_SIZE = 16 * 1024 ** 3;
const MIN_MAP_SIZE = 1024 ** 2;
const MAX_RECORD = 1024 ** 3;

/** Options of lmdb's that this can't have: with them, `committed` would be answered for what isn't on the disk. */
const UNSAFE: readonly string[] = ["noSync", "noMetaSync", "useWritemap", "mapAsync", "overlappingSync"];

/** How many calls of one turn go into one message. */
const MAX_WAITING = 512;

/** Who waits for an answer. */
interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Documents in a directory of this machine, by LMDB. An append is answered when it is flushed to the disk; one flush
 * serves all documents that wait for it. Needs the package `lmdb`.
 *
 * ```ts
 * const log = new LmdbOpLog({ path: "./data" });
 * await log.ready();
 * ```
 */
export class LmdbOpLog implements OpLog {
  readonly name = "lmdb";
  readonly guarantees: Guarantees = Object.freeze({ durability: "power", failover: "none", shared: false });
  readonly maxRecordBytes: number;
  /** The directory, in full. */
  readonly path: string;
  readonly #worker: Worker;
  readonly #ready: Promise<void>;
  readonly #exited: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #queue: Call[] = [];
  #next = 1;
  /** Why no call is taken any more. */
  #over: Failure | null = null;
  #closed: Promise<void> | null = null;

  /**
   * Starts to open the directory: calls wait for that, and fail if it fails.
   *
   * @throws ConfigError (`unknown_option`, `invalid_option`); OpLogError (`log_failed`) if `lmdb` isn't installed.
   */
  constructor(options: LmdbOpLogOptions) {
    refuseUnsafe(options);
    const checked = checkOptions<LmdbOpLogOptions>(
      options,
      {
        path: directory,
        maxRecordBytes: integer(1, "bytes", MAX_RECORD),
        mapSize: integer(MIN_MAP_SIZE, "bytes"),
      },
      "new LmdbOpLog",
    );
    this.path = resolve(checked.path ?? directory(undefined, "new LmdbOpLog: path"));
    this.maxRecordBytes = checked.maxRecordBytes ?? MAX_RECORD_BYTES;
    mustBeInstalled();
    const workerData: WorkerData = { path: this.path, mapSize: checked.mapSize ?? MAP_SIZE };
    this.#worker = startThread({ name: "lmdb", workerData });
    let opened: (failure: Failure | null) => void = () => {};
    this.#ready = new Promise((done, fail) => {
      opened = (failure) => (failure === null ? done() : fail(errorOf(failure)));
    });
    // Who calls nothing needn't hear of it; who does is told by each call.
    this.#ready.catch(() => {});
    this.#exited = new Promise((done) => this.#worker.once("exit", () => done()));
    this.#worker.on("message", (message: FromWorker) => {
      if ("answers" in message) return this.#settle(message.answers);
      if (message.opened !== null) this.#end(message.opened);
      opened(message.opened);
    });
    this.#worker.on("error", (cause: Error) => {
      const failure = this.#died(cause);
      this.#end(failure);
      opened(failure);
    });
    this.#worker.once("exit", () => {
      const failure = this.#died();
      this.#end(failure);
      opened(failure);
    });
    this.#worker.unref();
  }

  /**
   * Resolves when the directory is open. Nobody needs to wait for it: it lets an app fail at its start.
   *
   * @throws by rejection: OpLogError (`log_in_use`, `log_full`, `log_failed`)
   */
  ready(): Promise<void> {
    this.#worker.ref();
    return this.#ready.finally(() => this.#rest());
  }

  async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    checkRecord(name, after, record, this.maxRecordBytes);
    return await this.#call({ kind: "append", name, after, record });
  }

  state(name: DocumentName): Promise<LogState> {
    return this.#call({ kind: "state", name });
  }

  read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    return this.#call({ kind: "read", name, after, maxBytes });
  }

  saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    return this.#call({ kind: "checkpoint", name, checkpoint });
  }

  truncate(name: DocumentName, upTo: number): Promise<number> {
    return this.#call({ kind: "truncate", name, upTo });
  }

  /**
   * Copies the log as it is now into another directory, which a log can then be opened on. Others go on writing
   * meanwhile; the file grows a little more than else, until the copy is done.
   *
   * @param path A directory that isn't there, or is empty.
   * @throws by rejection: OpLogError (`log_full`, `log_failed`); ConfigError (`invalid_argument`)
   */
  async backup(path: string): Promise<void> {
    if (typeof path !== "string" || path === "") {
      throw new ConfigError(
        "invalid_argument",
        `backup takes the path of a directory, got ${describe(path)}`,
      );
    }
    await this.#call({ kind: "backup", path: resolve(path) });
  }

  /** Waits for what was called before, and lets go of the directory. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#worker.ref();
    if (this.#over === null) {
      this.#over = { code: "log_closed", message: `the log in ${this.path} is closed` };
      this.#flush(true);
    }
    await this.#exited;
  }

  #call<T>(call: Call): Promise<T> {
    if (this.#over !== null) return Promise.reject(errorOf(this.#over));
    return new Promise<T>((resolve, reject) => {
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(this.#next++, { resolve, reject });
      // All that is called in this turn goes in one message, unless it is much: then the thread begins meanwhile.
      const waiting = this.#queue.push(call);
      if (waiting === MAX_WAITING) this.#flush(false);
      else if (waiting === 1) setImmediate(() => this.#flush(false));
    });
  }

  #flush(close: boolean): void {
    const calls = this.#queue;
    if (calls.length === 0 && !close) return;
    this.#queue = [];
    const parcel = new Parcel();
    const packed = calls.map((call) => pack(parcel, call));
    const transfer = parcel.close();
    const message: Calls = { first: this.#next - calls.length, calls: packed, close };
    this.#worker.postMessage(message, transfer);
  }

  #settle(answers: readonly (readonly [n: number, answer: Answer])[]): void {
    for (const [n, answer] of answers) {
      const pending = this.#pending.get(n);
      if (pending === undefined) continue;
      this.#pending.delete(n);
      if ("failure" in answer) pending.reject(errorOf(answer.failure));
      else pending.resolve(answer.value as never);
    }
    this.#rest();
  }

  /** A log that has nothing to do doesn't keep the process alive. */
  #rest(): void {
    if (this.#pending.size === 0 && this.#closed === null) this.#worker.unref();
  }

  /** Takes no more calls. Those under way may have been carried out, or not. */
  #end(failure: Failure): void {
    this.#over ??= failure;
    this.#queue = [];
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of waiting) reject(errorOf(failure));
  }

  #died(cause?: Error): Failure {
    const why = cause === undefined ? "" : `: ${cause.message}`;
    return {
      code: "log_failed",
      message: `the thread of the log in ${this.path} ended${why}. Open another LmdbOpLog, or restart the process`,
      cause: cause && { message: cause.message },
    };
  }
}

/** The call with its bytes in a parcel. */
function pack(parcel: Parcel, call: Call): Call {
  if (call.kind === "append") {
    const packed = { ...call, record: { ...call.record } };
    parcel.add(call.record.bytes, (bytes) => {
      packed.record.bytes = bytes;
    });
    return packed;
  }
  if (call.kind !== "checkpoint") return call;
  const packed = { ...call, checkpoint: { ...call.checkpoint } };
  parcel.add(call.checkpoint.bytes, (bytes) => {
    packed.checkpoint.bytes = bytes;
  });
  return packed;
}

function errorOf({ code, message, floor, cause }: Failure): OpLogError {
  if (floor !== undefined) return new LogTruncated(floor);
  if (code === "log_corrupt") return new LogCorrupt(message);
  if (cause === undefined) return new OpLogError(code, message);
  const error = Object.assign(new Error(cause.message), cause.code === undefined ? {} : { code: cause.code });
  return new OpLogError(code, message, { cause: error });
}

const directory: OptionCheck<string> = (value, name) => {
  if (typeof value === "string" && value !== "") return value;
  throw new ConfigError("invalid_option", `${name} must be the path of a directory, got ${describe(value)}`);
};

function refuseUnsafe(options: unknown): void {
  if (typeof options !== "object" || options === null) return;
  const found = UNSAFE.find((name) => (options as Record<string, unknown>)[name] !== undefined);
  if (found === undefined) return;
  throw new ConfigError(
    "invalid_option",
    `new LmdbOpLog: ${found} can't be set: an append is answered when it is on the disk, always`,
  );
}

function mustBeInstalled(): void {
  try {
    createRequire(import.meta.url).resolve("lmdb");
  } catch (cause) {
    throw new OpLogError("log_failed", "LmdbOpLog needs the package lmdb: npm install lmdb", { cause });
  }
}

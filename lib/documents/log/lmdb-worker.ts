import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { toFailure } from "./lmdb-failure.ts";
import { makeDirectory } from "./lmdb-files.ts";
import { DirectoryLock } from "./lmdb-lock.ts";
import { AGAIN, LmdbStore } from "./lmdb-store.ts";
import {
  type Answer,
  type Call,
  type Calls,
  type Failure,
  type FromWorker,
  Parcel,
  type WorkerData,
  type WriteCall,
} from "./lmdb-wire.ts";
import type { LogRecord, LogState } from "./op-log.ts";

type Numbered<T> = readonly [n: number, call: T];
type Answers = [n: number, answer: Answer][];

/** The thread's end of an LMDB log. */
class LmdbWorker {
  readonly #port: MessagePort;
  readonly #path: string;
  readonly #lock: DirectoryLock;
  readonly #open: () => LmdbStore;
  #store: LmdbStore;
  /** Truncations that go on in the next batch, behind what others want. */
  #unfinished: Numbered<WriteCall>[] = [];
  #backups: Promise<void> = Promise.resolve();

  static async start(port: MessagePort, { path, mapSize }: WorkerData): Promise<LmdbWorker> {
    const directory = makeDirectory(path);
    const lock = new DirectoryLock(directory, path);
    // Before anything is opened, which is quicker; and again by `take`.
    if (process.platform !== "win32") await lock.probe();
    const { open } = await import("lmdb");
    const openStore = () => new LmdbStore(open, directory, mapSize);
    const store = openStore();
    try {
      await lock.take((run) => store.exclusively(run));
    } catch (error) {
      await store.close();
      throw error;
    }
    return new LmdbWorker(port, path, lock, openStore, store);
  }

  private constructor(
    port: MessagePort,
    path: string,
    lock: DirectoryLock,
    open: () => LmdbStore,
    store: LmdbStore,
  ) {
    this.#port = port;
    this.#path = path;
    this.#lock = lock;
    this.#open = open;
    this.#store = store;
    port.on("message", (message: Calls) => this.#take(message));
  }

  /** Takes all that has been sent by now as one batch. */
  #take(message: Calls): void {
    const writes: Numbered<WriteCall>[] = this.#unfinished;
    const others: Numbered<Call>[] = [];
    this.#unfinished = [];
    let isLast = false;
    for (let next: Calls | undefined = message; next !== undefined; next = this.#receive()) {
      for (const [i, call] of next.calls.entries()) {
        const n = next.first + i;
        if (call.kind === "append" || call.kind === "checkpoint" || call.kind === "truncate") {
          writes.push([n, call]);
        } else {
          others.push([n, call]);
        }
      }
      if (next.close) isLast = true;
    }
    do {
      this.#send(this.#write(writes.splice(0)));
      // The last batch has no other behind it.
      if (isLast) writes.push(...this.#unfinished.splice(0));
    } while (writes.length > 0);
    this.#send(this.#read(others));
    if (this.#unfinished.length > 0) setImmediate(() => this.#continue());
    if (isLast) void this.#close();
  }

  #continue(): void {
    if (this.#unfinished.length > 0) this.#take({ first: 0, calls: [], close: false });
  }

  #receive(): Calls | undefined {
    return (receiveMessageOnPort(this.#port) as { message: Calls } | undefined)?.message;
  }

  #write(writes: readonly Numbered<WriteCall>[]): Answers {
    if (writes.length === 0) return [];
    try {
      const results = this.#store.write(writes.map(([, call]) => call));
      const answers: Answers = [];
      for (const [i, write] of writes.entries()) {
        const result = results[i];
        if (result === AGAIN) this.#unfinished.push(write);
        else if (result !== undefined) {
          answers.push([write[0], "error" in result ? { failure: this.#failure(result.error) } : result]);
        }
      }
      return answers;
    } catch (error) {
      this.#recover();
      // One that can't be written must not be what fails the others.
      if (writes.length > 1) return writes.flatMap((write) => this.#write([write]));
      const failure = this.#failure(error, writes[0]?.[1]);
      return writes.map(([n]) => [n, { failure }]);
    }
  }

  #read(calls: readonly Numbered<Call>[]): Answers {
    const answers: Answers = [];
    for (const [n, call] of calls) {
      try {
        if (call.kind === "state") answers.push([n, { value: this.#store.state(call.name) }]);
        else if (call.kind === "read") answers.push([n, { value: this.#store.read(call) }]);
        else if (call.kind === "backup") this.#backup(n, call);
      } catch (error) {
        answers.push([n, { failure: this.#failure(error, call) }]);
      }
    }
    return answers;
  }

  #backup(n: number, call: Call & { kind: "backup" }): void {
    this.#backups = this.#backups.then(async () => {
      const answer = await this.#store.backup(call.path).then(
        () => ({ value: undefined }),
        (error: unknown) => ({ failure: this.#failure(error, call) }),
      );
      this.#send([[n, answer]]);
    });
  }

  /**
   * LMDB refuses all more once the last step of a commit has failed. Opened again, it may show what that commit
   * wrote and didn't flush: so something is committed before anybody sees it.
   *
   * @throws what the engine throws: then the thread ends.
   */
  #recover(): void {
    try {
      this.#store.exclusively(() => {});
    } catch {
      void this.#store.close();
      this.#store = this.#open();
      this.#store.touch();
    }
  }

  #send(answers: Answers): void {
    if (answers.length === 0) return;
    const parcel = new Parcel();
    for (const [, answer] of answers) if ("value" in answer) packValue(parcel, answer.value);
    const transfer = parcel.close();
    this.#port.postMessage({ answers } satisfies FromWorker, transfer);
  }

  async #close(): Promise<void> {
    await this.#backups;
    await this.#store.close();
    this.#lock.release();
    this.#port.close();
  }

  #failure(error: unknown, call?: Call): Failure {
    return toFailure(error, this.#path, call);
  }
}

/** Moves the bytes of a state or of records into a parcel. */
function packValue(parcel: Parcel, value: unknown): void {
  const holders = Array.isArray(value)
    ? (value as LogRecord[])
    : [(value as LogState | undefined)?.checkpoint];
  for (const holder of holders as ({ bytes: Uint8Array } | null | undefined)[]) {
    if (holder)
      parcel.add(holder.bytes, (view) => {
        holder.bytes = view;
      });
  }
}

if (parentPort !== null) {
  const data = workerData as WorkerData;
  const port = parentPort;
  try {
    await LmdbWorker.start(port, data);
    port.postMessage({ opened: null } satisfies FromWorker);
  } catch (error) {
    port.postMessage({ opened: toFailure(error, data.path) } satisfies FromWorker);
    port.close();
  }
}

import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** How a process is started. */
export interface ChildOptions {
  readonly args?: readonly string[];
  /** Options for node, such as `--expose-gc`. */
  readonly execArgv?: readonly string[];
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

type Handlers = Readonly<Record<string, (data: never) => unknown>>;

/** A process of its own for a server or a load generator, which is asked over IPC. */
export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #asked = 0;
  #stopping = false;
  /** Resolves, with a text for people, if the process ends without having been told to. */
  readonly died: Promise<string>;

  /** @param file A script that calls {@link answerParent}. */
  constructor(file: URL, { args = [], execArgv = [] }: ChildOptions = {}) {
    this.#name = fileURLToPath(file).split("/").at(-1) ?? "";
    this.#process = fork(file, args, {
      execArgv: ["--import", import.meta.resolve("tsx"), ...execArgv],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`${this.#name}: ${error}`));
    });
    this.died = new Promise((resolve) => {
      this.#process.on("exit", (code, signal) => {
        const text = `${this.#name} ended with ${signal ?? `exit code ${code}`}`;
        if (!this.#stopping) resolve(text);
        for (const { reject } of this.#waiting.values()) reject(new Error(text));
        this.#waiting.clear();
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  ask<T = void>(request: string, data?: unknown): Promise<T> {
    const id = ++this.#asked;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, request, data }, (error) => {
        if (error !== null) reject(error);
      });
    }) as Promise<T>;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once("exit", resolve));
    // The child exits by itself when its parent is gone, and writes its profile if it keeps one.
    if (this.#process.connected) this.#process.disconnect();
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(kill);
  }
}

/** The other side: answers the parent's requests, until the parent is gone. */
export function answerParent(handlers: Handlers): void {
  process.on("message", async ({ id, request, data }: { id: number; request: string; data: never }) => {
    let answer: Answer;
    try {
      const handler = handlers[request];
      if (handler === undefined) throw new Error(`unknown request ${request}`);
      answer = { id, value: await handler(data) };
    } catch (error) {
      answer = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    process.send?.(answer);
  });
  process.on("disconnect", () => process.exit());
}

/** What a process has used, and when it said so: two of them make a window. */
export interface Usage {
  /** Milliseconds, on the process's own clock. */
  readonly at: number;
  /** CPU of all its threads, in microseconds, and the part of it that wasn't the kernel's. */
  readonly cpu: number;
  readonly user: number;
  /** Milliseconds that its main thread was ready to run and got no core; 0 where the system doesn't say. */
  readonly waited: number;
}

/** What a process holds, in bytes, after its garbage is collected (it needs `--expose-gc`). */
export interface Memory {
  readonly heap: number;
  readonly rss: number;
}

export function memory(): Memory {
  // The second run frees what the first one's finalizers let go.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpu: user + system, user, waited: waited() };
}

/** Linux counts, for each thread, nanoseconds on a core, nanoseconds of waiting for one, and turns. */
function waited(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1] ?? 0) / 1e6;
  } catch {
    return 0;
  }
}

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Context } from "mocha";
import { afterTest } from "../../support/teardown.ts";

const WRITER = fileURLToPath(new URL("./writer.ts", import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** A process that writes to a log, and what it has said. */
export class Writer {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #waiting = new Set<() => void>();

  /** @param before What the process is run by, such as strace. */
  constructor(
    path: string,
    documents: number,
    appends = Number.POSITIVE_INFINITY,
    before: readonly string[] = [],
  ) {
    const own = [process.execPath, "--import", TSX, WRITER, path, String(documents), String(appends)];
    const [command = "", ...args] = [...before, ...own];
    const env = { ...process.env, NODE_OPTIONS: "" };
    this.#child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.#closed = once(this.#child, "close").then(() => this.#wake());
    afterTest(() => this.kill());
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("there is no pipe");
    createInterface(stdout).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
  }

  /** Waits until it has said so many lines. */
  async says(count: number): Promise<void> {
    while (this.lines.length < count) {
      if (this.#child.exitCode !== null) throw new Error(`it ended, and said ${this.lines.join(", ")}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Waits for its end. */
  async end(): Promise<readonly string[]> {
    await this.#closed;
    return this.lines;
  }

  /** As when the power is cut: it gets no say in it. */
  async kill(): Promise<readonly string[]> {
    this.#child.kill("SIGKILL");
    return await this.end();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Skips a test for which the machine lacks something; where all must be there, it fails. */
export function needs(test: Context, what: string, isThere: boolean): void {
  if (isThere) return;
  if (process.env.REQUIRE_SERVICES === "1") throw new Error(`this needs ${what}`);
  test.skip();
}

export function hasCommand(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

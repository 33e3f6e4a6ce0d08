import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import type { Socket, SocketOptions } from "phoenix";
import { officialClient, TRANSPORTS } from "../support/official-client.ts";
import { afterTest } from "../support/teardown.ts";
import { ROOT } from "./markdown.ts";

const require = createRequire(import.meta.url);

/** Builds the library if it isn't built, or if its source has changed since. */
function ensureBuilt(): void {
  const built = join(ROOT, "dist", "index.js");
  if (!existsSync(built)) {
    execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: "pipe" });
    return;
  }
  const lib = join(ROOT, "lib");
  const isFresh = () => {
    const builtAt = statSync(built).mtimeMs;
    const files = readdirSync(lib, { recursive: true, encoding: "utf8" });
    return files.every((name) => statSync(join(lib, name)).mtimeMs <= builtAt);
  };
  if (isFresh()) return;
  try {
    // In place, where `npm run build` would take the files from under who is using them.
    runCompiler(["-p", join(ROOT, "tsconfig.build.json")], ROOT);
  } catch (error) {
    // Wrong types are for the type checker to report: tsc has written its output all the same.
    if (!isFresh()) throw error;
  }
}

/** Runs tsc; what it reports is in the error that this throws. */
export function runCompiler(args: readonly string[], cwd: string): void {
  const compiler = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  try {
    execFileSync(process.execPath, [compiler, "--pretty", "false", ...args], { cwd, stdio: "pipe" });
  } catch (cause) {
    throw new Error(`tsc ${args.join(" ")}:\n${(cause as { stdout?: Buffer }).stdout}`, { cause });
  }
}

/** A directory in which the library is installed as an app has it; removed after the test. */
export async function workshop(packages: readonly string[] = []): Promise<string> {
  ensureBuilt();
  const directory = await mkdtemp(join(tmpdir(), "phoenix-channels-docs-"));
  afterTest(() => rm(directory, { recursive: true, force: true }));
  // A package of its own, whatever the directories above it hold.
  await writeFile(join(directory, "package.json"), "{}");
  const modules = join(directory, "node_modules");
  await mkdir(modules);
  await symlink(ROOT, join(modules, "phoenix-channels-server"), "junction");
  for (const name of packages)
    await symlink(join(ROOT, "node_modules", name), join(modules, name), "junction");
  return directory;
}

/** A process of node, and the lines that it prints. */
export class Running {
  readonly child: ChildProcess;
  readonly #printed: string[] = [];
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on("line", (line) => {
        this.#printed.push(line);
        this.#wake();
      });
    }
    child.once("close", () => {
      this.#over = true;
      this.#wake();
    });
  }

  /** The first line, printed or still to come, that matches. Rejects if the process ends without one. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.#printed) {
        const match = pattern.exec(line);
        if (match !== null) return match;
      }
      if (this.#over) throw new Error(`it ended without ${pattern}; it printed:\n${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Lines that match the patterns, one behind the other, printed or still to come. */
  async lines(patterns: readonly RegExp[]): Promise<void> {
    const isHere = (start: number) =>
      patterns.every((pattern, i) => pattern.test(this.#printed[start + i] ?? ""));
    for (;;) {
      if (this.#printed.some((_line, start) => isHere(start))) return;
      if (this.#over) throw new Error(`it ended without ${patterns.join("\n")}; it printed:\n${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** All that it has printed by now. */
  get text(): string {
    return this.#printed.join("\n");
  }

  /** The port of the address that a server prints when it listens. */
  async port(): Promise<number> {
    return Number((await this.line(/127\.0\.0\.1:(\d+)/))[1]);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** Runs a program by node, on a port that the system picks; ended after the test. */
export async function run(directory: string, file: string, program: string): Promise<Running> {
  await writeFile(join(directory, file), program);
  const loader = file.endsWith("ts") ? ["--import", pathToFileURL(require.resolve("tsx")).href] : [];
  const child = spawn(process.execPath, [...loader, file], {
    cwd: directory,
    env: { ...process.env, NODE_OPTIONS: "", PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  afterTest(async () => {
    child.kill();
    await exited;
  });
  return new Running(child);
}

/** Connects the official client, as a browser would. */
export function connectClient(port: number, options: SocketOptions = {}): Socket {
  const [webSocket] = TRANSPORTS;
  if (webSocket === undefined) throw new Error("there is no transport");
  const socket = officialClient(webSocket, `ws://127.0.0.1:${port}/socket`, options);
  socket.connect();
  return socket;
}

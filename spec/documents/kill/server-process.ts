import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterTest } from "../../support/teardown.ts";
import { SECRET } from "../served.ts";

const SERVER = fileURLToPath(new URL("./server.ts", import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

/** A server of documents in a process of its own. */
export class ServerProcess {
  /** For raw clients: ws://…/socket/websocket */
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  /** Of the server itself, whatever it is run by. */
  readonly #pid: number;

  private constructor(child: ChildProcess, closed: Promise<unknown>, port: string, pid: number) {
    this.#child = child;
    this.#closed = closed;
    this.#pid = pid;
    this.url = `ws://127.0.0.1:${port}/socket/websocket`;
  }

  /**
   * Resolves when it listens.
   *
   * @param before What it is run by, such as strace.
   */
  static async start(path: string, before: readonly string[] = []): Promise<ServerProcess> {
    const own = [process.execPath, "--import", TSX, SERVER, path, SECRET];
    const [command = "", ...args] = [...before, ...own];
    const env = { ...process.env, NODE_OPTIONS: "" };
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(child, "close");
    let server: ServerProcess | null = null;
    afterTest(async () => {
      if (server === null) child.kill("SIGKILL");
      else await server.kill();
      await closed;
    });
    const { stdout } = child;
    if (stdout === null) throw new Error("there is no pipe");
    const [line] = (await Promise.race([
      once(createInterface(stdout), "line"),
      closed.then(() => Promise.reject(new Error("the server ended before it listened"))),
    ])) as [string];
    const [, port = "", pid = ""] = line.split(" ");
    server = new ServerProcess(child, closed, port, Number(pid));
    return server;
  }

  /** It gets no say in it. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#closed;
  }

  /** It closes what it has open. Returns its exit code. */
  async end(): Promise<number | null> {
    this.#signal("SIGTERM");
    await this.#closed;
    return this.#child.exitCode;
  }

  #signal(signal: "SIGKILL" | "SIGTERM"): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) process.kill(this.#pid, signal);
  }
}

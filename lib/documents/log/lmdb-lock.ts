import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { lstatSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpLogError } from "./op-log.ts";

/** The socket that says that a directory is in use. */
const NAME = "in-use.sock";
/** What it is called until it listens. */
const BEFORE = /^in-use\.[0-9a-f]+\.sock$/;

/** A socket's path may have no more bytes: 104 on some systems, with the one that ends it. */
const MAX_PATH = 103;

/** Runs a function while nobody else does. */
type Exclusively = <T>(run: () => T) => T;

/**
 * Keeps other processes out of a directory by a Unix socket in it. The system stops it from listening when the
 * process dies, whatever the way, so a socket that doesn't answer may be taken over.
 *
 * @throws by rejection: OpLogError (`log_in_use`)
 */
export class DirectoryLock {
  readonly #directory: string;
  readonly #name: string;
  #server: Server | null = null;

  /** @param name What the app calls the directory, for messages. */
  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
  }

  /** Whether somebody has it. Null if nobody ever had, else which socket doesn't answer. */
  async probe(): Promise<string | null> {
    const seen = identity(join(this.#directory, NAME));
    const answered = await within(this.#directory, NAME, async (path) => {
      const socket = connect(path);
      try {
        await once(socket, "connect");
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // So many others ask that it didn't get to us yet.
        if (code === "EAGAIN") return true;
        if (code === "ECONNREFUSED" || code === "ENOENT") return false;
        throw error;
      } finally {
        socket.destroy();
      }
    });
    if (answered) {
      throw new OpLogError(
        "log_in_use",
        `the log in ${this.#name} is in use by another process, or by another LmdbOpLog of this one: ` +
          "end or close it, or choose another path",
      );
    }
    return seen;
  }

  /** Takes it over from nobody, or from a process that is dead. */
  async take(exclusively: Exclusively): Promise<void> {
    if (process.platform === "win32") return await this.#takePipe();
    for (;;) {
      const seen = await this.probe();
      const temporary = `in-use.${randomBytes(6).toString("hex")}.sock`;
      // Under another name first: one that is bound and doesn't listen yet would pass for dead.
      const server = await within(this.#directory, temporary, listen);
      const taken = exclusively(() => {
        if (identity(join(this.#directory, NAME)) !== seen) return false;
        renameSync(join(this.#directory, temporary), join(this.#directory, NAME));
        return true;
      });
      if (taken) {
        this.#server = server;
        this.#sweep();
        return;
      }
      // Somebody was faster.
      server.close();
      rmSync(join(this.#directory, temporary), { force: true });
    }
  }

  release(): void {
    if (this.#server === null) return;
    if (process.platform !== "win32") rmSync(join(this.#directory, NAME), { force: true });
    this.#server.close();
    this.#server = null;
  }

  /** Removes what processes left that were killed while they took it. */
  #sweep(): void {
    for (const name of readdirSync(this.#directory)) {
      if (BEFORE.test(name)) rmSync(join(this.#directory, name), { force: true });
    }
  }

  /** Windows has named pipes, which are in no directory and go with their process. */
  async #takePipe(): Promise<void> {
    const id = createHash("sha256").update(this.#directory.toLowerCase()).digest("hex").slice(0, 32);
    try {
      this.#server = await listen(`\\\\.\\pipe\\phoenix-channels-server-${id}`);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
      throw new OpLogError("log_in_use", `the log in ${this.#name} is in use: end the other process`);
    }
  }
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ path, exclusive: true });
  await once(server, "listening");
  return server.unref();
}

/** Which file it is: another one under its name is told apart. Null if there is none. */
function identity(path: string): string | null {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.ino} ${stat.ctimeNs}`;
}

/** Gives a socket's path, by a short way if the directory's is too long for a socket. */
async function within<T>(directory: string, name: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(directory, name);
  if (Buffer.byteLength(path) <= MAX_PATH) return await use(path);
  const temporary = mkdtempSync(join(tmpdir(), "log-"));
  try {
    const link = join(temporary, "d");
    symlinkSync(directory, link);
    return await use(join(link, name));
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

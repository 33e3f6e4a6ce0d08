import { connect, type Socket } from "node:net";
import { clientFrame, FrameCounter, PONG, upgradeRequest } from "../support/frames.ts";
import type { Dialect } from "./dialects.ts";

/** One for all connections: a read is over before the next begins. */
const readBuffer = Buffer.allocUnsafe(65_536);
/** Sent unasked, so that no server wonders whether we are there, and pings: pings would be counted as messages. */
const SIGN_OF_LIFE = clientFrame("", PONG);
const END_OF_HEAD = Buffer.from("\r\n\r\n");

/**
 * A client that costs next to nothing: bare TCP, reads into one buffer, and counts frames without looking into
 * them.
 */
export class LoadConnection {
  readonly #socket: Socket;
  readonly #frames = new FrameCounter();
  /** The HTTP response as far as it has come; null once it is over. */
  #head: Buffer | null = Buffer.alloc(0);
  /** What the frames are given to. */
  onFrames: (count: number) => void = () => {};
  #onUpgraded: () => void = () => {};
  readonly #failed: Promise<never>;

  constructor(port: number) {
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length: number) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.#failed = new Promise((_, reject) => {
      this.#socket.on("error", reject);
      this.#socket.on("close", () => reject(new Error("the server closed a connection")));
    });
    // Who is interested races against it.
    this.#failed.catch(() => {});
  }

  /** Rejects when the connection is lost. */
  get failed(): Promise<never> {
    return this.#failed;
  }

  async open({ path, hello }: Dialect): Promise<void> {
    const upgraded = new Promise<void>((resolve) => {
      this.#onUpgraded = resolve;
    });
    // The first step's frames may come in one read with the response.
    let got = 0;
    let arrived = () => {};
    this.onFrames = (count) => {
      got += count;
      arrived();
    };
    this.#socket.write(upgradeRequest(path));
    await Promise.race([upgraded, this.#failed]);
    let expected = 0;
    for (const { send, frames } of hello) {
      if (send !== null) this.#socket.write(send);
      expected += frames;
      while (got < expected) {
        const more = new Promise<void>((resolve) => {
          arrived = resolve;
        });
        await Promise.race([more, this.#failed]);
      }
    }
  }

  #keepAlive(): void {
    const timer = setInterval(() => this.#socket.write(SIGN_OF_LIFE), 10_000).unref();
    this.#socket.once("close", () => clearInterval(timer));
  }

  write(frame: Buffer): void {
    this.#socket.write(frame);
  }

  #read(length: number): void {
    if (this.#head === null) {
      const count = this.#frames.count(readBuffer, 0, length);
      if (count > 0) this.onFrames(count);
      return;
    }
    this.#head = Buffer.concat([this.#head, readBuffer.subarray(0, length)]);
    const end = this.#head.indexOf(END_OF_HEAD);
    if (end < 0) return;
    const bytes = this.#head;
    this.#head = null;
    if (!bytes.toString("latin1").startsWith("HTTP/1.1 101 ")) {
      this.#socket.destroy(new Error(`refused: ${bytes.toString("latin1").split("\r\n", 1)[0]}`));
      return;
    }
    this.#keepAlive();
    this.#onUpgraded();
    const count = this.#frames.count(bytes, end + END_OF_HEAD.length, bytes.length);
    if (count > 0) this.onFrames(count);
  }
}

import { connect, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterTest } from "../support/teardown.ts";
import { readAnswer } from "./http-answer.ts";
import { Inbox } from "./inbox.ts";
import type { PlayedConnection } from "./player.ts";
import { encodeFrame, readFrame } from "./raw-frames.ts";

/** A client on bare TCP: it writes what it is told, and reads an HTTP answer and the WebSocket frames after it. */
export class TcpClient implements PlayedConnection {
  readonly inbox = new Inbox();
  readonly #socket: Socket;
  readonly #method: string | undefined;
  /** What is to be read next; nothing after an answer that isn't an upgrade. */
  #reading: "answer" | "frames" | "nothing" = "answer";
  /** Either side has begun to close, so that nothing answers a probe any more. */
  #closing = false;
  #bytes: Buffer = Buffer.alloc(0);
  #probe = 0;
  #answered = 0;

  /** @param method Of the request that will be written: the answer to HEAD has no body. */
  constructor(port: number, method: string | undefined) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.#method = method;
    afterTest(() => socket.destroy());
    socket.on("data", (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#read(false);
    });
    // What matters of an error is the close that follows.
    socket.on("error", () => {});
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#ended());
  }

  /** Writes bytes, whole or in pieces of some length. */
  async write(bytes: Buffer, split: number | undefined): Promise<void> {
    if (split === undefined) {
      this.#socket.write(bytes);
      return;
    }
    for (let at = 0; at < bytes.length; at += split) {
      this.#socket.write(bytes.subarray(at, at + split));
      // The server is in this process: it reads the piece in the turn between two writes.
      await nextTurn();
    }
  }

  /** Writes frames, in one write or in pieces. */
  frames(list: readonly unknown[], split: number | undefined): Promise<void> {
    this.#closing ||= list.some((frame) => (frame as { op?: unknown }).op === "close");
    return this.write(Buffer.concat(list.map(encodeFrame)), split);
  }

  /** Ends this side of the TCP connection. */
  end(): void {
    this.#closing = true;
    this.#socket.end();
  }

  async settle(): Promise<boolean> {
    if (this.inbox.ended) return true;
    if (this.#closing) return this.inbox.until(() => this.inbox.ended);
    if (this.#reading === "answer") {
      // A request is answered, recorded or not; only a server that stays silent on one is waited for in vain.
      await this.inbox.until(() => this.inbox.ended || this.#reading !== "answer");
    }
    // After an answer that isn't an upgrade nothing is asked that could be answered.
    if (this.#reading !== "frames") return true;
    // Allowed between fragments too, and answered in order with messages.
    this.#probe++;
    this.#socket.write(encodeFrame({ op: "ping", text: probeText(this.#probe) }));
    return this.inbox.until(() => this.inbox.ended || this.#answered === this.#probe);
  }

  #ended(): void {
    if (this.inbox.ended) return;
    this.#read(true);
    if (this.#bytes.length > 0) this.inbox.push({ unread: this.#bytes.toString("base64") });
    // Whether a refusal ends the TCP connection is the HTTP server's own affair.
    this.inbox.end({ end: true }, this.#reading === "nothing");
  }

  #read(ended: boolean): void {
    if (this.#reading === "answer") {
      const answer = readAnswer(this.#bytes, ended, this.#method);
      if (answer === null) return;
      this.#bytes = answer.rest;
      this.#reading = answer.status === 101 ? "frames" : "nothing";
      this.inbox.push(answer.item);
    }
    if (this.#reading !== "frames") return;
    for (let frame = readFrame(this.#bytes); frame !== null; frame = readFrame(this.#bytes)) {
      this.#bytes = frame.rest;
      if ("close" in frame.item) this.#closing = true;
      if ("pong" in frame.item && frame.payload.toString() === probeText(this.#answered + 1)) {
        this.#answered++;
        this.inbox.changed();
      } else {
        this.inbox.push(frame.item);
      }
    }
  }
}

/** The payload of a probe; no transcript has such a ping. */
function probeText(count: number): string {
  return `probe ${count}`;
}

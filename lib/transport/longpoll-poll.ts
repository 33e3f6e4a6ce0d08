import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The client reads the status here: as HTTP, every answer is a 200. */
export interface AnswerBody {
  readonly status: number;
  readonly token?: string;
  readonly messages?: readonly string[];
}

/** A request for messages. It is answered once, unless its client hangs up before. */
export class Poll {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  #sent = false;
  #lost: (() => void) | null = null;

  /** @param onClose Called when the answer is out, or the client has hung up. */
  constructor(request: IncomingMessage, response: ServerResponse, onClose: () => void) {
    this.#response = response;
    this.#socket = request.socket;
    response.once("close", onClose);
  }

  /** The operating system has all of the answer. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Bytes of the answer that it hasn't. */
  get unsentBytes(): number {
    return this.#response.writableLength;
  }

  /** @param lost Called once if the client turns out not to have got the answer, until `release`. */
  answer(body: AnswerBody, lost: (() => void) | null = null): void {
    const response = this.#response;
    const socket = this.#socket;
    if (lost !== null) {
      this.#lost = () => {
        this.release();
        lost();
      };
      // Node says "finish" also of a response whose socket was destroyed under it.
      response.once("finish", () => {
        this.#sent = !socket.destroyed;
      });
      response.once("close", () => {
        if (!this.#sent) this.#lost?.();
      });
      // A reset: the client closed its end, and hadn't read all that had come.
      socket.once("error", this.#lost);
    }
    respond(response, body);
  }

  /** The client has the answer: whatever happens to its connection from now on says nothing about that. */
  release(): void {
    if (this.#lost !== null) this.#socket.off("error", this.#lost);
    this.#lost = null;
  }

  /** Makes sure that the client doesn't get the rest of an answer. */
  cut(): void {
    this.release();
    this.#socket.destroy();
  }
}

export function respond(response: ServerResponse, body: AnswerBody): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(200, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}

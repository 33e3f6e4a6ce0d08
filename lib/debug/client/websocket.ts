import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { Clock } from "../../clock.ts";

export interface HandshakeRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  readonly timeoutMs: number;
  /** Whether a certificate must be trusted. */
  readonly rejectUnauthorized: boolean;
}

/** How an attempt to open a WebSocket ended. */
export type Handshake =
  | { readonly kind: "open"; readonly socket: OpenSocket; readonly headers: IncomingHttpHeaders }
  | {
      readonly kind: "http";
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string;
    }
  | { readonly kind: "error"; readonly code: string; readonly message: string }
  | { readonly kind: "timeout"; readonly connected: boolean };

export interface SocketListener {
  frame(data: Buffer, isBinary: boolean): void;
  /** @param broken What was wrong with the server's frames, if that ended it; else null. */
  closed(code: number, reason: string, broken: string | null): void;
}

const MAX_BODY = 2_048;
const CLOSE_TIMEOUT = 1_000;

/** The one place where the tools meet `ws`. */
export class OpenSocket {
  readonly #ws: WebSocket;
  readonly #clock: Clock;
  /** What came before somebody listens. */
  #early: ((listener: SocketListener) => void)[] = [];
  #listener: SocketListener | null = null;

  constructor(ws: WebSocket, clock: Clock) {
    this.#ws = ws;
    this.#clock = clock;
    ws.on("message", (data: Buffer, isBinary: boolean) => this.#tell((to) => to.frame(data, isBinary)));
    let broken: string | null = null;
    ws.once("close", (code, reason) => this.#tell((to) => to.closed(code, reason.toString(), broken)));
    // It is followed by "close".
    ws.on("error", ({ code, message }: NodeJS.ErrnoException) => {
      if (code?.startsWith("WS_ERR_") === true) broken = message;
    });
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
    for (const tell of this.#early.splice(0)) tell(listener);
  }

  send(text: string): void {
    this.#ws.send(text, () => {});
  }

  /** Closes, and cuts the connection if the server doesn't answer that. Resolves when it is gone. */
  close(): Promise<void> {
    if (this.#ws.readyState === WebSocket.CLOSED) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(() => this.#ws.terminate(), CLOSE_TIMEOUT);
      this.#ws.once("close", () => {
        cancel();
        resolve();
      });
      this.#ws.close(1000);
    });
  }

  /** Cuts the connection at once. */
  cut(): void {
    this.#ws.terminate();
  }

  #tell(tell: (listener: SocketListener) => void): void {
    if (this.#listener === null) this.#early.push(tell);
    else tell(this.#listener);
  }
}

/** Attempts a handshake. Never rejects: what goes wrong is the result. */
export function handshake(request: HandshakeRequest, clock: Clock): Promise<Handshake> {
  return new Promise((resolve) => {
    let connected = false;
    let headers: IncomingHttpHeaders = {};
    let ws: WebSocket;
    const finish = (result: Handshake) => {
      cancel();
      resolve(result);
    };
    const cancel = clock.schedule(() => {
      ws?.terminate();
      finish({ kind: "timeout", connected });
    }, request.timeoutMs);
    try {
      ws = new WebSocket(request.url, [...request.protocols], {
        headers: request.headers,
        perMessageDeflate: false,
        followRedirects: false,
        rejectUnauthorized: request.rejectUnauthorized,
        finishRequest: (outgoing: ClientRequest) => {
          outgoing.once("socket", (socket) => {
            socket.once("connect", () => {
              connected = true;
            });
          });
          outgoing.end();
        },
      });
    } catch (error) {
      finish(failure(error));
      return;
    }
    const socket = new OpenSocket(ws, clock);
    ws.once("upgrade", (response: IncomingMessage) => {
      headers = response.headers;
    });
    ws.once("open", () => finish({ kind: "open", socket, headers }));
    ws.once("error", (error) => finish(failure(error)));
    ws.once("unexpected-response", (outgoing: ClientRequest, response: IncomingMessage) => {
      void readBody(response).then((body) => {
        finish({ kind: "http", status: response.statusCode ?? 0, headers: response.headers, body });
        outgoing.destroy();
      });
    });
  });
}

function failure(error: unknown): Handshake {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return {
    kind: "error",
    code: typeof code === "string" ? code : "",
    message: typeof message === "string" ? message : String(error),
  };
}

/** The beginning of an answer's body, as text; what fails while reading it is its end. */
export async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= MAX_BODY) break;
    }
  } catch {
    // The status and what came of the body say enough.
  }
  return Buffer.concat(chunks).toString("utf8").slice(0, MAX_BODY);
}

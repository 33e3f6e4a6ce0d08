import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { afterTest } from "../support/teardown.ts";
import { Inbox } from "./inbox.ts";
import { type Actions, type PlayedConnection, play } from "./player.ts";
import { textItem } from "./raw-frames.ts";
import { parts, type Scenario } from "./scenario.ts";

/** Plays a scenario of frames, over the `ws` client. */
export function playWebSocket(scenario: Scenario, port: number): Promise<void> {
  const clients = new Map<string, WebSocketClient>();
  return play(scenario, webSocketActions(port, clients), clients);
}

/** What scenarios do over WebSockets. */
export function webSocketActions(port: number, clients: Map<string, WebSocketClient>): Actions {
  const client = (conn: unknown): WebSocketClient => {
    const found = clients.get(String(conn));
    if (found === undefined) throw new Error(`${conn} hasn't been opened`);
    return found;
  };
  return {
    async open(argument) {
      const { conn, path } = parts(argument, ["conn", "path"], "open");
      const opened = new WebSocketClient(`ws://127.0.0.1:${port}${path}`);
      clients.set(String(conn), opened);
      await opened.decided;
    },
    send(argument) {
      const { conn, ...message } = parts(argument, ["conn", "frame", "text", "binary"], "send");
      client(conn).send([messageData(message)]);
    },
    burst(argument) {
      const { conn, frames } = parts(argument, ["conn", "frames"], "burst");
      client(conn).send((frames as unknown[]).map(burstData));
    },
    close(argument) {
      const { conn, code } = parts(argument, ["conn", "code"], "close");
      client(conn).close(code as number | undefined);
    },
  };
}

/** A connection over the `ws` client. */
export class WebSocketClient implements PlayedConnection {
  readonly inbox = new Inbox();
  /** The server has taken the connection, or refused it. */
  readonly decided: Promise<boolean>;
  readonly #ws: WebSocket;
  #stream: Duplex | null = null;
  #closing = false;
  #probe = 0;
  #answered = 0;

  constructor(url: string) {
    const ws = new WebSocket(url, { perMessageDeflate: false });
    this.#ws = ws;
    afterTest(() => ws.terminate());
    ws.on("upgrade", (response) => {
      this.#stream = response.socket;
    });
    ws.on("open", () => this.inbox.changed());
    ws.on("unexpected-response", (request, response) => {
      request.destroy();
      this.inbox.end({ refused: response.statusCode });
    });
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      this.inbox.push(isBinary ? { binary: data.toString("base64") } : textItem(data.toString()));
    });
    ws.on("pong", (data) => {
      this.#answered = Number(data.toString());
      this.inbox.changed();
    });
    // What matters of an error is the close that follows.
    ws.on("error", () => {});
    // The transcripts leave out the close that answers the client's own.
    ws.on("close", (code) => this.inbox.end({ close: code }, this.#closing));
    this.decided = this.inbox.until(() => ws.readyState !== WebSocket.CONNECTING || this.inbox.ended);
  }

  /** Sends messages, all in one write. */
  send(messages: readonly (string | Buffer)[]): void {
    this.#stream?.cork();
    for (const message of messages) this.#ws.send(message);
    this.#stream?.uncork();
  }

  close(code: number | undefined): void {
    this.#closing = true;
    this.#ws.close(code);
  }

  settle(): Promise<boolean> {
    // A ping is answered in order with messages, whatever serializer the connection speaks.
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping(String(++this.#probe));
    else if (!this.inbox.ended) return this.inbox.until(() => this.inbox.ended);
    return this.inbox.until(() => this.inbox.ended || this.#answered === this.#probe);
  }
}

/** A message by the part that it has: a frame to be sent as JSON, text as it stands, or bytes in base64. */
function messageData(message: Record<string, unknown>): string | Buffer {
  if (typeof message.binary === "string") return Buffer.from(message.binary, "base64");
  return typeof message.text === "string" ? message.text : JSON.stringify(message.frame);
}

/** One of a burst: a bare frame, or what a send would have. */
export function burstData(frame: unknown): string | Buffer {
  if (typeof frame === "string") return frame;
  const isMessage =
    typeof frame === "object" && frame !== null && ["frame", "text", "binary"].some((part) => part in frame);
  return isMessage ? messageData(frame as Record<string, unknown>) : JSON.stringify(frame);
}

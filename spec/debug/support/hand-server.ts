import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { afterTest } from "../../support/teardown.ts";

type Frame = [joinRef: unknown, ref: unknown, topic: string, event: string, payload: unknown];

/** A frame from a client, and what a server can do about it. */
export interface Received {
  readonly event: string;
  readonly topic: string;
  readonly payload: Record<string, unknown>;
  readonly frame: Frame;
  readonly ws: WebSocket;
  readonly server: HandServer;
  /** Which connection it is, counted from 0. */
  readonly index: number;
  reply(status: "ok" | "error", response?: unknown): void;
  push(event: string, payload: unknown): void;
}

/** Returns true if it has dealt with the frame: else the server does what it should. */
export type Behaviour = (received: Received) => unknown;

/** A minimal server of the protocol, with documents, that isn't this library: and misbehaves where a spec says so. */
export class HandServer {
  readonly port: number;
  readonly sockets: WebSocket[] = [];
  readonly #behaviour: Behaviour;
  #sn = 0;

  constructor(port: number, behaviour: Behaviour) {
    this.port = port;
    this.#behaviour = behaviour;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  broadcast(topic: string, event: string, payload: unknown): void {
    for (const ws of this.sockets) send(ws, [null, null, topic, event, payload]);
  }

  accept(ws: WebSocket): void {
    const index = this.sockets.push(ws) - 1;
    ws.on("message", (data) => {
      const frame = JSON.parse(data.toString()) as Frame;
      const [joinRef, ref, topic, event, payload] = frame;
      const received: Received = {
        event,
        topic,
        payload: payload as Record<string, unknown>,
        frame,
        ws,
        server: this,
        index,
        reply: (status, response = {}) => send(ws, [joinRef, ref, topic, "phx_reply", { status, response }]),
        push: (name, pushed) => send(ws, [joinRef, null, topic, name, pushed]),
      };
      if (this.#behaviour(received) !== true) this.#behave(received);
    });
  }

  #behave({ event, topic, payload, reply, push, index }: Received): void {
    switch (event) {
      case "heartbeat":
      case "phx_join":
      case "phx_leave":
        reply("ok");
        return;
      case "connect_document": {
        const given = {
          clientId: `client-number-${index}`,
          mode: payload.mode,
          checkpointSequenceNumber: this.#sn,
        };
        reply("ok", given);
        push("connect_document_success", { ...given, initialMessages: [], initialClients: [] });
        return;
      }
      case "submitOp": {
        const [[op]] = payload.messageBatches as [[Record<string, unknown>]];
        const sequenceNumber = ++this.#sn;
        const documentId = topic.split(":")[2];
        this.broadcast(topic, "op", {
          documentId,
          op: [{ ...op, clientId: payload.clientId, sequenceNumber }],
        });
        reply("ok", { sequenceNumber, first: sequenceNumber });
        return;
      }
      default:
        this.broadcast(topic, event, payload);
        reply("ok", payload);
    }
  }
}

function send(ws: WebSocket, frame: Frame): void {
  ws.send(JSON.stringify(frame));
}

/** Starts it on a free port; it is closed after the test. */
export async function handServer(
  behaviour: Behaviour = () => {},
  onOpen: (ws: WebSocket, request: IncomingMessage) => void = () => {},
): Promise<HandServer> {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const wss = new WebSocketServer({ server: http, path: "/socket/websocket" });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  afterTest(() => {
    for (const ws of wss.clients) ws.terminate();
    http.closeAllConnections();
    wss.close();
    return new Promise((resolve) => http.close(resolve));
  });
  const server = new HandServer((http.address() as AddressInfo).port, behaviour);
  wss.on("connection", (ws, request) => {
    ws.on("error", () => {});
    onOpen(ws, request);
    server.accept(ws);
  });
  return server;
}

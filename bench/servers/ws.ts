// What one writes by hand over ws: parse, look at the event, and send to each client in a loop.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { answerParent, memory, usage } from "../support/child.ts";

type Message = [joinRef: string, ref: string, topic: string, event: string, payload: unknown];

const topics = new Map<string, Set<WebSocket>>();

function broadcast(topic: string, event: string, payload: unknown): void {
  const text = JSON.stringify([null, null, topic, event, payload]);
  for (const client of topics.get(topic) ?? []) {
    if (client.readyState === WebSocket.OPEN) client.send(text);
  }
}

function join(topic: string, client: WebSocket): void {
  const clients = topics.get(topic) ?? new Set();
  topics.set(topic, clients);
  clients.add(client);
  client.on("close", () => clients.delete(client));
}

const server = createServer();
const wss = new WebSocketServer({ server, perMessageDeflate: false });
wss.on("connection", (client) => {
  client.on("error", () => {});
  client.on("message", (data) => {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data.toString()) as Message;
    if (event === "new_msg") {
      broadcast(topic, event, payload);
      return;
    }
    if (event === "phx_join") join(topic, client);
    client.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response: payload }]));
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

answerParent({ port: () => (server.address() as AddressInfo).port, usage, memory });

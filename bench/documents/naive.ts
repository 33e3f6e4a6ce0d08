// The document server that comes to mind first: an op is stored, then sent to each client, one by one, over `ws`.
import { open } from "lmdb";
import { type WebSocket, WebSocketServer } from "ws";
import { answerParent, usage } from "../support/child.ts";

const [kind, path = ""] = process.argv.slice(2);
const db = kind === "lmdb" ? open<string, number>({ path, overlappingSync: false }) : null;
const clients = new Set<WebSocket>();
let head = 0;
let durable = 0;
let closing = false;

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (ws) => {
  ws.on("error", () => {});
  ws.on("close", () => clients.delete(ws));
  ws.on("message", async (data: Buffer) => {
    if (closing) return;
    const [joinRef, ref, topic, event, payload] = JSON.parse(data.toString());
    const reply = (response: object) =>
      ws.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "ok", response }]));
    if (event !== "submitOp") {
      if (event === "connect_document") clients.add(ws);
      reply({});
      return;
    }
    const op = payload.messageBatches
      .flat()
      .map((message: object) => ({ ...message, sequenceNumber: ++head }));
    const frame = JSON.stringify([null, null, topic, "op", { documentId: "bench", op }]);
    const sequenceNumber = head;
    await db?.put(sequenceNumber, frame);
    durable += op.length;
    for (const client of clients) client.send(frame);
    reply({ sequenceNumber });
  });
});
await new Promise((resolve) => server.once("listening", resolve));

answerParent({
  port: () => (server.address() as { port: number }).port,
  token: () => "none",
  sample: () => ({ ops: durable, ...usage() }),
  close: async () => {
    closing = true;
    await db?.close();
  },
});

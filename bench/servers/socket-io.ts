// socket.io as its documentation has it: a room, and acknowledgements for replies.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { answerParent, memory, usage } from "../support/child.ts";

const server = createServer();
const io = new Server(server, {
  transports: ["websocket"],
  serveClient: false,
  // The generator answers no pings, as it sends the others no heartbeats.
  pingInterval: 3_600_000,
});
io.on("connection", (socket) => {
  void socket.join("room:bench");
  socket.on("new_msg", (payload: unknown) => {
    io.to("room:bench").emit("new_msg", payload);
  });
  socket.on("echo", (payload: unknown, acknowledge: (payload: unknown) => void) => acknowledge(payload));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

answerParent({ port: () => (server.address() as AddressInfo).port, usage, memory });

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { afterTest } from "../../support/teardown.ts";

/** Listens on a free port until the test is over. */
export async function listen(server: TcpServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTest(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A plain HTTP server. */
export async function listenHttp(handler: RequestListener, prepare: (server: Server) => void = () => {}) {
  const server = createServer(handler);
  prepare(server);
  const port = await listen(server);
  return { port, url: `ws://127.0.0.1:${port}/socket` };
}

/** A server that does with each connection what it likes. */
export async function listenTcp(handler: (socket: Socket) => void) {
  const port = await listen(createTcpServer(handler));
  return { port, url: `ws://127.0.0.1:${port}/socket` };
}

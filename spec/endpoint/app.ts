import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { Channel, ok, Socket } from "../../lib/index.ts";
import { afterTest } from "../support/teardown.ts";

class Room extends Channel {
  override join() {
    return ok();
  }
}

/** Lets everybody in, to rooms that let everybody in. */
export class RoomSocket extends Socket {
  static override channels = { "room:*": Room };
  override id() {
    return "user:1";
  }
}

/** An app's own HTTP server, on a free port; it answers "app". */
export async function appServer(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_request, response) => response.end("app"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTest(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** Whether somebody listens on a port. */
export function isListening(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ port, host });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    afterTest(() => socket.destroy());
  });
}

/** The text that an address of the app answers. */
export async function page(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}

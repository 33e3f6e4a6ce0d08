import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterTest } from "../support/teardown.ts";

export type Direction = "to the server" | "to the client";

/** Where a connection ends: behind so many bytes in a direction. */
export interface Cut {
  readonly direction: Direction;
  readonly bytes: number;
  /** The server isn't told: to it, the client is only silent. */
  readonly halfOpen: boolean;
}

/** Stands between a client and a server, and cuts the connection at a byte. */
export class CuttingProxy {
  /** The next connection is cut there. */
  cut: Cut | null = null;
  /** What the latest connection has carried. */
  readonly carried = { "to the server": 0, "to the client": 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#server = createServer((client) => this.#serve(client, connect(target, "127.0.0.1")));
    afterTest(async () => {
      this.drop();
      this.#server.close();
      await once(this.#server, "close");
    });
  }

  static async to(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, those that are cut to one side too. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #serve(client: Socket, server: Socket): void {
    const { cut } = this;
    this.cut = null;
    this.carried["to the server"] = this.carried["to the client"] = 0;
    let isCut = false;
    const pipe = (from: Socket, to: Socket, direction: Direction) => {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (data: Buffer) => {
        if (isCut) return;
        const left = cut?.direction === direction ? cut.bytes - this.carried[direction] : Infinity;
        const part = data.subarray(0, left);
        this.carried[direction] += part.length;
        if (left > data.length) {
          to.write(part);
          return;
        }
        isCut = true;
        const isOpen = cut?.halfOpen === true;
        // What is let through arrives before the end does.
        if (to === server && isOpen) to.write(part);
        else to.end(part);
        if (from === client || !isOpen) from.destroy();
      });
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        if (!isCut) to.destroy();
      });
    };
    pipe(client, server, "to the server");
    pipe(server, client, "to the client");
  }
}

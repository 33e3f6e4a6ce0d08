import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { ConfigError, describe } from "../errors.ts";
import { refuseUpgrade } from "../transport/refusal.ts";

/** Who takes the requests. */
export interface ServersHost {
  /** False leaves the request as it was. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean;
  /** @throws StateError (`closed`) */
  assertOpen(call: string): void;
}

/** The HTTP servers that an endpoint serves on: those of the app's, and one of its own. */
export class Servers {
  readonly #host: ServersHost;
  /** What undoes each `attach`. */
  readonly #attached = new Map<Server, () => void>();
  #own: Server | null = null;
  #listening: Promise<AddressInfo> | null = null;
  #listeningOn = "";

  constructor(host: ServersHost) {
    this.#host = host;
  }

  attach(server: Server): void {
    this.#host.assertOpen("attach");
    // The apps of Express and Koa have listeners too, but no upgrade would ever reach them.
    if (!(server instanceof NetServer) || typeof (server as Partial<Server>).setTimeout !== "function") {
      throw new ConfigError("invalid_argument", `attach needs a node:http server, got ${describe(server)}`);
    }
    if (!this.#attached.has(server)) this.#attached.set(server, intercept(server, this.#host));
  }

  listen(port: number, host?: string): Promise<AddressInfo> {
    try {
      assertAddress(port, host);
    } catch (error) {
      return Promise.reject(error);
    }
    const wanted = `${port} ${host ?? ""}`;
    if (this.#listening !== null && this.#listeningOn !== wanted) {
      const error = `listen: the endpoint listens on ${describe(this.#listeningOn.trim())} already; use attach for more`;
      return Promise.reject(new ConfigError("invalid_argument", error));
    }
    this.#listeningOn = wanted;
    this.#listening ??= this.#listen(port, host).catch((error: unknown) => {
      // Another port may be free.
      this.#listening = null;
      throw error;
    });
    return this.#listening;
  }

  async #listen(port: number, host: string | undefined): Promise<AddressInfo> {
    this.#host.assertOpen("listen");
    const server = createServer((_request, response) => {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("Not Found");
    });
    this.attach(server);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen(port, host, () => {
          server.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      this.#attached.delete(server);
      throw error;
    }
    this.#own = server;
    return server.address() as AddressInfo;
  }

  /** Resolves when none is about to listen any more. */
  async settled(): Promise<void> {
    // Who called listen is told that it failed.
    await this.#listening?.catch(() => {});
  }

  /** Leaves the servers of the app's, and closes its own. */
  async close(): Promise<void> {
    const own = this.#own;
    for (const [server, detach] of this.#attached) if (server !== own) detach();
    if (own === null) return;
    await new Promise((resolve) => {
      own.close(resolve);
      own.closeAllConnections();
    });
  }
}

/** Takes a server's requests before the app's own listeners see them. Returns what undoes it. */
function intercept(server: Server, host: ServersHost): () => void {
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (host.handleUpgrade(request, socket, head) || server.listenerCount("upgrade") > 1) return;
    socket.on("error", () => socket.destroy());
    refuseUpgrade(socket, { status: 404 });
  };
  server.on("upgrade", onUpgrade);
  // The app's own listeners, also those it adds later, must not see a request that is taken here, and an
  // emitter has no other way to stop an event.
  const own = Object.hasOwn(server, "emit");
  const { emit } = server;
  let attached = true;
  const intercepting = (event: string, ...args: unknown[]): boolean => {
    const [request, response] = args as [IncomingMessage, ServerResponse];
    if (attached && event === "request" && host.handleRequest(request, response)) return true;
    return Reflect.apply(emit, server, [event, ...args]) as boolean;
  };
  server.emit = intercepting as typeof server.emit;
  return () => {
    attached = false;
    server.off("upgrade", onUpgrade);
    // Who has wrapped it since keeps what it wrapped, which does nothing any more.
    if (server.emit !== intercepting) return;
    if (own) server.emit = emit;
    else Reflect.deleteProperty(server, "emit");
  };
}

/** Node takes text for the path of a pipe, and nothing for any port. */
function assertAddress(port: unknown, host: unknown): void {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535) {
    throw new ConfigError(
      "invalid_argument",
      `listen needs a port, a number from 0 to 65535, got ${describe(port)}`,
    );
  }
  if (host !== undefined && typeof host !== "string") {
    throw new ConfigError("invalid_argument", `listen: a host is a string, got ${describe(host)}`);
  }
}

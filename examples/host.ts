import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { Endpoint, type Logger } from "phoenix-channels-server";
import { Assets } from "./assets.ts";

/** One of the examples, as part of a server. */
export interface App {
  /** Answers the requests that are the app's own, and returns whether this one is. */
  handleRequest?(path: string, request: IncomingMessage, response: ServerResponse): boolean;
  /** Called when no client is connected any more. */
  close(): Promise<void>;
}

/** Sets an app up: its channels at the endpoint, its page in the assets. */
export type Mount = (endpoint: Endpoint, assets: Assets) => Promise<App>;

export interface HostOptions {
  /** 0 picks a free one. */
  readonly port: number;
  readonly host?: string;
  /** Milliseconds that clients have to finish when it closes, and then to hear of it. @default 5_000 */
  readonly closeTimeoutMs?: number;
  readonly logger?: Logger;
}

export interface Host {
  readonly url: string;
  readonly port: number;
  /** Lets clients finish what they sent, and resolves when everything is closed. */
  close(): Promise<void>;
}

/** Starts one HTTP server with one endpoint for all the apps. */
export async function startHost(options: HostOptions, mounts: readonly Mount[]): Promise<Host> {
  const { port, host = "127.0.0.1", closeTimeoutMs = 5_000, logger } = options;
  const assets = await sharedAssets();
  const endpoint = new Endpoint({ logger });
  // For this machine only.
  endpoint.inspect("/inspector");
  const apps: App[] = [];
  const closeApps = async () => {
    for (const app of apps.splice(0).reverse()) await app.close();
  };

  const server = createServer((request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    if (endpoint.handleRequest(request, response)) return;
    if (apps.some((app) => app.handleRequest?.(path, request, response))) return;
    assets.serve(path, request, response);
  });
  try {
    for (const mount of mounts) apps.push(await mount(endpoint, assets));
    endpoint.attach(server);
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    await closeApps();
    throw error;
  }

  const close = async () => {
    await endpoint.close({ timeoutMs: closeTimeoutMs });
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    await closeApps();
  };
  let closing: Promise<void> | null = null;
  const actual = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}/`,
    port: actual,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** What all pages use: parts of their own, and the official client, as npm installed it. */
async function sharedAssets(): Promise<Assets> {
  const assets = new Assets();
  await assets.addDirectory("/shared/", new URL("shared/", import.meta.url));
  // Beside the file for Node stands the module, which browsers take as it is.
  const client = pathToFileURL(createRequire(import.meta.url).resolve("phoenix"));
  await assets.add("/modules/phoenix.mjs", new URL("phoenix.mjs", client));
  return assets;
}

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Endpoint, type Logger } from "phoenix-channels-server";
import { Presence } from "phoenix-channels-server/presence";
import { loadAssets } from "./assets.ts";
import { RoomChannel, RoomsChannel, UserSocket } from "./channels.ts";
import { History } from "./history.ts";

export interface ChatOptions {
  /** 0 picks a free one. */
  readonly port: number;
  readonly host?: string;
  /** Where the history is kept. @default data/chat in this package */
  readonly dataDir?: string;
  /** Messages kept in each room. @default 200 */
  readonly historySize?: number;
  /** Milliseconds that clients have to finish when it closes, and then to hear of it. @default 5_000 */
  readonly closeTimeoutMs?: number;
  readonly logger?: Logger;
}

export interface Chat {
  readonly url: string;
  readonly port: number;
  /** Lets clients finish what they sent, and resolves when everything is closed. */
  close(): Promise<void>;
}

/** Starts the chat: the page, its channels and its history. */
export async function startChat(options: ChatOptions): Promise<Chat> {
  const {
    port,
    host = "127.0.0.1",
    dataDir = fileURLToPath(new URL("../../data/chat", import.meta.url)),
    historySize = 200,
    closeTimeoutMs = 5_000,
    logger,
  } = options;
  const serveAsset = await loadAssets();
  const history = await History.open(join(dataDir, "history.jsonl"), historySize);
  for (const room of ["lobby", "random"]) await history.createRoom(room);

  const endpoint = new Endpoint({ logger });
  const presence = new Presence(endpoint);
  // A subclass for this server, since its channels get this server's history and presence.
  class ChatSocket extends UserSocket {
    static override channels = {
      rooms: { channel: RoomsChannel, assigns: { history } },
      "room:*": { channel: RoomChannel, assigns: { history, presence } },
    };
  }
  endpoint.socket("/socket", ChatSocket, {
    authToken: true,
    maxPayload: 32 * 1024,
    closeTimeout: closeTimeoutMs,
    rateLimit: { limit: 200, interval: 10_000 },
  });

  const server = createServer((request, response) => {
    if (!endpoint.handleRequest(request, response)) serveAsset(request, response);
  });
  endpoint.attach(server);
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (error) {
    await history.close();
    throw error;
  }

  const close = async () => {
    await endpoint.close({ timeoutMs: closeTimeoutMs });
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    await history.close();
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

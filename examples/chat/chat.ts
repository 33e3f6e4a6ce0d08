import { join } from "node:path";
import { Presence } from "phoenix-channels-server/presence";
import type { Mount } from "../host.ts";
import { RoomChannel, RoomsChannel, UserSocket } from "./channels.ts";
import { History } from "./history.ts";

export interface ChatOptions {
  /** Where the history is kept. */
  readonly dataDir: string;
  /** Messages kept in each room. @default 200 */
  readonly historySize?: number;
  /** Milliseconds that clients have to hear of the end. @default 5_000 */
  readonly closeTimeoutMs?: number;
}

/** The chat: its page at `/chat/`, its channels and its history. */
export function chat(options: ChatOptions): Mount {
  const { dataDir, historySize = 200, closeTimeoutMs = 5_000 } = options;
  return async (endpoint, assets) => {
    await assets.addDirectory("/chat/", new URL("public/", import.meta.url));
    const history = await History.open(join(dataDir, "history.jsonl"), historySize);
    for (const room of ["lobby", "random"]) await history.createRoom(room);

    const presence = new Presence(endpoint);
    // A subclass for this server, since its channels get this server's history and presence.
    class ChatSocket extends UserSocket {
      static override channels = {
        rooms: { channel: RoomsChannel, assigns: { history } },
        "room:*": { channel: RoomChannel, assigns: { history, presence } },
      };
    }
    endpoint.socket("/chat/socket", ChatSocket, {
      authToken: true,
      maxPayload: 32 * 1024,
      closeTimeout: closeTimeoutMs,
      rateLimit: { limit: 200, interval: 10_000 },
    });
    return { close: () => history.close() };
  };
}

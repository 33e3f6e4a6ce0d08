import {
  Channel,
  type ChannelRoute,
  type JoinResult,
  type MountOptions,
  ok,
  Socket,
} from "../../../lib/index.ts";
import { connect, type RawClient } from "../../support/client.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type Served, serve } from "../../support/server.ts";

/** A socket class whose clients name themselves by `?id=…`, and what its rooms have handled. */
export function rooms() {
  const handled: unknown[] = [];
  class Room extends Channel {
    override join(_topic: string): JoinResult | Promise<JoinResult> {
      return ok();
    }
    static {
      this.on("echo", (payload) => {
        handled.push(payload);
        return ok(payload);
      });
    }
  }
  class RoomSocket extends Socket<{ id: string | null }> {
    static override channels: Record<string, ChannelRoute> = { "room:*": Room };
    override connect(params: { readonly id?: unknown }) {
      this.assigns.id = typeof params.id === "string" ? params.id : null;
      return ok();
    }
    override id() {
      return this.assigns.id;
    }
  }
  return { Room, RoomSocket, handled };
}

/** Serves rooms on a clock that stands still. */
export async function serveRooms(options: MountOptions) {
  const clock = new ManualClock();
  const { RoomSocket, handled } = rooms();
  return { ...(await serve(RoomSocket, options, { clock })), clock, handled };
}

/** The lines that were logged of refused messages. */
export function limitedLines({ lines }: Pick<Served, "lines">): string[] {
  return lines.filter(({ message }) => message.includes("rateLimit")).map(({ message }) => message);
}

/** Connects as somebody. */
export function connectAs(url: string, id: string): Promise<RawClient> {
  return connect(url, `vsn=2.0.0&id=${id}`);
}

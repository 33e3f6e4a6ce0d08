// A server of rooms that show who is there: by the library's presence, or by full lists.
import { answerParent, usage } from "../support/child.ts";
import { builtLibrary } from "../support/library.ts";

const { Channel, Endpoint, ok, Socket } = await builtLibrary(undefined);
const { Presence } = (await import(
  new URL("../../dist/presence/index.js", import.meta.url).href
)) as typeof import("../../lib/presence/index.ts");

interface Join {
  readonly user: string;
}

const TOPIC = "room:bench";
const endpoint = new Endpoint();
const presence = new Presence(endpoint);
let changes = 0;

/** What all rooms know of a user. */
function meta(): object {
  return { device: "phone", online_at: 1_700_000_000 };
}

class PresenceRoom extends Channel {
  override join(_topic: string, { user }: Join) {
    this.sendSelf(user);
    return ok();
  }

  override async handleInfo(user: string) {
    changes++;
    await presence.track(this, user, meta());
    this.push("presence_state", await presence.list(TOPIC));
  }

  override terminate() {
    changes++;
  }
}

const everybody = new Map<string, object>();

function tellEverybody(): void {
  endpoint.broadcast(TOPIC, "presence_state", Object.fromEntries(everybody));
}

/** What comes to mind first: a list, which goes to all when it has changed. */
class ListRoom extends Channel<{ user: string }> {
  override join(_topic: string, { user }: Join) {
    this.assigns.user = user;
    this.sendSelf("joined");
    return ok();
  }

  override handleInfo() {
    changes++;
    everybody.set(this.assigns.user, { metas: [{ ...meta(), phx_ref: this.assigns.user }] });
    tellEverybody();
  }

  override terminate() {
    changes++;
    everybody.delete(this.assigns.user);
    tellEverybody();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": process.argv[2] === "lists" ? ListRoom : PresenceRoom };
}

// The generator sends no heartbeats. Clients that share cores with the server may read late.
endpoint.socket("/socket", UserSocket, { idleTimeout: 3_600_000, maxBufferedBytes: 8 * 2 ** 20 });
const { port } = await endpoint.listen(0, "127.0.0.1");

/** What the server has done until now. */
export interface ServerSample {
  readonly changes: number;
  readonly bytesOut: number;
  /** Bytes that wait for clients. */
  readonly waiting: number;
}

answerParent({
  port: () => port,
  usage,
  sample(): ServerSample {
    const { bytesOut, bufferedBytes } = endpoint.stats();
    return { changes, bytesOut, waiting: bufferedBytes };
  },
});

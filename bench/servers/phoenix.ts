// The library's server: one channel class, whose handlers broadcast and reply.
import { answerParent, memory, usage } from "../support/child.ts";
import { builtLibrary } from "../support/library.ts";

const { Channel, Endpoint, ok, Socket } = await builtLibrary(process.argv[2]);

class RoomChannel extends Channel {
  join() {
    return ok();
  }

  static {
    this.on("new_msg", function (payload: object) {
      this.broadcast("new_msg", payload);
    });
    this.on("echo", (payload) => ok(payload));
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": RoomChannel };
}

const endpoint = new Endpoint();
// The generator sends no heartbeats.
endpoint.socket("/socket", UserSocket, { idleTimeout: 3_600_000 });
const { port } = await endpoint.listen(0, "127.0.0.1");

answerParent({ port: () => port, usage, memory, drain: () => endpoint.drain({ intervalMs: 0 }) });

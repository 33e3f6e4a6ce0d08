import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  Endpoint,
  error,
  ok,
  Socket,
} from "phoenix-channels-server";
import { httpServer, JoinRoom, mayEnter, NewMsg, save, verify } from "./helpers.ts";

// The design's example, word for word: apps without noImplicitOverride write no `override`.

class RoomChannel extends Channel<{ room: string }, UserSocket> {
  static joinSchema = JoinRoom;
  // biome-ignore lint/correctness/noUnusedFunctionParameters: as in the design
  async join(topic: string, payload: JoinRoom) {
    if (!(await mayEnter(this.assigns.userId, topic))) return error({ reason: "unauthorized" });
    this.assigns.room = topic.slice("room:".length);
    return ok({ members: 3 });
  }
  static {
    this.on("new_msg", NewMsg, async function (msg) {
      this.broadcast("new_msg", { user: this.assigns.userId, body: msg.body });
      return ok({ id: await save(msg) });
    });
  }
}

class UserSocket extends Socket<{ userId: string }> {
  static channels = { "room:*": RoomChannel };
  // biome-ignore lint/correctness/noUnusedFunctionParameters: as in the design
  connect(params: ConnectParams, info: ConnectInfo) {
    const userId = verify(params.token);
    if (!userId) return error("unauthorized");
    this.assigns.userId = userId;
    return ok();
  }
  id() {
    return `users_socket:${this.assigns.userId}`;
  }
}

const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
endpoint.attach(httpServer);
endpoint.broadcast("room:lobby", "new_msg", { body: "hi" });
await endpoint.close();

import { Channel, ok, Socket } from "phoenix-channels-server";

class RoomChannel extends Channel {
  join() {
    return ok({ hello: "room" });
  }
  static {
    this.on("new_msg", function (payload) {
      this.broadcast("new_msg", payload);
      return ok(payload);
    });
  }
}

export class UserSocket extends Socket {
  static channels = { "room:*": RoomChannel };
}

const { Channel, Endpoint, ok, Socket } = require("phoenix-channels-server");

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

class UserSocket extends Socket {
  static channels = { "room:*": RoomChannel };
}

const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
endpoint.listen(0, "127.0.0.1").then(({ port }) => console.log(port));

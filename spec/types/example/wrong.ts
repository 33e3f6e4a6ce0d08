import { Channel, type JoinResult, ok } from "phoenix-channels-server";

// Two mistakes, and a marked line that is none: the compiler must report all three.

class RoomChannel extends Channel<{ room: string }> {
  join(): JoinResult {
    this.assigns.room = 5;
    return ok();
  }
  static {
    this.on("body", (payload) => ok(payload.body));
    // @ts-expect-error this line is right
    this.on("echo", (payload) => ok(payload));
  }
}

export { RoomChannel };

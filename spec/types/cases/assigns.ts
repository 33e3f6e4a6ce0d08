// A channel's assigns are its own and its socket's, whichever class of the two comes first in the file.

import { Channel, type ConnectParams, error, ok, Socket } from "../../../lib/index.ts";
import { expectType, type Same } from "./expect-type.ts";

class Before extends Channel<{ room: string }, UserSocket> {
  override join(topic: string) {
    this.assigns.room = topic;
    expectType<Same<typeof this.assigns.room, string>>();
    expectType<Same<typeof this.assigns.userId, string>>();
    expectType<Same<typeof this.assigns.roles, ("admin" | "guest")[]>>();
    expectType<Same<typeof this.socket, UserSocket>>();
    return ok({ userId: this.assigns.userId });
  }
  static {
    this.on("me", function () {
      expectType<Same<typeof this.assigns.userId, string>>();
      expectType<Same<typeof this.assigns.room, string>>();
      return ok({ name: this.socket.name(), room: this.assigns.room });
    });
  }
}

class UserSocket extends Socket<{ userId: string; roles: ("admin" | "guest")[] }> {
  static override channels = { "room:*": Before, "doc:*": { channel: Before, assigns: { db: 1 } } };
  override connect(params: ConnectParams) {
    if (typeof params.id !== "string") return error({ reason: "no id" });
    this.assigns.userId = params.id;
    this.assigns = { userId: params.id, roles: ["guest"] };
    return ok();
  }
  override id() {
    return `users:${this.assigns.userId}`;
  }
  name(): string {
    return this.assigns.userId;
  }
}

// Here the socket stands first, and is given its channel when there is one.
export class EarlySocket extends Socket<{ userId: string }> {
  static override channels: Record<string, typeof After> = {};
}

export class After extends Channel<{ count: number }, EarlySocket> {
  override async join() {
    this.assigns.count = 1;
    expectType<Same<typeof this.assigns.userId, string>>();
    expectType<Same<typeof this.assigns.count, number>>();
    return ok();
  }
}

EarlySocket.channels["after:*"] = After;

// Without a socket class the socket's part is unknown; without own assigns there is only the socket's.
export class Alone extends Channel<{ room: string }> {
  override join() {
    expectType<Same<typeof this.assigns.room, string>>();
    expectType<Same<typeof this.socket, Socket<object>>>();
    return ok();
  }
}

export class OnlySockets extends Channel<object, UserSocket> {
  override join() {
    expectType<Same<typeof this.assigns.userId, string>>();
    return ok();
  }
}

export class Bare extends Channel {
  override join() {
    expectType<Same<typeof this.assigns, object & object>>();
    return ok();
  }
}

// A class of channels that two sockets mount knows what they share.
export class Shared extends Channel<object, UserSocket | AdminSocket> {
  override join() {
    expectType<Same<typeof this.assigns.userId, string>>();
    return ok();
  }
}

export class AdminSocket extends Socket<{ userId: string; admin: true }> {
  static override channels = { "shared:*": Shared };
}

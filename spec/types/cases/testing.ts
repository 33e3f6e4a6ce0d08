// The test kit knows the classes that a test names.

import { Channel, ok, Socket } from "../../../lib/index.ts";
import { type ChannelCase, channelCase, VirtualClock } from "../../../lib/testing/index.ts";
import { expectType, type Same } from "./expect-type.ts";

class Room extends Channel<{ room: string }, UserSocket> {
  override join() {
    return ok({ members: 3 });
  }
  peek(): number {
    return 1;
  }
}

class UserSocket extends Socket<{ userId: string; admin?: boolean }> {
  static override channels = { "room:*": Room };
  name(): string {
    return this.assigns.userId;
  }
}

class Plain extends Socket {}

export async function typed(kit: ChannelCase) {
  const client = kit.socket(UserSocket, "user:1", { userId: "1" });
  expectType<Same<typeof client.socket, UserSocket>>();
  expectType<Same<typeof client.assigns, { userId: string; admin?: boolean }>>();
  expectType<Same<ReturnType<typeof client.socket.name>, string>>();

  const room = await client.subscribeAndJoin(Room, "room:1", { token: "t" });
  expectType<Same<typeof room.channel, Room>>();
  expectType<Same<typeof room.assigns.room, string>>();
  expectType<Same<typeof room.assigns.userId, string>>();
  room.channel.peek();

  const connected = await kit.connect(UserSocket, { token: "t" }, { headers: { cookie: "a=1" } });
  expectType<Same<typeof connected.socket, UserSocket>>();

  const outcome = await client.join(Room, "room:2");
  if (outcome.status === "ok") expectType<Same<typeof outcome.channel.channel, Room>>();
  else expectType<Same<typeof outcome.channel, null>>();

  const found = await client.subscribeAndJoin("room:3");
  // @ts-expect-error without its class the channel has no more than every channel
  found.channel.peek();

  kit.socket(Plain);
  kit.socket(Plain, null);
  kit.socket(UserSocket, null, { userId: "1", admin: true });
  // @ts-expect-error assigns that the class needs
  kit.socket(UserSocket, "user:1");
  // @ts-expect-error an assign that is missing
  kit.socket(UserSocket, "user:1", { admin: true });
  // @ts-expect-error an assign of another type
  kit.socket(UserSocket, "user:1", { userId: 1 });
  // @ts-expect-error an assign that the class doesn't have
  kit.socket(UserSocket, "user:1", { userId: "1", name: "x" });
  // @ts-expect-error a channel is no socket
  kit.socket(Room, null, {});
  // @ts-expect-error a socket is no channel
  await client.subscribeAndJoin(UserSocket, "room:1");
  // @ts-expect-error an info that doesn't exist
  await kit.connect(UserSocket, {}, { header: {} });

  // What is asserted is unknown until a test has looked at it.
  expectType<Same<Awaited<ReturnType<typeof room.assertPush>>, unknown>>();
  await room.assertReply(room.push("x", [1]), "ok", {
    id: kit.any(String),
    at: kit.any(Date),
    all: kit.any(),
  });
}

channelCase({ clock: "virtual", timeout: 5, heartbeatIntervalMs: false });
channelCase({ clock: new VirtualClock(0) });
// @ts-expect-error a clock that doesn't exist
channelCase({ clock: "fake" });
// @ts-expect-error an endpoint has a clock of its own
channelCase(channelCase().endpoint, { clock: "virtual" });

import { createServer } from "node:http";
import express from "express";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  Endpoint,
  error,
  ok,
  Socket,
} from "phoenix-channels-server";
import { channelCase } from "phoenix-channels-server/testing";
import { z } from "zod";

const NewMsg = z.object({ body: z.string() });

class RoomChannel extends Channel<{ room: string }, UserSocket> {
  static joinSchema = z.object({ token: z.string() });
  async join(topic: string, payload: { token: string }) {
    if (payload.token === "") return error({ reason: "unauthorized" });
    this.assigns.room = topic.slice("room:".length);
    return ok({ members: 3 });
  }
  static {
    this.on("new_msg", NewMsg, async function (msg) {
      const body: string = msg.body;
      const userId: string = this.assigns.userId;
      this.broadcast("new_msg", { user: userId, body });
      return ok();
    });
  }
}

class UserSocket extends Socket<{ userId: string }> {
  static channels = { "room:*": RoomChannel };
  connect(params: ConnectParams, info: ConnectInfo) {
    if (typeof params.token !== "string" || info.signal.aborted) return error("unauthorized");
    this.assigns.userId = params.token;
    return ok();
  }
  id() {
    return `users_socket:${this.assigns.userId}`;
  }
}

const endpoint = new Endpoint({ logger: console });
endpoint.socket("/socket", UserSocket, { checkOrigin: ["//example.com"], websocket: { maxChannels: 10 } });
endpoint.attach(createServer(express()));
endpoint.broadcast("room:lobby", "new_msg", { body: "hi" });
// @ts-expect-error an option that doesn't exist
endpoint.socket("/other", UserSocket, { maxChanels: 10 });

export async function testRoom(): Promise<void> {
  const kit = channelCase({ clock: "virtual" });
  const client = kit.socket(UserSocket, "user:1", { userId: "1" });
  const room = await client.subscribeAndJoin(RoomChannel, "room:lobby", { token: "t" });
  const joined: string = room.assigns.room;
  await room.assertReply(room.push("new_msg", { body: joined }), "ok", kit.any(Object));
  await kit.close();
  // @ts-expect-error an assign of another type
  kit.socket(UserSocket, "user:1", { userId: 1 });
}

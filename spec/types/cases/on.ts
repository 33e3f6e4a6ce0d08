// What `on` infers of the payload, of `this` and of the second argument, for each library of schemas.

import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  Channel,
  error,
  type HandleInResult,
  noreply,
  ok,
  reply,
  type Schema,
  Socket,
  stop,
} from "../../../lib/index.ts";
import { expectType, type Same } from "./expect-type.ts";

const ZodMsg = z.object({ body: z.string(), at: z.string().transform((text) => new Date(text)) });
const ValibotMsg = v.object({ body: v.string(), count: v.pipe(v.string(), v.transform(Number)) });
const ArktypeMsg = type({ body: "string", "tag?": "string", size: "string.integer.parse" });
const AnySchema: Schema<{ id: number }> = z.object({ id: z.number() });

interface Line {
  text: string;
}

class UserSocket extends Socket<{ userId: string }> {}

class RoomChannel extends Channel<{ room: string }, UserSocket> {
  static override joinSchema = ArktypeMsg;
  #secret = 1;
  field = "mine";

  override join(_topic: string, payload: typeof ArktypeMsg.infer) {
    expectType<Same<typeof payload.size, number>>();
    return ok();
  }

  spoken(payload: Line, channel: RoomChannel): HandleInResult {
    return ok({ text: payload.text, room: channel.assigns.room });
  }

  static {
    this.on("zod", ZodMsg, function (msg, channel) {
      expectType<Same<typeof msg, { body: string; at: Date }>>();
      expectType<Same<typeof this, RoomChannel>>();
      expectType<Same<typeof channel, RoomChannel>>();
      return ok({ at: msg.at.getTime(), secret: this.#secret, field: channel.field });
    });
    this.on("valibot", ValibotMsg, async function (msg) {
      expectType<Same<typeof msg, { body: string; count: number }>>();
      const { userId } = this.assigns;
      expectType<Same<typeof userId, string>>();
      if (msg.count > 1) return error({ reason: "too many", userId });
      return;
    });
    this.on("arktype", ArktypeMsg, (msg, channel) => {
      expectType<Same<typeof msg, { body: string; size: number; tag?: string }>>();
      expectType<Same<typeof channel, RoomChannel>>();
    });
    this.on("schema", AnySchema, (msg) => {
      expectType<Same<typeof msg, { id: number }>>();
      return noreply();
    });
    this.on("unknown", function (payload, channel) {
      expectType<Same<typeof payload, unknown>>();
      expectType<Same<typeof channel, RoomChannel>>();
      return reply(channel === this ? "same" : "other", payload);
    });
    this.on("own", function (payload: Line) {
      expectType<Same<typeof payload, Line>>();
      return this.assigns.room === "" ? stop() : stop("shutdown", ok({ text: payload.text }));
    });
    this.on("bytes", (payload: Uint8Array) => ok(payload));
    this.on("method", this.prototype.spoken);
    this.on("later", function () {
      const answer = this.deferReply();
      setTimeout(() => answer(ok({ later: true })), 5);
    });
    this.on("promised", function () {
      this.deferReply(Promise.resolve(ok()));
      this.endpoint.broadcastFrom(this, this.topic, "promised");
    });
  }
}

// Outside of the class, and in its subclasses, `this` is the class it is called on.
RoomChannel.on("outside", function (payload: Line) {
  expectType<Same<typeof this, RoomChannel>>();
  return this.spoken(payload, this);
});

export class PrivateRoom extends RoomChannel {
  invited = new Set<string>();
  static {
    this.on("invite", function (payload: { who: string }) {
      expectType<Same<typeof this.invited, Set<string>>>();
      this.invited.add(payload.who);
      return ok();
    });
  }
  override async handleIn(event: string, payload: unknown): Promise<HandleInResult> {
    if (event.startsWith("admin:") && this.assigns.userId !== "1") return error({ reason: "unauthorized" });
    return super.handleIn(event, payload);
  }
}

export class Socket1 extends Socket {
  static override channels = { "room:*": RoomChannel, "private:*": PrivateRoom };
}

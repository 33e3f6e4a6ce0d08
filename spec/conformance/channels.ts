import { setTimeout as delay } from "node:timers/promises";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  type ConnectResult,
  type Endpoint,
  error,
  type JoinResult,
  type MountOptions,
  ok,
  type Payload,
  reply,
  Socket,
  stop,
  type TerminateReason,
} from "../../lib/index.ts";
import { Presence } from "../../lib/presence/index.ts";

/** The channel of the recorded server, as the transcripts' table of events has it. */
class RoomChannel extends Channel<object, RecordedSocket> {
  static override intercepts = ["intercepted"];

  static {
    this.on("echo", (payload) => ok(payload));
    this.on("echo_error", (payload) => error(payload));
    this.on("ok", () => ok());
    this.on("custom_status", (payload) => reply("maybe", payload));
    this.on("noreply", () => {});
    this.on("async", function () {
      this.deferReply(delay(20).then(() => ok({ later: true })));
    });
    this.on("shout", function (payload: Payload) {
      this.broadcast("shout", payload);
    });
    this.on("shout_reply", function (payload: Payload) {
      this.broadcast("shout", payload);
      return ok();
    });
    this.on("whisper", function (payload: Payload) {
      this.broadcastFrom("whisper", payload);
      return ok();
    });
    this.on("push_me", function (payload: Payload) {
      this.push("pushed", payload);
    });
    this.on("intercept_me", function (payload: Payload) {
      this.broadcast("intercepted", payload);
    });
    this.on("boom", () => {
      throw new Error("boom");
    });
    this.on("stop", () => stop());
    this.on("stop_shutdown", () => stop("shutdown"));
    this.on("stop_reply", (payload) => stop("normal", ok(payload)));
    this.on("stop_abnormal", () => stop("kaboom"));
    this.on("bin", (payload) => ok(Buffer.concat([bytes(payload), Buffer.from([3, 4])])));
    this.on("bin_push", function (payload) {
      this.push("bin_pushed", bytes(payload));
    });
    this.on("bin_shout", function (payload) {
      this.broadcast("bin_shouted", bytes(payload));
    });
    this.on("topic", function () {
      return ok({ topic: this.topic, ref: this.ref, join_ref: this.joinRef });
    });
    this.on("kick_me", function () {
      const id = this.socket.id();
      if (id === null) throw new Error("kick_me needs a socket with an id");
      this.endpoint.broadcast(id, "disconnect", {});
    });
    this.on("whoami", function () {
      return ok({ auth_token: this.assigns.authToken, user_id: this.assigns.userId });
    });
  }

  join(topic: string, payload: unknown): JoinResult {
    if (topic === "room:reject") return error({ reason: "unauthorized" });
    if (topic === "room:crash") throw new Error("crash");
    if (topic === "room:payload") return ok({ echo: payload });
    if (topic.startsWith("room:after")) this.sendSelf((payload as { user?: unknown } | null)?.user ?? null);
    return ok();
  }

  /** After the join: who has come. */
  override handleInfo(user: unknown): void {
    this.broadcast("user_entered", { user });
    this.push("joined", { status: "connected" });
  }

  override handleOut(event: string, payload: unknown): void {
    this.push(event, { ...(payload as object), via: "handle_out" });
  }

  override terminate(_reason: TerminateReason): void {
    if (this.topic === "room:bye") this.push("you_left", { message: "bye!" });
  }
}

const presences = new WeakMap<Endpoint, Presence>();

/** The endpoint's presence, made when a channel first needs it. */
function presenceOf(endpoint: Endpoint): Presence {
  let presence = presences.get(endpoint);
  if (presence === undefined) {
    presence = new Presence(endpoint);
    presences.set(endpoint, presence);
  }
  return presence;
}

class PresenceChannel extends Channel<{ user: string }, RecordedSocket> {
  static {
    this.on("update", async function (payload: object) {
      await presenceOf(this.endpoint).update(this, this.assigns.user, payload);
      return ok();
    });
    this.on("untrack", async function () {
      await presenceOf(this.endpoint).untrack(this, this.assigns.user);
      return ok();
    });
  }

  join(_topic: string, payload: { user: string }): JoinResult {
    this.assigns.user = payload.user;
    this.sendSelf("after join");
    return ok();
  }

  override async handleInfo(): Promise<void> {
    const presence = presenceOf(this.endpoint);
    await presence.track(this, this.assigns.user, { online_at: 1 });
    this.push("presence_state", await presence.list(this.topic));
  }
}

/** The socket of the recorded server. */
export class RecordedSocket extends Socket<{ userId: string | null; authToken: string | null }> {
  static override channels = { "room:*": RoomChannel, exact: RoomChannel, "presence:*": PresenceChannel };

  override connect(params: ConnectParams, info: ConnectInfo): ConnectResult {
    if (params.reject === "true") return error();
    if (params.ratelimit === "true") return error("rate_limit");
    this.assigns.userId = typeof params.user_id === "string" ? params.user_id : null;
    this.assigns.authToken = info.authToken;
    return ok();
  }

  override id(): string | null {
    return this.assigns.userId === null ? null : `user_sockets:${this.assigns.userId}`;
  }
}

/** The options of the recorded mount. */
export const mountOptions: MountOptions = {
  checkOrigin: false,
  onRefused: (_request, reason) =>
    reason === "rate_limit" ? { status: 429, body: "Too many requests" } : undefined,
};

/** On the recorded server these events match binary payloads only, and another crashes the channel. */
function bytes(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  throw new Error("the payload isn't binary");
}

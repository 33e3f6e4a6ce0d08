import { AssertionError } from "node:assert";
import { expect } from "chai";
import {
  Channel,
  type ConnectParams,
  error,
  noreply,
  ok,
  type Reply,
  reply,
  Socket,
  stop,
} from "../../lib/index.ts";
import { type ChannelCase, type ChannelCaseOptions, channelCase } from "../../lib/testing/index.ts";
import { Gate } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";

/** A channel with one event for each way in which a channel can answer. */
export class RoomChannel extends Channel<{ room: string }, UserSocket> {
  /** Opened by specs, for the handler of `wait`. */
  static gate = new Gate<void>();
  /** Answers that `defer` has left to the spec. */
  static answers: ((reply: Reply) => boolean)[] = [];

  override join(topic: string, payload: { token?: string; greet?: boolean }) {
    if (payload.token === "wrong") return error({ reason: "unauthorized" });
    this.assigns.room = topic.slice("room:".length);
    if (payload.greet) this.sendSelf("greet");
    return ok({ room: this.assigns.room });
  }

  override handleInfo(message: unknown) {
    this.push("info", { message });
  }

  override terminate({ kind }: { kind: string }) {
    this.endpoint.broadcast("ends", "terminate", { topic: this.topic, kind });
  }

  static {
    this.on("new_msg", function (payload: object) {
      this.broadcast("new_msg", { ...payload, from: this.assigns.userId });
      return ok({ id: "m1", at: 7, ...payload });
    });
    this.on("echo", (payload) => ok(payload));
    this.on("fail", () => error({ reason: "no" }));
    this.on("later", function (payload: { after: number }) {
      this.sendSelf("tick", payload);
      return ok();
    });
    this.on("wait", async () => {
      await RoomChannel.gate.promise;
      return ok({ waited: true });
    });
    this.on("defer", function () {
      RoomChannel.answers.push(this.deferReply());
    });
    this.on("defer_promise", function () {
      this.deferReply(RoomChannel.gate.promise.then(() => ok({ deferred: true })));
    });
    this.on("others", function (payload: object) {
      this.broadcastFrom("others", payload);
    });
    this.on("push", function ({ event, ...payload }: { event: string }) {
      this.push(event, payload);
    });
    this.on("bytes", function (payload) {
      const bytes = payload as Uint8Array;
      this.push("bytes", bytes);
      this.broadcast("all_bytes", bytes);
      return ok(bytes);
    });
    this.on("crash", () => {
      throw new Error("boom");
    });
    this.on("stop", () => stop("normal", reply("bye", { n: 1 })));
    this.on("silent", () => noreply());
  }
}

export class UserSocket extends Socket<{ userId: string; admin?: boolean }> {
  static override channels = { "room:*": RoomChannel };
  override connect(params: ConnectParams) {
    if (params.token === "throw") throw new Error("no database");
    if (typeof params.token !== "string") return error({ reason: "no token" });
    this.assigns.userId = params.token;
    return ok();
  }
  override id() {
    return `user:${this.assigns.userId}`;
  }
}

/** A kit that is closed after the test. */
export function newCase(options?: ChannelCaseOptions): ChannelCase {
  RoomChannel.gate = new Gate();
  RoomChannel.answers = [];
  const kit = channelCase(options);
  afterTest(() => kit.close());
  return kit;
}

/** A client in `room:lobby`. */
export async function newRoom(options?: ChannelCaseOptions) {
  const kit = newCase(options);
  const client = kit.socket(UserSocket, "user:ada", { userId: "ada" });
  const room = await client.subscribeAndJoin(RoomChannel, "room:lobby");
  return { kit, client, room };
}

/** The AssertionError that a promise must reject with. */
export async function failureOf(promise: Promise<unknown>): Promise<AssertionError> {
  const thrown = await promise.then(
    (value) => expect.fail(`it resolved with ${String(value)}`),
    (error: unknown) => error,
  );
  expect(thrown).to.be.instanceOf(AssertionError);
  return thrown as AssertionError;
}

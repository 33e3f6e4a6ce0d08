import { Channel, ok, Socket, stop, type TerminateReason } from "../../../lib/index.ts";
import { Gate, Journal } from "../../support/gate.ts";

/** A socket class whose channel does what the specs of long-polling need, and tells what happened to it. */
export function chat() {
  const events = new Journal();
  const handler = new Gate();
  class Room extends Channel<object, ChatSocket> {
    override join() {
      events.add(`join ${this.topic}`);
      return ok();
    }
    override terminate({ kind, reason }: TerminateReason) {
      events.add(`terminate ${this.topic} ${kind}${reason === undefined ? "" : `: ${reason}`}`);
    }
    static {
      this.on("echo", (payload) => ok(payload));
      this.on("shout", function (payload: object) {
        this.broadcast("shout", payload);
      });
      this.on("note", (payload: { n?: number; bytes?: Uint8Array }) => {
        events.add(
          `note ${payload instanceof Uint8Array ? Buffer.from(payload).toString("hex") : payload.n}`,
        );
      });
      this.on("wait", async (payload: { n: number }) => {
        events.add(`wait ${payload.n}`);
        await handler.promise;
        return ok(payload);
      });
      this.on("bytes", () => ok(Buffer.from([1, 2, 3])));
      this.on("push_bytes", function () {
        this.push("before", {});
        this.push("bytes", Buffer.from([1, 2, 3]));
        this.push("after", {});
        return ok();
      });
      this.on("kick_me", function () {
        this.push("last_words", {});
        this.endpoint.disconnect("user:7");
      });
      this.on("stop", () => stop());
    }
  }
  class ChatSocket extends Socket {
    static override channels = { "room:*": Room };
    override id(): string | null {
      return "user:7";
    }
  }
  return { ChatSocket, events, handler };
}

export function shout(topic: string, payload: object) {
  return [null, null, topic, "shout", payload];
}

export function reply(
  ref: string,
  topic: string,
  response: unknown = {},
  status = "ok",
  joinRef: string | null = "1",
) {
  return [joinRef, ref, topic, "phx_reply", { status, response }];
}

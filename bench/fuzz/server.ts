// The server that the fuzzer's sessions connect to. It runs from the source.
import { setImmediate as immediate } from "node:timers/promises";
import {
  Channel,
  Endpoint,
  type EndpointStats,
  ok,
  PayloadError,
  type Reply,
  Socket,
} from "../../lib/index.ts";
import { answerParent } from "../support/child.ts";

export interface FuzzReport extends EndpointStats {
  readonly joined: number;
  readonly terminated: number;
  /** Errors in the log that no frame should be able to cause. */
  readonly errors: readonly string[];
}

let joined = 0;
let terminated = 0;
const errors = new Set<string>();

class RoomChannel extends Channel {
  static override intercepts = ["whisper"];

  async #joinSlowly(): Promise<Reply<"ok">> {
    await immediate();
    joined++;
    return ok();
  }

  override join(topic: string, payload: unknown) {
    if (topic === "room:b") return this.#joinSlowly();
    const reply = ok(payload);
    joined++;
    return reply;
  }

  override handleOut(event: string, payload: unknown) {
    this.push(event, payload as object);
  }

  override terminate() {
    terminated++;
  }

  static {
    this.on("echo", (payload) => ok(payload));
    this.on("slow", async (payload) => {
      await immediate();
      return ok(payload);
    });
    this.on("shout", function (payload) {
      // Only what may be broadcast is: an app that passes on anything has a bug of its own.
      if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return;
      this.broadcast("shout", payload);
      this.broadcast("whisper", payload);
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": RoomChannel };

  override id() {
    return "everybody";
  }
}

const quiet = () => {};
const endpoint = new Endpoint({
  logger: {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error(details, message) {
      const { err } = details as { err?: unknown };
      // A payload nested too deeply to be written again ends the channel, and a binary one doesn't reach V1.
      const tooDeep = err instanceof PayloadError && err.cause instanceof RangeError;
      const uncarried = err instanceof PayloadError && err.code === "uncarried_payload";
      if (tooDeep || uncarried) return;
      errors.add(`${message}: ${err instanceof Error ? err.stack : String(err)}`);
    },
  },
});
endpoint.socket("/socket", UserSocket, { maxPayload: 65_536, maxQueued: 20 });
const { port } = await endpoint.listen(0, "127.0.0.1");

answerParent({
  port: () => port,
  report: (): FuzzReport => ({ ...endpoint.stats(), joined, terminated, errors: [...errors] }),
});

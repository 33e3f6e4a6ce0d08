// The server of the soak test. It runs from the source, with --expose-gc.
import { setImmediate as immediate } from "node:timers/promises";
import {
  Channel,
  type ConnectParams,
  Endpoint,
  error,
  ok,
  type Reply,
  Socket,
  stop,
} from "../../lib/index.ts";
import { answerParent } from "../support/child.ts";

export interface SoakSample {
  /** Bytes after a full collection: V8's heap, and what buffers hold beside it. */
  readonly heap: number;
  readonly buffers: number;
  readonly rss: number;
  /** Joins that returned ok, and channels that were terminated. */
  readonly joined: number;
  readonly terminated: number;
  readonly connections: number;
  readonly channels: number;
  readonly topics: number;
}

let joined = 0;
let terminated = 0;

class RoomChannel extends Channel<{ cargo: string }> {
  async #joinSlowly(): Promise<Reply<"ok">> {
    await immediate();
    return this.#enter();
  }

  #enter(): Reply<"ok"> {
    joined++;
    // What a channel holds must go with it: make it worth noticing.
    this.assigns.cargo = "x".repeat(100) + this.topic;
    return ok({ topic: this.topic });
  }

  override join(_topic: string, payload: unknown) {
    const { how } = payload as { how?: string };
    switch (how) {
      case "refused":
        return error({ reason: "no" });
      case "crash":
        throw new Error("join crashes");
      case "slow":
        return this.#joinSlowly();
      default:
        return this.#enter();
    }
  }

  override handleInfo() {}

  override terminate() {
    terminated++;
  }

  static {
    this.on("echo", (payload) => ok(payload));
    this.on("slow echo", async (payload) => {
      await immediate();
      return ok(payload);
    });
    this.on("crash", () => {
      throw new Error("handleIn crashes");
    });
    this.on("slow crash", async () => {
      await immediate();
      throw new Error("handleIn crashes late");
    });
    this.on("stop", () => stop());
    this.on("timer", function () {
      this.sendSelf("never", { after: 3_600_000 });
    });
    this.on("subscribe", function () {
      this.subscribe(`other:${this.topic}`);
      this.subscribe("other:all", { fastlane: true });
    });
    this.on("defer", function () {
      this.deferReply();
    });
    this.on("signal", function () {
      this.signal.addEventListener("abort", () => {});
    });
    this.on("broadcast", function (payload: object) {
      this.broadcast("news", payload);
      this.endpoint.broadcast("other:all", "news", payload);
    });
    this.on("disconnect", function () {
      this.socket.disconnect();
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": RoomChannel };
  #id: string | null = null;

  override connect({ user }: ConnectParams) {
    if (typeof user === "string") this.#id = `user:${user}`;
    return ok();
  }

  override id() {
    return this.#id;
  }
}

const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
const { port } = await endpoint.listen(0, "127.0.0.1");

async function sample(): Promise<SoakSample> {
  // Finalizers and weak references take a collection more.
  for (let i = 0; i < 4; i++) {
    await immediate();
    globalThis.gc?.();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const { connections, channels, topics } = endpoint.stats();
  return { heap: heapUsed, buffers: external, rss, joined, terminated, connections, channels, topics };
}

answerParent({ port: () => port, sample });

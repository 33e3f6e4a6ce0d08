import {
  Channel,
  type ConnectParams,
  type EndpointOptions,
  error,
  type MountOptions,
  ok,
  Socket,
  stop,
  type TraceStep,
} from "../../lib/index.ts";
import { connect, type RawClient } from "../support/client.ts";
import { Gate, Journal } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";

/** A room whose events do what there is to trace. Its clock stands still unless a spec moves it. */
export async function serveRooms(mount: MountOptions = {}, endpointOptions: EndpointOptions = {}) {
  const clock = new ManualClock();
  /** Opens what handlers wait for. */
  const gate = new Gate();
  const terminated = new Journal();

  class Room extends Channel {
    static override intercepts = ["intercepted"];
    static override overflow = { cursor: "drop" as const };
    override async join(topic: string) {
      if (topic === "room:refused") return error({ reason: "full" });
      if (topic === "room:crash") throw new Error("no room");
      if (topic === "room:slow") await gate.promise;
      return ok();
    }
    override handleInfo() {
      this.broadcast("from_info");
    }
    override handleOut(event: string, payload: unknown) {
      this.push(event, payload as object);
    }
    override terminate() {
      terminated.add(this.topic);
    }
    static {
      this.on("echo", (payload) => ok(payload));
      this.on("later", async (payload) => {
        await gate.promise;
        return ok(payload);
      });
      this.on("shout", function (payload: object) {
        this.broadcast("shouted", payload);
      });
      this.on("shout_later", async function () {
        await gate.promise;
        this.broadcast("shouted");
        return ok();
      });
      this.on("shout_by_endpoint", async function () {
        await gate.promise;
        this.endpoint.broadcast(this.topic, "shouted");
      });
      this.on("whisper", function () {
        this.broadcastFrom("whispered");
      });
      this.on("intercept", function () {
        this.broadcast("intercepted", { a: 1 });
      });
      this.on("to_self", function () {
        this.sendSelf("hello");
      });
      this.on("to_self_later", function () {
        this.sendSelf("hello", { after: 1_000 });
      });
      this.on("defer", function () {
        const answer = this.deferReply();
        void gate.promise.then(() => answer(ok({ deferred: true })));
      });
      this.on("deny", () => error({ reason: "not today", token: "t" }));
      this.on("boom", () => {
        throw new TypeError("boom");
      });
      this.on("give_up", () => stop("tired"));
      this.on("wrong", () => true as never);
    }
  }

  class UserSocket extends Socket<{ user: string }> {
    static override channels = { "room:*": Room };
    override connect({ user = "ada" }: ConnectParams) {
      this.assigns.user = String(user);
      if (user === "mallory") return error({ banned: true, password: "p" });
      if (user === "crash") throw new Error("no database");
      return ok();
    }
    override id() {
      return `user:${this.assigns.user}`;
    }
  }

  const served = await serve(UserSocket, mount, { clock, ...endpointOptions });
  // No handler may wait for it when the endpoint closes.
  afterTest(() => gate.open());
  return {
    ...served,
    clock,
    gate,
    terminated,
    /** A client of vsn 2.0.0, joined to topics with join_ref "1". */
    async client(user: string, ...topics: string[]): Promise<RawClient> {
      const client = await connect(served.url, `vsn=2.0.0&user=${user}`);
      for (const topic of topics) await client.join(topic);
      return client;
    },
  };
}

/** The kinds of steps, with what a spec looks at most. */
export function kinds(steps: readonly TraceStep[]): string[] {
  return steps.map((step) => {
    switch (step.step) {
      case "routed":
        return `routed to ${step.to}`;
      case "unrouted":
        return `unrouted: ${step.why}`;
      case "handling":
        return `handling ${step.callback}`;
      case "handled":
        return `handled ${step.callback}: ${step.result}`;
      case "joined":
        return `joined: ${step.result}`;
      case "reply":
        return `reply: ${step.status}`;
      case "push":
      case "broadcast":
        return `${step.step}: ${step.event}`;
      case "frame_out":
        return `frame_out: ${step.of}`;
      case "lost":
        return `lost: ${step.why}`;
      case "denied":
      case "crashed":
      case "refused":
      case "closed":
        return `${step.step}: ${step.code}`;
      case "ended":
        return `ended: ${step.kind}`;
      default:
        return step.step;
    }
  });
}

/** The steps of one message: that of an event's `decoded`. */
export function ofEvent(steps: readonly TraceStep[], event: string): TraceStep[] {
  const decoded = steps.find((step) => step.step === "decoded" && step.event === event);
  if (decoded === undefined) throw new Error(`no ${event} was decoded: ${kinds(steps).join(", ")}`);
  return steps.filter((step) => step.id === decoded.id);
}

/** The step of a kind; there must be one. */
export function only<K extends TraceStep["step"]>(steps: readonly TraceStep[], kind: K) {
  const found = steps.filter((step): step is Extract<TraceStep, { step: K }> => step.step === kind);
  const [first] = found;
  if (first === undefined || found.length > 1) {
    throw new Error(`${found.length} steps ${kind}: ${kinds(steps).join(", ")}`);
  }
  return first;
}

import { expect } from "chai";
import fc from "fast-check";
import { Channel, type Endpoint, error, ok, Socket, stop } from "../../lib/index.ts";
import { connect, type Frame, type RawClient } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { attackable } from "./attackable.ts";

/** A channel whose events do all that a channel can do. */
class Anything extends Channel {
  static override intercepts = ["intercepted"];
  override join(topic: string, payload: unknown) {
    const { how } = payload as { how?: string };
    if (how === "throw") throw new Error("no");
    if (how === "refuse") return error({ reason: "no" });
    if (how === "follow") this.subscribe("news");
    if (topic.endsWith("slow"))
      return turn()
        .then(turn)
        .then(() => ok());
    return ok();
  }
  override async handleOut(event: string, payload: unknown) {
    await turn();
    this.push(event, payload as object);
  }
  override handleInfo() {
    this.push("info");
  }
  static {
    this.on("echo", (payload) => ok(payload));
    this.on("later", async (payload) => {
      await turn();
      return ok(payload);
    });
    this.on("defer", function (payload) {
      const answer = this.deferReply();
      setImmediate(() => answer(ok(payload)));
    });
    this.on("self", function () {
      this.sendSelf("now");
      this.sendSelf("soon", { after: 0 });
      return ok();
    });
    this.on("intercept", function () {
      this.broadcast("intercepted", {});
      return ok();
    });
    this.on("bytes", function () {
      this.push("bytes", Uint8Array.of(1, 2, 3));
      return ok(Buffer.from([4]));
    });
    this.on("throw", () => {
      throw new Error("thrown");
    });
    this.on("reject", async () => {
      await turn();
      throw new Error("rejected");
    });
    this.on("stop", () => stop("normal", ok()));
    this.on("shut", () => stop("broken"));
    this.on("kick", function () {
      this.socket.disconnect();
      return ok();
    });
  }
}

class AnySocket extends Socket {
  static override channels = { "room:*": Anything };
  override id() {
    return "user:1";
  }
}

const EVENTS = "echo later defer self intercept bytes throw reject stop shut unknown phx_leave".split(" ");
/** Those that are answered, unless the client has joined the topic again: what it asked before is stale then. */
const ANSWERED = "echo later self intercept unknown stop phx_leave".split(" ");
const TOPICS = ["room:a", "room:b", "room:slow", "nowhere"];
const JOINS = ["ok", "ok", "follow", "refuse", "throw"];

type Step =
  | { kind: "join"; client: number; topic: string; how: string }
  | { kind: "push"; client: number; topic: string; event: string; stale: boolean }
  | { kind: "broadcast"; topic: string }
  | { kind: "turn" }
  | { kind: "reset" | "close" | "ping" | "garbage"; client: number }
  | { kind: "disconnect" };

const client = fc.nat(1);
const topic = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("room:a", "room:slow") },
  { weight: 1, arbitrary: fc.constantFrom(...TOPICS) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("join" as const),
      client,
      topic,
      how: fc.constantFrom(...JOINS),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant("push" as const),
      client,
      topic,
      event: fc.constantFrom(...EVENTS),
      stale: fc.nat(9).map((n) => n === 0),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("broadcast" as const),
      topic: fc.constantFrom(...TOPICS, "news"),
    }),
  },
  { weight: 6, arbitrary: fc.constant({ kind: "turn" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("reset", "close", "ping", "garbage"),
      client,
    }) as fc.Arbitrary<Step>,
  },
  { weight: 1, arbitrary: fc.constant({ kind: "disconnect" as const }) },
);

/** One client, what it has sent, and all that it has got. */
class Player {
  readonly raw: RawClient;
  readonly got: Frame[] = [];
  readonly #joinRefs = new Map<string, string>();
  /** What must be answered while the connection is open, by topic. */
  readonly #owed = new Map<string, Set<string>>();
  #ref = 0;

  constructor(raw: RawClient) {
    this.raw = raw;
    raw.ws.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) return;
      const frame: Frame = JSON.parse(data.toString());
      this.got.push(frame);
      if (frame[3] === "phx_reply") this.#owed.get(frame[2])?.delete(frame[1]);
    });
  }

  get isOpen(): boolean {
    return this.raw.ws.readyState === this.raw.ws.OPEN;
  }

  join(on: string, how: string): void {
    const ref = `j${++this.#ref}`;
    this.#joinRefs.set(on, ref);
    // Joins are answered, each of them; what came before this one may not be.
    const owed = [...(this.#owed.get(on) ?? [])].filter((other) => other.startsWith("j"));
    this.#owed.set(on, new Set([...owed, ref]));
    this.raw.send([ref, ref, on, "phx_join", { how }]);
  }

  push(on: string, event: string, stale: boolean): void {
    const joinRef = stale ? "stale" : (this.#joinRefs.get(on) ?? null);
    const ref = `m${++this.#ref}`;
    if (!stale && ANSWERED.includes(event)) this.#owed.get(on)?.add(ref);
    this.raw.send([joinRef, ref, on, event, {}]);
  }

  /** Waits for what is owed, as long as the connection is open. */
  async settle(): Promise<void> {
    for (let rounds = 0; this.isOpen; rounds++) {
      const owed = [...this.#owed.values()].flatMap((refs) => [...refs]);
      // A disconnect may be on its way.
      await this.raw.settle().catch(() => {});
      if (owed.length === 0) return;
      if (rounds > 200 && this.isOpen) throw new Error(`never answered: ${owed.join()}`);
    }
  }

  /** What must hold of all that came, whatever was sent. */
  check(): void {
    const answered = new Set<string>();
    const ended = new Set<string>();
    const latest = new Map<string, number>();
    for (const [joinRef, ref, on, event, payload] of this.got) {
      if (event === "phx_reply") {
        expect(answered.has(ref), `two answers to ${ref}`).to.equal(false);
        answered.add(ref);
      } else if (event === "phx_close" || event === "phx_error") {
        expect(joinRef).to.equal(ref);
        expect(ended.has(joinRef), `two ends of ${joinRef}`).to.equal(false);
        ended.add(joinRef);
      } else if (event === "n") {
        expect(payload.n).to.be.greaterThan(latest.get(on) ?? -1);
        latest.set(on, payload.n);
      } else {
        expect(ended.has(joinRef), `a push after the end of ${joinRef}`).to.equal(false);
      }
    }
  }
}

async function play(url: string, endpoint: Endpoint, steps: readonly Step[]): Promise<void> {
  const players: Player[] = [];
  const player = async (n: number): Promise<Player> => {
    let one = players[n];
    if (one === undefined || !one.isOpen) {
      one?.check();
      one = new Player(await connect(url));
      players[n] = one;
    }
    return one;
  };
  for (const [n, one] of steps.entries()) {
    if (one.kind === "turn") await turn();
    else if (one.kind === "disconnect") endpoint.disconnect("user:1");
    else if (one.kind === "broadcast") endpoint.broadcast(one.topic, "n", { n });
    else if (one.kind === "join") (await player(one.client)).join(one.topic, one.how);
    else if (one.kind === "push") (await player(one.client)).push(one.topic, one.event, one.stale);
    else if (one.kind === "reset") (await player(one.client)).raw.ws.terminate();
    else if (one.kind === "close") (await player(one.client)).raw.ws.close(1000);
    else if (one.kind === "ping") (await player(one.client)).raw.ws.ping();
    else (await player(one.client)).raw.ws.send("garbage");
  }
  for (const one of players) {
    if (one === undefined) continue;
    await one.settle();
    one.check();
    one.raw.ws.terminate();
  }
}

describe("chaos", function () {
  this.timeout(60_000);

  it("any steps of any clients: an answer at most once, an end at most once, and nothing is left", async () => {
    const { url, endpoint } = await attackable(AnySocket);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 250, size: "max" }), async (steps) => {
        await play(url, endpoint, steps);
        const left = () => {
          const { connections, channels, topics, bufferedBytes, queued } = endpoint.stats();
          return connections + channels + topics + bufferedBytes + queued;
        };
        while (left() > 0) await turn();
      }),
      // Shrinking a failure ends in time to be reported.
      { numRuns: 60, interruptAfterTimeLimit: 30_000 },
    );
  });
});

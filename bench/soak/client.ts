import { once } from "node:events";
import { WebSocket } from "ws";
import type { Random } from "../support/random.ts";

/** Topics that a client has to do with at a time. */
const BATCH = 20;
const REPLY_TIMEOUT = 30_000;
const EXTRAS = ["echo", "slow echo", "timer", "subscribe", "defer", "signal", "broadcast"] as const;
const ENDS = ["crash", "slow crash", "stop"] as const;

let topics = 0;

/** One user who joins and leaves in all the ways there are, for as long as it is told to. */
export class SoakClient {
  readonly #url: string;
  readonly #v2: boolean;
  readonly #random: Random;
  #ws: WebSocket | null = null;
  #ref = 0;
  readonly #waiting = new Map<string, () => void>();
  /** phx_join frames sent. */
  joins = 0;
  /** Connections opened. */
  connects = 0;

  constructor(port: number, number: number, random: Random) {
    this.#v2 = number % 2 === 0;
    // Half of them have an id, which is one more subscription.
    const user = number % 4 < 2 ? `&user=${number}` : "";
    this.#url = `ws://127.0.0.1:${port}/socket/websocket?vsn=${this.#v2 ? "2.0.0" : "1.0.0"}${user}`;
    this.#random = random;
  }

  /** Goes on until so many more joins were sent, and leaves all topics. */
  async run(joins: number): Promise<void> {
    const until = this.joins + joins;
    while (this.joins < until) await this.#batch();
  }

  async close(): Promise<void> {
    if (this.#ws === null || this.#ws.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#ws, "close");
    this.#ws.close();
    await closed;
  }

  async #batch(): Promise<void> {
    const ws = await this.#connected();
    const batch = Array.from({ length: BATCH }, () => `room:${topics++}`);
    const joinRefs = new Map(batch.map((topic) => [topic, this.#visit(ws, topic)]));
    await Promise.all(batch.map((topic) => this.#answered(ws, null, topic, "echo")));
    if (this.#random.chance(0.05)) {
      await this.#goAway(ws, batch[0] ?? "");
      return;
    }
    // Whatever has become of it: a leave is always answered.
    await Promise.all(
      batch.map((topic) => this.#answered(ws, joinRefs.get(topic) ?? null, topic, "phx_leave")),
    );
  }

  /** Joins a topic and does something there. Returns the join_ref of the last join. */
  #visit(ws: WebSocket, topic: string): string {
    const random = this.#random;
    const how = random.pick(["", "", "", "", "slow", "slow", "refused", "crash"]);
    let joinRef = this.#join(ws, topic, how);
    for (let i = random.below(4); i > 0; i--) {
      if (random.chance(0.2)) joinRef = this.#join(ws, topic, random.pick(["", "slow"]));
      else this.#send(ws, joinRef, topic, random.pick(EXTRAS));
    }
    if (random.chance(0.3)) this.#send(ws, joinRef, topic, random.pick(ENDS));
    if (random.chance(0.2)) this.#send(ws, joinRef, topic, "phx_leave");
    if (random.chance(0.1)) joinRef = this.#join(ws, topic, "");
    return joinRef;
  }

  async #goAway(ws: WebSocket, topic: string): Promise<void> {
    const closed = once(ws, "close");
    const way = this.#random.below(3);
    if (way === 0) {
      ws.close();
    } else if (way === 1) {
      ws.terminate();
    } else {
      const ref = this.#join(ws, topic, "");
      this.#send(ws, ref, topic, "disconnect");
    }
    await closed;
  }

  async #connected(): Promise<WebSocket> {
    if (this.#ws !== null && this.#ws.readyState === WebSocket.OPEN) return this.#ws;
    const ws = new WebSocket(this.#url, { perMessageDeflate: false });
    ws.on("message", (data) => {
      const frame = JSON.parse(String(data)) as unknown[] & { ref?: string };
      const ref = this.#v2 ? frame[1] : frame.ref;
      this.#waiting.get(ref as string)?.();
    });
    await once(ws, "open");
    this.#ws = ws;
    this.connects++;
    return ws;
  }

  #join(ws: WebSocket, topic: string, how: string): string {
    this.joins++;
    const ref = String(this.#ref + 1);
    return this.#send(ws, ref, topic, "phx_join", { how });
  }

  #send(ws: WebSocket, joinRef: string | null, topic: string, event: string, payload: object = {}): string {
    const ref = String(++this.#ref);
    const frame = this.#v2
      ? [joinRef, ref, topic, event, payload]
      : { topic, event, payload, ref, join_ref: joinRef };
    ws.send(JSON.stringify(frame));
    return ref;
  }

  /** Sends what is answered in any case, and waits for the answer. */
  #answered(ws: WebSocket, joinRef: string | null, topic: string, event: string): Promise<void> {
    const ref = this.#send(ws, joinRef, topic, event);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer to ${event} on ${topic} (ref ${ref})`)),
        REPLY_TIMEOUT,
      );
      this.#waiting.set(ref, () => {
        this.#waiting.delete(ref);
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

import { connect } from "./client.ts";
import type { Frame, FrameClient } from "./frame-client.ts";

export type Vsn = "1.0.0" | "2.0.0";

/** A received message, in one shape for both versions; V1 has no join_ref, so it is left out there. */
export interface Received {
  readonly joinRef?: unknown;
  readonly ref: unknown;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

/** Runs the same specs over both JSON versions. */
export function forEachVsn(define: (vsn: Vsn) => void): void {
  for (const vsn of ["1.0.0", "2.0.0"] as const) {
    describe(`vsn ${vsn}`, () => define(vsn));
  }
}

/** A raw client that hides which version it speaks. */
export class Peer {
  readonly raw: FrameClient;
  readonly vsn: Vsn;

  constructor(raw: FrameClient, vsn: Vsn) {
    this.raw = raw;
    this.vsn = vsn;
  }

  static async connect(url: string, vsn: Vsn, query = ""): Promise<Peer> {
    return new Peer(await connect(url, `vsn=${vsn}${query}`), vsn);
  }

  /** V1 sends no join_ref. */
  send(joinRef: unknown, ref: unknown, topic: string, event: string, payload: unknown = {}): void {
    this.raw.send(
      this.vsn === "2.0.0" ? [joinRef, ref, topic, event, payload] : { topic, event, payload, ref },
    );
  }

  /** Sends several messages in one TCP write, so that the server reads them in one turn. */
  burst(messages: [joinRef: unknown, ref: unknown, topic: string, event: string, payload?: unknown][]): void {
    this.raw.together(() => {
      for (const message of messages) this.send(...message);
    });
  }

  async next(): Promise<Received> {
    return this.#normal(await this.raw.next());
  }

  async take(count: number): Promise<Received[]> {
    return (await this.raw.take(count)).map((frame) => this.#normal(frame));
  }

  /** What else arrives before the answer to a heartbeat sent now. */
  async settle(): Promise<Received[]> {
    return (await this.raw.settle()).map((frame) => this.#normal(frame));
  }

  /** Joins, and takes the reply. */
  async join(topic: string, payload: unknown = {}, joinRef = "1"): Promise<Received> {
    this.send(joinRef, joinRef, topic, "phx_join", payload);
    return this.next();
  }

  async ask(
    joinRef: unknown,
    ref: unknown,
    topic: string,
    event: string,
    payload: unknown = {},
  ): Promise<Received> {
    this.send(joinRef, ref, topic, event, payload);
    return this.next();
  }

  /** The message expected, in this peer's version. */
  message(joinRef: unknown, ref: unknown, topic: string, event: string, payload: unknown = {}): Received {
    return this.vsn === "2.0.0" ? { joinRef, ref, topic, event, payload } : { ref, topic, event, payload };
  }

  reply(joinRef: unknown, ref: unknown, topic: string, status: string, response: unknown = {}): Received {
    return this.message(joinRef, ref, topic, "phx_reply", { status, response });
  }

  /** The phx_close or phx_error of a join: V1 carries no join_ref, and with it no ref. */
  ending(joinRef: unknown, topic: string, event: "phx_close" | "phx_error"): Received {
    const payload = event === "phx_error" ? { reason: "channel_crash" } : {};
    return this.message(joinRef, this.vsn === "2.0.0" ? joinRef : null, topic, event, payload);
  }

  unmatched(ref: unknown, topic: string): Received {
    return this.reply(null, ref, topic, "error", { reason: "unmatched topic" });
  }

  #normal(frame: Frame): Received {
    if (!Array.isArray(frame)) return frame;
    const [joinRef, ref, topic, event, payload] = frame;
    return { joinRef, ref, topic, event, payload };
  }
}

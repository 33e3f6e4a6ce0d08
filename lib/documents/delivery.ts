import type { Cancel, Clock } from "../clock.ts";
import { Envelope } from "../pubsub/broadcast.ts";
import type { Answer, DocumentClient } from "./client.ts";
import { pageOf } from "./recent.ts";
import { type Carrier, DeliveryTally, note } from "./trace.ts";

/** A session delivers at once if it hasn't for this long: milliseconds for each client, and at most. */
const INTERVAL_PER_CLIENT = 0.05;
const MAX_INTERVAL = 20;
/** Characters of ops in one frame, and in one write for a client that is caught up. */
const MAX_FRAME = 64 * 1024;
/** Characters of ops that are read for a client which is caught up, before it has to drain. */
const PAGE = 256 * 1024;
/** A client with more bytes waiting than this falls back to being caught up. */
const MAX_BEHIND = 1024 * 1024;
/** Milliseconds without progress, after which a slow client is closed. */
const STALLED = 30_000;

export interface DeliveryHost {
  readonly clock: Clock;
  /** The ops above `after` and up to `to`, about as many as make `max` characters; in the same stack if it has them. */
  page(after: number, to: number, max: number): string[] | Promise<string[]>;
  /** Reading for a client failed: it can't be caught up. */
  unreadable(client: DocumentClient, error: unknown): void;
  /** Ops that a serializer can't carry. */
  uncarried(error: unknown, envelope: Envelope): void;
}

/**
 * Brings the ops to the connected clients: to each one all of them, in order and once. Who keeps up is live, and
 * gets the same bytes as all others; who doesn't is caught up page by page, at its own pace.
 */
export class Delivery {
  readonly #host: DeliveryHost;
  /** The payload of an `op` event up to its list. */
  readonly #prefix: string;
  readonly #clients = new Set<DocumentClient>();
  /** Ops behind `#delivered`, in their wire form. */
  #outgoing: string[] = [];
  #events: Envelope[] = [];
  /** The pushes that they came by, if there is a trace. */
  #carriers: Carrier[] = [];
  /** What every live client has. */
  #delivered: number;
  #deliveredAt = Number.NEGATIVE_INFINITY;
  #due: Cancel | null = null;

  constructor(host: DeliveryHost, document: string, head: number) {
    this.#host = host;
    this.#prefix = `{"documentId":${JSON.stringify(document)},"op":[`;
    this.#delivered = head;
  }

  get clients(): ReadonlySet<DocumentClient> {
    return this.#clients;
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** Ops are durable. @param events What goes out behind them. */
  add(
    ops: readonly string[],
    events: readonly { readonly type: string; readonly contents: string }[],
    carriers: readonly Carrier[],
  ): void {
    if (carriers.length > 0) this.#carriers.push(...carriers);
    for (const op of ops) this.#outgoing.push(op);
    for (const { type, contents } of events) this.#events.push(this.#envelope(type, contents));
    if (this.#due !== null) return;
    const { clock } = this.#host;
    const interval = Math.min(this.#clients.size * INTERVAL_PER_CLIENT, MAX_INTERVAL);
    const wait = this.#deliveredAt + interval - clock.now();
    if (wait <= 0) this.flush();
    else this.#due = clock.schedule(() => this.flush(), wait);
  }

  /** Delivers what waits. */
  flush(): void {
    this.#due?.();
    this.#due = null;
    const ops = this.#outgoing;
    if (ops.length === 0) return;
    this.#outgoing = [];
    const frames = this.#frames(ops);
    frames.push(...this.#events);
    this.#events = [];
    this.#delivered += ops.length;
    this.#deliveredAt = this.#host.clock.now();
    const carriers = this.#carriers;
    if (carriers.length === 0) {
      this.#send(frames, ops.length);
      return;
    }
    this.#carriers = [];
    const tally = new DeliveryTally(carriers, this.#delivered, ops.length);
    tally.deliver(() => this.#send(frames, ops.length, tally));
  }

  #send(frames: readonly Envelope[], count: number, tally: DeliveryTally | null = null): void {
    for (const client of this.#clients) {
      if (!client.live) {
        tally?.skipped(client, client.paused ? "paused" : "catching_up");
        continue;
      }
      if (this.#isBehind(client)) {
        tally?.skipped(client, "behind");
        client.live = false;
        client.cursor = this.#delivered - count;
        void this.#pull(client);
        continue;
      }
      for (const frame of frames) client.port.send(frame);
      tally?.sent();
      client.written(this.#delivered);
    }
  }

  /** A push of a client is durable: it is answered once the client has its ops. */
  acknowledge(client: DocumentClient, first: number, last: number, answer: Answer): void {
    client.acknowledge(first, last, answer);
    client.written(client.live ? this.#delivered : client.cursor);
  }

  /** A client is connected: it has all up to its cursor. */
  connect(client: DocumentClient): void {
    this.#clients.add(client);
    void this.#pull(client);
  }

  disconnect(client: DocumentClient): void {
    this.#clients.delete(client);
    client.live = false;
  }

  /** Nothing more for a client, until it resumes. */
  pause(client: DocumentClient): void {
    if (client.live) client.cursor = this.#delivered;
    client.live = false;
    client.paused = true;
  }

  resume(client: DocumentClient): void {
    client.paused = false;
    void this.#pull(client);
  }

  /** Sends an event to all clients for which `to` says so, but for those that are slow. */
  signal(event: string, payload: string, to: (client: DocumentClient) => boolean): void {
    const envelope = this.#envelope(event, payload);
    for (const client of this.#clients) {
      if (client.paused || !to(client) || this.#isBehind(client)) continue;
      client.port.send(envelope);
    }
  }

  stop(): void {
    this.#due?.();
    this.#due = null;
  }

  /** Catches a client up; it is live when it has what all have. */
  async #pull(client: DocumentClient): Promise<void> {
    if (client.pulling) return;
    client.pulling = true;
    /** Ops behind the client's cursor, and how many of them it has. */
    let page: readonly string[] = [];
    let done = 0;
    try {
      while (!client.ended && !client.paused) {
        if (client.cursor === this.#delivered) {
          client.live = true;
          client.written(client.cursor);
          return;
        }
        if (this.#isBehind(client)) {
          if (!(await this.#drained(client))) return this.#stalled(client);
          continue;
        }
        if (done === page.length) {
          const read = this.#host.page(client.cursor, this.#delivered, PAGE);
          page = Array.isArray(read) ? read : await read;
          done = 0;
          if (client.ended || client.paused) return;
        }
        // A write is over when all of it has left: with small ones a slow client is seen to move.
        const ops = pageOf(page, done, page.length, MAX_FRAME);
        done += ops.length;
        client.port.send(this.#frame(ops));
        if (client.port.tracer.active) {
          const { clientId, cursor } = client;
          note(client.port, "caught_up", { clientId, first: cursor + 1, last: cursor + ops.length });
        }
        client.cursor += ops.length;
        client.written(client.cursor);
        // A client that comes back after long shouldn't hold up the others.
        if (client.cursor < this.#delivered && !(await this.#drained(client))) return this.#stalled(client);
      }
    } catch (error) {
      this.#host.unreadable(client, error);
    } finally {
      client.pulling = false;
    }
  }

  /** The client's connection goes, unless it has left the document meanwhile. */
  #stalled(client: DocumentClient): void {
    if (!client.ended) client.port.overflow();
  }

  /** False if nothing has left for too long. */
  #drained({ port }: DocumentClient): Promise<boolean> {
    return new Promise((resolve) => {
      let cancel: Cancel;
      const watch = (waiting: number) => {
        cancel = this.#host.clock.schedule(() => {
          const now = port.bufferedBytes;
          if (now < waiting) watch(now);
          else resolve(false);
        }, STALLED);
      };
      watch(port.bufferedBytes);
      port.onceDrained(() => {
        cancel();
        resolve(true);
      });
    });
  }

  #isBehind({ port }: DocumentClient): boolean {
    return port.isBehind(Math.min(MAX_BEHIND, port.maxBufferedBytes / 4));
  }

  /** The ops in as few frames as they fit in. */
  #frames(ops: readonly string[]): Envelope[] {
    const frames: Envelope[] = [];
    for (let done = 0; done < ops.length; ) {
      const part = pageOf(ops, done, ops.length, MAX_FRAME);
      frames.push(this.#frame(part));
      done += part.length;
    }
    return frames;
  }

  #frame(ops: readonly string[]): Envelope {
    return this.#envelope("op", `${this.#prefix}${ops.join(",")}]}`);
  }

  #envelope(event: string, payload: string): Envelope {
    return new Envelope("", event, payload, null, (error, envelope) => this.#host.uncarried(error, envelope));
  }
}

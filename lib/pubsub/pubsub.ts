import { EventEmitter } from "eventemitter3";
import type { EncodedPayload } from "../protocol/payload.ts";
import type { Delivery, Tracer, Whom } from "../tracing.ts";
import type { PubSubAdapter, PubSubMessage } from "./adapter.ts";
import { type Broadcast, Envelope } from "./broadcast.ts";
import { deliverTraced } from "./traced.ts";

/** Something that gets the broadcasts of a key. Told of each synchronously, it must not run the app's code. */
export interface Subscriber {
  /** What becomes of it, for a trace; nothing means that the library has taken it. */
  // biome-ignore lint/suspicious/noConfusingVoidType: who has no client says nothing
  receive(envelope: Envelope): Delivery | void;
  /** The identity that `broadcastFrom` leaves out. */
  readonly owner: object | null;
  /** Whose client it is, for a trace. */
  readonly whom?: Whom;
}

/** Holds a key's place for its listeners, which are called when the subscribers have been served. */
const LISTENERS: Subscriber = { owner: null, receive() {} };

/**
 * The registry of local subscribers, and the seam to other nodes. A broadcast reaches the local ones before the
 * call returns; an adapter carries it on.
 */
export class PubSub {
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  readonly #listeners = new EventEmitter();
  readonly #adapter: PubSubAdapter | null;
  readonly #tracer: Tracer | null;
  readonly #report: (error: unknown, envelope: Envelope | null, what: string) => void;
  readonly #uncarried = (error: unknown, envelope: Envelope) =>
    this.#report(error, envelope, "broadcast not delivered: a serializer can't carry it");

  constructor(
    adapter: PubSubAdapter | null,
    report: (error: unknown, envelope: Envelope | null, what: string) => void,
    tracer: Tracer | null = null,
  ) {
    this.#adapter = adapter;
    this.#tracer = tracer;
    this.#report = report;
    adapter?.start((message) => this.#fromOtherNode(message));
  }

  /** Whether there are other nodes to speak to. */
  get distributed(): boolean {
    return this.#adapter !== null;
  }

  /** The number of keys that have subscribers. */
  get size(): number {
    return this.#subscribers.size;
  }

  /** The keys that have local subscribers, with their number. */
  *counts(): Generator<readonly [key: string, count: number]> {
    for (const [key, { size }] of this.#subscribers) yield [key, size];
  }

  /** The number of a key's local subscribers. */
  count(key: string): number {
    return this.#subscribers.get(key)?.size ?? 0;
  }

  /**
   * Adds a subscriber. Returns a promise only where the adapter's broker has to confirm; it never rejects, and
   * local broadcasts arrive meanwhile.
   */
  subscribe(key: string, subscriber: Subscriber): Promise<void> | undefined {
    const existing = this.#subscribers.get(key);
    if (existing !== undefined) {
      existing.add(subscriber);
      return undefined;
    }
    this.#subscribers.set(key, new Set([subscriber]));
    if (this.#adapter === null) return undefined;
    try {
      const confirmed = this.#adapter.subscribe(key);
      return confirmed?.catch((error: unknown) => this.#adapterFailed(error, "subscribe"));
    } catch (error) {
      this.#adapterFailed(error, "subscribe");
      return undefined;
    }
  }

  unsubscribe(key: string, subscriber: Subscriber): void {
    const set = this.#subscribers.get(key);
    if (set === undefined || !set.delete(subscriber) || set.size > 0) return;
    this.#subscribers.delete(key);
    try {
      this.#adapter?.unsubscribe(key);
    } catch (error) {
      this.#adapterFailed(error, "unsubscribe");
    }
  }

  /** Calls back with each broadcast of a key, when all subscribers have it. Returns what ends that. */
  listen(key: string, listener: (broadcast: Broadcast) => void): () => void {
    const guarded = (envelope: Envelope) => {
      try {
        listener(envelope.broadcast);
      } catch (error) {
        this.#report(error, envelope, `a listener of ${JSON.stringify(key)} crashed`);
      }
    };
    this.#listeners.on(key, guarded);
    void this.subscribe(key, LISTENERS);
    return () => {
      this.#listeners.off(key, guarded);
      if (this.#listeners.listenerCount(key) === 0) this.unsubscribe(key, LISTENERS);
    };
  }

  /** To every subscriber of a key, on all nodes, but those of `from`. */
  broadcast(key: string, event: string, payload: EncodedPayload, from: object | null = null): void {
    this.localBroadcast(key, event, payload, from);
    this.publish(key, event, payload);
  }

  /** To the subscribers of a key on other nodes only. */
  publish(key: string, event: string, payload: EncodedPayload): void {
    try {
      this.#adapter?.publish({ key, event, payload });
    } catch (error) {
      this.#adapterFailed(error, "publish");
    }
  }

  /** To every subscriber of a key on this node, but those of `from`. */
  localBroadcast(key: string, event: string, payload: EncodedPayload, from: object | null = null): void {
    const set = this.#subscribers.get(key);
    const tracer = this.#tracer;
    if (tracer?.active) {
      const envelope = new Envelope(key, event, payload, from, this.#uncarried);
      deliverTraced(tracer, set ?? [], envelope);
      if (set?.has(LISTENERS)) this.#listeners.emit(key, envelope);
      return;
    }
    if (set === undefined) return;
    const envelope = new Envelope(key, event, payload, from, this.#uncarried);
    for (const subscriber of set) {
      if (from === null || subscriber.owner !== from) subscriber.receive(envelope);
    }
    // Behind the loop, so that what a listener broadcasts comes second for every client.
    if (set.has(LISTENERS)) this.#listeners.emit(key, envelope);
  }

  async close(): Promise<void> {
    await this.#adapter?.close();
  }

  #fromOtherNode({ key, event, payload }: PubSubMessage): void {
    this.localBroadcast(key, event, payload);
  }

  #adapterFailed(error: unknown, call: string): void {
    this.#report(error, null, `pubsub adapter ${this.#adapter?.name}: ${call} failed`);
  }
}

import type { Clock } from "../clock.ts";
import { printable } from "../errors.ts";
import { payloadSize } from "../protocol/payload.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import type { PubSub, Subscriber } from "../pubsub/pubsub.ts";
import type { Delivery, Tracer, Whom } from "../tracing.ts";
import type { Reporter } from "./reporter.ts";
import { tellDelivery } from "./steps.ts";

/** How long a join waits for a broker to confirm its subscription. */
const CONFIRM_TIMEOUT = 2000;

/** Where a channel's broadcasts go. */
export interface BroadcastSink {
  /** Whose client it is. */
  readonly whom: Whom;
  /** Straight to the client. */
  fastlane(envelope: Envelope): Delivery;
  /** Into the mailbox: for `handleOut`, or for `handleInfo`. */
  queue(kind: "out" | "broadcast", envelope: Envelope): void;
  /** More bytes of broadcasts wait for handlers than may. */
  overflow(): void;
}

export interface SubscriptionsHost {
  readonly pubsub: PubSub;
  readonly clock: Clock;
  readonly report: Reporter;
  readonly tracer: Tracer;
  readonly maxBufferedBytes: number;
}

/** The subscriptions of one channel: to its own topic, and to others. */
export class Subscriptions implements Subscriber {
  readonly owner: object;
  readonly #topic: string;
  readonly #intercepts: ReadonlySet<string> | null;
  readonly #host: SubscriptionsHost;
  readonly #sink: BroadcastSink;
  #own = false;
  #others: Map<string, Subscriber> | null = null;
  /** Broadcasts that wait for the join's reply; null once it is out. */
  #held: Envelope[] | null = [];
  #waitingBytes = 0;
  /** What a broker has yet to confirm, while joining. */
  #unconfirmed: Promise<void>[] | null = null;

  constructor(
    owner: object,
    topic: string,
    intercepts: ReadonlySet<string> | null,
    host: SubscriptionsHost,
    sink: BroadcastSink,
  ) {
    this.owner = owner;
    this.#topic = topic;
    this.#intercepts = intercepts;
    this.#host = host;
    this.#sink = sink;
  }

  get whom(): Whom {
    return this.#sink.whom;
  }

  /**
   * Subscribes to the own topic, if it is to be. Calls back in the same stack, unless a broker has to confirm that
   * or what `join` subscribed to.
   */
  join(own: boolean, done: () => void): void {
    const { clock, report } = this.#host;
    this.#own = own;
    if (own) this.#subscribe(this.#topic, this);
    const unconfirmed = this.#unconfirmed;
    this.#unconfirmed = null;
    if (unconfirmed === null) {
      done();
      return;
    }
    let waiting = true;
    const proceed = () => {
      if (!waiting) return;
      waiting = false;
      cancel();
      done();
    };
    const cancel = clock.schedule(() => {
      report.logger.warn(
        { topic: this.#topic },
        `joined ${printable(this.#topic)} before the broker confirmed its subscription`,
      );
      proceed();
    }, CONFIRM_TIMEOUT);
    void Promise.all(unconfirmed).then(proceed);
  }

  /** The join's reply is out: what was held may follow. */
  open(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const envelope of held) this.taken(envelope);
    const { tracer } = this.#host;
    for (const envelope of held) {
      if (tracer.active) tracer.resume(envelope, () => this.#sendTraced(envelope));
      else this.receive(envelope);
    }
  }

  add(key: string, fastlane: boolean): void {
    if (this.#others?.has(key)) return;
    const subscriber: Subscriber = {
      owner: this.owner,
      whom: this.whom,
      receive: fastlane
        ? (envelope) => this.receive(envelope)
        : (envelope) => this.#queue("broadcast", envelope, "queued"),
    };
    this.#others ??= new Map();
    this.#others.set(key, subscriber);
    this.#subscribe(key, subscriber);
  }

  remove(key: string): void {
    const subscriber = this.#others?.get(key);
    if (subscriber === undefined) return;
    this.#others?.delete(key);
    this.#host.pubsub.unsubscribe(key, subscriber);
  }

  clear(): void {
    const { pubsub } = this.#host;
    if (this.#own) pubsub.unsubscribe(this.#topic, this);
    this.#own = false;
    for (const [key, subscriber] of this.#others ?? []) pubsub.unsubscribe(key, subscriber);
    this.#others = null;
    this.#held = null;
  }

  /** A broadcast for the client: by the fastlane, unless its event is intercepted. */
  receive(envelope: Envelope): Delivery {
    if (this.#held !== null) return this.#hold(this.#held, envelope);
    if (this.#intercepts?.has(envelope.event)) return this.#queue("out", envelope, "intercepted");
    return this.#sink.fastlane(envelope);
  }

  /** A queued broadcast has been taken. */
  taken(envelope: Envelope): void {
    this.#waitingBytes -= payloadSize(envelope.payload);
  }

  #sendTraced(envelope: Envelope): void {
    const { key: topic, event, payload } = envelope;
    tellDelivery(this.#host.tracer, this.whom, this.receive(envelope), { topic, event }, payload);
  }

  #subscribe(key: string, subscriber: Subscriber): void {
    const confirmed = this.#host.pubsub.subscribe(key, subscriber);
    if (confirmed === undefined || this.#held === null) return;
    this.#unconfirmed ??= [];
    this.#unconfirmed.push(confirmed);
  }

  #queue(kind: "out" | "broadcast", envelope: Envelope, delivery: Delivery): Delivery {
    if (!this.#mayWait(envelope)) return "overflow";
    this.#sink.queue(kind, envelope);
    return delivery;
  }

  #hold(held: Envelope[], envelope: Envelope): Delivery {
    if (!this.#mayWait(envelope)) return "overflow";
    held.push(envelope);
    return "held";
  }

  /** Broadcasts wait for a slow handler, or join, as bytes wait for a slow client, and are bounded alike. */
  #mayWait(envelope: Envelope): boolean {
    this.#waitingBytes += payloadSize(envelope.payload);
    if (this.#waitingBytes <= this.#host.maxBufferedBytes) return true;
    this.#sink.overflow();
    return false;
  }
}

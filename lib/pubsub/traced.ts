import type { Delivery, Skipped, SkipReason, Tracer, Whom } from "../tracing.ts";
import type { Envelope } from "./broadcast.ts";
import type { Subscriber } from "./pubsub.ts";

/** Of how many clients a trace tells one by one. */
const MAX_SENT = 20;
const MAX_SKIPPED = 50;

/** Hands a broadcast to its subscribers as the fast way does, and tells a trace what became of it for each. */
export function deliverTraced(tracer: Tracer, subscribers: Iterable<Subscriber>, envelope: Envelope): void {
  const { cause } = tracer;
  const deliver = () => {
    tracer.follow(envelope);
    const tally = new Tally(tracer);
    for (const subscriber of subscribers) {
      const isSender = envelope.from !== null && subscriber.owner === envelope.from;
      const delivery = isSender ? "sender" : (subscriber.receive(envelope) ?? "taken");
      tally.count(delivery, subscriber.whom ?? null);
    }
    tally.tell(envelope);
  };
  if (cause === null) tracer.within(tracer.newId(), deliver);
  else deliver();
}

/** What became of one broadcast. */
class Tally {
  readonly #tracer: Tracer;
  readonly #deliveries: { [D in Delivery | SkipReason]?: number } = {};
  readonly #sent: Whom[] = [];
  readonly #skipped: Skipped[] = [];
  readonly #seen = new Set<number>();
  #receivers = 0;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  count(delivery: Delivery | SkipReason, whom: Whom | null): void {
    this.#deliveries[delivery] = (this.#deliveries[delivery] ?? 0) + 1;
    if (delivery === "sent") this.#receivers++;
    if (whom === null) return;
    this.#seen.add(whom.number);
    const wanted = this.#tracer.wants(whom);
    if (delivery === "sent") {
      if (wanted || this.#sent.length < MAX_SENT) this.#sent.push(whom);
    } else if (delivery !== "taken" && (wanted || this.#skipped.length < MAX_SKIPPED)) {
      this.#skipped.push({ connection: whom.number, socketId: whom.id, why: delivery });
    }
  }

  tell({ key, event, payload }: Envelope): void {
    for (const whom of this.#tracer.joining(key)) {
      if (!this.#seen.has(whom.number)) this.count("joining", whom);
    }
    this.#tracer.step({
      step: "broadcast",
      topic: key,
      event,
      ...this.#tracer.shownEncoded(payload),
      receivers: this.#receivers,
      deliveries: this.#deliveries,
      skipped: this.#skipped,
    });
    const frame = { size: payload.length, binary: typeof payload !== "string" };
    for (const whom of this.#sent) {
      this.#tracer.step({ step: "frame_out", of: "broadcast", topic: key, event, ...frame }, whom);
    }
  }
}

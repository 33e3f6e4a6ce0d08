import type { Tracer } from "../tracing.ts";
import type { Answer } from "./client.ts";
import type { DocumentName } from "./log/op-log.ts";
import { documentTopic } from "./names.ts";

/** Tells the traces of the endpoints that serve documents what becomes of ops. */
export class DocumentNotes {
  readonly #tracers = new Set<Tracer>();

  /** Returns what removes it. */
  add(tracer: Tracer): () => void {
    this.#tracers.add(tracer);
    return () => this.#tracers.delete(tracer);
  }

  /** An answer that belongs to the message in hand, whenever it is given. */
  bound(answer: Answer): Answer {
    const tracing = [...this.#tracers].filter(({ active }) => active);
    if (tracing.length === 0) return answer;
    const bound: Answer = (reply) => this.resume(bound, () => answer(reply));
    for (const tracer of tracing) tracer.follow(bound);
    return bound;
  }

  /** Calls in the course of the message that an answer belongs to. */
  resume(answer: Answer | null, call: () => void): void {
    let inCourse = call;
    for (const tracer of answer === null ? [] : this.#tracers) {
      const inner = inCourse;
      if (tracer.active) inCourse = () => tracer.resume(answer as Answer, inner);
    }
    inCourse();
  }

  /** Ops have their place, from the first to the last sequence number, and are durable. */
  stored(document: DocumentName, first: number, last: number): void {
    for (const tracer of this.#tracers) {
      if (!tracer.active) continue;
      const topic = documentTopic(document);
      tracer.step({ step: "note", part: "documents", topic, name: "stored", facts: { first, last } });
    }
  }
}

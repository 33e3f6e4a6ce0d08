import type { Tracer } from "../tracing.ts";
import type { Answer, ClientPort } from "./client.ts";
import type { DocumentName } from "./log/op-log.ts";
import { documentTopic } from "./names.ts";

const PART = "documents";

/** The steps that documents add to a trace: what a note of the part `documents` is called. */
export type DocumentStep =
  | "session_started"
  | "session_stopped"
  | "session_failed"
  | "connect_refused"
  | "attached"
  | "paused"
  | "resumed"
  | "expelled"
  | "left"
  | "op_queued"
  | "op_stamped"
  | "nacked"
  | "record_committed"
  | "ops_delivered"
  | "caught_up";

/** Tells the traces of all endpoints that serve the documents of what concerns no client in particular. */
export class DocumentTraces {
  readonly #tracers = new Set<Tracer>();

  /** An endpoint serves the documents. Returns what takes it back. */
  add(tracer: Tracer): () => void {
    this.#tracers.add(tracer);
    return () => {
      this.#tracers.delete(tracer);
    };
  }

  /** Somebody reads a trace: else call nothing of it. */
  get active(): boolean {
    for (const tracer of this.#tracers) if (tracer.active) return true;
    return false;
  }

  /** Calls in a course of its own, not in that of the message that happened to come first. */
  apart(call: () => void): void {
    let run = call;
    for (const tracer of this.#tracers) {
      if (!tracer.active) continue;
      const inner = run;
      run = () => tracer.within(tracer.newId(), inner);
    }
    run();
  }

  note(name: DocumentStep, document: DocumentName, facts: object): void {
    const topic = documentTopic(document);
    for (const tracer of this.#tracers) {
      if (tracer.active) tracer.step({ step: "note", part: PART, name, topic, facts });
    }
  }
}

/** Tells the trace of a client's endpoint what happens to it. */
export function note(port: ClientPort, name: DocumentStep, facts: object): void {
  const { tracer, whom, topic, joinRef } = port;
  if (tracer.active) tracer.step({ step: "note", part: PART, name, topic, joinRef, facts }, whom);
}

/** A push, and the client whose message it was: a trace knows it by its answer. */
export interface Carrier {
  readonly client: { readonly port: ClientPort };
  readonly answer: Answer;
  readonly first: number;
  readonly last: number;
}

/** Calls in the course of the message that an answer is for. */
export function inCourse<T>({ tracer }: ClientPort, answer: Answer, call: () => T): T {
  return tracer.active ? tracer.resume(answer, call) : call();
}

/** Clients that don't get a frame of ops, at most. */
const MAX_SKIPPED = 50;

/** What became of ops that go to all clients of a document at once, for the traces of the pushes they came by. */
export class DeliveryTally {
  readonly #carriers: readonly Carrier[];
  readonly #last: number;
  readonly #ops: number;
  readonly #skipped: { connection: number; socketId: string | null; why: string }[] = [];
  #sent = 0;
  #missed = 0;

  /** @param last The last op that goes out, with those before it. */
  constructor(carriers: readonly Carrier[], last: number, ops: number) {
    this.#carriers = carriers;
    this.#last = last;
    this.#ops = ops;
  }

  /** Calls in the course of the first push: a frame has one id, though ops of several may be in it. */
  deliver(send: () => void): void {
    const [first] = this.#carriers;
    if (first === undefined) {
      send();
      return;
    }
    let by: string | null = null;
    inCourse(first.client.port, first.answer, () => {
      by = first.client.port.tracer.cause;
      send();
    });
    for (const carrier of this.#carriers) this.#tell(carrier, by);
  }

  sent(): void {
    this.#sent++;
  }

  skipped({ port }: { readonly port: ClientPort }, why: "paused" | "catching_up" | "behind"): void {
    this.#missed++;
    if (this.#skipped.length === MAX_SKIPPED) return;
    this.#skipped.push({ connection: port.whom.number, socketId: port.whom.id, why });
  }

  #tell({ client: { port }, answer, first, last }: Carrier, by: string | null): void {
    const frame = { first: this.#last - this.#ops + 1, last: this.#last, by };
    const facts = { first, last, sent: this.#sent, missed: this.#missed, skipped: this.#skipped, frame };
    inCourse(port, answer, () => note(port, "ops_delivered", facts));
  }
}

import type { FailureStep, TraceStep } from "../tracing.ts";

/** The latest steps, by id; the oldest ids go as a whole. */
export class RecentSteps {
  readonly #max: number;
  readonly #byId = new Map<string, TraceStep[]>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(step: TraceStep): void {
    const steps = this.#byId.get(step.id);
    if (steps === undefined) this.#byId.set(step.id, [step]);
    else steps.push(step);
    this.#size++;
    for (const [id, oldest] of this.#byId) {
      if (this.#size <= this.#max) break;
      if (this.#byId.size > 1) {
        this.#byId.delete(id);
        this.#size -= oldest.length;
      } else {
        // One message that causes more than there is room for.
        oldest.splice(0, this.#size - this.#max);
        this.#size = this.#max;
      }
    }
  }

  of(id: string): readonly TraceStep[] {
    return this.#byId.get(id) ?? [];
  }

  clear(): void {
    this.#byId.clear();
    this.#size = 0;
  }
}

/** Of each kind, so that a flood of one doesn't wash away the others. */
const MAX_FAILURES = 500;
/** How far back `explain` looks for what went before on the same connection. */
const MAX_EARLIER = 10;

/** The latest refusals, error replies, crashes and closes: some hundred bytes each, 4 KB at most. */
export class Failures {
  readonly #kinds = new Map<FailureStep["step"], { readonly ring: FailureStep[]; next: number }>();
  readonly #byId = new Map<string, FailureStep[]>();
  readonly #counts = new Map<FailureStep["step"], number>();

  add(failure: FailureStep): void {
    this.#counts.set(failure.step, this.count(failure.step) + 1);
    let kind = this.#kinds.get(failure.step);
    if (kind === undefined) {
      kind = { ring: [], next: 0 };
      this.#kinds.set(failure.step, kind);
    }
    const replaced = kind.ring[kind.next];
    if (replaced !== undefined) this.#forget(replaced);
    kind.ring[kind.next] = failure;
    kind.next = (kind.next + 1) % MAX_FAILURES;
    const same = this.#byId.get(failure.id);
    if (same === undefined) this.#byId.set(failure.id, [failure]);
    else same.push(failure);
  }

  of(id: string): readonly FailureStep[] {
    return this.#byId.get(id) ?? [];
  }

  /** How many there were of a kind, also those that are forgotten. */
  count(kind: FailureStep["step"]): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Those that are kept, the latest first. */
  latest(): FailureStep[] {
    return [...this.#kinds.values()].flatMap(({ ring }) => ring).sort((a, b) => b.seq - a.seq);
  }

  /** The latest on a connection that came before a step. */
  before({ connection, seq }: TraceStep): FailureStep[] {
    if (connection === null) return [];
    return [...this.#kinds.values()]
      .flatMap(({ ring }) => ring.filter((failure) => failure.connection === connection && failure.seq < seq))
      .sort((a, b) => a.seq - b.seq)
      .slice(-MAX_EARLIER);
  }

  #forget(failure: FailureStep): void {
    const rest = this.#byId.get(failure.id)?.filter((other) => other !== failure) ?? [];
    if (rest.length === 0) this.#byId.delete(failure.id);
    else this.#byId.set(failure.id, rest);
  }
}

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import { ConfigError, describe } from "../errors.ts";
import type { EncodedPayload } from "../protocol/payload.ts";
import type {
  FailureStep,
  NewFailure,
  NewStep,
  Shown,
  ShownError,
  Tracer,
  TraceStep,
  Whom,
} from "../tracing.ts";
import { Failures, RecentSteps } from "./recent.ts";
import { cut, MAX_PAYLOAD, shown, shownEncoded, shownError } from "./shown.ts";
import { Trace, type TraceOptions } from "./trace.ts";

/** Steps kept while there is a trace, for what a filter finds late and for `explain`. */
const MAX_RECENT = 5_000;

/** What `endpoint.explain` tells of an id. */
export interface Explanation {
  readonly id: string;
  /** What went wrong: the first failure with this id, or null if nothing did. */
  readonly failure: FailureStep | null;
  /** All that is known of the message: each step if a trace is running, else its failures. */
  readonly steps: readonly TraceStep[];
  /** What failed on the same connection before (the latest 10): often the cause. */
  readonly earlier: readonly FailureStep[];
}

/** The way of a message. */
interface Course {
  readonly id: string;
  readonly since: number;
}

/**
 * Records the steps of one endpoint: all of them for its traces, and its failures always. The asynchronous context that
 * carries ids is there only while a trace is, since Node makes every promise dearer for it.
 */
export class EndpointTracer implements Tracer {
  readonly #clock: Clock;
  readonly #filter: (value: unknown) => unknown;
  readonly #traces = new Set<Trace>();
  readonly #recent = new RecentSteps(MAX_RECENT);
  readonly #failures = new Failures();
  /** Sets the ids of this endpoint's life apart from those of others in one log. */
  readonly #prefix = randomBytes(4).toString("hex");
  readonly #context = new AsyncLocalStorage<Course>();
  #courses = new WeakMap<object, Course>();
  /** Whose join has begun and isn't answered, by topic. */
  readonly #joining = new Map<string, Set<Whom>>();
  #active = false;
  #maxPayload = MAX_PAYLOAD;
  #ids = 0;
  #seq = 0;
  #connections = 0;
  #closed = false;

  constructor(clock: Clock, filter: (value: unknown) => unknown) {
    this.#clock = clock;
    this.#filter = filter;
  }

  // ── for the endpoint ───────────────────────────────────────────────────────────────────────────────────────

  open(options: TraceOptions | undefined): Trace {
    const trace = new Trace(options, (closed) => this.#ended(closed));
    if (this.#closed) trace.close();
    else this.#traces.add(trace);
    this.#active = this.#traces.size > 0;
    this.#measure();
    return trace;
  }

  explain(id: string): Explanation | null {
    if (typeof id !== "string") {
      throw new ConfigError("invalid_argument", `explain needs an id, a string; got ${describe(id)}`);
    }
    const failures = this.#failures.of(id);
    const steps = [...new Set<TraceStep>([...this.#recent.of(id), ...failures])].sort(
      (a, b) => a.seq - b.seq,
    );
    const [first] = steps;
    if (first === undefined) return null;
    const failure = failures[0] ?? null;
    return { id, failure, steps, earlier: this.#failures.before(failure ?? first) };
  }

  get now(): number {
    return this.#clock.now();
  }

  /** What has failed, with or without a trace. */
  get failures(): Failures {
    return this.#failures;
  }

  close(): void {
    this.#closed = true;
    for (const trace of [...this.#traces]) trace.close();
  }

  #ended(trace: Trace): void {
    this.#traces.delete(trace);
    this.#measure();
    if (this.#traces.size > 0 || !this.#active) return;
    this.#active = false;
    this.#context.disable();
    this.#courses = new WeakMap();
    this.#joining.clear();
    this.#recent.clear();
  }

  #measure(): void {
    this.#maxPayload = Math.max(MAX_PAYLOAD, ...[...this.#traces].map(({ maxPayload }) => maxPayload));
  }

  // ── for who tells of steps ─────────────────────────────────────────────────────────────────────────────────

  get active(): boolean {
    return this.#active;
  }

  get cause(): string | null {
    return this.#active ? (this.#context.getStore()?.id ?? null) : null;
  }

  newId(): string {
    return `${this.#prefix}-${(++this.#ids).toString(36)}`;
  }

  nextConnection(): number {
    return ++this.#connections;
  }

  within<T>(id: string, call: () => T): T {
    return this.#run({ id, since: this.#clock.now() }, call);
  }

  follow(item: object): void {
    if (this.#courses.has(item)) return;
    this.#courses.set(item, {
      id: this.#context.getStore()?.id ?? this.newId(),
      since: this.#clock.now(),
    });
  }

  resume<T>(item: object, call: () => T): T {
    return this.#run(this.#courses.get(item) ?? { id: this.newId(), since: this.#clock.now() }, call);
  }

  waited(): number {
    const now = this.#clock.now();
    return now - (this.#context.getStore()?.since ?? now);
  }

  wants(whom: Whom): boolean {
    for (const trace of this.#traces) if (trace.wants(whom)) return true;
    return false;
  }

  joining(topic: string): Iterable<Whom> {
    return this.#joining.get(topic) ?? [];
  }

  step(step: NewStep, whom: Whom | null = null): void {
    if (whom !== null) this.#noteJoin(step, whom);
    this.#tell(this.#complete(step, whom));
  }

  fail(failure: NewFailure, whom: Whom | null = null): string {
    const step = this.#complete(failure, whom) as FailureStep;
    this.#failures.add(step);
    if (this.#active) this.#tell(step);
    return step.id;
  }

  shown(value: unknown, size = 0): Shown {
    return shown(value, this.#filter, size, this.#maxPayload);
  }

  shownEncoded(payload: EncodedPayload): Shown {
    return shownEncoded(payload, this.#filter, this.#maxPayload);
  }

  shownError(error: unknown): ShownError {
    return shownError(error);
  }

  #run<T>(course: Course, call: () => T): T {
    // A trace that ends meanwhile must not leave a context behind that nobody disables.
    return this.#active ? this.#context.run(course, call) : call();
  }

  #noteJoin(step: NewStep, whom: Whom): void {
    const { topic } = step;
    if (topic === undefined) return;
    const joining = this.#joining.get(topic);
    if (step.step === "handling" && step.callback === "join") {
      if (joining === undefined) this.#joining.set(topic, new Set([whom]));
      else joining.add(whom);
    } else if (step.step === "joined" && joining?.delete(whom) && joining.size === 0) {
      this.#joining.delete(topic);
    }
  }

  #complete({ id, ...facts }: NewStep, whom: Whom | null): TraceStep {
    return {
      seq: ++this.#seq,
      at: this.#clock.now(),
      id: id ?? this.cause ?? this.newId(),
      connection: whom?.number ?? null,
      socketId: whom === null || whom.id === null ? null : cut(whom.id),
      transport: whom?.transportKind ?? null,
      ...facts,
      ...bounded(facts),
    } as TraceStep;
  }

  #tell(step: TraceStep): void {
    this.#recent.add(step);
    for (const trace of this.#traces) trace.offer(step, this.#recent);
  }
}

/** What a client picks, cut. */
function bounded({ topic, event, ref, joinRef }: Omit<NewStep, "step">): object {
  const names: Record<string, unknown> = {};
  for (const [key, value] of Object.entries({ topic, event, ref, joinRef })) {
    if (typeof value === "string" && value.length > 256) names[key] = cut(value);
  }
  return names;
}

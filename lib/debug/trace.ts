import { ConfigError, describe } from "../errors.ts";
import { checkOptions, integer, type OptionCheck } from "../options.ts";
import type { TraceStep, Whom } from "../tracing.ts";
import type { RecentSteps } from "./recent.ts";

/** Which messages a trace follows: those with a step that has all that is named here. */
export interface TraceOptions {
  /** A topic, or the beginning of topics: `"room:*"`. */
  readonly topic?: string;
  /** What the socket's `id()` returned. */
  readonly socketId?: string;
  readonly event?: string;
  /** A connection's number, as other steps have it. */
  readonly connection?: number;
  /** One message. */
  readonly id?: string;
  /** Steps kept for a reader that is behind; then the oldest are dropped. @default 10_000 */
  readonly maxSteps?: number;
  /**
   * Characters of JSON after which payloads are cut. Of several traces, the largest counts, as they share steps.
   * @default 2_048
   */
  readonly maxPayload?: number;
}

/** Four times what a client's frame may have by default. */
const MAX_PAYLOAD_OPTION = 2 ** 22;

const text: OptionCheck<string> = (value, name) => {
  if (typeof value === "string" && value !== "") return value;
  throw new ConfigError(
    "invalid_option",
    `${name} must be a string that isn't empty, got ${describe(value)}`,
  );
};

const TRACE_OPTIONS = {
  topic: text,
  socketId: text,
  event: text,
  connection: integer(1, "connections"),
  id: text,
  maxSteps: integer(1, "steps"),
  maxPayload: integer(0, "characters", MAX_PAYLOAD_OPTION),
};

/** The ids of messages that matched, whose further steps are told too. */
const MAX_SELECTED = 10_000;

/**
 * The steps of messages as they happen: made by `endpoint.trace`. Read it with `for await`, once. A loop that is left
 * ends it.
 */
export class Trace implements AsyncIterable<TraceStep> {
  readonly #options: TraceOptions;
  readonly #maxSteps: number;
  readonly #onClose: (trace: Trace) => void;
  readonly #selected: Set<string> | null;
  /** Newest last; those before `#head` are taken. */
  #buffer: TraceStep[] = [];
  #head = 0;
  #dropped = 0;
  /** Dropped, and not yet told. */
  #missing: { readonly count: number; readonly last: TraceStep } | null = null;
  #waiting: (() => void)[] = [];
  #closed = false;

  /**
   * @internal
   * @throws ConfigError (`invalid_option`, `unknown_option`)
   */
  constructor(options: TraceOptions | undefined, onClose: (trace: Trace) => void) {
    this.#options = checkOptions<TraceOptions>(options, TRACE_OPTIONS, "trace");
    this.#maxSteps = this.#options.maxSteps ?? 10_000;
    this.#onClose = onClose;
    const { topic, socketId, event, connection, id } = this.#options;
    const all = [topic, socketId, event, connection, id].every((criterion) => criterion === undefined);
    this.#selected = all ? null : new Set();
  }

  /** How many steps the reader has missed, since it was too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes the steps that are there, without waiting for more. */
  take(): TraceStep[] {
    const steps = this.#buffer.slice(this.#head);
    const missing = this.#takeMissing();
    this.#buffer = [];
    this.#head = 0;
    return missing === null ? steps : [missing, ...steps];
  }

  /** No more steps are recorded; those that are there may still be read. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TraceStep, void, undefined> {
    try {
      for (;;) {
        const step = this.#next();
        if (step !== null) yield step;
        else if (this.#closed) return;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      this.close();
    }
  }

  /** The steps as lines of JSON, for a file: `pipeline(trace.toJSONL(), createWriteStream("trace.jsonl"))`. */
  async *toJSONL(): AsyncGenerator<string, void, undefined> {
    for await (const step of this) yield `${JSON.stringify(step)}\n`;
  }

  /** @internal */
  get maxPayload(): number {
    return this.#options.maxPayload ?? 0;
  }

  /** @internal Whether it asks for this client. */
  wants({ number, id }: Whom): boolean {
    const { socketId, connection } = this.#options;
    return (socketId !== undefined && socketId === id) || connection === number;
  }

  /** @internal A step has happened. Those of its message that came before are in `recent`, with it. */
  offer(step: TraceStep, recent: RecentSteps): void {
    const selected = this.#selected;
    if (selected === null || selected.has(step.id)) {
      this.#add(step);
    } else if (this.#matches(step)) {
      selected.add(step.id);
      if (selected.size > MAX_SELECTED) selected.delete(selected.values().next().value as string);
      for (const earlier of recent.of(step.id)) this.#add(earlier);
    }
  }

  #matches(step: TraceStep): boolean {
    const { topic, socketId, event, connection, id } = this.#options;
    return (
      (topic === undefined || (step.topic !== undefined && matchesTopic(topic, step.topic))) &&
      (event === undefined || step.event === event) &&
      (id === undefined || step.id === id) &&
      (socketId === undefined || step.socketId === socketId || skips(step, "socketId", socketId)) &&
      (connection === undefined || step.connection === connection || skips(step, "connection", connection))
    );
  }

  #add(step: TraceStep): void {
    this.#buffer.push(step);
    if (this.#buffer.length - this.#head > this.#maxSteps) {
      const last = this.#shift() as TraceStep;
      this.#missing = { count: (this.#missing?.count ?? 0) + 1, last };
      this.#dropped++;
    }
    this.#wake();
  }

  #next(): TraceStep | null {
    return this.#takeMissing() ?? this.#shift() ?? null;
  }

  #takeMissing(): TraceStep | null {
    const missing = this.#missing;
    if (missing === null) return null;
    this.#missing = null;
    const { count, last } = missing;
    const { seq, at } = last;
    return { seq, at, id: "", step: "dropped", connection: null, socketId: null, transport: null, count };
  }

  #shift(): TraceStep | undefined {
    const step = this.#buffer[this.#head];
    if (step === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#buffer.length || this.#head >= 1024) {
      this.#buffer.splice(0, this.#head);
      this.#head = 0;
    }
    return step;
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function matchesTopic(pattern: string, topic: string): boolean {
  return pattern.endsWith("*") ? topic.startsWith(pattern.slice(0, -1)) : topic === pattern;
}

/** Whether a broadcast missed the client that a trace asks for. */
function skips(step: TraceStep, key: "socketId" | "connection", value: string | number): boolean {
  return step.step === "broadcast" && step.skipped.some((skipped) => skipped[key] === value);
}

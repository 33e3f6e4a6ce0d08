import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type LogRecord,
  type LogState,
  MemoryOpLog,
  type OpLog,
  OpLogError,
  type Position,
} from "../../lib/documents/index.ts";
import type { Random, VirtualClock } from "../../lib/testing/index.ts";

/** What becomes of one call. Times in milliseconds. */
interface Fate {
  /** Until it gets to the engine. */
  readonly before: number;
  /** Until its answer is back. */
  readonly after: number;
  /** Whether it gets there, and whether the answer does. */
  readonly reaches: boolean;
  readonly answered: boolean;
  /** What is on its way when the process dies gets there all the same. */
  readonly outlives: boolean;
}

export interface Trouble {
  /** How often a call goes wrong, from 0 to 1. */
  readonly chance: number;
  /** Until when it does, by the clock. */
  readonly until: number;
  /** Like files that one process locks: the next one gets nothing before the one before it has ended. */
  readonly exclusive: boolean;
}

const SECOND = 1_000;

/** An engine for logs that outlives the processes of the server, whose calls take their time and go wrong by a seed. */
export class SimulatedEngine {
  readonly inner = new MemoryOpLog();
  /** What went wrong, counted: a run in which nothing does shows nothing. */
  readonly counts = { failed: 0, unanswered: 0, late: 0, locked: 0 };
  readonly #random: Random;
  readonly #trouble: Trouble;
  /** Times at which it doesn't answer at all. */
  readonly #outages: readonly (readonly [from: number, to: number])[];
  readonly #processes = new Set<ProcessLog>();

  constructor(random: Random, trouble: Trouble) {
    this.#random = random;
    this.#trouble = trouble;
    const outages = trouble.chance === 0 ? 0 : random.below(3);
    this.#outages = Array.from({ length: outages }, () => {
      const from = random.below(trouble.until);
      return [from, Math.min(trouble.until, from + random.between(SECOND, 40 * SECOND))] as const;
    });
  }

  /** What a process of the server has as its log. */
  open(clock: VirtualClock): ProcessLog {
    const log = new ProcessLog(this, clock);
    this.#processes.add(log);
    return log;
  }

  /** @internal Whether another process holds the files. */
  isLockedFor(log: ProcessLog): boolean {
    const [first] = this.#processes;
    return this.#trouble.exclusive && first !== log;
  }

  /** @internal */
  released(log: ProcessLog): void {
    this.#processes.delete(log);
  }

  /** @internal */
  fate(now: number): Fate {
    const random = this.#random;
    const quick = () => Math.max(0, random.between(-10, 10));
    const fate = {
      before: quick(),
      after: quick(),
      reaches: true,
      answered: true,
      outlives: random.chance(0.5),
    };
    const outage = this.#outages.find(([from, to]) => now >= from && now < to);
    if (outage !== undefined) {
      this.counts.late++;
      return { ...fate, before: outage[1] - now, reaches: random.chance(0.5) };
    }
    if (now >= this.#trouble.until || !random.chance(this.#trouble.chance)) return fate;
    const slow = random.between(SECOND, 20 * SECOND);
    switch (random.pick(["fails", "unanswered", "late", "late answer", "fails late"])) {
      case "fails":
        this.counts.failed++;
        return { ...fate, reaches: false };
      case "unanswered":
        this.counts.unanswered++;
        return { ...fate, answered: false };
      case "late":
        this.counts.late++;
        return { ...fate, before: slow };
      case "late answer":
        this.counts.late++;
        return { ...fate, after: slow };
      default:
        this.counts.failed++;
        return { ...fate, before: slow, reaches: false };
    }
  }
}

/** One process's connection to the engine: it ends with it. */
export class ProcessLog implements OpLog {
  readonly name = "simulated";
  readonly guarantees = { durability: "power", failover: "none", shared: false } as const;
  readonly #engine: SimulatedEngine;
  readonly #clock: VirtualClock;
  #ended = false;

  constructor(engine: SimulatedEngine, clock: VirtualClock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  get maxRecordBytes(): number {
    return this.#engine.inner.maxRecordBytes;
  }

  append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    return this.#call((log) => log.append(name, after, record));
  }

  state(name: DocumentName): Promise<LogState> {
    return this.#call((log) => log.state(name));
  }

  read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    return this.#call((log) => log.read(name, after, maxBytes));
  }

  saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    return this.#call((log) => log.saveCheckpoint(name, checkpoint));
  }

  truncate(name: DocumentName, upTo: number): Promise<number> {
    return this.#call((log) => log.truncate(name, upTo));
  }

  async close(): Promise<void> {
    this.kill();
  }

  /** The process is gone. */
  kill(): void {
    this.#ended = true;
    this.#engine.released(this);
  }

  async #call<T>(call: (log: OpLog) => Promise<T>): Promise<T> {
    this.#mustLive();
    if (this.#engine.isLockedFor(this)) {
      this.#engine.counts.locked++;
      throw new OpLogError("log_in_use", "another process has the log open");
    }
    const { before, after, reaches, answered, outlives } = this.#engine.fate(this.#clock.now());
    await this.#pass(before);
    if (!outlives) this.#mustLive();
    if (!reaches) throw new OpLogError("log_failed", "the engine took nothing");
    const result = await call(this.#engine.inner);
    await this.#pass(after);
    this.#mustLive();
    if (!answered) throw new OpLogError("log_failed", "the engine's answer is lost");
    return result;
  }

  #mustLive(): void {
    if (this.#ended) throw new OpLogError("log_closed", "the process has ended");
  }

  #pass(ms: number): Promise<void> {
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => this.#clock.schedule(resolve, ms));
  }
}

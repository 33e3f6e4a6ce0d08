import { MemoryOpLog } from "../../documents/log/memory.ts";
import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type Guarantees,
  type LogRecord,
  type LogState,
  type OpLog,
  OpLogError,
  type Position,
} from "../../documents/log/op-log.ts";
import { ConfigError, describe } from "../../errors.ts";
import { bool, checkOptions, having, type OptionCheck } from "../../options.ts";

const CALLS = ["append", "state", "read", "saveCheckpoint", "truncate"] as const;

/** A method of a log that a test can hold up, or let fail. */
export type LogCall = (typeof CALLS)[number];

export interface LogFailure {
  /** Which calls fail. @default all */
  readonly calls?: readonly LogCall[];
  /** What they fail with. @default an OpLogError with the code `log_failed` */
  readonly error?: Error;
  /**
   * The log does what it is asked, and only its answer is lost: so the server can't know what became of an append.
   * @default false
   */
  readonly unanswered?: boolean;
}

const calls: OptionCheck<readonly LogCall[]> = (value, name) => {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const wrong = list.find((call) => !(CALLS as readonly unknown[]).includes(call));
  if (list.length > 0 && wrong === undefined) return list as LogCall[];
  const got = list.length === 0 ? "none" : describe(wrong);
  throw new ConfigError("invalid_option", `${name} must be among ${CALLS.join(", ")}, got ${got}`);
};

const FAILURE: { readonly [K in keyof LogFailure]-?: OptionCheck<NonNullable<LogFailure[K]>> } = {
  calls,
  error: (value, name) => {
    if (value instanceof Error) return value;
    throw new ConfigError("invalid_option", `${name} must be an Error, got ${describe(value)}`);
  },
  unanswered: bool,
};

const opLog = having<OpLog>(...CALLS, "close");

/**
 * A log that a test holds up, or lets fail: around a log of yours, or around one in memory.
 *
 * ```ts
 * kit.log.hold("append");
 * const ref = ada.submitOp({ contents: "hi" });
 * await ada.refuteReply(ref);
 * kit.log.release();
 * await ada.assertReply(ref, "ok");
 * ```
 */
export class TestOpLog implements OpLog {
  readonly inner: OpLog;
  #held: ReadonlySet<LogCall> = new Set();
  #failing: {
    readonly calls: ReadonlySet<LogCall>;
    readonly error: Error;
    readonly unanswered: boolean;
  } | null = null;
  #waiting: (() => void)[] = [];
  #busy = 0;
  /** The latest append has failed: the server tries it again. */
  #retried = false;

  /** @throws ConfigError (`invalid_option`) for what is no log. */
  constructor(inner: OpLog = new MemoryOpLog()) {
    this.inner = opLog(inner, "new TestOpLog: log");
  }

  get name(): string {
    return this.inner.name;
  }

  get guarantees(): Guarantees {
    return this.inner.guarantees;
  }

  get maxRecordBytes(): number {
    return this.inner.maxRecordBytes;
  }

  /** How many calls are held up. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @internal How many calls the log itself is at work on. */
  get busy(): number {
    return this.#busy;
  }

  /** @internal For the message of an assertion that fails, while it may be for the log's sake. */
  get hint(): string | null {
    if (this.waiting > 0)
      return `The log is held up, ${this.waiting} calls wait: kit.log.release() lets them go on.`;
    if (this.#failing !== null) return "The log fails: kit.log.release() ends that.";
    return this.#retried
      ? "An append has failed, and the server tries it again by its clock: kit.clock.advance(1_000) brings that."
      : null;
  }

  /**
   * From now on these calls wait, until {@link release}. What is held so counts as at rest: assertions don't wait
   * for it.
   *
   * @param held Default: all.
   * @throws ConfigError (`invalid_option`) for what is no call.
   */
  hold(...held: LogCall[]): void {
    this.#held = new Set(held.length === 0 ? CALLS : calls(held, "hold: the calls"));
  }

  /**
   * From now on these calls fail, until {@link release}. The server tries an append again by its clock: after 50 ms,
   * then less and less often, up to once in a second.
   *
   * @throws ConfigError (`invalid_option`, `unknown_option`)
   */
  fail(failure: LogFailure = {}): void {
    const checked = checkOptions<Required<LogFailure>>(failure, FAILURE, "fail");
    this.#failing = {
      calls: new Set(checked.calls ?? CALLS),
      error: checked.error ?? new OpLogError("log_failed", "the test lets the log fail"),
      unanswered: checked.unanswered ?? false,
    };
  }

  /** Calls that are held up go on, and later ones neither wait nor fail. */
  release(): void {
    this.#held = new Set();
    this.#failing = null;
    for (const go of this.#waiting.splice(0)) go();
  }

  async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    this.#retried = true;
    const appended = await this.#call("append", () => this.inner.append(name, after, record));
    this.#retried = false;
    return appended;
  }

  state(name: DocumentName): Promise<LogState> {
    return this.#call("state", () => this.inner.state(name));
  }

  read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    return this.#call("read", () => this.inner.read(name, after, maxBytes));
  }

  saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    return this.#call("saveCheckpoint", () => this.inner.saveCheckpoint(name, checkpoint));
  }

  truncate(name: DocumentName, upTo: number): Promise<number> {
    return this.#call("truncate", () => this.inner.truncate(name, upTo));
  }

  async close(): Promise<void> {
    this.release();
    await this.inner.close();
  }

  async #call<T>(call: LogCall, run: () => Promise<T>): Promise<T> {
    if (this.#held.has(call)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const failing = this.#failing?.calls.has(call) === true ? this.#failing : null;
    if (failing !== null && !failing.unanswered) throw failing.error;
    this.#busy++;
    try {
      const result = await run();
      if (failing !== null) throw failing.error;
      return result;
    } finally {
      this.#busy--;
    }
  }
}

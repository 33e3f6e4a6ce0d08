import type { Clock } from "../clock.ts";
import { type DocumentName, type LogRecord, type OpLog, OpLogError, type Position } from "./log/op-log.ts";

/** Milliseconds between attempts while the log doesn't answer: doubled each time, up to the second. */
const FIRST_RETRY = 50;
const LAST_RETRY = 1000;

/** The codes of errors after which no attempt will do better. */
const HOPELESS: ReadonlySet<string> = new Set(["log_closed", "record_too_large"]);

/** Appends records, and doesn't let go of one until it is known what has become of it. */
export class Appender {
  readonly #log: OpLog;
  readonly #name: DocumentName;
  readonly #clock: Clock;
  readonly #onTrouble: (error: unknown) => void;
  #stopped = false;
  #wake: (() => void) | null = null;
  /** The latest attempt failed. */
  #failing = false;

  /** @param onTrouble Called for each attempt that fails. */
  constructor(log: OpLog, name: DocumentName, clock: Clock, onTrouble: (error: unknown) => void) {
    this.#log = log;
    this.#name = name;
    this.#clock = clock;
    this.#onTrouble = onTrouble;
  }

  /** The log doesn't answer at the moment. */
  get failing(): boolean {
    return this.#failing;
  }

  /**
   * Appends a record behind `after`.
   *
   * @returns True if it is in the log, false if another record is there, or if the appender was stopped before the
   * outcome was known.
   */
  async append(after: Position, record: LogRecord): Promise<boolean> {
    let delay = FIRST_RETRY;
    while (!this.#stopped) {
      try {
        const { outcome } = await this.#log.append(this.#name, after, record);
        // After a failure the record may be there, and another one behind it.
        const committed = outcome === "committed" || (await this.#isThere(after, record));
        this.#failing = false;
        return committed;
      } catch (error) {
        this.#failing = true;
        this.#onTrouble(error);
        if (error instanceof OpLogError && HOPELESS.has(error.code)) return false;
        // The same bytes at the same place: other ones could come second to these.
        await this.#pause(delay);
        delay = Math.min(delay * 2, LAST_RETRY);
      }
    }
    return false;
  }

  /** Gives up on a record whose outcome isn't known. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  async #isThere(after: Position, record: LogRecord): Promise<boolean> {
    const [next] = await this.#log.read(this.#name, after.sn, 1);
    return next !== undefined && next.id === record.id;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(resolve, ms);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

import type { Clock } from "../clock.ts";
import { ConfigError, StateError } from "../errors.ts";
import {
  type DocumentName,
  type LogRecord,
  LogTruncated,
  type OpLog,
  OpLogError,
  type Position,
} from "./log/op-log.ts";

/** Milliseconds between attempts while the log doesn't answer: doubled each time, up to the second. */
const FIRST_RETRY = 50;
const LAST_RETRY = 1000;

/** The codes of errors after which no attempt will do better. */
const HOPELESS: ReadonlySet<string> = new Set(["log_closed", "record_too_large", "log_corrupt"]);

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
   * @returns Null if it is in the log; else why it isn't and never will be. A record whose outcome isn't known when
   * the appender is stopped may be there all the same.
   */
  async append(after: Position, record: LogRecord): Promise<Error | null> {
    let delay = FIRST_RETRY;
    while (!this.#stopped) {
      try {
        const { outcome } = await this.#log.append(this.#name, after, record);
        // After a failure the record may be there, and another one behind it.
        const committed = outcome === "committed" || (await this.#isThere(after, record));
        this.#failing = false;
        return committed
          ? null
          : new StateError("closed", `the log has a record behind op ${after.sn} that isn't this session's`);
      } catch (error) {
        this.#failing = true;
        this.#onTrouble(error);
        if (isHopeless(error)) return error;
        // The same bytes at the same place: other ones could come second to these.
        await this.#pause(delay);
        delay = Math.min(delay * 2, LAST_RETRY);
      }
    }
    return new StateError("closed", "the document's session was stopped");
  }

  /** Gives up on a record whose outcome isn't known. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** The log's end has moved: by this record, or by another one in its place. */
  async #isThere(after: Position, record: LogRecord): Promise<boolean> {
    try {
      const [next] = await this.#log.read(this.#name, after.sn, 1);
      return next !== undefined && next.id === record.id;
    } catch (error) {
      // What comes behind `after` is gone already: then so much has happened that nobody here knows of.
      if (error instanceof LogTruncated) return false;
      throw error;
    }
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

function isHopeless(error: unknown): error is Error {
  return error instanceof ConfigError || (error instanceof OpLogError && HOPELESS.has(error.code));
}

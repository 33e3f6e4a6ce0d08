import type { LogRecord } from "./log/op-log.ts";
import { movedMinimum, Stamp, type StampOptions } from "./sequencer.ts";
import type { DocumentState } from "./state.ts";
import type { Carrier } from "./trace.ts";

/** What one record takes at most, in bytes, unless one push alone is larger. */
const MAX_RECORD = 1024 * 1024;
/** What stands before the ops of a record, and what each client takes there that noops have moved. */
const HEADER_BYTES = 16 * 1024;
const MOVED_BYTES = 80;

/** A record that is to be appended, and what to do when it is durable. */
export interface Batch {
  readonly record: LogRecord;
  readonly stamp: Stamp;
  readonly settle: readonly (() => void)[];
  readonly carriers: readonly Carrier[];
}

/** One record in the making: what is in it, and how much more goes in. */
export class RecordDraft {
  /** What to do when it is durable. */
  readonly settle: (() => void)[] = [];
  /** The pushes in it, if there is a trace. */
  readonly carriers: Carrier[] = [];
  readonly #state: DocumentState;
  readonly #options: StampOptions;
  /** Bytes besides the header. */
  readonly #max: number;
  #stamp: Stamp | null = null;
  #left = 0;

  constructor(state: DocumentState, options: StampOptions, maxRecordBytes: number) {
    this.#state = state;
    this.#options = options;
    this.#max = maxRecordBytes - HEADER_BYTES;
  }

  /** The stamp, which begins when it is first asked for. */
  get stamp(): Stamp {
    this.#stamp ??= new Stamp(this.#state, this.#options);
    return this.#stamp;
  }

  get begun(): boolean {
    return this.#stamp !== null;
  }

  /** The MSN that the next op can't refer below: a record that begins takes along what noops have moved. */
  get minimum(): number {
    const { moved } = this.#options;
    return this.begun || moved.size === 0 ? this.#state.msn : movedMinimum(this.#state, moved);
  }

  /** Takes room for so many bytes; false if there isn't as much. The first always fit. */
  fits(bytes: number): boolean {
    if (!this.begun) {
      const header = this.#options.moved.size * MOVED_BYTES;
      this.#left = Math.min(MAX_RECORD, this.#max) - header;
      if (header > 0 && bytes + header > this.#max) {
        // What noops have moved goes first, in a record of its own.
        this.stamp.noop();
        this.#left = 0;
        return false;
      }
    } else if (bytes > this.#left) {
      return false;
    }
    this.#left -= bytes;
    return true;
  }

  /** The record; null if there is nothing for one. */
  finish(): Batch | null {
    const stamp = this.#stamp;
    if (stamp === null) return null;
    // What noops have moved is in the state, so it has to be in the log.
    if (stamp.ops.length === 0) stamp.noop();
    return { record: stamp.finish(), stamp, settle: this.settle, carriers: this.carriers };
  }
}

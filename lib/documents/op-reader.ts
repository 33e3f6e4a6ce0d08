import type { Clock } from "../clock.ts";
import { describe, StateError } from "../errors.ts";
import type { DocumentName, OpLog } from "./log/op-log.ts";
import { answerOf } from "./patience.ts";
import { pageOf, type RecentBudget, RecentOps } from "./recent.ts";
import { StoredRecord } from "./record.ts";

/** Reads a document's durable ops in their wire form: from memory if they are there, else from the log. */
export class OpReader {
  readonly #name: DocumentName;
  readonly #log: OpLog;
  readonly #clock: Clock;
  readonly #recent: RecentOps;
  /** What the last read of the log has brought: of a large record more than one page, and others may need it too. */
  readonly #fetched: RecentOps;
  #stopped = false;
  readonly #onLacking: (error: Error) => void;

  /** @param onLacking The log doesn't have what it had: it was set back. */
  constructor(
    name: DocumentName,
    host: { readonly log: OpLog; readonly clock: Clock; readonly recent: RecentBudget },
    recent: RecentOps,
    onLacking: (error: Error) => void,
  ) {
    this.#name = name;
    this.#log = host.log;
    this.#clock = host.clock;
    this.#recent = recent;
    this.#fetched = new RecentOps(host.recent);
    this.#onLacking = onLacking;
  }

  /**
   * The ops above `after` and up to `to`, about as many as make `max` characters, and at least one.
   *
   * @throws LogTruncated, OpLogError, StateError (`closed`) by rejection.
   */
  page(after: number, to: number, max: number): string[] | Promise<string[]> {
    if (after >= to) return [];
    return this.#recent.page(after, to, max) ?? this.#again(after, to, max) ?? this.#fromLog(after, to, max);
  }

  /** Asks the log again for what it has given: it may hold less by now. */
  forget(): void {
    this.#fetched.clear();
  }

  /** Keeps nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.forget();
  }

  /** A page of what was read before; null if it begins elsewhere. */
  #again(after: number, to: number, max: number): string[] | null {
    const { last } = this.#fetched;
    return after < last ? this.#fetched.page(after, Math.min(to, last), max) : null;
  }

  async #fromLog(after: number, to: number, max: number): Promise<string[]> {
    const records = await answerOf(this.#clock, this.#log.read(this.#name, after, max));
    const ops = records.flatMap((record) => [...new StoredRecord(record).wire(after)]);
    if (ops.length === 0) {
      const error = new StateError(
        "closed",
        `the log lacks the ops of ${describe(this.#name.document)} above ${after}: it was set back`,
      );
      this.#onLacking(error);
      throw error;
    }
    if (!this.#stopped) {
      this.#fetched.clear();
      this.#fetched.add(ops, after + ops.length);
    }
    return pageOf(ops, 0, Math.min(to - after, ops.length), max);
  }
}

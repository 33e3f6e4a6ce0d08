import type { Clock } from "../clock.ts";
import { describe, StateError } from "../errors.ts";
import type { DocumentName, OpLog } from "./log/op-log.ts";
import { answerOf } from "./patience.ts";
import type { RecentOps } from "./recent.ts";
import { StoredRecord } from "./record.ts";

/** Reads a document's durable ops in their wire form: from memory if they are there, else from the log. */
export class OpReader {
  readonly #name: DocumentName;
  readonly #log: OpLog;
  readonly #clock: Clock;
  readonly #recent: RecentOps;
  readonly #onLacking: (error: Error) => void;

  /** @param onLacking The log doesn't have what it had: it was set back. */
  constructor(
    name: DocumentName,
    { log, clock }: { readonly log: OpLog; readonly clock: Clock },
    recent: RecentOps,
    onLacking: (error: Error) => void,
  ) {
    this.#name = name;
    this.#log = log;
    this.#clock = clock;
    this.#recent = recent;
    this.#onLacking = onLacking;
  }

  /**
   * The ops above `after` and up to `to`, about as many as make `max` characters, and at least one.
   *
   * @throws LogTruncated, OpLogError, StateError (`closed`) by rejection.
   */
  page(after: number, to: number, max: number): string[] | Promise<string[]> {
    return after >= to ? [] : (this.#recent.page(after, to, max) ?? this.#fromLog(after, to, max));
  }

  async #fromLog(after: number, to: number, max: number): Promise<string[]> {
    const ops: string[] = [];
    let size = 0;
    for (const record of await answerOf(this.#clock, this.#log.read(this.#name, after, max))) {
      for (const op of new StoredRecord(record).wire(after)) {
        size += op.length;
        if (after + ops.length >= to || (ops.length > 0 && size > max)) return ops;
        ops.push(op);
      }
    }
    if (ops.length > 0) return ops;
    const error = new StateError(
      "closed",
      `the log lacks the ops of ${describe(this.#name.document)} above ${after}: it was set back`,
    );
    this.#onLacking(error);
    throw error;
  }
}

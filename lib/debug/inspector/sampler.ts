import type { TraceStep } from "../../tracing.ts";

/** New messages in one batch; what they cause later comes along. */
const MAX_MESSAGES = 20;
/** Steps of failures in one batch that come though their message isn't picked. */
const MAX_FAILURES = 10;
/** Characters of one batch, above which no more messages are picked. */
const MAX_SIZE = 256 * 1024;
/** Steps of one batch: one message may go to thousands of clients. */
const MAX_STEPS = 2_000;
/** Messages of which is remembered whether they were picked. */
const MAX_REMEMBERED = 10_000;

const FAILURES: ReadonlySet<string> = new Set(["refused", "denied", "crashed", "closed"]);

/** What of a batch of steps is shown. */
export interface Sample {
  readonly steps: readonly TraceStep[];
  /** Messages that began, and those of them that are shown. */
  readonly messages: number;
  readonly picked: number;
  /** Steps that are missing in what is shown: they came faster than they were taken, or were too many. */
  readonly dropped: number;
}

/**
 * Picks what a page can show of more messages than anybody can read: messages as a whole, so that the flow of each is
 * complete, and failures in any case.
 */
export class Sampler {
  /** By id: whether it was picked. */
  readonly #known = new Map<string, boolean>();

  take(steps: readonly TraceStep[]): Sample {
    const shown: TraceStep[] = [];
    let messages = 0;
    let picked = 0;
    let failures = 0;
    let dropped = 0;
    let size = 0;
    for (const step of steps) {
      if (step.step === "dropped") {
        dropped += step.count;
        continue;
      }
      let wanted = this.#known.get(step.id);
      if (wanted === undefined) {
        wanted = picked < MAX_MESSAGES && size < MAX_SIZE;
        messages++;
        if (wanted) picked++;
        this.#remember(step.id, wanted);
      }
      if (!wanted && (!FAILURES.has(step.step) || failures++ >= MAX_FAILURES)) continue;
      if (shown.length === MAX_STEPS) {
        dropped++;
        continue;
      }
      shown.push(step);
      size += JSON.stringify(step).length;
    }
    return { steps: shown, messages, picked, dropped };
  }

  #remember(id: string, wanted: boolean): void {
    this.#known.set(id, wanted);
    if (this.#known.size > MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
  }
}

import type { EndpointStats } from "../../endpoint/stats.ts";
import type { Failures } from "../recent.ts";

/** What is counted, for rates. */
const COUNTED = ["framesIn", "framesOut", "bytesIn", "bytesOut", "dropped", "rateLimited"] as const;
/** Failures that clients were told of. */
const REFUSALS = ["refused", "denied", "crashed"] as const;

type Counts = { readonly [K in (typeof COUNTED)[number] | "refusals"]: number };

/** How much of each there was in a second. */
export class Rates {
  readonly #failures: Failures;
  #before: Counts | null = null;
  #at = 0;

  constructor(failures: Failures) {
    this.#failures = failures;
  }

  /** Since it was last called; null at first. */
  since(stats: EndpointStats, now: number): Counts | null {
    const counts: Counts = { ...pick(stats), refusals: refusals(this.#failures) };
    const before = this.#before;
    const seconds = (now - this.#at) / 1000;
    this.#before = counts;
    this.#at = now;
    if (before === null || seconds <= 0) return null;
    const rates: Partial<Record<keyof Counts, number>> = {};
    for (const key of Object.keys(counts) as (keyof Counts)[]) {
      rates[key] = Math.max(0, (counts[key] - before[key]) / seconds);
    }
    return rates as Counts;
  }
}

/** How often a client was refused something since the endpoint was made. */
export function refusals(failures: Failures): number {
  return REFUSALS.reduce((sum, kind) => sum + failures.count(kind), 0);
}

function pick(stats: EndpointStats): Omit<Counts, "refusals"> {
  return Object.fromEntries(COUNTED.map((key) => [key, stats[key]])) as Omit<Counts, "refusals">;
}

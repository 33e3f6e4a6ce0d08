import type { Nearest } from "./failure.ts";
import { type Comparison, compare } from "./match.ts";
import type { Entry } from "./transcript.ts";

/** A message that has come, until an assertion takes it. */
export interface Item {
  readonly event: string;
  readonly payload: unknown;
  readonly entry: Extract<Entry, { taken: boolean }>;
  /** The channel that a broadcast leaves out. */
  readonly from?: object | null;
}

/** What has come and no assertion has taken, in order: as a test process's mailbox in ExUnit. */
export class Inbox {
  #items: Item[] = [];
  readonly #taken: string[] = [];

  put(item: Item): void {
    this.#items.push(item);
  }

  /** The first that matches. */
  find(event: string, match: unknown, filter: (item: Item) => boolean = () => true): Item | undefined {
    return this.#items.find((item) => item.event === event && filter(item) && matches(item.payload, match));
  }

  /** Takes one out. */
  take(item: Item): void {
    this.#items = this.#items.filter((other) => other !== item);
    item.entry.taken = true;
    this.#taken.push(item.event);
  }

  /** How many of an event assertions have taken. */
  taken(event: string): number {
    return this.#taken.filter((taken) => taken === event).length;
  }

  /** What comes nearest: a message of that event, or else one with a payload that matches. */
  nearest(event: string, match: unknown): Nearest | null {
    const compared = this.#items.map((item) => ({ ...item, comparison: comparison(item.payload, match) }));
    const far = (item: (typeof compared)[number]) =>
      (item.event === event ? 0 : 1000) + item.comparison.differences.length;
    const candidates = compared.filter(
      (item) => item.event === event || (match !== undefined && item.comparison.differences.length === 0),
    );
    candidates.sort((a, b) => far(a) - far(b));
    return candidates[0] ?? null;
  }
}

/** An absent pattern takes any payload. */
export function comparison(payload: unknown, match: unknown): Comparison {
  return match === undefined ? { differences: [], expected: payload } : compare(payload, match);
}

function matches(payload: unknown, match: unknown): boolean {
  return comparison(payload, match).differences.length === 0;
}

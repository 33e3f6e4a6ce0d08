/** What an op costs besides its text, roughly. */
const OVERHEAD = 64;
/** A session's latest ops take no more than this, in bytes. */
export const MAX_SESSION_BYTES = 256 * 1024;

/** Bounds what all sessions of a node keep of their latest ops: the least recently used give way first. */
export class RecentBudget {
  readonly #max: number;
  #bytes = 0;
  /** In the order of use, the oldest first. */
  readonly #sessions = new Map<RecentOps, number>();

  /** @param max Bytes. */
  constructor(max: number) {
    this.#max = max;
  }

  /** What a session keeps now. */
  used(ops: RecentOps, bytes: number): void {
    this.#bytes += bytes - (this.#sessions.get(ops) ?? 0);
    this.#sessions.delete(ops);
    if (bytes > 0) this.#sessions.set(ops, bytes);
    for (const oldest of this.#sessions.keys()) {
      if (this.#bytes <= this.#max) return;
      oldest.clear();
    }
  }
}

/** Ops of a document in their wire form, one behind the other, so that the log needn't be read for them. */
export class RecentOps {
  readonly #budget: RecentBudget;
  readonly #max: number;
  #ops: string[] = [];
  /** The first of `#ops` that is kept. */
  #start = 0;
  #last = 0;
  #bytes = 0;

  /** @param max Bytes, beyond which the oldest ops give way; without it, they only do so to others in the budget. */
  constructor(budget: RecentBudget, max = Number.POSITIVE_INFINITY) {
    this.#budget = budget;
    this.#max = max;
  }

  /** The sequence number of the last one. */
  get last(): number {
    return this.#last;
  }

  add(ops: readonly string[], last: number): void {
    for (const op of ops) {
      this.#ops.push(op);
      this.#bytes += op.length + OVERHEAD;
    }
    this.#last = last;
    while (this.#bytes > this.#max && this.#ops.length > this.#start) {
      this.#bytes -= (this.#ops[this.#start++] as string).length + OVERHEAD;
    }
    // What is dropped leaves the array in few large steps.
    if (this.#start > 1024 || this.#start === this.#ops.length) {
      this.#ops = this.#ops.slice(this.#start);
      this.#start = 0;
    }
    this.#budget.used(this, this.#bytes);
  }

  /**
   * The ops above `after` and up to `to`, as many as make about `maxBytes` and at least one; null if they aren't all
   * here.
   */
  page(after: number, to: number, maxBytes: number): string[] | null {
    const kept = this.#ops.length - this.#start;
    if (after < this.#last - kept || to > this.#last) return null;
    const begin = this.#ops.length - (this.#last - after);
    const end = this.#ops.length - (this.#last - to);
    return pageOf(this.#ops, begin, end, maxBytes);
  }

  clear(): void {
    this.#ops = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#budget.used(this, 0);
  }
}

/** Some of a list's ops, as many as make about `max` characters, and at least one. */
export function pageOf(ops: readonly string[], begin: number, end: number, max: number): string[] {
  let size = 0;
  for (let i = begin; i < end; i++) {
    size += (ops[i] as string).length;
    if (i > begin && size > max) return ops.slice(begin, i);
  }
  return ops.slice(begin, end);
}

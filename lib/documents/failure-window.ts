/** Failures that one channel may have within a window, in milliseconds. */
const MAX_FAILURES = 20;
const WINDOW = 60_000;

/** Counts a channel's failed connects, so that nobody tries out tokens. */
export class FailureWindow {
  #count = 0;
  #began = Number.NEGATIVE_INFINITY;

  add(now: number): void {
    if (now - this.#began >= WINDOW) {
      this.#began = now;
      this.#count = 0;
    }
    this.#count++;
  }

  /** Seconds until the next attempt is allowed, 0 for now. */
  retryAfter(now: number): number {
    const left = this.#began + WINDOW - now;
    return this.#count >= MAX_FAILURES && left > 0 ? Math.ceil(left / 1000) : 0;
  }
}

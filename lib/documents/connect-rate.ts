import { ConnectRefusal } from "./refusal.ts";

/** Connects of one user to one document within this many milliseconds. */
const MAX_CONNECTS = 300;
const WINDOW = 60_000;

/** Counts the connects to a document by user. */
export class ConnectRate {
  readonly #connects = new Map<string, number>();
  #began = Number.NEGATIVE_INFINITY;

  /** Counts one. Why it is refused, or null. */
  add(userId: string, now: number): ConnectRefusal | null {
    if (now - this.#began >= WINDOW) {
      this.#began = now;
      this.#connects.clear();
    }
    const connects = (this.#connects.get(userId) ?? 0) + 1;
    this.#connects.set(userId, connects);
    if (connects <= MAX_CONNECTS) return null;
    const message = `the user has connected to the document ${MAX_CONNECTS} times within a minute`;
    return new ConnectRefusal("throttled", message, { retryAfter: WINDOW / 1000 });
  }
}

import type { Cancel, Clock } from "../clock.ts";
import { ConfigError, describe } from "../errors.ts";

interface Task {
  readonly at: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until a test moves it. Give it to an endpoint as its `clock`, or ask for one by
 * `channelCase({clock: "virtual"})`.
 */
export class VirtualClock implements Clock {
  /** In the order of time; those of one moment in the order in which they were scheduled. */
  readonly #tasks: Task[] = [];
  readonly #rests = new Set<() => Promise<void>>();
  #now: number;
  #advancing: Promise<void> = Promise.resolve();

  /**
   * @param now Milliseconds since the epoch at which it begins. Default: the system's time, so that tokens which
   * the app signs by it make sense.
   * @throws ConfigError (`invalid_argument`)
   */
  constructor(now: number = Date.now()) {
    if (!Number.isFinite(now)) {
      throw new ConfigError(
        "invalid_argument",
        `new VirtualClock(now) takes milliseconds since the epoch, got ${describe(now)}`,
      );
    }
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  schedule(callback: () => void, ms: number): Cancel {
    // Parts of a millisecond gather what comes almost at once: a test shouldn't have to advance for that.
    const task: Task = { at: this.#now + (ms < 1 ? 0 : ms), callback };
    let index = this.#tasks.length;
    while (index > 0 && (this.#tasks[index - 1] as Task).at > task.at) index--;
    this.#tasks.splice(index, 0, task);
    return () => {
      const found = this.#tasks.indexOf(task);
      if (found >= 0) this.#tasks.splice(found, 1);
    };
  }

  /** The number of callbacks that are scheduled. */
  get pending(): number {
    return this.#tasks.length;
  }

  /** When the next callback is due, in milliseconds since the epoch; null if none is scheduled. */
  get nextAt(): number | null {
    return this.#tasks[0]?.at ?? null;
  }

  /**
   * Moves time on. What falls due on the way is called in the order of time, and after each callback all kits on
   * this clock come to a standstill, so that what it has set off runs at its own moment: every message is handled,
   * or waits for something that isn't the clock. Such a handler isn't waited for; `await kit.settle()` does that.
   *
   * @returns Resolves when all of it has run. Calls that overlap follow each other.
   * @throws ConfigError (`invalid_argument`) for a time that isn't a number of at least 0.
   */
  async advance(ms: number): Promise<void> {
    if (typeof ms !== "number" || !(ms >= 0) || ms === Number.POSITIVE_INFINITY) {
      throw new ConfigError(
        "invalid_argument",
        `advance(ms) takes a number of milliseconds of at least 0, got ${describe(ms)}`,
      );
    }
    const before = this.#advancing;
    const advanced = before.then(() => this.#advance(ms));
    // The next call follows this one also if a callback throws.
    this.#advancing = advanced.catch(() => {});
    return advanced;
  }

  /** Calls what is due at this moment, without moving on, and without what that schedules. */
  runDue(): void {
    for (const task of this.#tasks.filter(({ at }) => at <= this.#now)) {
      // One of the others may have cancelled it.
      const index = this.#tasks.indexOf(task);
      if (index < 0) continue;
      this.#tasks.splice(index, 1);
      task.callback();
    }
  }

  /** @internal Adds what is waited for after each callback. Returns what takes it away. */
  onStep(rest: () => Promise<void>): Cancel {
    this.#rests.add(rest);
    return () => {
      this.#rests.delete(rest);
    };
  }

  async #advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.#rest();
    while (this.#step(until)) await this.#rest();
    this.#now = until;
  }

  /** Calls the next callback that is due until then. */
  #step(until: number): boolean {
    const next = this.#tasks[0];
    if (next === undefined || next.at > until) return false;
    this.#tasks.shift();
    this.#now = Math.max(this.#now, next.at);
    next.callback();
    return true;
  }

  async #rest(): Promise<void> {
    for (const rest of this.#rests) await rest();
  }
}

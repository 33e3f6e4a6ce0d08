import type { Cancel, Clock } from "../../lib/index.ts";

interface Task {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until a spec moves it. */
export class ManualClock implements Clock {
  readonly #tasks = new Set<Task>();
  #now = 0;

  /** The number of callbacks that are scheduled. */
  get pending(): number {
    return this.#tasks.size;
  }

  now(): number {
    return this.#now;
  }

  schedule(callback: () => void, ms: number): Cancel {
    const task: Task = { at: this.#now + ms, callback };
    this.#tasks.add(task);
    return () => {
      this.#tasks.delete(task);
    };
  }

  /** Moves on, and calls what falls due on the way, in the order of time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (let task = this.#next(until); task !== undefined; task = this.#next(until)) {
      this.#tasks.delete(task);
      this.#now = task.at;
      task.callback();
    }
    this.#now = until;
  }

  #next(until: number): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks) {
      if (task.at <= until && (next === undefined || task.at < next.at)) next = task;
    }
    return next;
  }
}

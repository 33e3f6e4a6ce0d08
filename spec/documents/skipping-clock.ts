import { systemClock } from "../../lib/clock.ts";
import type { Cancel, Clock } from "../../lib/index.ts";

interface Task {
  readonly at: number;
  readonly callback: () => void;
  cancel: Cancel;
}

/** A clock that runs as the system's does, and skips time when a spec wants it to. */
export class SkippingClock implements Clock {
  readonly #tasks = new Set<Task>();
  #skipped = 0;

  now(): number {
    return systemClock.now() + this.#skipped;
  }

  /** The callbacks that are due more than so many milliseconds from now. */
  pending(beyond = 0): number {
    const from = this.now() + beyond;
    return [...this.#tasks].filter(({ at }) => at > from).length;
  }

  schedule(callback: () => void, ms: number): Cancel {
    const task: Task = { at: this.now() + ms, callback, cancel: () => {} };
    this.#tasks.add(task);
    this.#arm(task);
    return () => {
      task.cancel();
      this.#tasks.delete(task);
    };
  }

  /** Goes on by so many milliseconds, and calls what falls due on the way, in the order of time. */
  skip(ms: number): void {
    const until = this.now() + ms;
    for (let task = this.#next(until); task !== undefined; task = this.#next(until)) {
      this.#skipped += Math.max(0, task.at - this.now());
      this.#run(task);
    }
    this.#skipped += Math.max(0, until - this.now());
    for (const task of this.#tasks) this.#arm(task);
  }

  /** The same, but what falls due is late, as in a process that is busy. */
  lag(ms: number): void {
    this.#skipped += ms;
  }

  #arm(task: Task): void {
    task.cancel();
    task.cancel = systemClock.schedule(() => this.#run(task), Math.max(0, task.at - this.now()));
  }

  #run(task: Task): void {
    task.cancel();
    if (this.#tasks.delete(task)) task.callback();
  }

  #next(until: number): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks) {
      if (task.at <= until && (next === undefined || task.at < next.at)) next = task;
    }
    return next;
  }
}

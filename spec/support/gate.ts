/** A promise that a spec opens, or fails, when it wants to. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  open!: (value: T) => void;
  fail!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
  }
}

/** Collects what specs observe, and lets them wait for the n-th of it. */
export class Journal<T = string> {
  readonly entries: T[] = [];
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  add(entry: T): void {
    this.entries.push(entry);
    for (const waiter of this.#waiting) if (this.entries.length >= waiter.count) waiter.resolve();
  }

  /** Resolves when there are so many entries. */
  async reaches(count: number): Promise<T[]> {
    if (this.entries.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    }
    return this.entries;
  }
}

/** Lets the event loop go through a turn of its own: what is due at once has happened then. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

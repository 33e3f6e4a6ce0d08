import type { Item } from "./scenario.ts";

/** After so many milliseconds what hasn't come is missing: a limit for failures, that nothing which passes waits for. */
const DEADLINE = 4000;

/** What a connection of a scenario has received, and the player hasn't compared yet. */
export class Inbox {
  #items: Item[] = [];
  /** An end that goes without saying, and that transcripts leave out or not. */
  #implied: Item | null = null;
  #ended = false;
  readonly #watchers = new Set<() => void>();

  get length(): number {
    return this.#items.length + (this.#implied === null ? 0 : 1);
  }

  /** Nothing more can come. */
  get ended(): boolean {
    return this.#ended;
  }

  push(item: Item): void {
    this.#items.push(item);
    this.changed();
  }

  /** The connection is over. An implied item counts only if the transcript has it. */
  end(item?: Item, implied = false): void {
    if (this.#ended) return;
    this.#ended = true;
    if (item !== undefined && implied) this.#implied = item;
    else if (item !== undefined) this.#items.push(item);
    this.changed();
  }

  /** Takes all there is, to be compared with `count` items of a transcript. */
  take(count: number): Item[] {
    const items = this.#items;
    if (this.#implied !== null && items.length < count) items.push(this.#implied);
    this.#items = [];
    this.#implied = null;
    return items;
  }

  /** Something happened that `until` may wait for. */
  changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Waits for a condition on what has been received; false if it doesn't come about. */
  until(condition: () => boolean): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (held: boolean) => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve(held);
      };
      const watcher = () => {
        if (condition()) done(true);
      };
      const timer = setTimeout(() => done(false), DEADLINE);
      this.#watchers.add(watcher);
    });
  }
}

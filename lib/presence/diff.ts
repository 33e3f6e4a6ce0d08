import { byKey, type Diff } from "./entries.ts";
import type { Entry } from "./tracker.ts";

/** What has changed on a topic since the latest diff, by ref. */
interface Change {
  readonly joins: Map<string, Entry>;
  readonly leaves: Map<string, Entry>;
}

/** Merges changes until they are taken: one diff for each topic, without what has come and gone meanwhile. */
export class DiffQueue {
  readonly #changes = new Map<string, Change>();

  join(entry: Entry): void {
    const change = this.#change(entry.topic);
    // Back before it was told to have left: another node's entry, which was taken for lost.
    if (!change.leaves.delete(entry.ref)) change.joins.set(entry.ref, entry);
  }

  leave(entry: Entry): void {
    const change = this.#change(entry.topic);
    if (!change.joins.delete(entry.ref)) change.leaves.set(entry.ref, entry);
  }

  /** Whether a topic has changes. */
  has(topic: string): boolean {
    return this.#changes.has(topic);
  }

  /** Whether nobody has been told of an entry that has joined. */
  holds({ topic, ref }: Entry): boolean {
    return this.#changes.get(topic)?.joins.has(ref) ?? false;
  }

  /** The diffs of all topics that have changed, but some. */
  take(but: ReadonlySet<string>): [topic: string, diff: Diff][] {
    const diffs: [string, Diff][] = [];
    for (const [topic, { joins, leaves }] of this.#changes) {
      if (but.has(topic)) continue;
      this.#changes.delete(topic);
      if (joins.size === 0 && leaves.size === 0) continue;
      diffs.push([topic, { joins: byKey(joins.values()), leaves: byKey(leaves.values()) }]);
    }
    return diffs;
  }

  #change(topic: string): Change {
    let change = this.#changes.get(topic);
    if (change === undefined) {
      change = { joins: new Map(), leaves: new Map() };
      this.#changes.set(topic, change);
    }
    return change;
  }
}

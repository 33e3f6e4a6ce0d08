import type { Entry } from "./tracker.ts";

/** What is known of one presence: the app's data, and `phx_ref`. */
export type Meta = Readonly<Record<string, unknown>>;

/** All that is present under one key, and what `fetch` adds. */
export interface PresenceEntry {
  readonly metas: readonly Meta[];
  readonly [decoration: string]: unknown;
}

/** Presences by key, as `presence_state` and the sides of a `presence_diff` carry them. */
export type Entries = Readonly<Record<string, PresenceEntry>>;

export interface Diff {
  readonly joins: Entries;
  readonly leaves: Entries;
}

/** A topic's entries, by key and ref. */
export type TopicState = Map<string, Map<string, Entry>>;

/** What has changed on a topic since the latest diff, by ref. */
interface Change {
  readonly joins: Map<string, Entry>;
  readonly leaves: Map<string, Entry>;
}

/** Merges the changes of a turn into one diff for each topic; what joins and leaves within it isn't told. */
export class DiffQueue {
  readonly #onChange: () => void;
  #changes = new Map<string, Change>();

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  join(entry: Entry): void {
    this.#change(entry.topic).joins.set(entry.ref, entry);
  }

  leave(entry: Entry): void {
    const change = this.#change(entry.topic);
    if (!change.joins.delete(entry.ref)) change.leaves.set(entry.ref, entry);
  }

  /** The diffs of all topics that have changed. */
  take(): [topic: string, diff: Diff][] {
    const changes = this.#changes;
    this.#changes = new Map();
    const diffs: [string, Diff][] = [];
    for (const [topic, { joins, leaves }] of changes) {
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
      this.#onChange();
    }
    return change;
  }
}

/** The entries of a topic, as clients see them. */
export function snapshot(state: TopicState): Entries {
  return fromMap(new Map([...state].map(([key, refs]) => [key, [...refs.values()].map(({ meta }) => meta)])));
}

function byKey(entries: Iterable<Entry>): Entries {
  const metas = new Map<string, Meta[]>();
  for (const { key, meta } of entries) {
    const list = metas.get(key);
    if (list === undefined) metas.set(key, [meta]);
    else list.push(meta);
  }
  return fromMap(metas);
}

/** Without a prototype: a key may be any string, `__proto__` too. */
function fromMap(metas: ReadonlyMap<string, readonly Meta[]>): Entries {
  const entries: Record<string, PresenceEntry> = Object.create(null);
  for (const [key, list] of metas) entries[key] = { metas: list };
  return entries;
}

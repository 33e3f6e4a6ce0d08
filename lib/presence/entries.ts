import { shareEncoding } from "../protocol/payload.ts";
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

/** The entries of one key on one topic, by ref. */
interface Slot {
  readonly refs: Map<string, Entry>;
  /** What others see of them, made when somebody looks. */
  seen: PresenceEntry | null;
}

/** All entries, by topic, key and ref. */
export class Topics {
  readonly #topics = new Map<string, Map<string, Slot>>();

  add(entry: Entry): void {
    let slots = this.#topics.get(entry.topic);
    if (slots === undefined) {
      slots = new Map();
      this.#topics.set(entry.topic, slots);
    }
    const slot = slots.get(entry.key);
    if (slot === undefined) {
      slots.set(entry.key, { refs: new Map([[entry.ref, entry]]), seen: null });
    } else {
      slot.refs.set(entry.ref, entry);
      slot.seen = null;
    }
  }

  remove({ topic, key, ref }: Entry): void {
    const slots = this.#topics.get(topic);
    const slot = slots?.get(key);
    if (slots === undefined || slot === undefined) return;
    slot.refs.delete(ref);
    slot.seen = null;
    if (slot.refs.size === 0) slots.delete(key);
    if (slots.size === 0) this.#topics.delete(topic);
  }

  get(topic: string, key: string, ref: string): Entry | undefined {
    return this.#topics.get(topic)?.get(key)?.refs.get(ref);
  }

  /** All that is present, as others see it. */
  *all(): Generator<{ readonly topic: string; readonly key: string; readonly metas: readonly Meta[] }> {
    for (const [topic, slots] of this.#topics) {
      for (const [key, slot] of slots) yield { topic, key, metas: seen(slot).metas };
    }
  }

  /** What is present on a topic now, or what of one key is. */
  entries(topic: string, key?: string): Entries {
    const entries: Record<string, PresenceEntry> = Object.create(null);
    const slots = this.#topics.get(topic);
    if (key === undefined) {
      for (const [name, slot] of slots ?? []) entries[name] = seen(slot);
    } else {
      const slot = slots?.get(key);
      if (slot !== undefined) entries[key] = seen(slot);
    }
    return sealed(entries);
  }
}

function seen(slot: Slot): PresenceEntry {
  slot.seen ??= presenceEntry([...slot.refs.values()].map(({ meta }) => meta));
  return slot.seen;
}

/** Groups entries by key. The record has no prototype: a key may be any string, `__proto__` too. */
export function byKey(entries: Iterable<Entry>): Entries {
  const metas = new Map<string, Meta[]>();
  for (const { key, meta } of entries) {
    const list = metas.get(key);
    if (list === undefined) metas.set(key, [meta]);
    else list.push(meta);
  }
  const grouped: Record<string, PresenceEntry> = Object.create(null);
  for (const [key, list] of metas) grouped[key] = presenceEntry(list);
  return sealed(grouped);
}

/** For many to read and to send: nobody can change it, and it is encoded once. */
export function sealed<T extends object>(payload: T): T {
  return Object.freeze(shareEncoding(payload));
}

function presenceEntry(metas: readonly Meta[]): PresenceEntry {
  return Object.freeze({ metas: Object.freeze(metas) });
}

import { randomId, tab } from "/shared/storage.js";

/** @typedef {{key: string, body: string, error?: string, fixable?: boolean}} Entry */

/** What a room's messages wait in until the server has them. It survives a reload of the tab. */
export class Outbox {
  #room;
  /** @type {Entry[]} */
  entries;

  constructor(room) {
    this.#room = room;
    this.entries = all()[room] ?? [];
  }

  /** The rooms in which something waits. */
  static rooms() {
    return Object.keys(all());
  }

  add(body) {
    const entry = { key: randomId(), body };
    this.entries = [...this.entries, entry];
    this.#save();
    return entry;
  }

  /** Returns false if it wasn't there. */
  remove(key) {
    const before = this.entries.length;
    this.entries = this.entries.filter((entry) => entry.key !== key);
    if (this.entries.length === before) return false;
    this.#save();
    return true;
  }

  /**
   * @param {string} key
   * @param {{error?: string, fixable?: boolean}} change What hinders it, and whether it takes another text.
   */
  mark(key, { error, fixable }) {
    this.entries = this.entries.map((entry) =>
      entry.key === key ? { key, body: entry.body, error, fixable } : entry,
    );
    this.#save();
  }

  #save() {
    const { [this.#room]: _, ...others } = all();
    tab.set(
      "outbox",
      JSON.stringify(this.entries.length === 0 ? others : { ...others, [this.#room]: this.entries }),
    );
  }
}

/** @returns {Record<string, Entry[]>} */
function all() {
  try {
    return JSON.parse(tab.get("outbox") ?? "{}");
  } catch {
    return {};
  }
}

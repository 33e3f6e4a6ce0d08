import { mergeUpdates } from "yjs";
import { fromBase64, toBase64 } from "./base64.js";

const PREFIX = "examples:edits:";

/** @typedef {{title: string, excerpt: string}} About How a document begins. */
/** @typedef {{update: string, about?: About}} Edit What an op carries: an update of Yjs in base64, and what it changes. */
/** @typedef {{clientId: string, key: string, csn: number, edit: Edit}} Sent Under which number it was sent. */

/**
 * The edits of one tab that the server has not confirmed. At most one is under way; those made meanwhile are merged
 * and wait. Every change is in the browser's storage before anything else happens, so that they outlive the page.
 */
export class Outbox {
  /** @type {Sent | null} */
  sent = null;
  /** @type {Edit | null} */
  waiting = null;
  #key;
  #lost = false;

  /** Takes over what this tab has left behind in an earlier life. */
  constructor(document, tab) {
    this.#key = `${PREFIX}${document}:${tab}`;
    const left = load(this.#key);
    this.sent = left.sent;
    this.waiting = left.waiting;
  }

  /** Documents for which edits wait in this browser. */
  static documents() {
    return new Set(keys().map((key) => key.slice(PREFIX.length).split(":")[0]));
  }

  get isEmpty() {
    return this.sent === null && this.waiting === null;
  }

  /** Whether the browser's storage couldn't take it, so that a closed page loses it. */
  get isVolatile() {
    return this.#lost && !this.isEmpty;
  }

  /** Their updates, for a document that doesn't have them yet. */
  get updates() {
    return [this.sent?.edit, this.waiting].flatMap((edit) => (edit ? [fromBase64(edit.update)] : []));
  }

  /**
   * @param {Uint8Array} update
   * @param {About} [about] If it is another now.
   */
  add(update, about) {
    this.waiting = merge(this.waiting, { update: toBase64(update), about });
    this.#save();
  }

  /** Takes what waits under way. @returns {Sent} */
  begin({ clientId, key, csn }) {
    this.sent = { clientId, key, csn, edit: this.waiting };
    this.waiting = null;
    this.#save();
    return this.sent;
  }

  /** What was under way has arrived. */
  done() {
    this.sent = null;
    this.#save();
  }

  /** What was under way has not arrived, and never will. */
  takeBack() {
    if (this.sent === null) return;
    this.waiting = merge(this.sent.edit, this.waiting);
    this.sent = null;
    this.#save();
  }

  /**
   * Takes over what closed tabs have left behind. Each tab holds a lock while it is open; where a page can't have
   * locks, every tab keeps its own.
   */
  async adopt(document) {
    const others = keys().filter((key) => key.startsWith(`${PREFIX}${document}:`) && key !== this.#key);
    for (const key of others) {
      await navigator.locks?.request(key, { ifAvailable: true }, (lock) => {
        if (lock === null) return;
        const { sent, waiting } = load(key);
        this.waiting = merge(merge(sent?.edit ?? null, waiting), this.waiting);
        this.#save();
        localStorage.removeItem(key);
      });
    }
  }

  /** Holds the lock until the page is closed. */
  hold() {
    void navigator.locks?.request(this.#key, () => new Promise(() => {}));
  }

  #save() {
    try {
      if (this.isEmpty) localStorage.removeItem(this.#key);
      else localStorage.setItem(this.#key, JSON.stringify({ sent: this.sent, waiting: this.waiting }));
      this.#lost = false;
    } catch {
      this.#lost = true;
    }
  }
}

/** @returns {Edit | null} */
function merge(first, second) {
  if (first === null || second === null) return first ?? second;
  const update = mergeUpdates([fromBase64(first.update), fromBase64(second.update)]);
  return { update: toBase64(update), about: second.about ?? first.about };
}

function load(key) {
  try {
    const { sent = null, waiting = null } = JSON.parse(localStorage.getItem(key) ?? "{}");
    return { sent, waiting };
  } catch {
    return { sent: null, waiting: null };
  }
}

function keys() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  } catch {
    return [];
  }
}

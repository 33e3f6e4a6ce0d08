import {
  applyUpdate,
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromTypeIndex,
  Doc,
  decodeRelativePosition,
  encodeRelativePosition,
  encodeStateAsUpdate,
  UndoManager,
} from "yjs";
import { fromBase64, toBase64 } from "./base64.js";
import { copies } from "./copies.js";
import { Outbox } from "./outbox.js";
import { Session } from "./session.js";
import { difference } from "./text-binding.js";

/** Ops after a summary until there should be another. */
const SUMMARIZE_EVERY = 100;
/** Milliseconds without a change until the copy in the browser is renewed. */
const COPY_AFTER = 1_000;
/** The origin of all changes that aren't made here. */
const REMOTE = Symbol("remote");

/**
 * A document that several people write at once. Yjs merges what they write; the session carries its updates as ops.
 * Events: "state" (of the connection, or of what is saved), "clients", "signal".
 */
export class LiveDocument extends EventTarget {
  #doc = new Doc();
  title = this.#doc.getText("title");
  body = this.#doc.getText("body");
  /** Undoes one's own changes only. */
  undo = new UndoManager([this.title, this.body], { trackedOrigins: new Set(["edit"]) });
  /** @type {Session} */
  session;
  #id;
  #api;
  #outbox;
  #toldAbout = this.#about();
  #held = null;
  #copying = null;
  #summarizing = false;

  /** Opens it as this browser last saw it, with what isn't saved yet; the rest comes by the session. */
  static async open(id, { socket, mode, api, tab }) {
    const outbox = new Outbox(id, tab);
    outbox.hold();
    if (mode === "write") await outbox.adopt(id);
    const live = new LiveDocument(id, api, outbox);
    const copy = await copies.get(id);
    if (copy !== null) applyUpdate(live.#doc, copy.update, REMOTE);
    for (const update of outbox.updates) applyUpdate(live.#doc, update, REMOTE);
    live.#start(socket, mode, copy?.seen ?? 0);
    return live;
  }

  /** @private */
  constructor(id, api, outbox) {
    super();
    this.#id = id;
    this.#api = api;
    this.#outbox = outbox;
  }

  /** Whether everything that was written here is in the server's log. */
  get isSaved() {
    return this.#outbox.isEmpty;
  }

  /** Whether what isn't saved would be lost with the page. */
  get isVolatile() {
    return this.#outbox.isVolatile;
  }

  /** Whether there is something to show: a copy, or what the server has. */
  get isLoaded() {
    return this.session.isLoaded || this.session.seen > 0 || !this.isSaved;
  }

  /** Changes the texts in one step, as one op. */
  edit(change) {
    this.#doc.transact(change, "edit");
  }

  /** Makes the texts what they were, by what has changed in between, as one edit that can be undone. */
  restore(title, body) {
    this.undo.stopCapturing();
    this.edit(() => {
      for (const [text, then] of [
        [this.title, title],
        [this.body, body],
      ]) {
        const { index, remove, insert } = difference(text.toString(), then, 0);
        text.delete(index, remove);
        text.insert(index, insert);
      }
    });
  }

  /** Keeps back what others write, such as while an input method composes a word; `release` lets it in. */
  hold() {
    this.#held ??= [];
  }

  release() {
    const held = this.#held ?? [];
    this.#held = null;
    this.#apply(held);
  }

  /** A position in a text that moves along with what others write. @returns {string} */
  fix(text, index) {
    return toBase64(encodeRelativePosition(createRelativePositionFromTypeIndex(text, index)));
  }

  /**
   * Where such a position is now; null if there is no such place here.
   *
   * @returns {{text: import("yjs").Text, index: number} | null}
   */
  find(position) {
    try {
      const relative = decodeRelativePosition(fromBase64(position));
      const found = createAbsolutePositionFromRelativePosition(relative, this.#doc);
      return found && { text: found.type, index: found.index };
    } catch {
      // Others may send anything.
      return null;
    }
  }

  /** Connects again, with a new token: under a new name, for example. */
  reconnect() {
    this.session.reopen();
  }

  close() {
    this.session.close();
    clearTimeout(this.#copying);
  }

  #start(socket, mode, seen) {
    this.#toldAbout = this.#about();
    this.session = new Session(socket, {
      document: this.#id,
      mode,
      seen,
      outbox: this.#outbox,
      api: this.#api,
      loadSummary: async (handle) => applyUpdate(this.#doc, await this.#api.getSnapshot(handle), REMOTE),
    });
    this.#doc.on("update", (update, origin) => {
      if (origin !== REMOTE) this.#changedHere(update);
    });
    this.session.addEventListener("ops", ({ detail }) => {
      this.#apply(detail.filter(({ type }) => type === "op"));
      clearTimeout(this.#copying);
      this.#copying = setTimeout(() => this.keepCopy(), COPY_AFTER);
      this.#summarizeIfDue();
      this.#tell("state");
    });
    this.session.addEventListener("saved", () => {
      this.#tell("state");
      this.#summarizeIfDue();
    });
    // What the server has lost, but we still have, it gets again.
    this.session.addEventListener("rollback", () => {
      if (mode === "write") this.#changedHere(encodeStateAsUpdate(this.#doc));
    });
    this.session.addEventListener("state", () => this.#tell("state"));
    this.session.addEventListener("clients", () => this.#tell("clients"));
    this.session.addEventListener("signal", ({ detail }) => {
      this.dispatchEvent(new CustomEvent("signal", { detail }));
    });
  }

  #changedHere(update) {
    const about = this.#about();
    const isNews = about.title !== this.#toldAbout.title || about.excerpt !== this.#toldAbout.excerpt;
    this.#outbox.add(update, isNews ? about : undefined);
    this.#toldAbout = about;
    this.session.flush();
    this.#tell("state");
  }

  /** What the list of documents shows. */
  #about() {
    const excerpt = this.body.toString().slice(0, 400).replace(/\s+/g, " ").trim();
    return { title: this.title.toString().slice(0, 200), excerpt: excerpt.slice(0, 160) };
  }

  #apply(ops) {
    if (this.#held !== null) {
      this.#held.push(...ops);
      return;
    }
    this.#doc.transact(() => {
      for (const { contents } of ops) this.#applyOne(contents.update);
    }, REMOTE);
  }

  #applyOne(update) {
    try {
      applyUpdate(this.#doc, fromBase64(update), REMOTE);
    } catch {
      // No page of ours has written it. All leave it out alike.
    }
  }

  /**
   * Renews the copy in the browser. It may have more than the ops up to `seen`, if the outbox keeps that too, but
   * never less.
   */
  keepCopy() {
    clearTimeout(this.#copying);
    if (this.#held !== null || this.isVolatile) return;
    copies.put(this.#id, { seen: this.session.seen, update: encodeStateAsUpdate(this.#doc) });
  }

  /**
   * Whoever has been here longest sums up what was written, so that those who come later needn't read every op. Only
   * when nothing of our own waits: a summary says what the log says, and nothing else.
   */
  async #summarizeIfDue() {
    const { seen, summary, clients, clientId, isConnected } = this.session;
    if (!isConnected || this.#summarizing || this.#held !== null || !this.isSaved) return;
    if (seen - (summary?.sequenceNumber ?? 0) < SUMMARIZE_EVERY) return;
    const writers = [...clients].filter(([, { mode }]) => mode === "write");
    if (writers[0]?.[0] !== clientId) return;
    this.#summarizing = true;
    try {
      await this.session.summarize(encodeStateAsUpdate(this.#doc), (bytes) => this.#api.putSnapshot(bytes));
    } catch {
      // The next op gives the next occasion.
    } finally {
      this.#summarizing = false;
    }
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}

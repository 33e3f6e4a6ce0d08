import { applyUpdate, Doc } from "yjs";
import { byId } from "/shared/dom.js";
import { fromBase64 } from "./base64.js";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The dialog that shows how a document was: the log has every op, and so every moment. */
export class HistoryDialog {
  #live;
  #dialog = byId("history");
  #range = byId("moment");
  #restore = byId("restore");
  /** @type {{update: Uint8Array, name: string, at: number}[]} */
  #edits = [];
  /** The document at a moment, and that moment; going on is cheaper than beginning anew. */
  #doc = new Doc();
  #applied = 0;

  /**
   * @param {import("./live-document.js").LiveDocument} live
   * @param {boolean} mayWrite
   */
  constructor(live, mayWrite) {
    this.#live = live;
    this.#restore.hidden = !mayWrite;
    byId("open-history").addEventListener("click", () => this.#open());
    byId("history-close").addEventListener("click", () => this.#dialog.close());
    this.#range.addEventListener("input", () => this.#show());
    this.#restore.addEventListener("click", () => {
      live.restore(text(this.#doc, "title"), text(this.#doc, "body"));
      this.#dialog.close();
    });
  }

  async #open() {
    this.#dialog.showModal();
    this.#say("Reading the log…");
    try {
      this.#edits = await this.#load();
      this.#doc = new Doc();
      this.#applied = 0;
      this.#range.max = String(this.#edits.length);
      this.#range.value = this.#range.max;
      this.#range.disabled = this.#edits.length === 0;
      const people = new Set(this.#edits.map(({ name }) => name)).size;
      const edits = count(this.#edits.length, "edit");
      this.#say(
        this.#edits.length === 0
          ? "Nothing has been written yet."
          : `${edits} by ${count(people, "person", "people")}`,
      );
      this.#show();
    } catch {
      this.#say("The history is on the server, which can't be reached now.");
    }
  }

  async #load() {
    const names = new Map();
    const edits = [];
    let from = 0;
    for (let more = true; more; ) {
      const page = await this.#live.session.request(from);
      for (const op of page.ops) {
        if (op.type === "join") names.set(op.contents.clientId, op.contents.detail.user.name);
        else if (op.type === "op") {
          const name = names.get(op.clientId) ?? "Somebody";
          edits.push({ update: fromBase64(op.contents.update), name, at: op.timestamp });
        }
      }
      from = page.ops.at(-1)?.sequenceNumber ?? from;
      more = page.more && page.ops.length > 0;
    }
    return edits;
  }

  #show() {
    const index = Number(this.#range.value);
    if (index < this.#applied) {
      this.#doc = new Doc();
      this.#applied = 0;
    }
    this.#doc.transact(() => {
      for (const { update } of this.#edits.slice(this.#applied, index)) {
        try {
          applyUpdate(this.#doc, update);
        } catch {
          // The document has left it out as well.
        }
      }
    });
    this.#applied = index;
    byId("past-title").textContent = text(this.#doc, "title") || "Untitled";
    byId("past-body").textContent = text(this.#doc, "body");
    const edit = this.#edits[index - 1];
    const when = edit === undefined ? "Before the first edit" : `${edit.name}, ${moment.format(edit.at)}`;
    byId("moment-text").textContent = when;
    this.#range.setAttribute("aria-valuetext", when);
    this.#restore.disabled = index === this.#edits.length;
  }

  #say(note) {
    byId("history-note").textContent = note;
  }
}

function text(doc, name) {
  return doc.getText(name).toString();
}

function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

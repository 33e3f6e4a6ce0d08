import { hueOf } from "/shared/avatar.js";

/** Milliseconds between two signals of one's own cursor. */
const EVERY = 50;

/**
 * Where the others' cursors are, and ours for the others. They are signals: nothing of them is kept, and who comes
 * later is told again. Events: "change".
 */
export class Cursors extends EventTarget {
  #live;
  /** By client id, as they were told: positions that move along with the text. */
  #told = new Map();
  #known = new Set();
  #clientId = null;
  #own = null;
  #pause = null;
  #changedInPause = false;

  /** @param {import("./live-document.js").LiveDocument} live */
  constructor(live) {
    super();
    this.#live = live;
    live.addEventListener("signal", ({ detail: { clientId, content } }) => {
      // Others may send anything.
      if (typeof content?.cursor !== "object" || content.cursor === null) return;
      this.#told.set(clientId, { cursor: content.cursor, at: performance.now() });
      this.dispatchEvent(new Event("change"));
    });
    live.addEventListener("clients", () => this.#greet());
    live.addEventListener("state", () => this.dispatchEvent(new Event("change")));
  }

  /** Tells the others where our selection is. */
  tell(text, { selectionStart, selectionEnd, selectionDirection }) {
    const backward = selectionDirection === "backward";
    const anchor = this.#live.fix(text, backward ? selectionEnd : selectionStart);
    const head = this.#live.fix(text, backward ? selectionStart : selectionEnd);
    if (this.#own?.anchor === anchor && this.#own.head === head) return;
    this.#own = { anchor, head };
    if (this.#pause !== null) {
      this.#changedInPause = true;
      return;
    }
    this.#send();
    this.#pause = setTimeout(() => {
      this.#pause = null;
      if (this.#changedInPause) this.#send();
      this.#changedInPause = false;
    }, EVERY);
  }

  /**
   * Those in a text, as they are now.
   *
   * @returns {{clientId: string, name: string, hue: string, start: number, end: number, head: number, at: number}[]}
   */
  in(text) {
    // Without a connection nobody knows.
    if (!this.#live.session.isConnected) return [];
    return [...this.#told].flatMap(([clientId, { cursor, at }]) => {
      const user = this.#live.session.clients.get(clientId)?.user;
      const anchor = this.#live.find(cursor.anchor);
      const head = this.#live.find(cursor.head);
      if (user === undefined || anchor?.text !== text || head?.text !== text) return [];
      const [start, end] = [anchor.index, head.index].sort((a, b) => a - b);
      const { name } = user;
      return [{ clientId, person: user.id, name, hue: hueOf(name), start, end, head: head.index, at }];
    });
  }

  /** Who has just come is told where we are; who has gone is nowhere any more. */
  #greet() {
    const { clients, clientId } = this.#live.session;
    const others = [...clients.keys()].filter((id) => id !== clientId);
    // Under a new id of ours, nobody knows us.
    if (clientId !== this.#clientId) this.#known.clear();
    this.#clientId = clientId;
    const newcomers = others.filter((id) => !this.#known.has(id));
    this.#known = new Set(others);
    for (const id of this.#told.keys()) if (!this.#known.has(id)) this.#told.delete(id);
    if (newcomers.length > 0 && this.#own !== null) this.#send(newcomers);
    this.dispatchEvent(new Event("change"));
  }

  #send(to) {
    this.#live.session.signal({ cursor: this.#own }, to);
  }
}

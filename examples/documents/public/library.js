import { element } from "/shared/dom.js";

/** Which documents there are. Events: "change". */
export class Library extends EventTarget {
  /** @type {Map<string, {id: string, title: string, createdAt: number, changedAt: number}>} */
  #documents = new Map();
  #channel;
  isListed = false;

  /** @param {import("/modules/phoenix.mjs").Socket} socket */
  constructor(socket) {
    super();
    this.#channel = socket.channel("library");
    this.#channel.on("document", (document) => {
      this.#documents.set(document.id, document);
      this.dispatchEvent(new Event("change"));
    });
    // Called at each rejoin too.
    this.#channel.join().receive("ok", ({ documents }) => {
      this.#documents = new Map(documents.map((document) => [document.id, document]));
      this.isListed = true;
      this.dispatchEvent(new Event("change"));
    });
  }

  /** The last changed first. */
  get documents() {
    return [...this.#documents.values()].sort((a, b) => b.changedAt - a.changedAt);
  }

  /** Resolves to the new document's id; rejects with an error reply. */
  create() {
    return new Promise((resolve, reject) => {
      this.#channel
        .push("create", {})
        .receive("ok", ({ id }) => resolve(id))
        .receive("error", reject)
        .receive("timeout", () => reject({ reason: "The server doesn't answer. Please try again." }));
    });
  }
}

/** Shows the library: as a list beside a document, and as cards where no document is open. */
export class LibraryView {
  #library;
  #list;
  #cards;
  #current;

  /**
   * @param {Library} library
   * @param {{list: HTMLElement, cards: HTMLElement, welcome: HTMLElement}} places
   * @param {string | null} current The document that is open.
   */
  constructor(library, { list, cards, welcome }, current) {
    this.#library = library;
    this.#list = list;
    this.#cards = cards;
    this.#current = current;
    library.addEventListener("change", () => {
      this.show();
      welcome.hidden = library.documents.length > 0;
    });
  }

  show() {
    keepFocus(this.#list, () => {
      this.#list.replaceChildren(...this.#library.documents.map((document) => this.#item(document)));
    });
    if (this.#current !== null) return;
    keepFocus(this.#cards, () => {
      this.#cards.replaceChildren(...this.#library.documents.map(card));
    });
  }

  #item({ id, title }) {
    const link = element(
      "a",
      {
        href: `/d/${id}`,
        "data-id": id,
        "aria-current": id === this.#current ? "page" : undefined,
        dir: "auto",
      },
      title || "Untitled",
    );
    if (title === "") link.classList.add("untitled");
    return element("li", {}, link);
  }
}

function card({ id, title, excerpt, changedAt }) {
  const at = new Date(changedAt);
  return element(
    "li",
    {},
    element(
      "a",
      { class: "card", href: `/d/${id}`, "data-id": id },
      element(
        "span",
        { class: title === "" ? "card-title untitled" : "card-title", dir: "auto" },
        title || "Untitled",
      ),
      element("span", { class: "card-excerpt", dir: "auto" }, excerpt),
      element(
        "span",
        { class: "card-note" },
        "Changed ",
        element("time", { datetime: at.toISOString(), title: at.toLocaleString() }, ago(at)),
      ),
    ),
  );
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** How long ago, in words. */
export function ago(date) {
  const seconds = Math.max(0, (Date.now() - date.getTime()) / 1000);
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
  }
  return "just now";
}

/** Links are made anew whenever something changes; the focus stays on the one that it was on. */
function keepFocus(place, change) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  change();
  if (focused !== null) place.querySelector(`[data-id="${focused}"]`)?.focus();
}

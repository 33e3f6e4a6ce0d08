import { avatar } from "/shared/avatar.js";
import { button, byId, element } from "/shared/dom.js";

const MAX_SHOWN = 500;
const TOGETHER = 5 * 60_000;
const NEAR_END = 80;

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** Shows a room's messages, and below them those that the server doesn't have yet. */
export class LogView {
  #scroller = byId("scroller");
  #log = byId("log");
  #unsent = byId("unsent");
  #start = byId("start");
  #newer = byId("newer");
  #room = null;
  #last = null;
  #unsentItems = new Map();
  #composer;

  /** @param {import("./composer.js").Composer} composer Takes back what is to be changed, and the focus. */
  constructor(composer) {
    this.#composer = composer;
    this.#newer.addEventListener("click", () => {
      this.#toEnd();
      composer.focus();
    });
    // What is at the end stays there when the window, or the composer below, changes its height.
    let wasAtEnd = true;
    this.#scroller.addEventListener("scroll", () => {
      wasAtEnd = this.#atEnd();
      if (wasAtEnd) this.#newer.hidden = true;
    });
    new ResizeObserver(() => {
      if (wasAtEnd) this.#toEnd();
    }).observe(this.#scroller);
  }

  /** @param {import("./room.js").Room} room */
  show(room) {
    this.#room = room;
    this.#last = null;
    // A history isn't news: screen readers read what comes after it.
    this.#log.setAttribute("aria-busy", "true");
    this.#log.replaceChildren(...room.messages.flatMap((message) => this.#render(message)));
    this.#log.setAttribute("aria-busy", "false");
    this.#showStart();
    this.showUnsent();
    this.#toEnd();
  }

  append(message) {
    const follow = this.#atEnd() || message.author === this.#room.author;
    this.#log.append(...this.#render(message));
    while (this.#log.childElementCount > MAX_SHOWN) this.#log.firstElementChild.remove();
    this.#showStart();
    if (follow) this.#toEnd();
    else this.#newer.hidden = false;
  }

  showUnsent() {
    const waiting = this.#room.state !== "joined";
    const before = this.#unsentItems;
    // Who has just written something wants to see it.
    const follow = this.#atEnd() || this.#room.unsent.length > before.size;
    this.#unsentItems = new Map();
    for (const entry of this.#room.unsent) {
      // One that looks as before stays, with the focus that may be in it.
      const look = JSON.stringify([entry, waiting]);
      this.#unsentItems.set(look, before.get(look) ?? this.#renderUnsent(entry, waiting));
    }
    for (const [look, item] of before) if (!this.#unsentItems.has(look)) item.remove();
    let place = this.#unsent.firstElementChild;
    for (const item of this.#unsentItems.values()) {
      if (item === place) place = place.nextElementSibling;
      else this.#unsent.insertBefore(item, place);
    }
    if (follow) this.#toEnd();
  }

  #showStart() {
    const { name, state, messages } = this.#room;
    const empty = messages.length === 0;
    this.#start.hidden = empty && state !== "joined";
    this.#start.classList.toggle("alone", empty);
    this.#start.textContent = empty
      ? `Nothing has been said in ${name} yet. The first word is yours.`
      : messages[0].id === 1
        ? `This is the beginning of ${name}.`
        : "Older messages are no longer kept.";
  }

  #render(message) {
    const at = new Date(message.at);
    const last = this.#last;
    this.#last = message;
    const newDay = last === null || new Date(last.at).toDateString() !== at.toDateString();
    const follows =
      !newDay &&
      last.author === message.author &&
      last.name === message.name &&
      message.at - last.at < TOGETHER;
    const mine = message.author === this.#room.author;
    const item = element(
      "li",
      { class: `message${mine ? " mine" : ""}${follows ? " follows" : ""}`, "data-id": String(message.id) },
      avatar(message.name),
      element(
        "p",
        // Where the eye finds a group, each message still says to a screen reader whose it is.
        { class: follows ? "meta hidden" : "meta" },
        element("span", { class: "author" }, mine ? "You" : message.name),
        " ",
        element("time", { datetime: at.toISOString(), title: at.toLocaleString() }, time.format(at)),
      ),
      element("p", { class: "body", dir: "auto" }, message.body),
    );
    return newDay ? [element("li", { class: "day" }, dayName(at)), item] : [item];
  }

  #renderUnsent({ key, body, error, fixable }, waiting) {
    const room = this.#room;
    const state =
      error === undefined
        ? element("p", { class: "state" }, waiting ? "Will be sent when you are connected again" : "Sending…")
        : element("p", { class: "state error", role: "alert" }, `Not sent. ${error}`);
    if (error !== undefined) {
      const actions = [
        fixable
          ? button("Edit", () => {
              room.discard(key);
              this.#composer.edit(body);
            })
          : button("Retry", () => {
              room.retry(key);
              this.#composer.focus();
            }),
        button("Discard", () => {
          room.discard(key);
          this.#composer.focus();
        }),
      ];
      state.append(element("span", { class: "actions" }, ...actions));
    }
    return element(
      "li",
      { class: `message mine unsent${error === undefined ? "" : " failed"}`, "data-key": key },
      element("p", { class: "body", dir: "auto" }, body),
      state,
    );
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#newer.hidden = true;
  }
}

function dayName(date) {
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  return date.toDateString() === today.toDateString() ? "Yesterday" : day.format(date);
}

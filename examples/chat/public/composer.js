import { byId } from "/shared/dom.js";
import { tab } from "/shared/storage.js";

const MAX_LENGTH = 2000;
const COUNT_FROM = 1800;
const PAUSE = 3_000;

/** The box in which a message is written. Each room has a draft of its own. */
export class Composer {
  #form = byId("composer");
  #body = byId("body");
  #send = byId("send");
  #counter = byId("counter");
  #room = null;
  #pause = null;

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#body.addEventListener("keydown", (event) => {
      // While an input method composes a word, Enter is its own.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#body.addEventListener("input", () => {
      this.#drafted();
      const text = this.#body.value.trim() !== "";
      this.#room?.setTyping(text);
      clearTimeout(this.#pause);
      if (text) this.#pause = setTimeout(() => this.#room?.setTyping(false), PAUSE);
    });
  }

  /** @param {import("./room.js").Room} room */
  show(room) {
    if (room === this.#room) return;
    this.#room?.setTyping(false);
    clearTimeout(this.#pause);
    this.#room = room;
    this.#body.placeholder = `Message ${room.name}`;
    this.#body.value = tab.get(`draft:${room.name}`) ?? "";
    this.#drafted();
  }

  enable(enabled) {
    this.#body.disabled = !enabled;
    this.#drafted();
  }

  /** Takes a text back to be changed, before what is in the box already. */
  edit(text) {
    const draft = this.#body.value;
    this.#body.value = draft === "" ? text : `${text}\n${draft}`;
    this.#drafted();
    this.focus();
  }

  focus() {
    this.#body.focus();
  }

  #submit() {
    const text = this.#body.value.trim();
    if (text === "" || this.#room === null) return;
    clearTimeout(this.#pause);
    this.#body.value = "";
    this.#drafted();
    this.#room.send(text);
  }

  #drafted() {
    const { value } = this.#body;
    if (this.#room !== null) {
      if (value === "") tab.remove(`draft:${this.#room.name}`);
      else tab.set(`draft:${this.#room.name}`, value);
    }
    const length = value.trim().length;
    this.#send.disabled = length === 0 || this.#body.disabled;
    const left = MAX_LENGTH - length;
    this.#counter.textContent =
      length < COUNT_FROM ? "" : left >= 0 ? `${left} characters left` : `${-left} characters too many`;
    this.#counter.classList.toggle("error", left < 0);
    // As high as its text; the style sheet limits it.
    this.#body.style.height = "auto";
    this.#body.style.height = `${this.#body.scrollHeight}px`;
  }
}

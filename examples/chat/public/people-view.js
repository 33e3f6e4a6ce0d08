import { avatar } from "/shared/avatar.js";
import { byId, element } from "/shared/dom.js";

/** Shows who is in a room: once each, with the number of their tabs. */
export class PeopleView {
  #section = byId("people");
  #note = byId("people-note");
  #list = byId("people-list");

  constructor() {
    new ResizeObserver(() => this.#makeReachable()).observe(this.#list);
  }

  /** @param {import("./room.js").Room} room */
  show(room) {
    const { author: me, people, peopleUncertain } = room;
    const isMe = ({ author }) => author === me;
    people.sort(
      (a, b) => isMe(b) - isMe(a) || a.name.localeCompare(b.name) || (a.author < b.author ? -1 : 1),
    );
    this.#section.hidden = room.state === "missing";
    this.#section.classList.toggle("uncertain", peopleUncertain);
    this.#note.textContent = !peopleUncertain ? String(people.length) : people.length > 0 ? "last known" : "";
    this.#list.replaceChildren(...people.map((person) => render(person, isMe(person))));
    this.#makeReachable();
  }

  /** What scrolls must be reachable with the keyboard; what doesn't needs no stop there. */
  #makeReachable() {
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = this.#list;
    if (scrollWidth > clientWidth || scrollHeight > clientHeight) this.#list.tabIndex = 0;
    else this.#list.removeAttribute("tabindex");
  }
}

function render({ name, tabs }, isMe) {
  const picture = element("span", { class: "picture" }, avatar(name));
  const text = element(
    "span",
    { class: "person-text" },
    element("span", { class: "person-name", dir: "auto", title: name }, name),
  );
  if (isMe) text.append(" ", element("span", { class: "you" }, "(you)"));
  if (tabs > 1) {
    picture.append(element("span", { class: "count", "aria-hidden": "true" }, String(tabs)));
    text.append(" ", element("span", { class: "tabs" }, `${tabs} tabs`));
  }
  return element("li", { class: "person" }, picture, " ", text);
}

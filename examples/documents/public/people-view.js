import { avatar } from "/shared/avatar.js";
import { byId, element } from "/shared/dom.js";

/** Avatars that have room; of the others there is a number. */
const MAX_SHOWN = 8;

/** Shows who is in the document: once each, with the number of their tabs. */
export class PeopleView {
  #list = byId("people");
  #onChoose;
  #look = "";

  /** @param {(clientIds: string[]) => void} onChoose Called with the connections of somebody who was chosen. */
  constructor(onChoose) {
    this.#onChoose = onChoose;
  }

  /** @param {import("./session.js").Session} session */
  show({ clients, clientId, isConnected }) {
    const me = clients.get(clientId)?.user.id;
    const people = new Map();
    for (const [id, { user, mode }] of clients) {
      const person = people.get(user.id) ?? {
        id: user.id,
        name: user.name,
        tabs: new Set(),
        clientIds: [],
        writes: false,
      };
      // The newest connection has the newest name.
      person.name = user.name;
      person.tabs.add(user.tab);
      person.clientIds.push(id);
      person.writes ||= mode === "write";
      people.set(user.id, person);
    }
    const sorted = [...people.values()].sort(
      (a, b) => (b.id === me) - (a.id === me) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1),
    );
    this.#list.classList.toggle("uncertain", !isConnected);
    const look = JSON.stringify(
      sorted.map(({ id, name, tabs, clientIds, writes }) => [id, name, tabs.size, clientIds, writes]),
    );
    if (look === this.#look) return;
    this.#look = look;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const shown = sorted.slice(0, MAX_SHOWN).map((person) => this.#item(person, person.id === me));
    const others = sorted.slice(MAX_SHOWN).map(({ name }) => name);
    if (others.length > 0) {
      shown.push(element("li", { class: "more", title: others.join(", ") }, `+${others.length}`));
    }
    this.#list.replaceChildren(...shown);
    if (focused !== null) this.#list.querySelector(`[data-id="${focused}"]`)?.focus();
  }

  #item(person, isMe) {
    const { id, name, tabs, clientIds, writes } = person;
    const notes = [
      isMe ? "you" : null,
      tabs.size > 1 ? `${tabs.size} tabs` : null,
      writes ? null : "reading",
    ];
    const about = notes.filter((note) => note !== null).join(", ");
    const label = about === "" ? name : `${name} (${about})`;
    const made = element(
      "button",
      { type: "button", class: "person", "data-id": id, "aria-label": label, title: label },
      avatar(name),
    );
    if (tabs.size > 1)
      made.append(element("span", { class: "tabs", "aria-hidden": "true" }, String(tabs.size)));
    made.addEventListener("click", () => this.#onChoose(clientIds));
    return element("li", {}, made);
  }
}

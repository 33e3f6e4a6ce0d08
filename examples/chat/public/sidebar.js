import { avatar } from "/shared/avatar.js";
import { byId, element, errorText } from "/shared/dom.js";
import { Drawer } from "/shared/drawer.js";

/** The rooms, the form for a new one, and who we are. */
export class Sidebar {
  #drawer = new Drawer();
  #list = byId("rooms");
  #newName = byId("new-room-name");
  #error = byId("new-room-error");

  /**
   * @param {(name: string) => Promise<void>} onCreate Rejects with an error reply.
   * @param {() => void} onRename
   */
  constructor(onCreate, onRename) {
    this.#newName.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#newName.value = "";
      this.#say("");
    });
    this.#list.addEventListener("click", (event) => {
      if (event.target.closest("a")) this.#drawer.close();
    });

    this.#newName.addEventListener("input", () => this.#say(""));
    byId("new-room").addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#say("");
      try {
        // People write names with spaces; the server decides what it takes.
        await onCreate(this.#newName.value.trim().replace(/\s+/g, "-"));
        this.#newName.value = "";
        this.#drawer.close();
      } catch (reply) {
        this.#say(errorText(reply));
        this.#newName.focus();
      }
    });
    byId("me").addEventListener("click", onRename);
  }

  /**
   * @param {import("./rooms.js").Rooms} rooms
   * @param {string} current
   */
  show(rooms, current) {
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.room : null;
    const items = rooms.names.map((name) => {
      const unread = name === current ? 0 : rooms.unread(name);
      const link = element(
        "a",
        {
          href: `#/${encodeURIComponent(name)}`,
          "data-room": name,
          "aria-current": name === current ? "page" : undefined,
        },
        element("span", { class: "hash", "aria-hidden": "true" }, "#"),
        element("span", { class: "room-name" }, name),
      );
      if (unread > 0) {
        link.append(
          element(
            "span",
            { class: "unread" },
            unread > 99 ? "99+" : String(unread),
            element("span", { class: "hidden" }, " unread"),
          ),
        );
      }
      return element("li", {}, link);
    });
    this.#list.replaceChildren(...items);
    if (focused !== null) this.#list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  }

  showMe(name) {
    byId("me-avatar").replaceChildren(...(name === null ? [] : [avatar(name)]));
    byId("me-name").textContent = name ?? "";
    byId("me").hidden = name === null;
  }

  #say(text) {
    this.#error.textContent = text;
    this.#newName.setAttribute("aria-invalid", String(text !== ""));
  }
}

import { avatar } from "./avatar.js";
import { byId, element, errorText } from "./dom.js";

/** The rooms, the form for a new one, and who we are. On a narrow screen it slides in from the side. */
export class Sidebar {
  #sidebar = byId("sidebar");
  #list = byId("rooms");
  #menu = byId("menu");
  #scrim = byId("scrim");
  #newName = byId("new-room-name");
  #error = byId("new-room-error");
  #narrow = matchMedia("(max-width: 720px)");

  /**
   * @param {(name: string) => Promise<void>} onCreate Rejects with an error reply.
   * @param {() => void} onRename
   */
  constructor(onCreate, onRename) {
    this.#menu.addEventListener("click", () => this.open());
    this.#scrim.addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.close()) event.preventDefault();
    });
    this.#newName.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.#newName.value = "";
      this.#say("");
    });
    this.#list.addEventListener("click", (event) => {
      if (event.target.closest("a")) this.close();
    });
    this.#narrow.addEventListener("change", () => this.#set(false));
    this.#set(false);

    this.#newName.addEventListener("input", () => this.#say(""));
    byId("new-room").addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#say("");
      try {
        // People write names with spaces; the server decides what it takes.
        await onCreate(this.#newName.value.trim().replace(/\s+/g, "-"));
        this.#newName.value = "";
        this.close();
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

  open() {
    this.#set(true);
    this.#list.querySelector("a")?.focus();
  }

  /** Returns false if it wasn't open. */
  close() {
    if (this.#menu.getAttribute("aria-expanded") !== "true") return false;
    this.#set(false);
    this.#menu.focus();
    return true;
  }

  #set(open) {
    this.#menu.setAttribute("aria-expanded", String(open));
    this.#sidebar.classList.toggle("open", open);
    this.#scrim.hidden = !open;
    // Out of sight, it is out of the order of focus too; and while it covers the rest, the rest is.
    this.#sidebar.inert = this.#narrow.matches && !open;
    document.querySelector("main").inert = open;
  }

  #say(text) {
    this.#error.textContent = text;
    this.#newName.setAttribute("aria-invalid", String(text !== ""));
  }
}

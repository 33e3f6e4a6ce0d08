import { byId } from "./dom.js";

/** The sidebar: on a narrow screen it slides in from the side, and goes when something in it was chosen. */
export class Drawer {
  #sidebar = byId("sidebar");
  #menu = byId("menu");
  #scrim = byId("scrim");
  #narrow = matchMedia("(max-width: 720px)");

  constructor() {
    this.#menu.addEventListener("click", () => {
      this.#set(true);
      this.#sidebar.querySelector("[aria-current=page]")?.focus();
      if (!this.#sidebar.contains(document.activeElement)) this.#sidebar.querySelector("a, button").focus();
    });
    this.#scrim.addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.close()) event.preventDefault();
    });
    this.#narrow.addEventListener("change", () => this.#set(false));
    this.#set(false);
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
}

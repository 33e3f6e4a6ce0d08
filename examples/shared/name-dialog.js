import { byId, errorText } from "./dom.js";

/** Asks for the person's name. Without one there is no way round it. */
export class NameDialog {
  #dialog = byId("name-dialog");
  #input = byId("name");
  #error = byId("name-error");
  #cancel = byId("name-cancel");
  #save = byId("name-save");
  #profile;

  /**
   * @param {{name: string | null}} profile
   * @param {(name: string) => Promise<void>} onName Rejects with an error reply if the name won't do.
   */
  constructor(profile, onName) {
    this.#profile = profile;
    byId("name-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      this.#say("");
      this.#save.disabled = true;
      try {
        await onName(this.#input.value);
        this.#dialog.close();
      } catch (reply) {
        this.#say(errorText(reply));
      } finally {
        this.#save.disabled = false;
      }
    });
    this.#cancel.addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => {
      if (profile.name === null) this.open();
    });
  }

  open() {
    if (this.#dialog.open) return;
    this.#say("");
    this.#input.value = this.#profile.name ?? "";
    this.#cancel.hidden = this.#profile.name === null;
    this.#dialog.showModal();
    this.#input.select();
  }

  #say(text) {
    this.#error.textContent = text;
    this.#input.setAttribute("aria-invalid", String(text !== ""));
    if (text !== "") this.#input.focus();
  }
}

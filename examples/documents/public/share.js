import { byId } from "/shared/dom.js";

/** The dialog with the links to a document. */
export class ShareDialog {
  #dialog = byId("share");
  #copied = byId("copied");

  /**
   * @param {string} id
   * @param {boolean} mayWrite Who may only read has no other link to give.
   */
  constructor(id, mayWrite) {
    byId("share-write-link").hidden = !mayWrite;
    document.querySelector("[for=share-write]").hidden = !mayWrite;
    byId("share-write").value = `${location.origin}/d/${id}`;
    byId("share-read").value = `${location.origin}/d/${id}?view`;
    byId("open-share").addEventListener("click", () => {
      this.#copied.textContent = "";
      this.#dialog.showModal();
    });
    byId("share-close").addEventListener("click", () => this.#dialog.close());
    for (const button of this.#dialog.querySelectorAll("[data-copies]")) {
      button.addEventListener("click", () => this.#copy(byId(button.dataset.copies)));
    }
  }

  async #copy(input) {
    input.select();
    try {
      await navigator.clipboard.writeText(input.value);
      this.#copied.textContent = "The link is copied.";
    } catch {
      this.#copied.textContent = "The link is selected: copy it with the keyboard.";
    }
  }
}

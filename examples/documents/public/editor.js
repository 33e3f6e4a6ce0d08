import { byId } from "/shared/dom.js";
import { Cursors } from "./cursors.js";
import { FieldView } from "./field-view.js";
import { TextBinding } from "./text-binding.js";

/** The title and the text, as fields to write in, with the cursors of the others. */
export class Editor {
  #live;
  #cursors;
  #fields;

  /**
   * @param {import("./live-document.js").LiveDocument} live
   * @param {boolean} mayWrite
   */
  constructor(live, mayWrite) {
    this.#live = live;
    this.#cursors = new Cursors(live);
    this.#fields = [this.#field("title", live.title), this.#field("body", live.body)];
    for (const { input } of this.#fields) input.readOnly = !mayWrite;
    this.#cursors.addEventListener("change", () => this.#draw());
    document.addEventListener("selectionchange", () => this.#tellCursor());
    this.#moveBetweenFields();
    this.#undoOwn();
    this.#draw();
  }

  focus() {
    // A new document begins with its title.
    const [title, body] = this.#fields;
    (this.#live.title.length === 0 && this.#live.body.length === 0 ? title : body).input.focus();
  }

  /** Brings the cursor of somebody into sight. */
  reveal(clientIds) {
    for (const { text, view } of this.#fields) {
      const cursor = this.#cursors.in(text).findLast(({ clientId }) => clientIds.includes(clientId));
      if (cursor !== undefined) return view.reveal(cursor.head);
    }
  }

  #field(name, text) {
    const input = byId(name);
    const view = new FieldView(byId(`${name}-field`));
    new TextBinding(input, text, this.#live, () => {
      this.#draw();
      this.#tellCursor();
    });
    return { input, text, view };
  }

  #draw() {
    // The first field is bound before the second is there.
    if (this.#fields === undefined) return;
    for (const { input, text, view } of this.#fields) view.show(input.value, this.#cursors.in(text));
    const words = this.#live.body.toString().match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu)?.length ?? 0;
    byId("count").textContent =
      `${words} ${words === 1 ? "word" : "words"}, ${this.#live.body.length} characters`;
  }

  #tellCursor() {
    const field = this.#fields.find(({ input }) => input === document.activeElement);
    if (field !== undefined) this.#cursors.tell(field.text, field.input);
  }

  /** Title and text are one to the keyboard: Enter and the arrows go from one to the other. */
  #moveBetweenFields() {
    const [title, body] = this.#fields.map(({ input }) => input);
    title.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      const atEnd = title.selectionStart === title.value.length;
      if (event.key === "Enter" || (event.key === "ArrowDown" && atEnd)) {
        event.preventDefault();
        body.focus();
        body.setSelectionRange(0, 0);
      }
    });
    // A title is one line, also when it is pasted.
    title.addEventListener("beforeinput", (event) => {
      const pasted = event.data ?? event.dataTransfer?.getData("text/plain") ?? "";
      if (!pasted.includes("\n")) return;
      event.preventDefault();
      title.setRangeText(pasted.replace(/\s*\n\s*/g, " "), title.selectionStart, title.selectionEnd, "end");
      title.dispatchEvent(new Event("input"));
    });
    body.addEventListener("keydown", (event) => {
      const atStart = body.selectionStart === 0 && body.selectionEnd === 0;
      if (!atStart || event.isComposing || (event.key !== "ArrowUp" && event.key !== "Backspace")) return;
      event.preventDefault();
      title.focus();
      title.setSelectionRange(title.value.length, title.value.length);
    });
  }

  /** The field's own undo knows nothing of the others, so ours takes its place. */
  #undoOwn() {
    const { undo } = this.#live;
    const buttons = { undo: byId("undo"), redo: byId("redo") };
    const act = { undo: () => undo.undo(), redo: () => undo.redo() };
    const enable = () => {
      buttons.undo.disabled = !undo.canUndo();
      buttons.redo.disabled = !undo.canRedo();
    };
    for (const event of ["stack-item-added", "stack-item-popped", "stack-cleared"]) undo.on(event, enable);
    enable();
    for (const what of ["undo", "redo"]) {
      // The focus stays in the text.
      buttons[what].addEventListener("mousedown", (event) => event.preventDefault());
      buttons[what].addEventListener("click", act[what]);
    }
    for (const { input } of this.#fields) {
      input.addEventListener("keydown", (event) => {
        const key = event.key.toLowerCase();
        if (!(event.ctrlKey || event.metaKey) || event.altKey || (key !== "z" && key !== "y")) return;
        event.preventDefault();
        if (key === "y" || event.shiftKey) act.redo();
        else act.undo();
      });
      input.addEventListener("beforeinput", (event) => {
        const what = { historyUndo: "undo", historyRedo: "redo" }[event.inputType];
        if (what === undefined) return;
        event.preventDefault();
        act[what]();
      });
    }
  }
}

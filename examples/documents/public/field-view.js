import { element } from "/shared/dom.js";

/**
 * Draws the others' cursors and selections over a text field. A mirror behind the field has the same text in the
 * same shape, and says where its characters are.
 */
export class FieldView {
  #mirror;
  #marks;
  #carets;
  #text = document.createTextNode("");
  #cursors = [];
  /** The caret of each client, which stays so that it can glide. */
  #shown = new Map();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#mirror = root.querySelector(".mirror");
    this.#marks = root.querySelector(".marks");
    this.#carets = root.querySelector(".carets");
    this.#mirror.append(this.#text);
    new ResizeObserver(() => this.#draw()).observe(this.#mirror);
  }

  /**
   * @param {string} text
   * @param {ReturnType<import("./cursors.js").Cursors["in"]>} cursors
   */
  show(text, cursors) {
    // Something must stand in the last line, for it to have a height.
    const filled = `${text}\u200b`;
    if (this.#text.data !== filled) this.#text.data = filled;
    this.#cursors = cursors;
    this.#draw();
  }

  /** Brings a place into sight. */
  reveal(index) {
    const { top } = this.#place(index);
    const { top: origin } = this.#mirror.getBoundingClientRect();
    const anchor = element("span", { class: "anchor" });
    anchor.style.top = `${top - origin}px`;
    this.#carets.append(anchor);
    anchor.scrollIntoView({ block: "center", behavior: "smooth" });
    anchor.remove();
  }

  #draw() {
    const origin = this.#mirror.getBoundingClientRect();
    this.#marks.replaceChildren(
      ...this.#cursors.flatMap(({ start, end, hue }) =>
        this.#boxes(start, end).map((box) => {
          const mark = element("span", { class: "mark" });
          mark.style.setProperty("--hue", hue);
          mark.style.translate = `${box.left - origin.left}px ${box.top - origin.top}px`;
          mark.style.width = `${box.width}px`;
          mark.style.height = `${box.height}px`;
          return mark;
        }),
      ),
    );
    const before = this.#shown;
    this.#shown = new Map();
    for (const cursor of this.#cursors) {
      const caret = before.get(cursor.clientId) ?? this.#addCaret();
      const { left, top, height } = this.#place(cursor.head);
      caret.style.setProperty("--hue", cursor.hue);
      caret.style.translate = `${left - origin.left}px ${top - origin.top}px`;
      caret.style.height = `${height}px`;
      caret.classList.toggle("at-top", top - origin.top < height);
      caret.classList.toggle("at-end", left - origin.left > origin.width / 2);
      const [flag] = caret.children;
      flag.textContent = cursor.name;
      // A new move shows the name again for a while.
      if (caret.dataset.at !== String(cursor.at)) flag.replaceWith(flag.cloneNode(true));
      caret.dataset.at = String(cursor.at);
      caret.dataset.range =
        cursor.start === cursor.end ? String(cursor.head) : `${cursor.start}-${cursor.end}`;
      this.#shown.set(cursor.clientId, caret);
    }
    for (const [id, caret] of before) if (!this.#shown.has(id)) caret.remove();
  }

  #addCaret() {
    const caret = element("span", { class: "caret" }, element("span", { class: "flag", dir: "auto" }));
    this.#carets.append(caret);
    return caret;
  }

  #boxes(start, end) {
    if (start === end) return [];
    return [...this.#range(start, end).getClientRects()].filter(({ width }) => width > 0);
  }

  /** The left edge of the character at an index. */
  #place(index) {
    const range = this.#range(index, index + 1);
    return range.getClientRects()[0] ?? range.getBoundingClientRect();
  }

  #range(start, end) {
    const range = document.createRange();
    const { length } = this.#text;
    range.setStart(this.#text, Math.min(start, length));
    range.setEnd(this.#text, Math.min(end, length));
    return range;
  }
}

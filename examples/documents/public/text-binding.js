/**
 * Binds a text field to a text of the document: what is written in the field is changed in the text by the least
 * that explains it, and what others change appears in the field, with caret and selection where they were.
 */
export class TextBinding {
  #field;
  #text;
  #live;
  /** What the field shows; always what the text is. */
  #shown = "";
  #isWriting = false;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {import("yjs").Text} text
   * @param {import("./live-document.js").LiveDocument} live
   * @param {() => void} onChange Called after each change, whoever made it.
   */
  constructor(field, text, live, onChange) {
    this.#field = field;
    this.#text = text;
    this.#live = live;
    this.#show(text.toString());
    field.addEventListener("input", () => {
      this.#write();
      onChange();
    });
    // An input method owns the field until the word is there: a change from outside would end it.
    field.addEventListener("compositionstart", () => live.hold());
    field.addEventListener("compositionend", () => {
      this.#write();
      live.release();
    });
    text.observe((event, transaction) => {
      if (!this.#isWriting) this.#follow(event.delta, transaction.origin === live.undo);
      onChange();
    });
  }

  #write() {
    const { value, selectionEnd } = this.#field;
    const { index, remove, insert } = difference(this.#shown, value, selectionEnd);
    this.#shown = value;
    if (remove === 0 && insert === "") return;
    this.#isWriting = true;
    this.#live.edit(() => {
      if (remove > 0) this.#text.delete(index, remove);
      if (insert !== "") this.#text.insert(index, insert);
    });
    this.#isWriting = false;
  }

  /** @param {boolean} isUndo Then the caret goes where something has changed. */
  #follow(delta, isUndo) {
    const { selectionStart, selectionEnd, selectionDirection } = this.#field;
    let start = selectionStart;
    let end = selectionEnd;
    let index = 0;
    let last = null;
    for (const { retain, insert, delete: removed } of delta) {
      if (retain !== undefined) {
        index += retain;
      } else if (insert !== undefined) {
        if (start > index) start += insert.length;
        if (end > index) end += insert.length;
        index += insert.length;
        last = index;
      } else {
        if (start > index) start = Math.max(index, start - removed);
        if (end > index) end = Math.max(index, end - removed);
        last = index;
      }
    }
    if (isUndo && last !== null) start = end = last;
    this.#show(this.#text.toString());
    this.#field.setSelectionRange(start, end, selectionDirection);
  }

  #show(value) {
    this.#shown = value;
    this.#field.value = value;
  }
}

/**
 * What was changed from one text to another: characters removed at an index, and what stands there instead.
 *
 * @param {string} before
 * @param {string} after
 * @param {number} caret Where writing has ended: what stands behind it is as before.
 */
export function difference(before, after, caret) {
  const shorter = Math.min(before.length, after.length);
  const behind = Math.min(shorter, after.length - caret);
  let end = 0;
  while (end < behind && before.at(-1 - end) === after.at(-1 - end)) end++;
  let start = 0;
  while (start < shorter - end && before[start] === after[start]) start++;
  // Neither half of a surrogate pair says anything without the other.
  if (start > 0 && isLead(before, start - 1)) start--;
  if (end > 0 && (isLead(before, before.length - end - 1) || isLead(after, after.length - end - 1))) end--;
  return {
    index: start,
    remove: before.length - end - start,
    insert: after.slice(start, after.length - end),
  };
}

function isLead(text, index) {
  const code = text.charCodeAt(index);
  return code >= 0xd800 && code < 0xdc00;
}

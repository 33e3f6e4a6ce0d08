import { el } from "./dom.js";

/** Characters that are coloured; the rest is plain, so that nothing long holds the page up. */
const MAX_COLOURED = 50_000;

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;

/** A payload, indented and coloured. Every part of it becomes text. */
export function payloadView(value) {
  // What was cut is the beginning of JSON, and stays as it is.
  const json =
    typeof value === "string" && /^[[{<]/.test(value) ? value : (JSON.stringify(value, null, 2) ?? "");
  const view = el("pre", { class: "payload", tabindex: "0", "aria-label": "Payload" });
  const coloured = json.slice(0, MAX_COLOURED);
  let end = 0;
  for (const match of coloured.matchAll(TOKENS)) {
    const [, string, colon, word, number] = match;
    view.append(coloured.slice(end, match.index));
    const text = string ?? word ?? number;
    const kind =
      string === undefined
        ? word === undefined
          ? "number"
          : "word"
        : colon === undefined
          ? "string"
          : "key";
    view.append(el("span", { class: kind }, text));
    end = match.index + text.length;
  }
  view.append(coloured.slice(end), json.slice(MAX_COLOURED));
  return view;
}

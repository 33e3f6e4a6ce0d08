import { element } from "./dom.js";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The round sign of a person: initials, in a colour that belongs to the name. */
export function avatar(name) {
  const made = element("span", { class: "avatar", "aria-hidden": "true" }, initials(name));
  made.style.setProperty("--hue", hueOf(name));
  return made;
}

/** The colour that belongs to a name, as an angle. */
export function hueOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 65_521;
  // In steps of 137.5 degrees, names that differ by little get hues that differ by much.
  return String((hash * 137.5) % 360);
}

/** Of the first word and the last, as far as they have letters. */
function initials(name) {
  const firsts = name.split(/\s+/).flatMap((word) => {
    const letter = split(word).find((grapheme) => /[\p{L}\p{N}]/u.test(grapheme));
    return letter === undefined ? [] : [letter.toLocaleUpperCase()];
  });
  if (firsts.length === 0) return split(name.trim())[0] ?? "?";
  return firsts.length === 1 ? firsts[0] : `${firsts[0]}${firsts.at(-1)}`;
}

function split(text) {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

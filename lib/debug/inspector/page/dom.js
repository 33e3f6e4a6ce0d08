/** Makes an element. Text is text: nothing here takes markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Writes text only where it has changed: whoever selects it, or a screen reader, isn't disturbed. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** A connection's number, in a colour of its own. */
export function connectionTag(number) {
  const tag = el("span", { class: "connection" }, `#${number}`);
  // Far apart for neighbours.
  tag.style.setProperty("--hue", String((number * 137 + 20) % 360));
  return tag;
}

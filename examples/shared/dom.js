export const byId = (id) => document.getElementById(id);

/**
 * Makes an element. Children that are strings become text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, string | boolean | undefined>} [attributes] True is an empty attribute; false and
 * undefined are none.
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export function button(label, onClick, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", onClick);
  return made;
}

/** What to tell a person of an error reply. */
export function errorText({ reason, issues } = {}) {
  return issues?.[0]?.message ?? reason ?? "Something went wrong.";
}

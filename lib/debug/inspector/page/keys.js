import { byId, el } from "./dom.js";

/** What single keys do, unless somebody is writing. */
export function useKeys(actions) {
  byId("keys-list").replaceChildren(
    ...actions.flatMap(({ keys, what }) => [el("dt", {}, keys.join("  ")), el("dd", {}, what)]),
  );
  const dialog = byId("keys");
  byId("keys-button").addEventListener("click", () => dialog.showModal());
  const byKey = new Map(actions.flatMap(({ keys, run }) => keys.map((key) => [key, run])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const { target, key } = event;
    if (target instanceof HTMLInputElement) {
      if (key === "Escape") target.blur();
      return;
    }
    if (key === "?") {
      dialog.showModal();
      event.preventDefault();
      return;
    }
    const run = byKey.get(key === "Escape" ? "Esc" : key);
    if (run === undefined) return;
    run(key);
    event.preventDefault();
  });
}

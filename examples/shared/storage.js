/** Web storage. Where a browser denies it, or it is full, values last as long as the page. */
function storage(area) {
  const memory = new Map();
  return {
    get(key) {
      try {
        return area().getItem(`examples:${key}`) ?? memory.get(key) ?? null;
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        area().setItem(`examples:${key}`, value);
      } catch {}
    },
    remove(key) {
      memory.delete(key);
      try {
        area().removeItem(`examples:${key}`);
      } catch {}
    },
  };
}

/** Shared by all tabs. */
export const browser = storage(() => localStorage);
/** This tab's own; it survives a reload. */
export const tab = storage(() => sessionStorage);

/** 128 random bits, in hexadecimal. (crypto.randomUUID is missing where a page isn't served over HTTPS.) */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * This tab's id, also after a reload. While a page has it, it isn't in the storage: a duplicate of the tab, which gets
 * a copy of the storage, is a tab of its own.
 */
export const tabId = tab.get("id") ?? randomId();
window.addEventListener("pageshow", () => tab.remove("id"));
window.addEventListener("pagehide", () => tab.set("id", tabId));

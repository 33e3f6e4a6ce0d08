/**
 * Copies of documents in this browser, so that a page shows its text at once, and also while the server is away.
 * Where the browser denies it there are none.
 */
const STORE = "copies";

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("examples:documents", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(mode, use) {
  try {
    const store = (await open()).transaction(STORE, mode).objectStore(STORE);
    const request = use(store);
    // Nothing else will be asked of it, and the page may be on its way out.
    store.transaction.commit?.();
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result ?? null);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return null;
  }
}

export const copies = {
  /**
   * @param {string} document
   * @returns {Promise<{seen: number, update: Uint8Array} | null>} The state, and up to which op it has them all.
   */
  get: (document) => run("readonly", (store) => store.get(document)),
  put: (document, copy) => run("readwrite", (store) => store.put(copy, document)),
};

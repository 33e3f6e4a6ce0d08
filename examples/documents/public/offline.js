/** The name that the worker uses too. */
const CACHE = "examples:documents";

/**
 * Makes the page one that can be opened while the server is away. Where the browser has no service workers, or denies
 * them, it can't be; what was written is kept all the same.
 */
export async function workOffline() {
  try {
    // The page's policy lets no other script be loaded than one from here.
    const policy = window.trustedTypes?.createPolicy("worker", { createScriptURL: () => "/worker.js" });
    await navigator.serviceWorker.register(policy?.createScriptURL("") ?? "/worker.js");
    // What was loaded before the worker was there, it hasn't seen.
    const cache = await caches.open(CACHE);
    const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
    const parts = loaded.filter(({ pathname }) => /\.(js|mjs|css|svg)$/.test(pathname));
    await cache.addAll([...new Set(parts.map(({ pathname }) => pathname))]);
    await cache.add("/");
  } catch {
    // As described.
  }
}

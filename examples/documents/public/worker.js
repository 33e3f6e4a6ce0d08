/**
 * The service worker: what the page is made of comes from the server whenever that answers, and otherwise from the
 * last time. So a page that is opened while the server is away shows its copy of the document, to be written on.
 */
const CACHE = "examples:documents";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return;
  const isPage = pathname === "/" || pathname.startsWith("/d/");
  if (isPage || /^\/(documents|shared|modules)\/.*\.(js|mjs|css|svg)$/.test(pathname)) {
    // All documents have the same page.
    event.respondWith(answer(event.request, isPage ? "/" : pathname));
  }
});

async function answer(request, key) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(key, response.clone());
    return response;
  } catch {
    return (await cache.match(key)) ?? Response.error();
  }
}

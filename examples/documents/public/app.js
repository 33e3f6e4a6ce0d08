import { avatar } from "/shared/avatar.js";
import { Connection } from "/shared/connection.js";
import { byId, errorText } from "/shared/dom.js";
import { Drawer } from "/shared/drawer.js";
import { NameDialog } from "/shared/name-dialog.js";
import { browser, randomId, tabId } from "/shared/storage.js";
import { Api } from "./api.js";
import { Editor } from "./editor.js";
import { HistoryDialog } from "./history.js";
import { Library, LibraryView } from "./library.js";
import { LiveDocument } from "./live-document.js";
import { workOffline } from "./offline.js";
import { Outbox } from "./outbox.js";
import { PeopleView } from "./people-view.js";
import { ShareDialog } from "./share.js";
import { StatusView } from "./status.js";

const profile = { name: browser.get("name"), token: browser.get("token") ?? randomId() };
browser.set("token", profile.token);

const id = /^\/d\/([^/]+)$/.exec(location.pathname)?.[1] ?? null;
const mode = new URLSearchParams(location.search).has("view") ? "read" : "write";

const connection = new Connection("/documents/socket", profile);
const library = new Library(connection.socket);
const libraryView = new LibraryView(
  library,
  { list: byId("documents"), cards: byId("cards"), welcome: byId("welcome") },
  id,
);
new Drawer();

// ── who we are ───────────────────────────────────────────────────────────────────────────────────────────────

const named = new EventTarget();
const nameDialog = new NameDialog(profile, async (given) => {
  const name = given.trim();
  if (name === "") throw { reason: "Please enter a name." };
  if (name.length > 40) throw { reason: "A name has at most 40 characters." };
  browser.set("name", name);
  useName(name);
});

function useName(name) {
  const isNews = name !== profile.name;
  profile.name = name;
  byId("me").hidden = name === null;
  byId("me-name").textContent = name ?? "";
  byId("me-avatar").replaceChildren(...(name === null ? [] : [avatar(name)]));
  if (isNews) named.dispatchEvent(new Event("name"));
}

byId("me").addEventListener("click", () => nameDialog.open());
// Another tab has changed it.
window.addEventListener("storage", ({ key }) => {
  if (key === "examples:name" && browser.get("name") !== null) useName(browser.get("name"));
});

// ── documents ────────────────────────────────────────────────────────────────────────────────────────────────

async function create() {
  byId("new-error").textContent = "";
  try {
    location.href = `/d/${await library.create()}`;
  } catch (reply) {
    byId("new-error").textContent = errorText(reply);
  }
}

byId("new").addEventListener("click", create);
byId("first").addEventListener("click", create);
byId("reconnect").addEventListener("click", () => connection.reconnect());

function showShelf() {
  byId("shelf").hidden = false;
  byId("skip").hidden = true;
  connection.addEventListener("state", () => {
    const isAway = connection.state === "offline";
    byId("banner").hidden = !isAway;
    byId("banner-text").textContent = isAway
      ? "The connection is lost, and the list may be out of date."
      : "";
  });
}

async function showDocument() {
  const live = await LiveDocument.open(id, {
    socket: connection.socket,
    mode,
    api: new Api(profile),
    tab: tabId,
  });
  const mayWrite = mode === "write";
  const editor = new Editor(live, mayWrite);
  const status = new StatusView(mayWrite);
  const people = new PeopleView((clientIds) => editor.reveal(clientIds));
  new HistoryDialog(live, mayWrite);
  new ShareDialog(id, mayWrite);
  byId("undo").hidden = byId("redo").hidden = !mayWrite;
  document.body.classList.toggle("reading", !mayWrite);

  let hasFocus = !mayWrite || matchMedia("(pointer: coarse)").matches;
  const show = () => {
    const refused = live.session.state === "refused";
    byId("desk").hidden = byId("tools").hidden = byId("foot").hidden = refused;
    byId("missing").hidden = !refused;
    byId("missing-text").textContent = live.session.reason;
    byId("body-field").setAttribute("aria-busy", String(!live.isLoaded));
    byId("version").textContent = live.session.seen > 0 ? `Version ${live.session.seen}` : "";
    const title = live.title.toString() || "Untitled";
    byId("heading").textContent = refused ? "Not found" : title;
    document.title = `${title} · Phoenix Docs`;
    status.show(live);
    people.show(live.session);
    if (hasFocus || !live.isLoaded || refused) return;
    hasFocus = true;
    editor.focus();
  };
  live.addEventListener("state", show);
  live.addEventListener("clients", show);
  live.title.observe(show);
  named.addEventListener("name", () => live.reconnect());
  window.addEventListener("pagehide", () => live.keepCopy());
  window.addEventListener("beforeunload", (event) => {
    if (live.isVolatile) event.preventDefault();
  });
  show();
  byId("heading").classList.add("hidden");
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("body").focus();
  });
}

/** Edits that other pages have left behind are brought to the server too. */
async function sendLeftBehind() {
  for (const other of Outbox.documents()) {
    if (other === id) continue;
    const options = { socket: connection.socket, mode: "write", api: new Api(profile), tab: tabId };
    const live = await LiveDocument.open(other, options);
    const closeIfSaved = () => {
      if (live.isSaved && live.session.isConnected) live.close();
    };
    live.addEventListener("state", closeIfSaved);
    // Those of a tab that is still open are for that to send.
    if (live.isSaved) live.close();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented) return;
  const inText = event.target instanceof HTMLTextAreaElement;
  if (event.altKey && !inText && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    const ids = library.documents.map((document) => document.id);
    const step = event.key === "ArrowUp" ? -1 : 1;
    const next = id === null ? ids[0] : ids.at((ids.indexOf(id) + step) % ids.length);
    if (next === undefined) return;
    event.preventDefault();
    location.href = `/d/${next}`;
  } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    // There is nothing to save by hand, nor a page worth saving.
    event.preventDefault();
    byId("announcement").textContent = byId("status").textContent;
  }
});

useName(profile.name);
libraryView.show();
if (id === null) {
  showShelf();
} else {
  if (mode === "write" && profile.name === null) {
    nameDialog.open();
    await new Promise((resolve) => named.addEventListener("name", resolve, { once: true }));
  }
  await showDocument();
}
if (profile.name !== null) await sendLeftBehind();
await workOffline();

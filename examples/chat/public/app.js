import { Connection } from "/shared/connection.js";
import { byId } from "/shared/dom.js";
import { NameDialog } from "/shared/name-dialog.js";
import { browser, randomId, tabId } from "/shared/storage.js";
import { Composer } from "./composer.js";
import { LogView } from "./log-view.js";
import { Outbox } from "./outbox.js";
import { PeopleView } from "./people-view.js";
import { Room } from "./room.js";
import { Rooms } from "./rooms.js";
import { Sidebar } from "./sidebar.js";

const DEFAULT_ROOM = "lobby";

const profile = { name: browser.get("name"), token: browser.get("token") ?? randomId() };
browser.set("token", profile.token);

const connection = new Connection("/chat/socket", profile, () => ({
  tab: tabId,
  ...(profile.name === null ? {} : { name: profile.name }),
}));
const rooms = new Rooms(connection.socket);
/** Those that were looked at, all joined: what is unsent in one is sent, also while another is shown. */
const opened = new Map();
let current = null;

const composer = new Composer();
const log = new LogView(composer);
const people = new PeopleView();
const nameDialog = new NameDialog(profile, async (name) => useName(await rooms.setName(name)));
const sidebar = new Sidebar(
  async (name) => {
    goTo(await rooms.create(name));
  },
  () => nameDialog.open(),
);

// ── rooms ────────────────────────────────────────────────────────────────────────────────────────────────────

function roomOf(name) {
  let room = opened.get(name);
  if (room === undefined) {
    room = new Room(name, connection.socket);
    opened.set(name, room);
    const shown = (show) => (event) => {
      if (room === current) show(event);
    };
    room.addEventListener(
      "message",
      shown(({ detail }) => log.append(detail)),
    );
    room.addEventListener(
      "reset",
      shown(() => log.show(room)),
    );
    room.addEventListener(
      "outbox",
      shown(() => log.showUnsent()),
    );
    room.addEventListener("typing", shown(showTyping));
    room.addEventListener(
      "people",
      shown(() => people.show(room)),
    );
    room.addEventListener("state", shown(showState));
  }
  return room;
}

function goTo(name) {
  location.hash = `#/${encodeURIComponent(name)}`;
}

function followHash() {
  const room = roomOf(roomName(location.hash));
  if (room === current) return;
  current = room;
  byId("title").textContent = room.name;
  log.show(room);
  composer.show(room);
  showRooms();
  showTyping();
  showState();
  if (!matchMedia("(pointer: coarse)").matches) composer.focus();
}

function roomName(hash) {
  try {
    return decodeURIComponent(hash.slice(2)) || DEFAULT_ROOM;
  } catch {
    return DEFAULT_ROOM;
  }
}

function showRooms() {
  if (current === null) return;
  if (!document.hidden) rooms.markSeen(current.name);
  sidebar.show(rooms, current.name);
  const unread = rooms.names.reduce((sum, name) => sum + rooms.unread(name), 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${current.name} · Phoenix Chat`;
}

// ── who we are ───────────────────────────────────────────────────────────────────────────────────────────────

function useName(name) {
  profile.name = name;
  browser.set("name", name);
  sidebar.showMe(name);
}

rooms.addEventListener("change", () => {
  showRooms();
  // Somebody has made the room that we stand before.
  if (current?.state === "missing" && rooms.names.includes(current.name)) current.open();
});
rooms.addEventListener("identity", ({ detail: { name } }) => {
  if (name === null) profile.name = null;
  sidebar.showMe(profile.name);
  if (name === null) nameDialog.open();
});
// Another tab has changed it.
window.addEventListener("storage", ({ key }) => {
  const name = browser.get("name");
  if (key === "examples:name" && name !== null && name !== profile.name)
    rooms.setName(name).then(useName, () => {});
});

// ── what is going on ─────────────────────────────────────────────────────────────────────────────────────────

function showTyping() {
  const names = current.typists;
  const [first, second] = names;
  byId("typing").textContent =
    names.length === 0
      ? ""
      : names.length === 1
        ? `${first} is writing`
        : names.length === 2
          ? `${first} and ${second} are writing`
          : "Several people are writing";
}

const STATUS = { connecting: "Connecting", online: "Online", offline: "Offline" };

function showState() {
  const { state } = connection;
  const joining = state === "online" && current.state === "joining";
  byId("status").dataset.state = joining ? "connecting" : state;
  byId("status").textContent = joining ? "Joining" : STATUS[state];
  byId("banner").hidden = state !== "offline";
  byId("banner-text").textContent =
    state === "offline" ? "The connection is lost. What you write is sent when it is back." : "";
  byId("missing").hidden = current.state !== "missing";
  byId("missing-text").textContent = current.state === "missing" ? `There is no room ${current.name}.` : "";
  composer.enable(current.state !== "missing");
  people.show(current);
  log.showUnsent();
}

connection.addEventListener("state", showState);
byId("reconnect").addEventListener("click", () => {
  connection.reconnect();
  composer.focus();
});
byId("missing-create").addEventListener("click", () => {
  rooms.create(current.name).then(goTo, () => {});
});

// ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────

document.addEventListener("visibilitychange", showRooms);
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || byId("name-dialog").open) return;
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    const { names } = rooms;
    const step = event.key === "ArrowUp" ? -1 : 1;
    const next = names.at((names.indexOf(current.name) + step) % names.length);
    if (next !== undefined) goTo(next);
  } else if (event.key === "Escape" && document.activeElement?.closest("main")) {
    composer.focus();
  }
});
window.addEventListener("hashchange", followHash);
byId("skip").addEventListener("click", (event) => {
  // The hash stays the room's.
  event.preventDefault();
  composer.focus();
});

sidebar.showMe(profile.name);
for (const name of Outbox.rooms()) roomOf(name);
followHash();
// After the focus has found its place: there it returns from the dialog.
if (profile.name === null) nameDialog.open();

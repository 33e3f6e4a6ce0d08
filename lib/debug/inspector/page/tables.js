import { byId, connectionTag, el, setHidden, setText } from "./dom.js";
import { age, bytes, clockTime, count } from "./format.js";

const name = (key, title) => ({ key, title, kind: "name" });
const text = (key, title) => ({ key, title, kind: "text" });
const number = (key, title, more = {}) => ({ key, title, kind: "number", ...more });
const tag = (key, title, tones = {}) => ({ key, title, kind: "tag", tones });
const connection = { key: "connection", title: "socket", kind: "connection" };

/** How each table looks, and which messages a row stands for. */
export const TABLES = {
  sockets: {
    title: "Sockets",
    empty: "Nobody is connected.",
    columns: [
      { key: "number", title: "#", kind: "connection" },
      name("socketId", "id"),
      text("socket", "class"),
      text("transport", "transport"),
      text("serializer", "vsn"),
      number("channels", "channels"),
      number("queued", "waiting", { alarm: 100 }),
      number("buffered", "unsent", { show: bytes, alarm: 65_536 }),
      { key: "since", title: "age", kind: "age" },
    ],
    subject: (row) => ({
      kind: "socket",
      title: row.socketId === null ? `#${row.number}` : `#${row.number}  ${row.socketId}`,
      follow: { connection: row.number },
    }),
  },
  channels: {
    title: "Channels",
    empty: "No channel is joined.",
    columns: [
      name("topic", "topic"),
      text("channel", "class"),
      connection,
      name("socketId", "socket id"),
      tag("state", "state", { joining: "warn" }),
      number("queued", "waiting", { alarm: 100 }),
      { key: "since", title: "age", kind: "age" },
    ],
    subject: (row) => ({
      kind: "channel",
      title: `${row.topic}  of #${row.connection}`,
      follow: { topic: row.topic, connection: row.connection },
    }),
  },
  topics: {
    title: "Topics",
    empty: "No topic has a subscriber.",
    columns: [
      name("topic", "topic"),
      tag("kind", "kind"),
      text("channels", "class"),
      number("joined", "joined"),
      number("subscribers", "subscribers"),
    ],
    subject: (row) => ({ kind: "topic", title: row.topic, follow: { topic: row.topic } }),
  },
  presence: {
    title: "Presence",
    empty: "Nobody is tracked as present.",
    columns: [name("topic", "topic"), name("presence", "key"), number("count", "metas")],
    subject: (row) => ({
      kind: "presence on",
      title: row.topic,
      follow: { topic: row.topic },
      about: {
        title: `Presence of ${row.presence}`,
        parts: row.metas.map((meta) => ({ value: meta.payload })),
      },
    }),
  },
  documents: {
    title: "Documents",
    empty: "No document is open on this node.",
    columns: [
      name("tenant", "tenant"),
      name("document", "document"),
      number("head", "head"),
      number("msn", "MSN"),
      number("clients", "clients"),
      number("writers", "writers"),
      number("checkpoint", "checkpoint"),
      number("queued", "queue", { alarm: 100 }),
    ],
    subject: (row) => ({
      kind: "document",
      title: `${row.tenant} / ${row.document}`,
      follow: { topic: row.topic },
      about: {
        title: `Document ${row.document}`,
        facts: {
          head: row.head,
          "minimum sequence number": row.msn,
          checkpoint: row.checkpoint,
          summary: row.summary ?? "none",
        },
        parts: row.members.map((member) => ({
          title: `${member.mode} client ${member.clientId}`,
          value: member.payload,
        })),
      },
    }),
  },
  errors: {
    title: "Errors",
    empty: "Nothing was refused, denied, crashed or closed by the server since it started.",
    columns: [
      { key: "at", title: "time", kind: "time" },
      tag("step", "what", { crashed: "bad", refused: "bad", denied: "warn" }),
      name("code", "code"),
      name("topic", "topic"),
      name("event", "event"),
      text("reason", "reason"),
      connection,
      name("id", "id"),
    ],
    newestFirst: true,
    subject: (row) => ({ kind: row.step, title: row.code, explain: row.id }),
  },
};

/** The tables on the left: tabs, a search that the server does, and rows to choose from. */
export class Tables {
  #onWatch;
  #onChoose;
  #name = "sockets";
  #rows = [];
  #at = 0;
  #sort = new Map();
  /** Rows of the page, by key. */
  #shown = new Map();
  #chosen = null;
  #tabs = new Map();
  #body = byId("table-body");
  #search = byId("table-search");
  #searchTimer = 0;

  constructor({ onWatch, onChoose }) {
    this.#onWatch = onWatch;
    this.#onChoose = onChoose;
    for (const [key, { title }] of Object.entries(TABLES)) {
      const counter = el("span", { class: "count" });
      const tab = el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${key}`,
          "aria-controls": "table-panel",
          onclick: () => this.open(key),
        },
        title,
        counter,
      );
      byId("tabs").append(tab);
      this.#tabs.set(key, { tab, counter });
    }
    byId("tabs").addEventListener("keydown", (event) => this.#onTabKey(event));
    this.#body.addEventListener("keydown", (event) => this.#onRowKey(event));
    this.#body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row !== null) this.#choose(row);
    });
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => this.#onWatch(), 120);
    });
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") {
        this.#body.querySelector("tr")?.focus();
        event.preventDefault();
      }
    });
    // Its rows are chosen by keys, too.
    byId("table").setAttribute("role", "grid");
    this.open("sockets");
  }

  /** What the server is to send. */
  get watched() {
    return { table: this.#name, search: this.#search.value.trim() };
  }

  open(key) {
    this.#name = key;
    for (const [other, { tab }] of this.#tabs) {
      const selected = other === key;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    byId("table-panel").setAttribute("aria-labelledby", `tab-${key}`);
    byId("table").setAttribute("aria-labelledby", `tab-${key}`);
    this.#search.value = "";
    this.#rows = [];
    this.#shown.clear();
    this.#body.replaceChildren();
    this.#drawHead();
    setText(byId("table-count"), "");
    setHidden(byId("table-empty"), true);
    this.#onWatch();
  }

  /** Counts that stand on the tabs. */
  counts({ stats, failures }) {
    const counts = { sockets: stats.connections, channels: stats.channels, documents: stats.documents };
    for (const [key, value] of Object.entries(counts)) setText(this.#tabs.get(key).counter, count(value));
    const { counter } = this.#tabs.get("errors");
    setText(counter, failures > 0 ? count(failures) : "");
    counter.dataset.tone = "bad";
  }

  /** What the server has sent. */
  show(table, at) {
    if (table === null || table.table !== this.#name || table.search !== this.watched.search) return;
    this.#at = at;
    this.#rows = table.rows;
    const { total, found, rows } = table;
    const found500 = rows.length < found ? `the first ${count(rows.length)} of ` : "";
    setText(
      byId("table-count"),
      table.search === "" ? `${found500}${count(total)}` : `${found500}${count(found)} of ${count(total)}`,
    );
    setHidden(byId("table-empty"), rows.length > 0);
    const { empty } = TABLES[this.#name];
    setText(byId("table-empty"), table.search === "" ? empty : "Nothing here matches the search.");
    setHidden(byId("table"), rows.length === 0);
    this.#draw();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────

  #drawHead() {
    const sort = this.#sort.get(this.#name);
    byId("table-head").replaceChildren(
      ...TABLES[this.#name].columns.map((column) => {
        const direction = sort?.key === column.key ? sort.direction : null;
        const button = el(
          "button",
          { type: "button", onclick: () => this.#sortBy(column.key) },
          column.title,
        );
        const kind = column.kind === "number" || column.kind === "age" ? "number" : "";
        return el("th", { scope: "col", class: kind, "aria-sort": direction ?? "none" }, button);
      }),
    );
  }

  #sortBy(key) {
    const before = this.#sort.get(this.#name);
    const direction = before?.key === key && before.direction === "ascending" ? "descending" : "ascending";
    this.#sort.set(this.#name, { key, direction });
    const focused = [...byId("table-head").children].findIndex((head) =>
      head.contains(document.activeElement),
    );
    this.#drawHead();
    if (focused >= 0) byId("table-head").children[focused].firstChild.focus();
    this.#draw();
  }

  #sorted() {
    const sort = this.#sort.get(this.#name);
    if (sort === undefined) return this.#rows;
    const sign = sort.direction === "ascending" ? 1 : -1;
    return [...this.#rows].sort((a, b) => sign * compare(a[sort.key], b[sort.key]));
  }

  #draw() {
    const { columns } = TABLES[this.#name];
    const gone = new Set(this.#shown.keys());
    let place = this.#body.firstChild;
    for (const row of this.#sorted()) {
      gone.delete(row.key);
      let shown = this.#shown.get(row.key);
      if (shown === undefined) {
        const cells = columns.map(() => el("td"));
        shown = { element: el("tr", { tabindex: "-1" }, ...cells), cells, row: null };
        this.#shown.set(row.key, shown);
      }
      shown.row = row;
      for (const [i, column] of columns.entries()) drawCell(shown.cells[i], column, row, this.#at);
      const chosen = this.#chosen === `${this.#name} ${row.key}`;
      if (shown.element.getAttribute("aria-selected") !== String(chosen)) {
        shown.element.setAttribute("aria-selected", String(chosen));
      }
      if (place === shown.element) place = place.nextSibling;
      else this.#body.insertBefore(shown.element, place);
    }
    for (const key of gone) {
      this.#shown.get(key).element.remove();
      this.#shown.delete(key);
    }
    // One of the rows can be reached by tabbing.
    if (this.#body.querySelector('[tabindex="0"]') === null) {
      const first = this.#body.querySelector('[aria-selected="true"]') ?? this.#body.firstChild;
      first?.setAttribute("tabindex", "0");
    }
  }

  // ── choosing ─────────────────────────────────────────────────────────────────────────────────────────────────

  #choose(element) {
    for (const [key, shown] of this.#shown) {
      if (shown.element !== element) continue;
      this.#chosen = `${this.#name} ${key}`;
      this.#draw();
      this.#focusRow(element);
      this.#onChoose(TABLES[this.#name].subject(shown.row));
    }
  }

  /** Nothing is chosen any more. */
  unchoose() {
    this.#chosen = null;
    this.#draw();
  }

  #focusRow(element) {
    for (const other of this.#body.querySelectorAll('[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    element.setAttribute("tabindex", "0");
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  #onRowKey(event) {
    const row = event.target.closest("tr");
    if (row === null) return;
    const { key } = event;
    const target = {
      ArrowDown: row.nextElementSibling,
      ArrowUp: row.previousElementSibling,
      Home: this.#body.firstElementChild,
      End: this.#body.lastElementChild,
    }[key];
    if (target) this.#focusRow(target);
    else if (key === "ArrowUp") this.focusSearch();
    else if (key === "Enter" || key === " ") this.#choose(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #onTabKey(event) {
    const keys = [...this.#tabs.keys()];
    const at = keys.indexOf(this.#name);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: keys.length - 1 }[event.key];
    if (next === undefined) return;
    const key = keys[(next + keys.length) % keys.length];
    this.open(key);
    this.#tabs.get(key).tab.focus();
    event.preventDefault();
  }
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}

function drawCell(cell, column, row, at) {
  const value = row[column.key];
  switch (column.kind) {
    case "connection": {
      const shown = value === null || value === undefined ? "" : `#${value}`;
      if (cell.textContent !== shown) cell.replaceChildren(shown === "" ? "" : connectionTag(value));
      return;
    }
    case "tag": {
      if (cell.textContent === value) return;
      cell.replaceChildren(el("span", { class: "tag", "data-tone": column.tones[value] }, value));
      return;
    }
    case "age":
      cell.className = "number";
      setText(cell, age(at - value));
      return;
    case "time":
      cell.className = "name";
      setText(cell, clockTime(value).slice(0, 8));
      return;
    case "number":
      cell.className = `number ${value === 0 ? "zero" : ""} ${value > (column.alarm ?? Infinity) ? "alarm" : ""}`;
      setText(cell, (column.show ?? count)(value));
      return;
    default: {
      const shown = Array.isArray(value) ? value.join(", ") : String(value ?? "");
      cell.className = column.kind;
      setText(cell, shown);
      if (cell.title !== shown) cell.title = shown;
    }
  }
}

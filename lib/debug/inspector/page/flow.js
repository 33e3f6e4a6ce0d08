import { Diagram, drawLanes } from "./diagram.js";
import { byId, el, setHidden, setText } from "./dom.js";
import { count } from "./format.js";
import { CATEGORIES, Rows } from "./rows.js";

/** Rows, and steps for the export, that are kept. */
const MAX_ROWS = 5_000;
const MAX_STEPS = 20_000;
/** Milliseconds for which the page says that it was a sample. */
const SAMPLED_FOR = 3_000;

/** The messages that are followed: what of them is kept, shown, paused, found and saved. */
export class Flow {
  #diagram;
  #rows = new Rows();
  #all = [];
  #visible = [];
  #steps = [];
  #missed = 0;
  #dropped = 0;
  #paused = false;
  /** What came while it is paused. */
  #held = [];
  #filters = new Map(Object.keys(CATEGORIES).map((key) => [key, key !== "heartbeats"]));
  #errorsOnly = false;
  #search = "";
  #subject = null;
  #samples = [];

  constructor({ onSelect }) {
    this.#diagram = new Diagram({ onSelect });
    this.#drawFilters();
    byId("flow-search").addEventListener("input", () => {
      this.#search = byId("flow-search").value.trim().toLowerCase();
      this.#filter();
    });
    byId("pause").addEventListener("click", () => this.togglePause());
    byId("clear").addEventListener("click", () => this.clear());
    byId("export").addEventListener("click", () => this.save());
  }

  get subject() {
    return this.#subject;
  }

  /** Begins anew, with another subject: `{kind, title, follow}`. */
  begin(subject) {
    this.#subject = subject;
    const title = byId("subject");
    title.replaceChildren(el("span", { class: "kind" }, subject.kind), subject.title);
    title.title = subject.title;
    const hub = subject.kind === "document" ? "Session" : "Topic";
    drawLanes(["Client", "Channel", hub, "Other clients"]);
    this.#paused = false;
    this.#held = [];
    this.#samples = [];
    this.#showPause();
    this.clear();
    setText(
      byId("flow-empty").firstElementChild,
      subject.explain === undefined ? "Waiting for messages …" : "Nothing more is known of this failure.",
    );
  }

  clear() {
    this.#rows = new Rows();
    this.#all = [];
    this.#visible = [];
    this.#steps = [];
    this.#missed = 0;
    this.#dropped = 0;
    this.#held = [];
    this.#showPause();
    this.#diagram.select(null);
    this.#diagram.show([]);
    this.#diagram.toEnd();
    this.#showSampling();
  }

  /** Steps have come: a whole trace, or a sample of it. */
  add({ steps, messages = 0, picked = 0, dropped = 0 }) {
    const now = performance.now();
    this.#samples = this.#samples.filter(({ at }) => now - at < SAMPLED_FOR);
    if (picked < messages || dropped > 0)
      this.#samples.push({ at: now, lost: true, messages, picked, dropped });
    else if (messages > 0) this.#samples.push({ at: now, lost: false, messages, picked, dropped });
    this.#missed += messages - picked;
    this.#dropped += dropped;
    if (this.#paused) {
      for (const step of steps) this.#held.push(step);
      if (this.#held.length > MAX_STEPS) this.#held.splice(0, this.#held.length - MAX_STEPS);
    } else {
      this.#take(steps);
    }
    this.#showPause();
    this.#showSampling();
  }

  /** Called now and then, so that what was said of a sample goes when it isn't so any more. */
  tick() {
    const now = performance.now();
    this.#samples = this.#samples.filter(({ at }) => now - at < SAMPLED_FOR);
    this.#showSampling();
  }

  togglePause() {
    this.#paused = !this.#paused;
    if (!this.#paused) {
      this.#take(this.#held);
      this.#held = [];
      this.#diagram.toEnd();
    }
    this.#showPause();
  }

  focusSearch() {
    byId("flow-search").focus();
    byId("flow-search").select();
  }

  unselect() {
    this.#diagram.select(null);
  }

  /** The steps of a message that are kept, in their order. */
  stepsOf(id) {
    return this.#steps.filter((step) => step.id === id);
  }

  /** Saves the trace as lines of JSON. */
  save() {
    const lines = this.#steps.map((step) => `${JSON.stringify(step)}\n`);
    const address = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    el("a", {
      href: address,
      download: `trace-${new Date().toISOString().replaceAll(":", "-")}.jsonl`,
    }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  // ── what is kept and shown ───────────────────────────────────────────────────────────────────────────────────

  #take(steps) {
    for (const step of steps) this.#steps.push(step);
    if (this.#steps.length > MAX_STEPS) this.#steps.splice(0, this.#steps.length - MAX_STEPS);
    const { rows, changed } = this.#rows.add(steps);
    for (const row of rows) {
      this.#all.push(row);
      if (this.#shows(row)) this.#visible.push(row);
    }
    let removed = 0;
    if (this.#all.length > MAX_ROWS) {
      // Many at once, since what is left has to be moved.
      const gone = new Set(this.#all.splice(0, this.#all.length - MAX_ROWS + 500));
      const before = this.#visible.length;
      this.#visible = this.#visible.filter((row) => !gone.has(row));
      removed = before - this.#visible.length;
    }
    if (changed) this.#diagram.refresh();
    this.#diagram.show(this.#visible, removed);
    setHidden(byId("flow-empty"), this.#visible.length > 0);
  }

  #filter() {
    this.#visible = this.#all.filter((row) => this.#shows(row));
    if (this.#all.length > 0)
      setText(byId("flow-empty").firstElementChild, "No step matches the search and the filters.");
    this.#diagram.show(this.#visible);
    this.#diagram.toEnd();
  }

  #shows(row) {
    if (this.#errorsOnly && row.tone !== "bad") return false;
    // What is wrong isn't filtered away with what it belongs to.
    if (!this.#filters.get(row.category) && row.tone !== "bad") return false;
    if (this.#search === "") return true;
    row.text ??= row.steps
      .map((step) => JSON.stringify(step))
      .join("\n")
      .toLowerCase();
    return row.text.includes(this.#search) || row.label.toLowerCase().includes(this.#search);
  }

  // ── what stands above the diagram ────────────────────────────────────────────────────────────────────────────

  #drawFilters() {
    const toggle = (title, pressed, change, tone) => {
      const button = el(
        "button",
        {
          type: "button",
          "aria-pressed": String(pressed),
          "data-tone": tone,
          onclick: () => {
            const now = button.getAttribute("aria-pressed") !== "true";
            button.setAttribute("aria-pressed", String(now));
            change(now);
            this.#filter();
          },
        },
        title,
      );
      return button;
    };
    byId("filters").replaceChildren(
      ...Object.entries(CATEGORIES).map(([key, title]) =>
        toggle(title, this.#filters.get(key), (now) => this.#filters.set(key, now)),
      ),
      toggle(
        "Errors only",
        false,
        (now) => {
          this.#errorsOnly = now;
        },
        "bad",
      ),
    );
  }

  #showPause() {
    const button = byId("pause");
    button.setAttribute("aria-pressed", String(this.#paused));
    setText(button, this.#paused ? `Resume (${count(this.#held.length)} new)` : "Pause");
  }

  #showSampling() {
    const place = byId("sampling");
    const sampled = this.#samples.some(({ lost }) => lost);
    if (sampled) {
      const seconds = Math.max(1, (performance.now() - this.#samples[0].at) / 1000);
      const sum = (key) => this.#samples.reduce((total, sample) => total + sample[key], 0);
      const steps = this.#dropped > 0 ? ` ${count(this.#dropped)} steps of those shown are missing.` : "";
      const perSecond = (key) => count(sum(key) / seconds);
      setText(
        place,
        `Sampled: ${perSecond("picked")} of ${perSecond("messages")} messages/s are shown, ${count(this.#missed)} were left out so far.${steps} Failures are kept.`,
      );
    }
    setHidden(place, !sampled);
  }
}

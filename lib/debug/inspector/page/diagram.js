import { byId, connectionTag, el, setHidden } from "./dom.js";
import { clockTime, milliseconds } from "./format.js";

const ROW = 28;
/** Rows that are drawn above and below what is visible. */
const MARGIN = 8;
/** Where the lanes are, in percent of the width; flow.css has them too. */
const LANES = [6, 35, 65, 93];

/**
 * Draws the rows of a sequence diagram: only those that are visible, once per frame of the screen, however many come.
 */
export class Diagram {
  #scroller = byId("flow");
  #canvas = byId("flow-rows");
  #onSelect;
  #rows = [];
  /** Elements by their row. */
  #drawn = new Map();
  #spare = [];
  #selected = null;
  #scheduled = false;
  /** It stays at the end while rows come, until somebody scrolls up. */
  #atEnd = true;
  /** Whether it did before a step was selected. */
  #followsEnd = true;

  constructor({ onSelect }) {
    this.#onSelect = onSelect;
    this.#scroller.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
      this.#atEnd = this.#selected === null && scrollTop + clientHeight >= scrollHeight - ROW;
      this.#schedule();
    });
    this.#scroller.addEventListener("keydown", (event) => this.#onKey(event));
    this.#canvas.addEventListener("click", (event) => {
      const element = event.target.closest(".step");
      for (const [row, drawn] of this.#drawn) if (drawn.element === element) this.select(row);
    });
    new ResizeObserver(() => this.#schedule()).observe(this.#scroller);
  }

  /**
   * Shows these rows.
   *
   * @param removed How many of the rows shown before have gone from the beginning.
   */
  show(rows, removed = 0) {
    this.#rows = rows;
    if (removed > 0 && !this.#atEnd) this.#scroller.scrollTop -= removed * ROW;
    this.#schedule();
  }

  /** Rows that are drawn already have changed. */
  refresh() {
    for (const { element } of this.#drawn.values()) element.dataset.stale = "";
    this.#schedule();
  }

  toEnd() {
    this.#atEnd = this.#selected === null;
    this.#followsEnd = true;
    this.#schedule();
  }

  select(row) {
    // Who looks at one step doesn't want it to run away.
    if (this.#selected === null && row !== null) this.#followsEnd = this.#atEnd;
    this.#atEnd = row === null && this.#followsEnd;
    this.#selected = row;
    // At once, not with the next frame: who listens to the page asks what is selected right after the key.
    for (const [other, drawn] of this.#drawn) this.#mark(drawn, other);
    this.#schedule();
    // What is told of the step takes room from the diagram.
    this.#onSelect(row);
    if (row === null) {
      this.#scroller.removeAttribute("aria-activedescendant");
      return;
    }
    const top = this.#rows.indexOf(row) * ROW;
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.#scroller.scrollTop = top + ROW - clientHeight;
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const rows = this.#rows;
    const height = rows.length * ROW;
    this.#canvas.style.height = `${height}px`;
    if (this.#atEnd) this.#scroller.scrollTop = height;
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - MARGIN);
    const last = Math.min(rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + MARGIN);
    const visible = new Set(rows.slice(first, last));
    for (const [row, drawn] of this.#drawn) {
      if (visible.has(row)) continue;
      this.#drawn.delete(row);
      drawn.element.remove();
      if (this.#spare.length < 100) this.#spare.push(drawn);
    }
    let i = first;
    for (const row of visible) {
      let drawn = this.#drawn.get(row);
      if (drawn === undefined) {
        drawn = this.#spare.pop() ?? makeStep();
        this.#drawn.set(row, drawn);
        drawn.element.id = `step-${row.seq}`;
        drawn.element.dataset.stale = "";
        this.#mark(drawn, row);
        this.#canvas.append(drawn.element);
      }
      if (drawn.element.dataset.stale !== undefined) {
        delete drawn.element.dataset.stale;
        drawStep(drawn, row);
      }
      drawn.element.classList.toggle("begins", i > 0 && rows[i - 1].id !== row.id);
      drawn.element.style.top = `${i++ * ROW}px`;
      drawn.element.setAttribute("aria-posinset", String(i));
      drawn.element.setAttribute("aria-setsize", String(rows.length));
    }
    setHidden(byId("flow-empty"), rows.length > 0);
  }

  #mark({ element }, row) {
    const selected = this.#selected;
    element.setAttribute("aria-selected", String(row === selected));
    element.classList.toggle("same", selected !== null && row !== selected && row.id === selected.id);
    if (row === selected) this.#scroller.setAttribute("aria-activedescendant", element.id);
  }

  #onKey(event) {
    const rows = this.#rows;
    const at = this.#selected === null ? -1 : rows.indexOf(this.#selected);
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / ROW) - 1);
    const target = {
      ArrowDown: at < 0 ? rows.length - 1 : at + 1,
      ArrowUp: at < 0 ? rows.length - 1 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    }[event.key];
    if (target === undefined || rows.length === 0) return;
    this.select(rows[Math.min(rows.length - 1, Math.max(0, target))]);
    event.preventDefault();
  }
}

/** Writes what the lanes are above them. */
export function drawLanes(names) {
  const titles = names.map((name, lane) => {
    const title = el("span", {}, name);
    title.style.left = middle(lane);
    return title;
  });
  byId("lanes").replaceChildren(el("div", { class: "lane-titles" }, ...titles));
}

function makeStep() {
  const time = el("time");
  const who = el("span");
  const track = el("div", { class: "track" });
  return { element: el("div", { class: "step", role: "option" }, time, who, track), time, who, track };
}

function drawStep({ time, who, track }, row) {
  time.textContent = row.after === null ? clockTime(row.at) : `+${milliseconds(row.after)}`;
  time.classList.toggle("after", row.after !== null);
  time.title = clockTime(row.at);
  who.replaceChildren(row.connection === null ? "" : connectionTag(row.connection));
  track.replaceChildren(row.kind === "note" ? drawNote(row) : drawArrow(row));
}

function drawNote({ lane, label, aside, tone }) {
  const edge = lane === 0 ? "edge-left" : lane === LANES.length - 1 ? "edge-right" : "";
  const note = el("span", { class: `note ${tone} ${edge}` }, label, ...asideOf(aside));
  if (edge === "") note.style.setProperty("--at", middle(lane));
  return note;
}

function drawArrow({ from, to, kind, label, aside, tone }) {
  const direction = to > from ? "right" : "left";
  const text = el("span", { class: "label" }, label, ...asideOf(aside));
  const arrow = el("div", { class: `arrow ${direction} ${kind} ${tone}` }, text);
  arrow.style.setProperty("--from", middle(Math.min(from, to)));
  arrow.style.setProperty("--span", `${Math.abs(LANES[to] - LANES[from])}%`);
  return arrow;
}

function asideOf(text) {
  return text === "" ? [] : [" ", el("span", { class: "aside" }, text)];
}

function middle(lane) {
  return `${LANES[lane]}%`;
}

import { byId, connectionTag, el } from "./dom.js";
import { clockTime, count, milliseconds, oneLine } from "./format.js";
import { payloadView } from "./payload.js";

const FAILURES = new Set(["refused", "denied", "crashed", "closed"]);
/** Told elsewhere, or of no use to a reader. */
const QUIET = new Set(["step", "payload", "cut", "seq", "at", "skipped", "deliveries", "steps"]);
const MAX_STEPS = 200;
const ONLY_FAILURES =
  "Nobody followed messages when this happened, so only what failed is kept. Follow its topic to see all steps of the next one.";

/** What is known of what is chosen: a payload, facts, advice, and the steps of the whole message. */
export class Detail {
  #root = byId("detail");
  #onClose;

  constructor({ onClose }) {
    this.#onClose = onClose;
  }

  get open() {
    return !this.#root.hidden;
  }

  close() {
    this.#root.hidden = true;
    this.#root.replaceChildren();
  }

  /** A step of the diagram, and the message that it belongs to. */
  showRow(row, steps) {
    const [step] = row.steps;
    const failure = steps.find((one) => FAILURES.has(one.step)) ?? null;
    this.#show(row.label, row.connection, [
      column(payloadOf(step), section(`The whole message, ${steps.length} steps`, stepList(steps))),
      section("Facts", factsOf(step, row)),
    ]);
    this.#root.querySelector("h3").append(el("span", { class: "where" }, step.topic ?? ""));
    return failure;
  }

  /** A row of a table that has more than its columns. */
  showAbout({ title, facts = {}, parts }) {
    const list = parts.map((part) => section(part.title ?? "", payloadView(part.value)));
    this.#show(title, null, [
      column(...list),
      Object.keys(facts).length > 0 ? section("Facts", definitions(Object.entries(facts))) : null,
    ]);
  }

  /** A failure, as the server explains it. */
  showExplanation({ id, failure, steps, earlier, advice }) {
    const title = failure === null ? id : `${failure.step}: ${failure.code}`;
    this.#show(title, failure?.connection ?? null, [
      adviceView(advice, failure),
      column(
        section("Steps that led to it", stepList(steps)),
        steps.some(({ step }) => !FAILURES.has(step)) ? null : el("p", { class: "soft" }, ONLY_FAILURES),
        earlier.length === 0 ? null : section("Earlier on this connection", stepList(earlier)),
      ),
      failure === null ? null : section("Facts", factsOf(failure)),
    ]);
  }

  /** Advice for a failure among the steps that are shown. */
  addAdvice({ advice, failure }) {
    const body = this.#root.querySelector(".detail-body");
    if (body !== null && advice !== null) body.prepend(adviceView(advice, failure));
  }

  #show(title, connection, parts) {
    const close = el(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": "Close the details",
        title: "Close (Esc)",
        onclick: () => this.#onClose(),
      },
      "✕",
    );
    this.#root.replaceChildren(
      el(
        "div",
        { class: "detail-head" },
        connection === null ? null : connectionTag(connection),
        el("h3", {}, title),
        close,
      ),
      el("div", { class: "detail-body" }, ...parts),
    );
    this.#root.hidden = false;
    this.#root.scrollTop = 0;
  }
}

function column(...parts) {
  return el("div", { class: "column" }, ...parts);
}

function section(title, content) {
  if (content === null) return null;
  return el("section", {}, title === "" ? null : el("h4", {}, title), content);
}

function payloadOf(step) {
  const value = "payload" in step ? step.payload : step.params;
  if (value === undefined) return null;
  const title =
    step.cut === undefined ? "Payload" : `Payload, the beginning of ${count(step.cut)} characters`;
  return section(title, payloadView(value));
}

function factsOf(step, row) {
  const entries = [["time", clockTime(step.at)]];
  for (const [key, value] of Object.entries(step)) {
    if (QUIET.has(key) || value === undefined || value === null || key === "params") continue;
    if (key === "duration") entries.push(["took", milliseconds(value)]);
    else entries.push([spaced(key), typeof value === "object" ? oneLine(value, 500) : String(value)]);
  }
  if (step.deliveries !== undefined) entries.push(["deliveries", oneLine(step.deliveries, 300)]);
  for (const { connection, why } of step.skipped ?? []) entries.push([`missed by #${connection}`, why]);
  if (row?.receivers !== undefined) {
    entries.push(["receivers", row.receivers.map((connection) => `#${connection}`).join(" ")]);
  }
  return definitions(entries);
}

function spaced(key) {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function definitions(entries) {
  return el(
    "dl",
    { class: "facts" },
    ...entries.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, String(value))]),
  );
}

function adviceView(advice, failure) {
  if (advice === null) {
    const own = "The app gave this reason itself: see the code that returns it.";
    return el("section", { class: "advice wide" }, failure === null ? "Nothing failed." : own);
  }
  const { symptom, cause, fix } = advice;
  return el(
    "section",
    { class: "advice wide", "aria-label": "Advice" },
    el(
      "dl",
      {},
      el("dt", {}, "Symptom"),
      el("dd", {}, ...marked(symptom)),
      el("dt", {}, "Likely cause"),
      el("dd", {}, ...marked(cause)),
      el("dt", {}, "Fix"),
      el("dd", { class: "fix" }, ...marked(fix)),
    ),
  );
}

/** What stands between backticks is code. */
function marked(text) {
  return text.split("`").map((part, i) => (i % 2 === 1 ? el("code", {}, part) : part));
}

function stepList(steps) {
  if (steps.length === 0) return el("p", { class: "soft" }, "None is kept.");
  const [{ at: began }] = steps;
  return el(
    "ol",
    { class: "steps" },
    ...steps
      .slice(0, MAX_STEPS)
      .map((step) =>
        el(
          "li",
          { "data-tone": FAILURES.has(step.step) && step.code !== "client" ? "bad" : null },
          el("span", { class: "after" }, `+${milliseconds(Math.max(0, step.at - began))}`),
          el("span", { class: "kind" }, step.step.replaceAll("_", " ")),
          el("span", { class: "what" }, summary(step)),
        ),
      ),
    steps.length > MAX_STEPS ? el("li", {}, "", "", `and ${count(steps.length - MAX_STEPS)} more`) : null,
  );
}

/** A step in one line. */
function summary(step) {
  const { topic, event, connection } = step;
  const about = {
    frame_in: () => `${count(step.size)} ${step.binary ? "bytes" : "characters"}`,
    frame_out: () =>
      `${step.of} to #${connection}, ${count(step.size)} ${step.binary ? "bytes" : "characters"}`,
    routed: () => `to ${step.to}${step.channel === undefined ? "" : ` of ${step.channel}`}`,
    unrouted: () => step.why,
    handling: () => `${step.channel}.${step.callback}, waited ${milliseconds(step.waited)}`,
    handled: () => `${step.channel}.${step.callback}: ${step.result}, ${milliseconds(step.duration)}`,
    joined: () => `${topic}: ${step.result}`,
    reply: () => step.status,
    broadcast: () => `${event} on ${topic}, ${step.receivers} receivers`,
    lost: () => step.why,
    denied: () => step.reason ?? step.code,
    crashed: () => `${step.code}: ${step.error.name}: ${step.error.message}`,
    refused: () => `${step.status} ${step.code}`,
    closed: () => `${step.status} ${step.code}`,
    ended: () => step.kind,
    connected: () => `${step.socket} by ${step.transport}`,
    note: () => `${step.name} ${oneLine(step.facts)}`,
  }[step.step];
  return about === undefined ? `${event ?? ""} ${topic ?? ""}`.trim() : about();
}

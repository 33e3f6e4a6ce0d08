import { milliseconds, oneLine } from "./format.js";

/** The lanes, from left to right. */
export const CLIENT = 0;
export const CHANNEL = 1;
export const HUB = 2;
export const OTHERS = 3;

/** Messages of which is remembered who sent them, and when. */
const MAX_KNOWN = 5_000;

/** What can be shown and hidden. */
export const CATEGORIES = {
  messages: "Messages",
  broadcasts: "Broadcasts",
  handlers: "Handlers",
  life: "Joins & ends",
  heartbeats: "Heartbeats",
};

/**
 * Makes the rows of the diagram from the steps of the trace. A row is an arrow `{from, to}` or a note `{at}`; steps
 * that only say more about another one make none.
 */
export class Rows {
  /** By message: which connection it came from, and on which topic. */
  #origins = new Map();
  /** By message: when its first row was. */
  #began = new Map();
  /** By message and event: the row that tells to whom a broadcast went. */
  #outgoing = new Map();

  /** The rows of new steps. Rows that were made before may have changed: `changed` is true then. */
  add(steps) {
    const rows = [];
    let changed = false;
    for (const step of steps) {
      if (step.step === "frame_out" && step.of === "broadcast") {
        const known = this.#outgoing.get(`${step.id} ${step.event}`);
        if (known !== undefined && step.connection !== this.#origins.get(step.id)?.connection) {
          known.receivers.push(step.connection);
          known.aside = receivers(known.receivers);
          known.steps.push(step);
          changed = true;
          continue;
        }
      }
      const row = this.#row(step);
      if (row === null) continue;
      rows.push(row);
      if (row.receivers !== undefined) this.#keepOpen(step, row);
    }
    return { rows, changed };
  }

  #row(step) {
    const row = this.#shape(step);
    if (row === null) return null;
    const heartbeat = step.topic === "phoenix";
    const began = this.#began.get(step.id);
    if (began === undefined) keep(this.#began, step.id, step.at);
    return {
      seq: step.seq,
      at: step.at,
      id: step.id,
      /** Milliseconds since the message's first row; null for that one. */
      after: began === undefined ? null : step.at - began,
      // Of a broadcast that goes out, whose message it comes from.
      connection:
        (row.receivers === undefined ? step.connection : null) ??
        this.#origins.get(step.id)?.connection ??
        null,
      tone: "",
      aside: "",
      steps: [step],
      text: null,
      ...row,
      category: heartbeat ? "heartbeats" : row.category,
    };
  }

  #shape(step) {
    switch (step.step) {
      case "decoded":
        this.#remember(step);
        return arrow(CLIENT, CHANNEL, "message", step.event, oneLine(step.payload, 80));
      case "reply":
        return {
          ...arrow(CHANNEL, CLIENT, "reply", step.status, oneLine(step.payload, 80)),
          tone: step.status === "error" ? "bad" : "",
        };
      case "push":
        return arrow(CHANNEL, CLIENT, "push", step.event, oneLine(step.payload, 80));
      case "broadcast":
        return this.#broadcast(step);
      case "frame_out":
        return step.of === "broadcast" ? this.#delivery(step) : null;
      case "lost":
        return note(CLIENT, "broadcasts", "a message is lost", step.why, "bad");
      case "routed":
        return routed(step);
      case "unrouted":
        return note(CHANNEL, "messages", "goes nowhere", step.why.replaceAll("_", " "), "bad");
      case "handled":
        return handled(step);
      case "deferred":
        return note(CHANNEL, "handlers", "answers later");
      case "joined":
        return step.result === "abandoned"
          ? note(CHANNEL, "life", "join abandoned", "the client has gone", "warn")
          : null;
      case "denied":
        return note(CHANNEL, "messages", "denied", step.reason ?? step.code, "bad");
      case "crashed":
        return note(
          CHANNEL,
          "handlers",
          `${step.code} crashed`,
          `${step.error.name}: ${step.error.message}`,
          "bad",
        );
      case "ended":
        return note(CHANNEL, "life", "channel ends", step.kind, step.kind === "error" ? "bad" : "");
      case "connected":
        return note(CLIENT, "life", "connected", `${step.transport}, vsn ${step.serializer}`);
      case "refused":
        return note(CLIENT, "life", "refused", `${step.status} ${step.code}`, "bad");
      case "closed":
        return note(
          CLIENT,
          "life",
          "closed",
          `${step.status} ${step.code}`,
          step.code === "client" ? "" : "warn",
        );
      case "note":
        return documents(step);
      default:
        return null;
    }
  }

  #broadcast(step) {
    const missed = step.skipped.filter(({ why }) => why !== "sender" && why !== "intercepted");
    const to = `to ${step.receivers}${missed.length > 0 ? `, ${missed.length} missed` : ""}`;
    const origin = this.#origins.get(step.id);
    if (origin === undefined) return note(HUB, "broadcasts", step.event, `by the server, ${to}`);
    const aside = step.topic === origin.topic ? to : `on ${step.topic}, ${to}`;
    return { ...arrow(CHANNEL, HUB, "broadcast", step.event, aside), tone: missed.length > 0 ? "warn" : "" };
  }

  #delivery(step) {
    if (step.connection === this.#origins.get(step.id)?.connection) {
      return arrow(HUB, CLIENT, "broadcast", step.event, "", "broadcasts");
    }
    const to = [step.connection];
    return { ...arrow(HUB, OTHERS, "broadcast", step.event, receivers(to)), receivers: to };
  }

  /** Further receivers come into the same row. */
  #keepOpen({ id, event }, row) {
    keep(this.#outgoing, `${id} ${event}`, row);
  }

  #remember({ id, connection, topic }) {
    keep(this.#origins, id, { connection, topic });
  }
}

/** Keeps the latest. */
function keep(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_KNOWN) map.delete(map.keys().next().value);
}

function arrow(
  from,
  to,
  kind,
  label,
  aside = "",
  category = kind === "broadcast" ? "broadcasts" : "messages",
) {
  return { from, to, kind, label, aside, category };
}

function note(at, category, label, aside = "", tone = "") {
  return { lane: at, kind: "note", label, aside, tone, category };
}

function receivers(connections) {
  const shown = connections.slice(0, 4).map((connection) => `#${connection}`);
  const more = connections.length > 4 ? ` and ${connections.length - 4} more` : "";
  return `to ${shown.join(" ")}${more}`;
}

function routed({ to, waiting }) {
  if (to === "door") return note(CHANNEL, "handlers", "waits for the join", "", "warn");
  return to === "channel" && waiting > 0
    ? note(CHANNEL, "handlers", `waits behind ${waiting}`, "", "warn")
    : null;
}

function handled({ callback, result, duration, channel }) {
  const tone = result === "crash" ? "bad" : "";
  return note(CHANNEL, "handlers", `${channel}.${callback}`, `${result}, ${milliseconds(duration)}`, tone);
}

/** What becomes of ops, in a word. */
const FATES = new Map([
  ["op_stamped", "numbered"],
  ["record_committed", "stored"],
  ["ops_delivered", "delivered"],
  ["caught_up", "caught up"],
]);

function documents({ name, facts, part }) {
  if (part !== "documents") return note(HUB, "broadcasts", name, part);
  const fate = FATES.get(name);
  if (fate === undefined) return note(HUB, "broadcasts", name.replaceAll("_", " "), facts?.reason ?? "");
  const ops = facts.first === facts.last ? `op ${facts.last}` : `ops ${facts.first}–${facts.last}`;
  const missed = facts.missed > 0 ? `, ${facts.missed} missed` : "";
  const aside = name === "ops_delivered" ? `to ${facts.sent}${missed}` : "";
  return note(HUB, "broadcasts", `${ops} ${fate}`, aside, missed === "" ? "" : "warn");
}

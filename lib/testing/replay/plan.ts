import { ConfigError, printable } from "../../errors.ts";
import { PHX_JOIN, type Ref } from "../../protocol/message.ts";
import type {
  BroadcastStep,
  ClosedStep,
  ConnectedStep,
  DecodedStep,
  FrameInStep,
  FrameOutStep,
  LostStep,
  PushStep,
  ReplyStep,
  TraceStep,
} from "../../tracing.ts";
import { hiddenAt, isCut, missing, sizeOf } from "./recorded.ts";

/** What stands in for what a trace doesn't hold. */
export interface Supplied {
  readonly connect: boolean;
  readonly payload: boolean;
  readonly outside: boolean;
}

/** A frame that a client got. */
export interface Expected {
  readonly kind: "reply" | "push" | "broadcast";
  /** Null for a broadcast that reached its client by another topic than its own: the trace has only that one. */
  readonly topic: string | null;
  /** Of a reply, its status. */
  readonly event: string;
  readonly ref: Ref;
  /** What isn't recorded isn't compared. */
  readonly payload: { readonly recorded: unknown } | null;
}

/** What is to be done, in the order in which it happened. */
export type Action =
  | { readonly do: "connect"; readonly step: ConnectedStep }
  /** `lack`: why the trace doesn't have all of its payload. */
  | { readonly do: "send"; readonly step: DecodedStep; readonly lack: string | null }
  /** A frame that wasn't a message, or came so fast that nobody looked at it. */
  | { readonly do: "garble"; readonly step: FrameInStep }
  | { readonly do: "expect"; readonly step: FrameOutStep; readonly expected: Expected }
  | { readonly do: "hangUp" | "expectClose"; readonly step: ClosedStep }
  | { readonly do: "outside"; readonly step: BroadcastStep | ClosedStep };

export interface Plan {
  readonly actions: readonly Action[];
  /** What can't be replayed or compared, in words. */
  readonly left: ReadonlySet<string>;
  /** Broadcasts and pushes of which the trace doesn't say who got them all, as `topic event`. */
  readonly partial: ReadonlySet<string>;
}

/** Closes that come from the client, or from its network. */
const BY_CLIENT: ReadonlySet<ClosedStep["code"]> = new Set([
  "client",
  "lost",
  "session_expired",
  "protocol_error",
  "invalid_utf8",
  "too_large",
]);

const MAX_PROBLEMS = 10;

/**
 * Makes a plan of what the clients of a trace did.
 *
 * @throws ConfigError (`unreplayable_trace`) naming all that is missing.
 */
export function planOf(steps: readonly TraceStep[], supplied: Supplied): Plan {
  const planner = new Planner(supplied);
  for (const step of steps) planner.take(step);
  return planner.finish();
}

class Planner {
  readonly #supplied: Supplied;
  readonly #actions: Action[] = [];
  readonly #left = new Set<string>();
  readonly #partial = new Set<string>();
  readonly #problems: string[] = [];
  /** The topics that each replayed client has asked to join. */
  readonly #joins = new Map<number, Set<string>>();
  /** Messages of replayed clients, and of those that aren't. */
  readonly #ours = new Set<string>();
  readonly #foreign = new Set<string>();
  /** Frames that may turn out to be no messages. */
  readonly #undecoded = new Set<string>();
  /** A reply or push whose frame is about to go out, by connection. */
  readonly #pending = new Map<number, ReplyStep | PushStep>();
  /** The latest broadcasts of each message, and how many of their frames the trace has. */
  readonly #broadcasts = new Map<string, { readonly step: BroadcastStep; frames: number }[]>();

  constructor(supplied: Supplied) {
    this.#supplied = supplied;
  }

  take(step: TraceStep): void {
    switch (step.step) {
      case "connected":
        this.#connected(step);
        break;
      case "refused":
        this.#left.add(`a client that was refused (${step.code}): its params aren't in a trace`);
        break;
      case "frame_in":
        this.#frameIn(step);
        break;
      case "decoded":
        this.#decoded(step);
        break;
      case "reply":
      case "push":
        if (step.connection !== null) this.#pending.set(step.connection, step);
        break;
      case "broadcast":
        this.#broadcast(step);
        break;
      case "frame_out":
        this.#frameOut(step);
        break;
      case "lost":
        this.#lost(step);
        break;
      case "closed":
        this.#closed(step);
        break;
      case "dropped":
        this.#problems.push(
          `${step.count} steps are missing, as the trace's reader was too slow: record with trace({ maxSteps })`,
        );
        break;
      default:
        // The others tell how the server went about it, which isn't what a client sees.
        break;
    }
  }

  finish(): Plan {
    for (const { step, frames } of [...this.#broadcasts.values()].flat()) {
      const { sent = 0 } = step.deliveries;
      if (sent <= frames) continue;
      this.#partial.add(`${step.topic} ${step.event}`);
      this.#left.add(
        `who got ${name(step.event)} on ${name(step.topic)}: it went to ${sent} clients, the trace names ${frames}`,
      );
    }
    if (this.#joins.size === 0) {
      this.#problems.push(
        "no client connects in it: open the trace before the clients come, and don't filter by topic or event",
      );
    }
    if (this.#problems.length > 0) {
      const first = this.#problems.slice(0, MAX_PROBLEMS);
      const more = this.#problems.length - first.length;
      const list = [...first, ...(more > 0 ? [`and ${more} more`] : [])].join("\n  ");
      throw new ConfigError("unreplayable_trace", `replay: the trace can't be replayed:\n  ${list}`);
    }
    const actions = this.#actions.filter(
      (action) => action.do !== "garble" || this.#undecoded.has(action.step.id),
    );
    return { actions, left: this.#left, partial: this.#partial };
  }

  #replays({ id, connection }: TraceStep): boolean {
    return connection !== null && this.#joins.has(connection) && !this.#foreign.has(id);
  }

  #connected(step: ConnectedStep): void {
    if (step.connection === null) return;
    this.#joins.set(step.connection, new Set());
    const hidden = this.#supplied.connect ? null : hiddenAt(step.params);
    if (hidden !== null) {
      const what = `connection ${step.connection} connected with ${hidden}, which was filtered`;
      this.#problems.push(`${what}: give the option connect`);
    }
    this.#actions.push({ do: "connect", step });
  }

  #frameIn(step: FrameInStep): void {
    if (!this.#replays(step)) {
      this.#foreign.add(step.id);
      this.#left.add(`connection ${step.connection}: it had connected before the trace began`);
      return;
    }
    this.#ours.add(step.id);
    this.#undecoded.add(step.id);
    this.#actions.push({ do: "garble", step });
  }

  #decoded(step: DecodedStep): void {
    if (!this.#replays(step) || step.connection === null) return;
    this.#undecoded.delete(step.id);
    const { topic = "", event = "", ref = null, joinRef = null } = step;
    if (event === PHX_JOIN) this.#joins.get(step.connection)?.add(topic);
    const where = `message ${ref} (${name(event)} on ${name(topic)}) of connection ${step.connection}`;
    if ([topic, event, ref, joinRef].some(isCut)) this.#problems.push(`${where}: its names were cut`);
    const lack = missing(step);
    if (lack !== null && !this.#supplied.payload) {
      this.#problems.push(`${where}: ${lack}; or give the option payload`);
    }
    this.#actions.push({ do: "send", step, lack });
  }

  #broadcast(step: BroadcastStep): void {
    const same = this.#broadcasts.get(step.id);
    const entry = { step, frames: 0 };
    if (same === undefined) this.#broadcasts.set(step.id, [entry]);
    else same.push(entry);
    this.#outside(step);
  }

  #outside(step: BroadcastStep | ClosedStep): void {
    if (!this.#supplied.outside) return;
    if (this.#ours.has(step.id) || this.#foreign.has(step.id)) return;
    this.#actions.push({ do: "outside", step });
  }

  #frameOut(step: FrameOutStep): void {
    const { connection, id, of, topic = "", event = "" } = step;
    if (connection === null) return;
    if (of === "broadcast") {
      const source = this.#broadcasts
        .get(id)
        ?.findLast(({ step: { topic: on, event: sent } }) => on === topic && sent === event);
      if (source !== undefined) source.frames++;
      if (!this.#replays(step)) return;
      const shown = source?.step ?? step;
      const own = this.#joins.get(connection)?.has(topic) === true;
      this.#expect(step, {
        kind: of,
        topic: own ? topic : null,
        event,
        ref: null,
        payload: this.#whole(shown, step.binary),
      });
      return;
    }
    const sent = this.#pending.get(connection);
    this.#pending.delete(connection);
    if (sent === undefined || !this.#replays(step)) return;
    this.#expect(step, {
      kind: of,
      topic,
      event: sent.step === "reply" ? sent.status : (sent.event ?? ""),
      ref: sent.ref ?? null,
      payload: this.#whole(sent, step.binary),
    });
  }

  #expect(step: FrameOutStep, expected: Expected): void {
    this.#actions.push({ do: "expect", step, expected });
  }

  /** What of a payload can be compared. */
  #whole(sent: ReplyStep | PushStep | BroadcastStep | FrameOutStep, binary: boolean): Expected["payload"] {
    const { payload, cut } = sent as ReplyStep;
    const lack = payload === undefined ? "it isn't in the trace" : cut === undefined ? null : "it was cut";
    if (lack === null && (sizeOf(payload) === null || binary)) return { recorded: payload };
    const what = sent.step === "reply" ? "a reply" : name(sent.event);
    this.#left.add(`the payload of ${what} on ${name(sent.topic)}: ${lack ?? "the trace has only its size"}`);
    return null;
  }

  #lost(step: LostStep): void {
    const { connection, topic = "" } = step;
    if (connection === null) return;
    const sent = this.#pending.get(connection);
    this.#pending.delete(connection);
    if (step.why !== "slow" || !this.#replays(step)) return;
    const event = sent?.event ?? step.event ?? "";
    this.#partial.add(`${topic} ${event}`);
    this.#left.add(`that ${name(event)} on ${name(topic)} was dropped, as its client was behind`);
  }

  #closed(step: ClosedStep): void {
    if (step.connection === null || !this.#joins.has(step.connection)) return;
    if (BY_CLIENT.has(step.code)) {
      this.#actions.push({ do: "hangUp", step });
      return;
    }
    if (step.code === "disconnect") this.#outside(step);
    this.#actions.push({ do: "expectClose", step });
  }
}

function name(text = ""): string {
  return JSON.stringify(printable(text));
}

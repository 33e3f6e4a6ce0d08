import { type Endpoint, endpointInternals } from "../../endpoint.ts";
import { ConfigError, describe } from "../../errors.ts";
import { PHX_REPLY, type Ref } from "../../protocol/message.ts";
import type { SocketClass } from "../../socket.ts";
import type { ClosedStep, ConnectedStep, DecodedStep, FrameOutStep, TraceStep } from "../../tracing.ts";
import { type ChannelCase, channelCase, type SocketClassOf } from "../channel-case.ts";
import type { ClientMessage } from "../client-codec.ts";
import { type Failure, failure, type Nearest } from "../failure.ts";
import { shown } from "../match.ts";
import type { TestSocket } from "../test-socket.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import { Likeness } from "./likeness.ts";
import type { Action, Expected, Plan } from "./plan.ts";
import { hiddenAt } from "./recorded.ts";
import type { Replayed, ReplayOptions } from "./replay.ts";

/** Timers of the system may come a little early, which virtual ones don't. */
const EARLY_MS = 5;
const GARBLED = "\u0000";

export type PlayerOptions = Omit<ReplayOptions, "serve">;

/** A client, and what has come to it and wasn't looked at yet. */
interface Played {
  readonly socket: TestSocket;
  readonly number: number;
  readonly came: Came[];
}

/** A frame as it came, with a reply's status as its event. */
interface Came {
  readonly kind: "reply" | "push";
  readonly topic: string;
  readonly event: string;
  readonly ref: Ref;
  readonly payload: unknown;
}

/** Does what a plan says, one action after another. */
export class Player {
  readonly #endpoint: Endpoint;
  readonly #clock: VirtualClock;
  readonly #kit: ChannelCase;
  readonly #likeness: Likeness;
  readonly #options: PlayerOptions;
  readonly #clients = new Map<number, Played>();
  #partial: ReadonlySet<string> = new Set();
  #sent = 0;
  #compared = 0;

  constructor(endpoint: Endpoint, clock: VirtualClock, options: PlayerOptions) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#kit = channelCase(endpoint, { heartbeatIntervalMs: false, timeout: options.timeout });
    this.#likeness = new Likeness(options.volatile ?? []);
    this.#options = options;
  }

  async play({ actions, left, partial }: Plan): Promise<Replayed> {
    this.#partial = partial;
    for (const action of actions) {
      await this.#reach(action.step.at);
      await this.#do(action);
    }
    await this.#kit.rest.wait({ timeout: this.#kit.timeout, busy: true });
    this.#assertNothingElse();
    return { clients: this.#clients.size, sent: this.#sent, compared: this.#compared, left: [...left] };
  }

  close(): Promise<void> {
    return this.#kit.close();
  }

  async #reach(at: number): Promise<void> {
    const ms = at - this.#clock.now();
    if (ms > 0) await this.#clock.advance(ms);
  }

  #do(action: Action): unknown {
    switch (action.do) {
      case "connect":
        return this.#connect(action.step);
      case "send":
        return this.#send(action.step, action.lack);
      case "garble":
        return this.#client(action.step).socket.sendRaw(GARBLED);
      case "expect":
        return this.#expect(action.step, action.expected);
      case "hangUp":
        return this.#client(action.step).socket.close(action.step.status);
      case "expectClose":
        return this.#expectClose(action.step);
      case "outside":
        return this.#options.outside?.(action.step, this.#endpoint);
    }
  }

  async #connect(step: ConnectedStep): Promise<void> {
    const given = this.#options.connect?.(step) ?? {};
    const { vsn: _, ...recorded } = (step.params ?? {}) as Record<string, unknown>;
    const params = given.params ?? recorded;
    const info = { transport: step.transport ?? undefined, ...given.info };
    const hidden = hiddenAt(params);
    if (hidden !== null) {
      const what = `replay: connection ${step.connection} connected with ${hidden}, which was filtered`;
      throw new ConfigError("unreplayable_trace", `${what}, and the option connect doesn't give it`);
    }
    const { mounts } = endpointInternals(this.#endpoint);
    const mount = mounts.find(({ socketClass }) => socketClass.name === step.socket);
    const translated = this.#likeness.translate(params) as object;
    const socket = await this.#kit.connect(
      mount?.socketClass as SocketClass & SocketClassOf<never>,
      translated,
      info,
    );
    const came: Came[] = [];
    socket.tap = (message) => came.push(asCame(message));
    const number = step.connection as number;
    this.#clients.set(number, { socket, number, came });
  }

  #send(step: DecodedStep, lack: string | null): void {
    const { topic = "", event = "", ref = null, joinRef = null } = step;
    const payload = lack === null ? step.payload : this.#options.payload?.(step);
    if (payload === undefined) {
      const what = `replay: ${this.#where(step)} sent ${describe(event)}, and ${lack}`;
      throw new ConfigError("unreplayable_trace", `${what}; the option payload doesn't give it`);
    }
    this.#sent++;
    this.#client(step).socket.sendRaw({
      // Text, unless the client had a mind of its own.
      joinRef: joinRef as string | null,
      ref: ref as string | null,
      topic: this.#likeness.text(topic),
      event,
      payload: this.#likeness.translate(payload),
    });
  }

  async #expect(step: FrameOutStep, recorded: Expected): Promise<void> {
    const client = this.#client(step);
    const expected =
      recorded.topic === null ? recorded : { ...recorded, topic: this.#likeness.text(recorded.topic) };
    const look = () => this.#next(client, expected) !== null;
    const { rest, timeout } = this.#kit;
    let flight = await rest.wait({ timeout, look });
    for (let at = this.#clock.nextAt; flight !== null && at !== null; at = this.#clock.nextAt) {
      if (at > step.at + EARLY_MS) break;
      await this.#reach(at);
      flight = await rest.wait({ timeout, look });
    }
    const next = this.#next(client, expected);
    if (next === null) {
      const nearest = client.came[0];
      const instead =
        nearest === undefined ? "" : `; what came is ${words(nearest)} ${shown(nearest.payload)}`;
      const what = `${this.#where(step)} doesn't get ${words(expected)}${instead}`;
      throw this.#fail(what, { flight: flight ?? [], expected: expected.payload?.recorded });
    }
    client.came.splice(client.came.indexOf(next), 1);
    this.#compare(step, expected, next);
  }

  #compare(step: FrameOutStep, expected: Expected, next: Came): void {
    if (expected.payload === null) return;
    const comparison = this.#likeness.compare(expected.payload.recorded, next.payload);
    this.#compared++;
    if (comparison.differences.length === 0) return;
    const nearest: Nearest = { event: words(next), payload: next.payload, comparison };
    throw this.#fail(`${this.#where(step)} gets another payload with ${words(expected)}`, { nearest });
  }

  /**
   * The next frame on a topic, if it is what was recorded. The order of frames on different topics may change, that of
   * one topic may not.
   */
  #next({ came }: Played, expected: Expected): Came | null {
    const isIt = (frame: Came) =>
      frame.event === expected.event &&
      frame.ref === expected.ref &&
      (frame.kind === "reply") === (expected.kind === "reply");
    if (expected.topic === null) return came.find(isIt) ?? null;
    for (const frame of came) {
      if (frame.topic !== expected.topic) continue;
      if (isIt(frame)) return frame;
      if (!this.#maybe(frame)) return null;
    }
    return null;
  }

  /** The trace doesn't say whether the client got it. */
  #maybe({ topic, event, kind }: Came): boolean {
    return kind === "push" && this.#partial.has(`${topic} ${event}`);
  }

  async #expectClose(step: ClosedStep): Promise<void> {
    const { socket } = this.#client(step);
    const { rest, timeout } = this.#kit;
    const flight = await rest.wait({ timeout, look: () => socket.closed !== null });
    const was = `closed with ${step.status} (${step.code})`;
    if (socket.closed === null) {
      throw this.#fail(`${this.#where(step)} isn't ${was}`, { flight: flight ?? [] });
    }
    const { code } = socket.closed;
    if (code === step.status) return;
    const what = `${this.#where(step)} is closed with ${code}, and was ${was}`;
    throw this.#fail(what, { actual: code, expected: step.status });
  }

  #assertNothingElse(): void {
    for (const client of this.#clients.values()) {
      const more = client.came.filter((frame) => !this.#maybe(frame));
      const [first] = more;
      if (first === undefined) continue;
      const count = more.length === 1 ? "" : ` and ${more.length - 1} more`;
      const what = `${this.#name(client)} gets ${words(first)}${count}, which the trace doesn't have`;
      throw this.#fail(what, { actual: first.payload, expected: undefined });
    }
  }

  #client({ connection }: Pick<TraceStep, "connection">): Played {
    return this.#clients.get(connection as number) as Played;
  }

  #where(step: TraceStep): string {
    return `step ${step.seq} (id ${step.id}): ${this.#name(this.#client(step))}`;
  }

  #name({ number, socket }: Played): string {
    return `connection ${number} (${socket.name}${socket.id === null ? "" : `, ${socket.id}`})`;
  }

  #fail(what: string, rest: Partial<Failure>): Error {
    return failure({ call: "replay", what, transcript: this.#kit.transcript, ...rest });
  }
}

function asCame({ topic, event, ref, payload }: ClientMessage): Came {
  if (event !== PHX_REPLY) return { kind: "push", topic, event, ref, payload };
  const { status, response } = payload as { readonly status: string; readonly response: unknown };
  return { kind: "reply", topic, event: status, ref, payload: response };
}

function words({ kind, topic, event, ref }: Expected | Came): string {
  const what = kind === "reply" ? `the reply ${event} to ref ${ref}` : describe(event);
  return topic === null ? what : `${what} on ${describe(topic)}`;
}

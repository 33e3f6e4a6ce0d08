import type { ChannelClass } from "../channel/channel-class.ts";
import type { Channel } from "../channel.ts";
import type { Cancel } from "../clock.ts";
import { assertTopic } from "../connection/arguments.ts";
import type { Connection } from "../connection/connection.ts";
import { compileRoute, type Route, type Router } from "../connection/routes.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import { HEARTBEAT_EVENT, HEARTBEAT_TOPIC, PHX_JOIN, PHX_REPLY } from "../protocol/message.ts";
import type { Encoded } from "../protocol/serializer.ts";
import type { Socket } from "../socket.ts";
import { type AssertOptions, assertOptions } from "./assert-options.ts";
import type { ChannelCase } from "./channel-case.ts";
import { type ClientMessage, decodeMessage, encodeMessage } from "./client-codec.ts";
import { failure } from "./failure.ts";
import { shown } from "./match.ts";
import { TestChannel } from "./test-channel.ts";
import type { TestClient, TestTransport } from "./test-transport.ts";

type AnyChannel = Channel<object, Socket<object>>;

/** What came of a join. */
export type JoinOutcome<C extends AnyChannel = AnyChannel> =
  | { readonly status: "ok"; readonly payload: unknown; readonly channel: TestChannel<C> }
  | { readonly status: "error"; readonly payload: unknown; readonly channel: null };

/** How a connection ended. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A client's connection: made by `kit.connect` and `kit.socket`. */
export class TestSocket<S extends Socket<object> = Socket<object>> implements TestClient {
  /** How transcripts call it. */
  readonly name: string;
  readonly #kit: ChannelCase;
  readonly #rooms: TestChannel[] = [];
  /** Channel classes that a test has named, by topic. */
  readonly #routes = new Map<string, Route>();
  #connection: Connection | null = null;
  #transport: TestTransport | null = null;
  #closed: Closed | null = null;
  #refs = 0;
  #cancelHeartbeat: Cancel | null = null;
  /** @internal Gets all that comes, heartbeats' answers too. */
  tap: ((message: ClientMessage) => void) | null = null;

  /** @internal */
  constructor(kit: ChannelCase, name: string) {
    this.#kit = kit;
    this.name = name;
  }

  /** The app's socket, as the server has it. */
  get socket(): S {
    return (this.#connection as Connection).socket as S;
  }

  /** The socket's assigns. */
  get assigns(): S["assigns"] {
    return this.socket.assigns;
  }

  /** The socket's id. */
  get id(): string | null {
    return (this.#connection as Connection).id;
  }

  /** How the connection ended; null while it is open. */
  get closed(): Closed | null {
    return this.#closed;
  }

  /**
   * Joins a topic, and listens to its broadcasts.
   *
   * @param channelClass Instead of the one that the socket class has for the topic.
   * @param payload Default `{}`.
   * @throws AssertionError with the reply, if the join is refused.
   */
  subscribeAndJoin(topic: string, payload?: unknown): Promise<TestChannel>;
  subscribeAndJoin<C extends AnyChannel>(
    channelClass: ChannelClass<C>,
    topic: string,
    payload?: unknown,
  ): Promise<TestChannel<C>>;
  async subscribeAndJoin(...args: unknown[]): Promise<TestChannel> {
    const { outcome, topic } = await this.#join("subscribeAndJoin", args);
    if (outcome.channel !== null) return outcome.channel;
    throw failure({
      call: `subscribeAndJoin(${shown(topic)})`,
      what: `the join was refused: ${shown(outcome.payload)}`,
      transcript: this.#kit.transcript,
      actual: { status: "error", payload: outcome.payload },
      expected: { status: "ok" },
    });
  }

  /**
   * Joins a topic, as {@link subscribeAndJoin} does.
   *
   * @returns The reply, ok or error, and the channel if it is joined.
   * @throws AssertionError if the join isn't answered.
   */
  join(topic: string, payload?: unknown): Promise<JoinOutcome>;
  join<C extends AnyChannel>(
    channelClass: ChannelClass<C>,
    topic: string,
    payload?: unknown,
  ): Promise<JoinOutcome<C>>;
  async join(...args: unknown[]): Promise<JoinOutcome> {
    return (await this.#join("join", args)).outcome;
  }

  /** @internal For kits whose channels have a class of their own. */
  joinAs(room: (topic: string, joinRef: string) => TestChannel, ...args: unknown[]): Promise<JoinOutcome> {
    return this.#join("join", args, room).then(({ outcome }) => outcome);
  }

  async #join(
    method: string,
    args: unknown[],
    make = (topic: string, joinRef: string) => new TestChannel(this.#kit, this, topic, joinRef),
  ): Promise<{ outcome: JoinOutcome; topic: string }> {
    const [channelClass, topic, payload = {}] = typeof args[0] === "string" ? [null, ...args] : args;
    assertTopic(method, topic);
    if (channelClass !== null) this.#route(method, topic, channelClass);
    const room = make(topic, String(this.#refs + 1));
    const unlisten = this.#kit.listen(topic, room);
    this.#rooms.push(room);
    const leave = () => {
      unlisten();
      this.#rooms.splice(this.#rooms.indexOf(room), 1);
    };
    this.send(room, PHX_JOIN, payload);
    const { rest, timeout, transcript } = this.#kit;
    const flight = await rest.wait({ timeout, look: () => room.outcome !== null });
    const { outcome } = room;
    if (outcome === null) {
      leave();
      const what = this.#closed === null ? "" : `; the connection was closed with ${this.#closed.code}`;
      throw failure({
        call: `${method}(${shown(topic)})`,
        what: `the join wasn't answered${what}`,
        transcript,
        flight: flight ?? [],
      });
    }
    if (outcome.status === "ok") {
      return { outcome: { status: "ok", payload: outcome.payload, channel: room }, topic };
    }
    leave();
    return { outcome: { status: "error", payload: outcome.payload, channel: null }, topic };
  }

  #route(method: string, topic: string, channelClass: unknown): void {
    const own = this.#kit.routeOf(this, topic);
    if (own?.channelClass !== channelClass) {
      this.#routes.set(topic, compileRoute(channelClass, `${method}: the first argument`));
    }
  }

  /**
   * Closes the connection, as a closed tab does.
   *
   * @param code Of the close frame. @default 1000
   * @returns Resolves when all is at rest, or stands still: the channels have terminated.
   */
  async close(code = 1000): Promise<void> {
    if (!Number.isInteger(code) || code < 1000 || code > 4999) {
      throw new ConfigError("invalid_argument", `close(code) takes a close code, got ${describe(code)}`);
    }
    if (this.#closed === null) {
      this.onClose(code, "", "by the client");
      this.#transport?.hangUp(code, "");
    }
    await this.#kit.rest.wait({ timeout: this.#kit.timeout, busy: true });
  }

  /**
   * Waits for the end of the connection.
   *
   * @param code That it must have. Default: any.
   * @throws AssertionError if it is open when all is at rest, or ended with another code.
   */
  async assertClosed(code?: number, options?: AssertOptions): Promise<Closed> {
    const call = `assertClosed(${code ?? ""})`;
    const { timeout } = assertOptions(options, "assertClosed", this.#kit.timeout);
    const { rest, transcript } = this.#kit;
    const look = () => this.#closed !== null;
    const flight = (await rest.wait({ timeout, look, more: () => this.#kit.delayed() })) ?? [];
    const closed = this.#closed;
    if (closed === null) {
      const hint = this.#kit.clockHint();
      throw failure({ call, what: `the connection of ${this.name} is open`, transcript, flight, hint });
    }
    if (code === undefined || closed.code === code) return closed;
    const what = `the connection of ${this.name} was closed with ${closed.code}`;
    throw failure({ call, what, transcript, actual: closed.code, expected: code });
  }

  // ── what the kit and the channels call ─────────────────────────────────────────────────────────────────────

  /** @internal */
  open(connection: Connection, transport: TestTransport, heartbeatIntervalMs: number | false): void {
    this.#connection = connection;
    this.#transport = transport;
    if (this.#closed === null && heartbeatIntervalMs !== false) this.#heartbeat(heartbeatIntervalMs);
  }

  /** @internal The routes of this client: those that a test has named come first. */
  router(otherwise: Router): Router {
    return (topic) => this.#routes.get(topic) ?? otherwise(topic);
  }

  /** @internal */
  send(room: TestChannel, event: string, payload: unknown, before?: (ref: string) => void): string {
    if (this.#closed !== null) {
      const { code } = this.#closed;
      throw new StateError("not_connected", `push: the connection of ${this.name} was closed with ${code}`);
    }
    const ref = String(++this.#refs);
    const { topic, joinRef } = room;
    const frame = encodeMessage({ joinRef, ref, topic, event, payload });
    this.#kit.transcript.add({ kind: "sent", client: this.name, topic, event, ref, payload, taken: false });
    before?.(ref);
    this.#transport?.receive(frame);
    return ref;
  }

  /** @internal A frame as a client of its own mind sends it: with the refs that it likes, or no message at all. */
  sendRaw(frame: ClientMessage | string): void {
    if (typeof frame !== "string") {
      const { topic, event, ref, payload } = frame;
      this.#kit.transcript.add({ kind: "sent", client: this.name, topic, event, ref, payload, taken: false });
    }
    this.#transport?.receive(typeof frame === "string" ? frame : encodeMessage(frame));
  }

  /** @internal */
  channelOn(topic: string): AnyChannel | null {
    return this.#connection?.channelOn(topic) ?? null;
  }

  /** @internal What may still come though nothing is at work, in words. */
  awaits(what: "deferred" | "timers"): string[] {
    if (this.#connection?.awaits(what) !== true) return [];
    const words = { deferred: "a deferred reply is in the app's hands", timers: "a delayed message waits" };
    return [`${words[what]} (${this.name})`];
  }

  /** @internal */
  inFlight(): string[] {
    return this.#connection?.inFlight() ?? [];
  }

  /** @internal */
  onFrame(frame: Encoded): void {
    const message = decodeMessage(frame);
    const { topic, event, ref, payload } = message;
    this.tap?.(message);
    if (topic === HEARTBEAT_TOPIC) return;
    const client = this.name;
    const { transcript } = this.#kit;
    const rooms = this.#rooms.filter((room) => room.takes(message));
    if (event === PHX_REPLY && ref !== null) {
      const { status, response } = payload as { status: string; response: unknown };
      const entry = {
        kind: "reply",
        client,
        topic,
        event,
        ref,
        status,
        payload: response,
        taken: false,
      } as const;
      const item = {
        event,
        payload: response,
        entry: transcript.add<typeof entry & { taken: boolean }>(entry),
      };
      for (const room of rooms) room.replied(ref, status, response, item);
    } else {
      const entry = transcript.add({
        kind: "push" as const,
        client,
        topic,
        event,
        ref,
        payload,
        taken: false,
      });
      for (const room of rooms) room.pushed({ event, payload, entry });
    }
  }

  /** @internal */
  onClose(code: number, reason: string, by = "by the server"): void {
    if (this.#closed !== null) return;
    this.#closed = { code, reason };
    this.#cancelHeartbeat?.();
    const why = reason === "" ? "" : ` (${reason})`;
    this.#kit.transcript.add({ kind: "note", text: `${this.name} closed ${by} with ${code}${why}` });
  }

  /** Shows that it is there, as the official client does. */
  #heartbeat(ms: number): void {
    this.#cancelHeartbeat = this.#kit.schedule(() => {
      const ref = String(++this.#refs);
      this.#transport?.receive(
        encodeMessage({ joinRef: null, ref, topic: HEARTBEAT_TOPIC, event: HEARTBEAT_EVENT, payload: {} }),
      );
      if (this.#closed === null) this.#heartbeat(ms);
    }, ms);
  }
}

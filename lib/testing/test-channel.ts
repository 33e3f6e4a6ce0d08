import type { AssertionError } from "node:assert";
import { type Channel, channelContext } from "../channel.ts";
import { assertEvent } from "../connection/arguments.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import { PHX_LEAVE, PHX_REPLY } from "../protocol/message.ts";
import type { Payload } from "../protocol/payload.ts";
import type { Socket } from "../socket.ts";
import { type AssertOptions, assertOptions, type RefuteOptions, refuteOptions } from "./assert-options.ts";
import type { ChannelCase } from "./channel-case.ts";
import type { ClientMessage } from "./client-codec.ts";
import { type Failure, failure } from "./failure.ts";
import { comparison, Inbox, type Item } from "./inbox.ts";
import { shown } from "./match.ts";
import type { TestSocket } from "./test-socket.ts";

type AnyChannel = Channel<object, Socket<object>>;

/** A reply as it came. */
interface Reply {
  readonly status: string;
  readonly response: unknown;
  readonly item: Item;
}

/** A client's side of one joined channel: made by `subscribeAndJoin` and `join`. */
export class TestChannel<C extends AnyChannel = AnyChannel> {
  readonly topic: string;
  /** The join's ref. */
  readonly joinRef: string;
  readonly socket: TestSocket<Socket<object>>;
  readonly #kit: ChannelCase;
  readonly #pushes = new Inbox();
  readonly #broadcasts = new Inbox();
  /** What was sent, by ref, and its reply once that has come. */
  readonly #sent = new Map<string, { readonly event: string; reply: Reply | null }>();
  #channel: C | null = null;
  #joinReply: Reply | null = null;

  /** @internal */
  constructor(kit: ChannelCase, socket: TestSocket<Socket<object>>, topic: string, joinRef: string) {
    this.#kit = kit;
    this.socket = socket;
    this.topic = topic;
    this.joinRef = joinRef;
  }

  /** The app's channel, as the server has it. */
  get channel(): C {
    if (this.#channel !== null) return this.#channel;
    throw new StateError("not_joined", `the client isn't joined to ${describe(this.topic)}`);
  }

  /** The channel's assigns. */
  get assigns(): C["assigns"] {
    return this.channel.assigns;
  }

  /** What the join was answered with. */
  get joinReply(): unknown {
    return this.#joinReply?.response;
  }

  // ── the client's calls ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a message to the channel. The handler may have run when this returns, if nothing was in its way.
   *
   * @param payload Any JSON value, or a `Uint8Array` for a binary message. Default `{}`.
   * @returns The ref, for {@link assertReply}.
   * @throws StateError (`not_connected`) if the connection is closed.
   */
  push(event: string, payload: unknown = {}): string {
    assertEvent("push", event);
    return this.socket.send(this, event, payload, (ref) => this.#sent.set(ref, { event, reply: null }));
  }

  /** Leaves the channel. Returns the ref, which is answered `ok`; a push `phx_close` follows. */
  leave(): string {
    return this.push(PHX_LEAVE);
  }

  /** Closes the client's connection, with all its channels. See {@link TestSocket.close}. */
  close(code?: number): Promise<void> {
    return this.socket.close(code);
  }

  /** Broadcasts on the topic to all but this client, as another part of the app might. */
  broadcastFrom(event: string, payload?: Payload): void {
    this.#kit.endpoint.broadcastFrom(this.channel, this.topic, event, payload);
  }

  // ── what must come ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Waits for the reply to a push, and checks it.
   *
   * @param match A part of the payload that it must have; see `docs/testing.md`.
   * @returns The reply's payload.
   * @throws AssertionError if the reply is another, or if there is none when all is at rest.
   */
  async assertReply(ref: string, status: string, match?: unknown, options?: AssertOptions): Promise<unknown> {
    const call = `assertReply(${shown(ref)}, ${shown(status)}${argument(match)})`;
    const { timeout } = assertOptions(options, "assertReply", this.#kit.timeout);
    const sent = this.#sentAs(ref, "assertReply");
    const look = () => sent.reply !== null;
    const more = () => this.socket.awaits("deferred");
    const flight = await this.#kit.rest.wait({ timeout, look, more });
    const { reply } = sent;
    const about = `${describe(sent.event)} on ${describe(this.topic)}`;
    if (reply === null) throw this.fail(call, `${about} wasn't answered`, { flight: flight ?? [] });
    reply.item.entry.taken = true;
    const compared = comparison(reply.response, match);
    if (reply.status === status && compared.differences.length === 0) return reply.response;
    const nearest = { event: `reply ${reply.status}`, payload: reply.response, comparison: compared };
    const got = reply.status === status ? "another payload" : describe(reply.status);
    throw this.fail(call, `${about} was answered with ${got}`, {
      nearest,
      ...(reply.status === status ? {} : { actual: reply.status, expected: status }),
    });
  }

  /**
   * Waits for a message to this client on the topic: a push, a broadcast, or the `phx_close` and `phx_error` of its
   * end. The first that matches is taken, so that the next assertion looks at what is left; others stay.
   *
   * @returns The payload.
   * @throws AssertionError if none matches when all is at rest.
   */
  assertPush(event: string, match?: unknown, options?: AssertOptions): Promise<unknown> {
    return this.take("assertPush", "message", this.#pushes, event, match, options);
  }

  /**
   * Waits for a broadcast on the topic, whoever broadcast it, and whether this client gets it or not.
   *
   * @returns The payload.
   * @throws AssertionError if none matches when all is at rest.
   */
  assertBroadcast(event: string, match?: unknown, options?: AssertOptions): Promise<unknown> {
    return this.take("assertBroadcast", "broadcast", this.#broadcasts, event, match, options);
  }

  /** Waits for a broadcast that leaves this client out, by `broadcastFrom`. */
  assertBroadcastFrom(event: string, match?: unknown, options?: AssertOptions): Promise<unknown> {
    const own = channelContext(this.channel);
    const filter = ({ from }: Item) => from === own;
    return this.take(
      "assertBroadcastFrom",
      "broadcast from it",
      this.#broadcasts,
      event,
      match,
      options,
      filter,
    );
  }

  // ── what must not come ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Waits until all is at rest, and checks that no reply has come.
   *
   * @param status Of the reply that must not have come. Default: any.
   */
  async refuteReply(ref: string, status?: string, match?: unknown, options?: RefuteOptions): Promise<void> {
    const given = [
      ...(status === undefined ? [] : [shown(status)]),
      ...(match === undefined ? [] : [shown(match)]),
    ];
    const call = `refuteReply(${[shown(ref), ...given].join(", ")})`;
    const sent = this.#sentAs(ref, "refuteReply");
    const came = () => {
      const { reply } = sent;
      if (reply === null || (status !== undefined && reply.status !== status)) return undefined;
      return comparison(reply.response, match).differences.length === 0 ? reply : undefined;
    };
    await this.#refute(call, "refuteReply", options, () => {
      const reply = came();
      return reply === undefined ? null : `was answered ${reply.status} ${shown(reply.response)}`;
    });
  }

  /** Waits until all is at rest, and checks that no such message has come to this client, or that all were taken. */
  refutePush(event: string, match?: unknown, options?: RefuteOptions): Promise<void> {
    return this.refuteItem("refutePush", this.#pushes, event, match, options);
  }

  /** Waits until all is at rest, and checks that there was no such broadcast on the topic, or that all were taken. */
  refuteBroadcast(event: string, match?: unknown, options?: RefuteOptions): Promise<void> {
    return this.refuteItem("refuteBroadcast", this.#broadcasts, event, match, options);
  }

  // ── what the client's connection brings ────────────────────────────────────────────────────────────────────

  /** @internal Whether a message is for this join. */
  takes({ joinRef, ref, topic, event }: ClientMessage): boolean {
    if (topic !== this.topic) return false;
    // An `unmatched topic` comes without a join_ref.
    if (event === PHX_REPLY) return ref !== null && (ref === this.joinRef || this.#sent.has(ref));
    return joinRef === this.joinRef || (joinRef === null && !this.ended);
  }

  /** @internal */
  ended = false;

  /** @internal */
  replied(ref: string, status: string, response: unknown, item: Item): void {
    const reply: Reply = { status, response, item };
    if (ref !== this.joinRef) {
      const sent = this.#sent.get(ref);
      if (sent !== undefined) sent.reply = reply;
    } else {
      this.#joinReply = reply;
      item.entry.taken = true;
      if (status === "ok") this.#channel = this.socket.channelOn(this.topic) as C | null;
    }
  }

  /** @internal */
  pushed(item: Item): void {
    if (item.event === "phx_close" || item.event === "phx_error") this.ended = true;
    this.#pushes.put(item);
  }

  /** @internal */
  broadcasted(item: Item): void {
    this.#broadcasts.put(item);
  }

  /** @internal The join's outcome, once it is there. */
  get outcome(): { readonly status: string; readonly payload: unknown } | null {
    const reply = this.#joinReply;
    return reply === null ? null : { status: reply.status, payload: reply.response };
  }

  // ── the ways of asserting ──────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  async take(
    method: string,
    what: string,
    inbox: Inbox,
    event: string,
    match: unknown,
    options: AssertOptions | undefined,
    filter?: (item: Item) => boolean,
    call = `${method}(${shown(event)}${argument(match)})`,
  ): Promise<unknown> {
    assertEvent(method, event);
    const { timeout } = assertOptions(options, method, this.#kit.timeout);
    let found: Item | undefined;
    const look = () => {
      found = inbox.find(event, match, filter);
      return found !== undefined;
    };
    const flight = await this.#kit.rest.wait({ timeout, look, more: () => this.#kit.delayed() });
    if (found !== undefined) {
      inbox.take(found);
      return found.payload;
    }
    const nearest = inbox.nearest(event, match);
    const taken = inbox.taken(event);
    const left = taken === 0 ? "" : ` besides ${taken} taken by earlier assertions`;
    const why = `no ${what} ${describe(event)} ${nearest?.event === event ? "that matches " : ""}came${left}`;
    throw this.fail(call, `${why} on ${describe(this.topic)}`, {
      nearest,
      flight: flight ?? [],
      ...(nearest === null ? { actual: undefined, expected: match } : {}),
    });
  }

  /** @internal */
  refuteItem(
    method: string,
    inbox: Inbox,
    event: string,
    match: unknown,
    options: RefuteOptions | undefined,
    call = `${method}(${shown(event)}${argument(match)})`,
  ): Promise<void> {
    assertEvent(method, event);
    return this.#refute(call, method, options, () => {
      const item = inbox.find(event, match);
      return item === undefined ? null : `${item.event} ${shown(item.payload)} came`;
    });
  }

  /** @param came Says what has come that must not, in words. */
  async #refute(
    call: string,
    method: string,
    options: RefuteOptions | undefined,
    came: () => string | null,
  ): Promise<void> {
    const { timeout, busy } = refuteOptions(options, method, this.#kit.timeout);
    const flight = (await this.#kit.rest.wait({ timeout, busy, look: () => came() !== null })) ?? [];
    const what = came();
    if (what !== null) throw this.fail(call, `${what} on ${describe(this.topic)}`, {});
    if (flight.length === 0 || busy) return;
    throw this.fail(call, `not all came to rest within ${timeout} ms, so more may come`, {
      flight,
      hint: "If that is meant, {busy: true} judges by what has come when nothing moves.",
    });
  }

  #sentAs(ref: unknown, method: string): { readonly event: string; reply: Reply | null } {
    const sent = this.#sent.get(ref as string);
    if (sent !== undefined) return sent;
    throw new ConfigError(
      "invalid_argument",
      `${method} needs the ref that push or leave of this channel returned, got ${describe(ref)}`,
    );
  }

  /** @internal */
  fail(call: string, what: string, rest: Partial<Failure>): AssertionError {
    const atRest = rest.flight !== undefined && rest.flight.length === 0;
    return failure({
      call,
      what: atRest ? `${what}, and nothing is in flight` : what,
      transcript: this.#kit.transcript,
      hint: rest.flight === undefined ? null : this.#kit.clockHint(),
      ...rest,
    });
  }
}

function argument(match: unknown): string {
  return match === undefined ? "" : `, ${shown(match)}`;
}

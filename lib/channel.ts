import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { ChannelLog, ChannelOverflow, ChannelRateLimit } from "./channel/channel-class.ts";
import type { ChannelContext } from "./channel/context.ts";
import { addHandler, findHandler } from "./channel/events.ts";
import type { Cancel } from "./clock.ts";
import { assertTopic } from "./connection/arguments.ts";
import { validated } from "./connection/callbacks.ts";
import type { Endpoint } from "./endpoint.ts";
import { ConfigError, describe } from "./errors.ts";
import { bool, checkOptions, type OptionCheck } from "./options.ts";
import type { Ref } from "./protocol/message.ts";
import type { Payload } from "./protocol/payload.ts";
import { error, type NoReply, type Reply, type Stop } from "./reply.ts";
import type { Schema } from "./schema.ts";
import type { Socket } from "./socket.ts";

/** What `join` returns. */
export type JoinResult = Reply<"ok"> | Reply<"error">;
/** What `handleIn` and the handlers of `on` return: nothing means no reply. */
// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement has this type
export type HandleInResult = Reply | NoReply | Stop | void;
/** What `handleOut` and `handleInfo` return. */
// biome-ignore lint/suspicious/noConfusingVoidType: as above
export type HandleResult = NoReply | Stop | void;

/** Why a channel ended, as `terminate` gets it. */
export interface TerminateReason {
  /**
   * `left`: the client left; `closed`: the connection ended; `stopped`: by `stop("normal" | "shutdown")`;
   * `replaced`: the client joined the topic again; `drain`: the server drains; `error`: a throw, or a stop with
   * another reason.
   */
  readonly kind: "left" | "closed" | "stopped" | "replaced" | "drain" | "error";
  /** The reason given to `stop`, or why the connection was closed. */
  readonly reason?: string;
  /** What was thrown, or the Error given to `stop`. */
  readonly error?: unknown;
}

export interface SubscribeOptions {
  /**
   * Sends the topic's broadcasts straight to this client, under the channel's own topic, instead of to
   * `handleInfo`. Intercepted events still go through `handleOut`.
   *
   * @default false
   */
  readonly fastlane?: boolean;
}

/** The assigns of a socket class. */
export type AssignsOf<S> = S extends { readonly assigns: infer A } ? A : object;

interface SendSelfOptions {
  readonly after?: number;
}

const SEND_SELF_OPTIONS: { readonly after: OptionCheck<number> } = {
  after: (value, name) => {
    if (typeof value === "number" && value >= 0) return value;
    throw new ConfigError(
      "invalid_option",
      `${name} must be a number of milliseconds of at least 0, got ${describe(value)}`,
    );
  },
};

const SUBSCRIBE_OPTIONS = { fastlane: bool };

let contextOf: (channel: Channel<object, Socket<object>>) => ChannelContext;

/**
 * One kind of conversation, on a topic (`Phoenix.Channel`). Subclass it for each kind of topic and name it in
 * {@link Socket.channels}; there is one instance for each join of each client. Its messages are handled one at a
 * time, in order, also by asynchronous handlers.
 *
 * @typeParam Assigns What the channel keeps in `assigns`, besides the socket's.
 * @typeParam S The socket class it belongs to.
 */
export abstract class Channel<Assigns extends object = object, S extends Socket<object> = Socket<object>> {
  /** Checks and shapes the payload of a join before `join` sees it. */
  static joinSchema?: Schema;
  /** Broadcast events that pass through `handleOut` instead of going to the client as they are. */
  static intercepts: readonly string[] = [];
  /** False leaves the channel without its topic's broadcasts, until it subscribes by itself. */
  static subscribesAtJoin = true;
  /** How many messages a client may send to its channels of this class, besides the mount's `rateLimit`. */
  static rateLimit: ChannelRateLimit = false;
  /**
   * What becomes of an event's messages for a client that reads too slowly: `"close"`, the default, closes it with
   * 1013 when more than `maxBufferedBytes` wait; `"drop"` leaves messages out while more than half of that waits,
   * as is right for cursors and the like.
   */
  static overflow: ChannelOverflow = {};
  /** The levels of the log lines (Phoenix's `log_join` and `log_handle_in`). */
  static log: ChannelLog = { join: "info", handleIn: "debug" };

  readonly #context: ChannelContext;

  static {
    contextOf = (channel) => channel.#context;
  }

  /** @internal */
  constructor(context: ChannelContext) {
    if (typeof (context as Partial<ChannelContext> | null | undefined)?.deferReply !== "function") {
      throw new ConfigError(
        "invalid_channel",
        `channels are made by their connection, and ${new.target.name} needs no constructor: set up in join instead`,
      );
    }
    this.#context = context;
  }

  /**
   * Adds an event to the class's table, which subclasses inherit and may override. Call it in a `static {}` block.
   *
   * The handler is called with the channel as `this` and as second argument. With a schema it gets the schema's
   * output; a payload that the schema refuses is answered
   * `error({reason: "invalid payload", issues: [{message, path}]})`.
   *
   * @throws ConfigError (`invalid_handler`) for an event twice in one class, for `phx_*`, and on `Channel` itself.
   */
  static on<C extends object, P = unknown>(
    this: abstract new (
      context: ChannelContext,
    ) => C,
    event: string,
    handler: (this: C, payload: P, channel: C) => HandleInResult | Promise<HandleInResult>,
  ): void;
  static on<C extends object, S extends StandardSchemaV1>(
    this: abstract new (
      context: ChannelContext,
    ) => C,
    event: string,
    schema: S,
    handler: (
      this: C,
      payload: StandardSchemaV1.InferOutput<S>,
      channel: C,
    ) => HandleInResult | Promise<HandleInResult>,
  ): void;
  static on(this: abstract new (context: ChannelContext) => object, ...args: unknown[]): void {
    addHandler(Channel, this, args);
  }

  /**
   * Decides whether the client may join, and sets up (`join/3`). Return `ok(payload?)` or `error(payload?)`; a
   * throw answers `{reason: "join crashed"}`. The client isn't joined yet, so `push`, `broadcast` and
   * `deferReply` throw here: use `sendSelf` and `handleInfo` for what should follow the reply.
   *
   * Security: topic and payload come from the client.
   */
  abstract join(topic: string, payload: unknown): JoinResult | Promise<JoinResult>;

  /**
   * Takes an event of the client (`handle_in/3`). This one finds the event in the class's table; override it to
   * take every event, and call `super.handleIn` for the table. An event that the table lacks is answered
   * `error({reason: "unmatched event"})` and logged. A throw ends the channel with phx_error.
   *
   * Security: event and payload come from the client.
   */
  handleIn(event: string, payload: unknown): HandleInResult | Promise<HandleInResult> {
    const entry = findHandler(this.constructor, event);
    if (entry === undefined) {
      this.#context.unhandled("event", event);
      return error({ reason: "unmatched event" });
    }
    if (entry.schema === null) return entry.handler.call(this, payload, this) as HandleInResult;
    const call = (value: unknown) => entry.handler.call(this, value, this);
    return validated(entry.schema, payload, call) as HandleInResult | Promise<HandleInResult>;
  }

  /**
   * Takes a broadcast of an event in `static intercepts` (`handle_out/3`), on its way to this client; push what
   * the client should get. The payload is shared by all subscribers, and frozen.
   */
  handleOut?(event: string, payload: unknown): HandleResult | Promise<HandleResult>;

  /**
   * Takes what `sendSelf` sent, and the broadcasts of other topics as instances of `Broadcast`
   * (`handle_info/2`). This one logs a warning.
   */
  handleInfo(message: unknown): HandleResult | Promise<HandleResult> {
    this.#context.unhandled("message", describe(message));
  }

  /**
   * Called once when the channel has ended, if its join returned ok (`terminate/2`). `push` still reaches the
   * client if the connection is there. A throw is logged.
   */
  terminate(_reason: TerminateReason): void | Promise<void> {}

  /** The topic that the client joined. */
  get topic(): string {
    return this.#context.topic;
  }

  /** The join's join_ref, or its ref if that was null. */
  get joinRef(): Ref {
    return this.#context.joinRef;
  }

  /** The ref of the message in hand; null outside of handleIn. */
  get ref(): Ref {
    return this.#context.ref;
  }

  /** The socket that all channels of this connection share. */
  get socket(): S {
    return this.#context.socket as S;
  }

  /** The channel's own state; it begins as a shallow copy of the socket's. */
  get assigns(): Assigns & AssignsOf<S> {
    return this.#context.assigns as Assigns & AssignsOf<S>;
  }

  get endpoint(): Endpoint {
    return this.#context.endpoint;
  }

  /** Aborted when the channel ends, for fetch, database drivers and event listeners. */
  get signal(): AbortSignal {
    return this.#context.signal;
  }

  /**
   * Sends a message to this client.
   *
   * @param payload A plain object, or a `Uint8Array` for a binary message. Default `{}`.
   * @returns False if it wasn't sent: the channel has ended, or the client is gone.
   * @throws PayloadError (`invalid_payload`); StateError (`not_joined`) in `join`.
   */
  push(event: string, payload?: Payload): boolean {
    return this.#context.push(event, payload);
  }

  /**
   * Sends a message to all subscribers of the topic, this client included.
   *
   * @throws PayloadError (`invalid_payload`); StateError (`not_joined`) in `join`.
   */
  broadcast(event: string, payload?: Payload): void {
    this.#context.broadcast(event, payload);
  }

  /**
   * Sends a message to all subscribers of the topic but this client.
   *
   * @throws PayloadError (`invalid_payload`); StateError (`not_joined`) in `join`.
   */
  broadcastFrom(event: string, payload?: Payload): void {
    this.#context.broadcastFrom(event, payload);
  }

  /**
   * Takes the ref of the message in hand, for an answer after the handler has returned.
   *
   * @param promise Its value is the reply; its rejection ends the channel, as a throw does.
   * @returns Sends the reply; false if the channel has ended or the message was answered already.
   * @throws StateError (`no_message`) outside of handleIn, (`not_joined`) in `join`.
   */
  deferReply(promise?: PromiseLike<Reply>): (reply: Reply) => boolean {
    return this.#context.deferReply(promise);
  }

  /**
   * Sends a message to this channel's own `handleInfo`, through the mailbox (`send/2` and
   * `Process.send_after/3`). From `join`, it arrives once the join's reply is out.
   *
   * @param options.after Milliseconds from now. Messages still pending when the channel ends go with it.
   * @returns Cancels a message that is pending; false if the channel has ended.
   */
  sendSelf(message: unknown, options?: { readonly after?: number }): Cancel | false {
    const { after } = checkOptions<SendSelfOptions>(options, SEND_SELF_OPTIONS, "sendSelf");
    return this.#context.sendSelf(message, after);
  }

  /**
   * Subscribes to another topic's broadcasts, which then arrive in `handleInfo`; with `{fastlane: true}`, at the
   * client. Twice is once.
   *
   * @throws StateError (`own_topic`) for the channel's own topic, which it has already.
   */
  subscribe(topic: string, options?: SubscribeOptions): void {
    assertTopic("subscribe", topic);
    const { fastlane = false } = checkOptions<SubscribeOptions>(options, SUBSCRIBE_OPTIONS, "subscribe");
    this.#context.subscribe(topic, fastlane);
  }

  /** Ends a subscription; one that isn't there is no error. */
  unsubscribe(topic: string): void {
    this.#context.unsubscribe(topic);
  }
}

/** @internal For the parts of the library that stand beside the channel, such as presence. */
export function channelContext(channel: Channel<object, Socket<object>>): ChannelContext {
  return contextOf(channel);
}

import type { Channel, ChannelContext, TerminateReason } from "../channel.ts";
import type { Cancel } from "../clock.ts";
import type { Endpoint } from "../endpoint.ts";
import { ConfigError, describe, ReturnError, StateError } from "../errors.ts";
import { type Message, PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_LEAVE, type Ref } from "../protocol/message.ts";
import { EMPTY_PAYLOAD, type EncodedPayload, encodePayload, payloadSize } from "../protocol/payload.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import type { Subscriber } from "../pubsub/pubsub.ts";
import { NoReply, Reply, Stop } from "../reply.ts";
import { isPromise, type Validated, validate } from "../schema.ts";
import type { Socket } from "../socket.ts";
import type { Connection } from "./connection.ts";
import { Mailbox } from "./mailbox.ts";
import { RESERVED, type Route } from "./routes.ts";

/** How long a join waits for a broker to confirm its subscription. */
const CONFIRM_TIMEOUT = 2000;
const CRASHED = JSON.stringify({ reason: "join crashed" });
const CHANNEL_CRASH = JSON.stringify({ reason: "channel_crash" });

/** A message in the mailbox that isn't a frame. */
type Item =
  | { readonly kind: "info"; readonly message: unknown; cancelled: boolean }
  | { readonly kind: "out" | "broadcast"; readonly envelope: Envelope }
  | { readonly kind: "end"; readonly reason: TerminateReason }
  | { readonly kind: "final" };

/** The client's message that a handler works on. */
interface InHand {
  readonly ref: Ref;
  answered: boolean;
}

/**
 * One channel on its way: joining → joined → ended. It stands between the app's channel, of which it is the
 * context, and the connection, which routes the client's frames to it.
 */
export class ChannelProcess implements ChannelContext, Subscriber {
  readonly topic: string;
  readonly joinRef: Ref;
  /** The join's join_ref as it came, which matching, phx_close and phx_error go by. */
  readonly rawJoinRef: Ref;
  readonly assigns: object;
  readonly #connection: Connection;
  readonly #route: Route;
  readonly #join: Message;
  readonly #mailbox = new Mailbox<Message | Item>((item) => this.#handle(item));
  /** The channel that this one's join put an end to; its phx_close follows this one's reply. */
  #replaces: ChannelProcess | null;
  #state: "joining" | "joined" | "ended" = "joining";
  #channel: Channel | null = null;
  #reason: TerminateReason | null = null;
  #inHand: InHand | null = null;
  #terminating = false;
  /** Frames of the topic that came while the join is pending. */
  #door: Message[] | null = null;
  /** The connection ended, or drains, while the join is pending. */
  #abandoned: TerminateReason | null = null;
  /** Broadcasts between the subscription and the join's reply. */
  #held: Envelope[] | null = null;
  /** What terminate pushes before the phx_close is out. */
  #unreleased: [event: string, payload: EncodedPayload][] | null = null;
  #subscriptions: Map<string, Subscriber> | null = null;
  #subscribed = false;
  #timers: Set<Cancel> | null = null;
  #abort: AbortController | null = null;
  #aborted = false;
  /** The connection still counts this process: a drain waits for it. */
  #counted = true;
  #waitingBytes = 0;
  #congested = false;

  constructor(connection: Connection, route: Route, join: Message, replaces: ChannelProcess | null) {
    this.topic = join.topic;
    this.rawJoinRef = join.joinRef;
    // Elixir's `join_ref || ref`
    this.joinRef = join.joinRef === null || join.joinRef === false ? join.ref : join.joinRef;
    this.assigns = { ...connection.socket.assigns, ...route.assigns };
    this.#connection = connection;
    this.#route = route;
    this.#join = join;
    this.#replaces = replaces;
  }

  get state(): "joining" | "joined" | "ended" {
    return this.#state;
  }

  // ── the connection's side ──────────────────────────────────────────────────────────────────────────────────

  /** Runs the join; its reply may be out when this returns. */
  start(): void {
    const started = this.#connection.host.clock.now();
    const done = (result: unknown) => this.#joinReturned(result, started);
    const failed = (error: unknown) => this.#joinFailed(error);
    try {
      const channel = new this.#route.channelClass(this);
      this.#channel = channel;
      const run = (validated: Validated): unknown =>
        "issues" in validated
          ? new Reply("error", { reason: "invalid payload", issues: validated.issues })
          : channel.join(this.topic, validated.value);
      const schema = this.#route.joinSchema;
      const validated =
        schema === undefined ? { value: this.#join.payload } : validate(schema, this.#join.payload);
      const result = isPromise(validated) ? Promise.resolve(validated).then(run) : run(validated);
      if (isPromise(result)) result.then(done, failed);
      else done(result);
    } catch (error) {
      failed(error);
    }
  }

  /** A frame of the topic while the join is pending. */
  wait(message: Message): void {
    if (this.#abandoned !== null) return;
    this.#door ??= [];
    this.#door.push(message);
    // The client has changed its mind: what join waits for may be given up, but its outcome still comes first.
    if (message.event === PHX_JOIN || (message.event === PHX_LEAVE && this.takes(message)))
      this.#abortSignal();
    this.#checkCongestion();
  }

  /** A null join_ref is right, another than the join's is stale. */
  takes(message: Message): boolean {
    return message.joinRef === null || message.joinRef === this.rawJoinRef;
  }

  /** A frame of the joined topic. */
  deliver(message: Message): void {
    this.#mailbox.deliver(message);
    this.#checkCongestion();
  }

  /** The client closed the connection, or the server drains: what was received before is handled first. */
  endGently(reason: TerminateReason): void {
    if (this.#state === "joined") this.#mailbox.post({ kind: "end", reason });
    else if (this.#state === "joining") this.#abandon(reason);
  }

  /** The connection is closed by the server: nothing that waits is run. */
  endAtOnce(reason: TerminateReason): void {
    if (this.#state === "joined") this.#end(reason, null);
    else if (this.#state === "joining") this.#abandon(reason);
  }

  /** The client joins the topic again. */
  replace(): void {
    const rest = this.#end({ kind: "replaced" }, null);
    this.#unreleased = [];
    const leave = rest.findIndex((item) => !("kind" in item) && item.event === PHX_LEAVE);
    if (leave < 0) return;
    const frame = rest[leave] as Message;
    this.#connection.reply(this.joinRef, frame.ref, this.topic, "ok", EMPTY_PAYLOAD);
    this.#answerLate(rest.slice(leave + 1));
  }

  /** This one's join is answered: now the phx_close of the replaced may go out, and what it pushed behind that. */
  #releaseReplaced(): void {
    const old = this.#replaces;
    if (old === null) return;
    this.#replaces = null;
    old.#sendClose(PHX_CLOSE);
    const pushes = old.#unreleased ?? [];
    old.#unreleased = null;
    for (const [event, payload] of pushes)
      this.#connection.push(old.joinRef, null, this.topic, event, payload);
  }

  // ── joining ────────────────────────────────────────────────────────────────────────────────────────────────

  #joinReturned(result: unknown, started: number): void {
    if (!(result instanceof Reply) || (result.status !== "ok" && result.status !== "error")) {
      this.#joinFailed(this.#invalidReturn("join", result, "ok(payload?) or error(payload?)"));
    } else if (result.status === "error") {
      this.#logJoin("REFUSED", started);
      this.#refused(result.encoded);
    } else if (this.#abandoned !== null) {
      this.#abandonedJoin(this.#abandoned);
    } else {
      this.#subscribeOwn(() => this.#joined(result, started));
    }
  }

  #joinFailed(error: unknown): void {
    this.#connection.host.logger.error(
      { err: error, topic: this.topic, channel: this.#route.channelClass.name },
      `join crashed on ${this.topic}`,
    );
    this.#refused(CRASHED);
  }

  /** Calls back in the same stack, unless a broker has to confirm the subscription. */
  #subscribeOwn(done: () => void): void {
    if (!this.#route.subscribesAtJoin) {
      done();
      return;
    }
    const { pubsub, clock, logger } = this.#connection.host;
    this.#held ??= [];
    this.#subscribed = true;
    const confirmed = pubsub.subscribe(this.topic, this);
    if (confirmed === undefined) {
      done();
      return;
    }
    let waiting = true;
    const proceed = () => {
      if (!waiting) return;
      waiting = false;
      cancel();
      if (this.#abandoned === null) done();
      else this.#abandonedJoin(this.#abandoned);
    };
    const cancel = clock.schedule(() => {
      logger.warn({ topic: this.topic }, `joined ${this.topic} before the broker confirmed its subscription`);
      proceed();
    }, CONFIRM_TIMEOUT);
    void confirmed.then(proceed);
  }

  #joined(result: Reply, started: number): void {
    this.#state = "joined";
    this.#answerJoin(result);
    this.#logJoin("JOINED", started);
    const held = this.#held ?? [];
    this.#held = null;
    for (const envelope of held) this.receive(envelope);
    this.#mailbox.open();
    this.#openDoor();
  }

  #refused(payload: EncodedPayload): void {
    this.#state = "ended";
    this.#cleanUp();
    this.#connection.forget(this);
    if (this.#abandoned === null) {
      this.#connection.reply(this.rawJoinRef, this.#join.ref, this.topic, "error", payload);
      this.#releaseReplaced();
      this.#openDoor();
    }
    this.#done();
  }

  #answerJoin(result: Reply): void {
    this.#connection.reply(this.rawJoinRef, this.#join.ref, this.topic, result.status, result.encoded);
    this.#releaseReplaced();
  }

  /** The join returned ok for a connection that is gone: the app has set up, and may take down. */
  #abandonedJoin(reason: TerminateReason): void {
    this.#end(reason, null);
    this.#mailbox.open();
  }

  #abandon(reason: TerminateReason): void {
    this.#abandoned = reason;
    this.#door = null;
    this.#replaces = null;
    queueMicrotask(() => this.#abortSignal());
    this.#checkCongestion();
    this.#done();
  }

  #openDoor(): void {
    const frames = this.#door;
    if (frames === null) return;
    this.#door = null;
    for (const frame of frames) this.#connection.route(frame);
    this.#checkCongestion();
  }

  // ── the mailbox ────────────────────────────────────────────────────────────────────────────────────────────

  #handle(item: Message | Item): Promise<void> | undefined {
    if (this.#congested) this.#checkCongestion();
    const channel = this.#channel as Channel;
    if (!("kind" in item)) return this.#handleFrame(channel, item);
    switch (item.kind) {
      case "info":
        if (item.cancelled) return undefined;
        return this.#call("handleInfo", () => channel.handleInfo(item.message));
      case "out":
        this.#waitingBytes -= payloadSize(item.envelope.payload);
        return this.#call("handleOut", () =>
          channel.handleOut?.(item.envelope.event, item.envelope.broadcast.payload),
        );
      case "broadcast":
        this.#waitingBytes -= payloadSize(item.envelope.payload);
        return this.#call("handleInfo", () => channel.handleInfo(item.envelope.broadcast));
      case "end":
        this.#end(item.reason, null);
        return undefined;
      case "final":
        return this.#terminate(channel);
    }
  }

  #handleFrame(channel: Channel, { event, payload, ref }: Message): Promise<void> | undefined {
    const inHand: InHand = { ref, answered: false };
    if (event === PHX_LEAVE) {
      this.#connection.reply(this.joinRef, ref, this.topic, "ok", EMPTY_PAYLOAD);
      this.#answerLate(this.#end({ kind: "left" }, PHX_CLOSE));
      return undefined;
    }
    const { logHandleIn } = this.#route;
    const { host } = this.#connection;
    const started = host.logs && logHandleIn !== false ? host.clock.now() : 0;
    this.#inHand = inHand;
    let result: unknown;
    try {
      result = channel.handleIn(event, payload);
    } catch (error) {
      this.#inHand = null;
      this.#crash(error, "handleIn");
      return undefined;
    }
    const finish = (value: unknown) => {
      this.#inHand = null;
      if (host.logs && logHandleIn !== false) {
        const ms = (host.clock.now() - started).toFixed(1);
        const params = host.filter(payload);
        host.logger[logHandleIn]({ params }, `HANDLED ${event} INCOMING ON ${this.topic} in ${ms}ms`);
      }
      this.#handledIn(inHand, value);
    };
    if (!isPromise(result)) {
      finish(result);
      return undefined;
    }
    return Promise.resolve(result).then(finish, (error: unknown) => {
      this.#inHand = null;
      this.#crash(error, "handleIn");
    });
  }

  #handledIn(inHand: InHand, result: unknown): void {
    if (result === undefined || result instanceof NoReply) return;
    if (result instanceof Reply) {
      this.#answer(inHand, result);
    } else if (result instanceof Stop) {
      if (result.reply !== undefined) this.#answer(inHand, result.reply);
      this.#stop(result.reason);
    } else {
      const expected = "nothing, noreply(), ok(), error(), reply(status) or stop()";
      this.#crash(this.#invalidReturn("handleIn", result, expected), "handleIn");
    }
  }

  #call(method: "handleInfo" | "handleOut", callback: () => unknown): Promise<void> | undefined {
    const finish = (result: unknown) => {
      if (result instanceof Stop && result.reply === undefined) {
        this.#stop(result.reason);
      } else if (result !== undefined && !(result instanceof NoReply)) {
        this.#crash(
          this.#invalidReturn(method, result, "nothing, noreply() or stop() without a reply"),
          method,
        );
      }
    };
    try {
      const result = callback();
      if (!isPromise(result)) {
        finish(result);
        return undefined;
      }
      return Promise.resolve(result).then(finish, (error: unknown) => this.#crash(error, method));
    } catch (error) {
      this.#crash(error, method);
      return undefined;
    }
  }

  #answer(inHand: InHand, reply: Reply): boolean {
    if (this.#state === "ended") return false;
    if (inHand.answered) {
      this.#connection.host.logger.warn(
        { topic: this.topic, ref: inHand.ref },
        `a second reply to one message on ${this.topic} was dropped`,
      );
      return false;
    }
    inHand.answered = true;
    return this.#connection.reply(this.joinRef, inHand.ref, this.topic, reply.status, reply.encoded);
  }

  // ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────

  #stop(reason: string | Error): void {
    if (this.#state === "ended") return;
    if (reason === "normal" || reason === "shutdown") {
      this.#answerLate(this.#end({ kind: "stopped", reason }, PHX_CLOSE));
      return;
    }
    this.#connection.host.logger.error(
      { ...(reason instanceof Error ? { err: reason } : { reason }), topic: this.topic },
      `channel ${this.topic} stopped: ${reason instanceof Error ? reason.message : reason}`,
    );
    const why = reason instanceof Error ? { reason: reason.message, error: reason } : { reason };
    this.#answerLate(this.#end({ kind: "error", ...why }, PHX_ERROR));
  }

  #crash(thrown: unknown, method: string): void {
    const error =
      thrown instanceof Reply || thrown instanceof Stop || thrown instanceof NoReply
        ? this.#invalidReturn(method, thrown, "a reply to be returned, it was thrown")
        : thrown;
    this.#connection.host.logger.error(
      { err: error, topic: this.topic, channel: this.#route.channelClass.name },
      `${method} crashed on ${this.topic}`,
    );
    if (this.#state !== "joined") return;
    this.#answerLate(this.#end({ kind: "error", error }, PHX_ERROR));
  }

  /**
   * The end, all of it that is synchronous and none of the app's code. Returns what waited in the mailbox.
   */
  #end(reason: TerminateReason, event: typeof PHX_CLOSE | typeof PHX_ERROR | null): (Message | Item)[] {
    this.#state = "ended";
    this.#reason = reason;
    this.#cleanUp();
    this.#connection.forget(this);
    if (event !== null) this.#sendClose(event);
    const rest = this.#mailbox.clear();
    this.#checkCongestion();
    // Not here: the end may come from a broadcast, which runs no code of the app.
    if (this.#abort !== null) queueMicrotask(() => this.#abortSignal());
    this.#mailbox.post({ kind: "final" });
    return rest;
  }

  /** Frames behind a leave, a stop or a throw are answered as if they had come after it. */
  #answerLate(rest: (Message | Item)[]): void {
    for (const item of rest) if (!("kind" in item)) this.#connection.route(item);
  }

  #sendClose(event: typeof PHX_CLOSE | typeof PHX_ERROR): void {
    const payload = event === PHX_ERROR ? CHANNEL_CRASH : EMPTY_PAYLOAD;
    this.#connection.push(this.rawJoinRef, this.rawJoinRef, this.topic, event, payload);
  }

  #cleanUp(): void {
    const { pubsub } = this.#connection.host;
    if (this.#subscribed) pubsub.unsubscribe(this.topic, this);
    this.#subscribed = false;
    for (const [key, subscriber] of this.#subscriptions ?? []) pubsub.unsubscribe(key, subscriber);
    this.#subscriptions = null;
    for (const cancel of this.#timers ?? []) cancel();
    this.#timers = null;
    this.#held = null;
  }

  #terminate(channel: Channel): Promise<void> | undefined {
    this.#abortSignal();
    this.#terminating = true;
    const finish = () => {
      this.#terminating = false;
      this.#done();
    };
    const failed = (error: unknown) => {
      this.#connection.host.logger.error(
        { err: error, topic: this.topic },
        `terminate crashed on ${this.topic}`,
      );
      finish();
    };
    try {
      const result: unknown = channel.terminate(this.#reason as TerminateReason);
      if (isPromise(result)) return Promise.resolve(result).then(finish, failed);
      finish();
    } catch (error) {
      failed(error);
    }
    return undefined;
  }

  // ── the channel's side ─────────────────────────────────────────────────────────────────────────────────────

  get ref(): Ref {
    return this.#inHand?.ref ?? null;
  }

  get socket(): Socket<object> {
    return this.#connection.socket;
  }

  get endpoint(): Endpoint {
    return this.#connection.host.endpoint;
  }

  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController();
      if (this.#aborted || this.#state === "ended" || this.#abandoned !== null) this.#abortSignal();
    }
    return this.#abort.signal;
  }

  push(event: string, payload: unknown): boolean {
    this.#assertJoined("push");
    if (this.#state === "ended" && !this.#terminating) return false;
    assertEvent("push", event);
    const encoded = encodePayload(payload);
    if (this.#unreleased !== null) {
      this.#unreleased.push([event, encoded]);
      return true;
    }
    return this.#connection.push(this.joinRef, null, this.topic, event, encoded);
  }

  broadcast(event: string, payload: unknown): void {
    this.#assertJoined("broadcast");
    assertEvent("broadcast", event);
    this.#connection.host.pubsub.broadcast(this.topic, event, encodePayload(payload));
  }

  broadcastFrom(event: string, payload: unknown): void {
    this.#assertJoined("broadcastFrom");
    assertEvent("broadcastFrom", event);
    this.#connection.host.pubsub.broadcast(this.topic, event, encodePayload(payload), this);
  }

  deferReply(promise: PromiseLike<Reply> | undefined): (reply: Reply) => boolean {
    this.#assertJoined("deferReply");
    if (promise !== undefined && !isPromise(promise)) {
      throw new ConfigError(
        "invalid_argument",
        `deferReply takes a promise or nothing, got ${describe(promise)}`,
      );
    }
    const inHand = this.#inHand;
    if (inHand === null && this.#state !== "ended") {
      throw new StateError(
        "no_message",
        "deferReply needs a message to answer: call it in handleIn, before the handler has returned",
      );
    }
    const answer = (reply: Reply): boolean => {
      if (!(reply instanceof Reply)) {
        throw new ConfigError(
          "invalid_argument",
          `a deferred reply is ok(), error() or reply(status), got ${describe(reply)}`,
        );
      }
      return inHand !== null && this.#answer(inHand, reply);
    };
    if (promise !== undefined) {
      Promise.resolve(promise)
        .then(answer)
        .catch((error: unknown) => this.#crash(error, "deferReply"));
    }
    return answer;
  }

  sendSelf(message: unknown, after: number | undefined): Cancel | false {
    if (this.#state === "ended") return false;
    const item: Item = { kind: "info", message, cancelled: false };
    if (after === undefined) {
      this.#mailbox.post(item);
      return () => {
        item.cancelled = true;
      };
    }
    const stop = this.#connection.host.clock.schedule(() => {
      this.#timers?.delete(cancel);
      this.#mailbox.post(item);
    }, after);
    const cancel = () => {
      item.cancelled = true;
      this.#timers?.delete(cancel);
      stop();
    };
    this.#timers ??= new Set();
    this.#timers.add(cancel);
    return cancel;
  }

  subscribe(key: string, fastlane: boolean): void {
    if (typeof key !== "string") {
      throw new ConfigError("invalid_argument", `subscribe(topic) needs a string, got ${describe(key)}`);
    }
    if (key === this.topic && this.#route.subscribesAtJoin) {
      throw new StateError(
        "own_topic",
        `the channel has its own topic's broadcasts already: ${describe(key)}`,
      );
    }
    if (this.#state === "ended" || this.#subscriptions?.has(key)) return;
    const subscriber: Subscriber = {
      owner: this,
      receive: fastlane
        ? (envelope) => this.receive(envelope)
        : (envelope) => this.#queue("broadcast", envelope),
    };
    this.#subscriptions ??= new Map();
    this.#subscriptions.set(key, subscriber);
    void this.#connection.host.pubsub.subscribe(key, subscriber);
  }

  unsubscribe(key: string): void {
    const subscriber = this.#subscriptions?.get(key);
    if (subscriber === undefined) return;
    this.#subscriptions?.delete(key);
    this.#connection.host.pubsub.unsubscribe(key, subscriber);
  }

  unhandled(kind: "event" | "message", what: string): void {
    const text =
      kind === "event"
        ? `no handler for the event ${JSON.stringify(what)} on ${this.topic}`
        : `handleInfo got ${what}, which ${this.#route.channelClass.name} doesn't handle`;
    this.#connection.host.logger.warn({ topic: this.topic, channel: this.#route.channelClass.name }, text);
  }

  // ── broadcasts ─────────────────────────────────────────────────────────────────────────────────────────────

  get owner(): object {
    return this;
  }

  /** The fastlane: a broadcast straight to this client, unless its event is intercepted. */
  receive(envelope: Envelope): void {
    if (this.#state === "joining") {
      // Behind the reply; a fastlane subscription made in join has nobody to deliver to yet.
      this.#held ??= [];
      this.#held.push(envelope);
    } else if (this.#route.intercepts?.has(envelope.event)) {
      this.#queue("out", envelope);
    } else {
      const frame = envelope.frame(this.#connection.serializer, this.topic);
      if (frame !== null) this.#connection.sendShared(frame);
    }
  }

  #queue(kind: "out" | "broadcast", envelope: Envelope): void {
    // Broadcasts wait for a slow handler as bytes wait for a slow client, and are bounded alike.
    this.#waitingBytes += payloadSize(envelope.payload);
    if (this.#waitingBytes > this.#connection.host.maxBufferedBytes) this.#connection.onOverflow();
    else this.#mailbox.post({ kind, envelope });
  }

  // ── small things ───────────────────────────────────────────────────────────────────────────────────────────

  #assertJoined(method: string): void {
    if (this.#state !== "joining") return;
    throw new StateError(
      "not_joined",
      `${method} in join comes before the client is joined: call sendSelf(message) there, and ${method} from handleInfo`,
    );
  }

  #abortSignal(): void {
    this.#aborted = true;
    this.#abort?.abort();
  }

  #done(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#connection.done();
  }

  /** Pauses reading when too much waits, and goes on when half of it is done. */
  #checkCongestion(): void {
    const { maxQueued } = this.#connection.host;
    const waiting = this.#door?.length ?? this.#mailbox.length;
    if (!this.#congested && waiting > maxQueued && this.#state !== "ended") {
      this.#congested = true;
      this.#connection.congested(this);
    } else if (this.#congested && (waiting <= maxQueued / 2 || this.#state === "ended")) {
      this.#congested = false;
      this.#connection.relieved(this);
    }
  }

  #invalidReturn(method: string, value: unknown, expected: string): ReturnError {
    const name = this.#route.channelClass.name;
    return new ReturnError(
      "invalid_return",
      `${name}.${method} returned ${describe(value)}; expected ${expected}`,
    );
  }

  #logJoin(verb: string, started: number): void {
    const { logJoin } = this.#route;
    const { host } = this.#connection;
    if (!host.logs || logJoin === false) return;
    const ms = (host.clock.now() - started).toFixed(1);
    const params = host.filter(this.#join.payload);
    host.logger[logJoin]({ params }, `${verb} ${this.topic} in ${ms}ms`);
  }
}

/** @throws ConfigError (`invalid_argument`) */
export function assertEvent(method: string, event: unknown): asserts event is string {
  if (typeof event === "string") return;
  throw new ConfigError("invalid_argument", `${method} needs an event, a string, got ${describe(event)}`);
}

/** @throws ConfigError (`invalid_argument`) */
export function assertTopic(method: string, topic: unknown): asserts topic is string {
  if (typeof topic === "string" && !topic.startsWith(RESERVED)) return;
  throw new ConfigError(
    "invalid_argument",
    `${method} needs a topic, a string that doesn't begin with a NUL character, got ${describe(topic)}`,
  );
}

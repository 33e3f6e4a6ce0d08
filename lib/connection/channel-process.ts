import type { Channel, TerminateReason } from "../channel.ts";
import type { LogLevel } from "../logger.ts";
import { type Message, PHX_CLOSE, PHX_ERROR, PHX_JOIN, PHX_LEAVE, type Ref } from "../protocol/message.ts";
import { EMPTY_PAYLOAD, type EncodedPayload } from "../protocol/payload.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import type { Reply } from "../reply.ts";
import type { Delivery } from "../tracing.ts";
import type { InHand } from "./answering.ts";
import { type Callback, thrownBy } from "./callbacks.ts";
import { ChannelHandle } from "./channel-handle.ts";
import type { Connection } from "./connection.ts";
import { handleIn, handleInfo, handleOut, join, terminate } from "./handling.ts";
import type { Item } from "./items.ts";
import { LazySignal } from "./lazy-signal.ts";
import { Mailbox } from "./mailbox.ts";
import type { RateMeter } from "./rate-limit.ts";
import type { ReportedChannel } from "./reporter.ts";
import type { Route } from "./routes.ts";
import { tellEnded, tellJoined } from "./steps.ts";
import { type BroadcastSink, Subscriptions } from "./subscriptions.ts";

const CHANNEL_CRASH = JSON.stringify({ reason: "channel_crash" });

/**
 * One channel on its way: joining → joined → ended. It runs the app's channel, and takes the client's frames
 * from the connection.
 */
export class ChannelProcess implements BroadcastSink, ReportedChannel {
  readonly topic: string;
  readonly joinRef: Ref;
  readonly connection: Connection;
  readonly route: Route;
  readonly subscriptions: Subscriptions;
  readonly abort = new LazySignal();
  /** Counts the messages to all channels of this class on the connection, if the class has a rateLimit. */
  readonly rate: RateMeter | null;
  inHand: InHand | null = null;
  /** Promises that `deferReply` was given and that haven't settled. */
  awaited = 0;
  /** Messages whose answer the app has deferred, and holds. */
  deferred = 0;
  /** The join's join_ref as it came, which matching, phx_close and phx_error go by. */
  readonly #rawJoinRef: Ref;
  readonly #handle: ChannelHandle;
  readonly #mailbox = new Mailbox<Message | Item>((item) => this.#take(item));
  #state: "joining" | "joined" | "ended" = "joining";
  /** The join, until it is answered. */
  #join: Message | null;
  /** The channel that this one's join put an end to; its phx_close follows this one's reply. */
  #replaces: ChannelProcess | null;
  #channel: Channel | null = null;
  #since: number;
  #reason: TerminateReason = { kind: "closed" };
  #terminating = false;
  /** Frames of the topic that came while the join is pending. */
  #door: Message[] | null = null;
  /** The connection ended, or drains, while the join is pending. */
  #abandoned: TerminateReason | null = null;
  /** What terminate pushes before the phx_close is out. */
  #unreleased: [event: string, payload: EncodedPayload][] | null = null;
  /** The connection still counts this process: a drain waits for it. */
  #counted = true;

  constructor(connection: Connection, route: Route, join: Message, replaces: ChannelProcess | null) {
    this.topic = join.topic;
    this.#rawJoinRef = join.joinRef;
    // Elixir's `join_ref || ref`
    this.joinRef = join.joinRef === null || join.joinRef === false ? join.ref : join.joinRef;
    this.connection = connection;
    this.route = route;
    this.#join = join;
    this.#replaces = replaces;
    this.#since = connection.host.clock.now();
    this.rate = connection.meter(route.rateLimiter);
    this.#handle = new ChannelHandle(this);
    this.subscriptions = new Subscriptions(this.#handle, join.topic, route.intercepts, connection.host, this);
  }

  get state(): "joining" | "joined" | "ended" {
    return this.#state;
  }

  /** When the join came, then when it was joined. */
  get since(): number {
    return this.#since;
  }

  get queued(): number {
    return this.#mailbox.length + (this.#door?.length ?? 0);
  }

  get name(): string {
    return this.route.name;
  }

  get whom(): Connection {
    return this.connection;
  }

  /** The app's channel, once it is made. */
  get channel(): Channel | null {
    return this.#channel;
  }

  /** Whether the connection counts it among its live channels. */
  get counted(): boolean {
    return this.#counted;
  }

  /** Messages to oneself that wait for their time. */
  get timers(): number {
    return this.#handle.timers;
  }

  /** A callback runs. */
  get busy(): boolean {
    return this.#mailbox.busy;
  }

  // ── what the connection calls ──────────────────────────────────────────────────────────────────────────────

  /** Runs the join; its reply may be out when this returns. */
  start(): void {
    join(this, this.#join?.payload, () => {
      this.#handle.assigns = { ...this.connection.socket.assigns, ...this.route.assigns };
      this.#channel = new this.route.channelClass(this.#handle);
      return this.#channel;
    });
  }

  /** A frame of the topic while the join is pending. */
  wait(message: Message): void {
    if (this.#abandoned !== null) return;
    this.#door ??= [];
    this.#door.push(message);
    // The client has changed its mind: what join waits for may be given up, but its outcome still comes first.
    if (message.event === PHX_JOIN || (message.event === PHX_LEAVE && this.takes(message)))
      this.abort.abort();
    this.#checkCongestion();
  }

  /** A null join_ref is right, another than the join's is stale. */
  takes(message: Message): boolean {
    return message.joinRef === null || message.joinRef === this.#rawJoinRef;
  }

  /** A frame of the joined topic. */
  deliver(message: Message): void {
    this.#mailbox.deliver(message);
    this.#checkCongestion();
  }

  /** The client closed the connection, or the server drains: what was received before is handled first. */
  endGently(reason: TerminateReason): void {
    if (this.#state === "joined") this.post({ kind: "end", reason });
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
    this.connection.reply(this.joinRef, frame.ref, this.topic, "ok", EMPTY_PAYLOAD);
    this.#answerLate(rest.slice(leave + 1));
  }

  /** The socket's authorization ends in so many seconds. */
  tellExpiring(seconds: number): void {
    if (this.#state === "joined") this.push("token_expiring", JSON.stringify({ expires_in: seconds }));
  }

  // ── what the channel's handle calls ────────────────────────────────────────────────────────────────────────

  get mayPush(): boolean {
    return this.#state === "joined" || this.#terminating;
  }

  push(event: string, payload: EncodedPayload): boolean {
    if (this.route.drops?.has(event) && this.connection.drops(this.topic)) return false;
    if (this.#unreleased === null)
      return this.connection.push(this.joinRef, null, this.topic, event, payload);
    this.#unreleased.push([event, payload]);
    return true;
  }

  post(item: Item): void {
    const { tracer } = this.connection.host;
    if (tracer.active) tracer.follow(item);
    this.#mailbox.post(item);
  }

  /** @param event That of the message or broadcast in hand. */
  crash(callback: Callback, thrown: unknown, event?: string): void {
    const error = thrownBy(this.name, callback, thrown);
    this.connection.host.report.errored(this, callback, error, event);
    if (this.#state === "joined") this.#answerLate(this.#end({ kind: "error", error }, PHX_ERROR));
  }

  // ── where broadcasts go ────────────────────────────────────────────────────────────────────────────────────

  fastlane(envelope: Envelope): Delivery {
    const frame = envelope.frame(this.connection.serializer, this.topic);
    if (frame === null) return "uncarried";
    return this.connection.sendShared(frame, this.route.drops?.has(envelope.event) ?? false);
  }

  queue(kind: "out" | "broadcast", envelope: Envelope): void {
    this.post({ kind, envelope });
  }

  overflow(): void {
    this.connection.onOverflow();
  }

  // ── joining ────────────────────────────────────────────────────────────────────────────────────────────────

  accept(result: Reply): void {
    if (this.#abandoned !== null) this.#joined(result);
    else this.subscriptions.join(this.route.subscribesAtJoin, () => this.#joined(result));
  }

  /** @param crash The id of the crash that refuses the join. */
  refuse(payload: EncodedPayload, crash: string | null): void {
    this.#state = "ended";
    this.abort.abortSoon();
    this.#cleanUp();
    if (this.#abandoned === null) {
      const { report } = this.connection.host;
      const id = report.denied(this.connection, this.#join as Message, payload, this.name, crash);
      this.#answerJoin("error", payload, id);
      this.#openDoor();
    }
    this.#done();
  }

  #joined(result: Reply): void {
    if (this.#abandoned !== null) {
      // The connection is gone, but the app has set up, and may take down.
      this.#end(this.#abandoned, null);
      this.#mailbox.open();
      return;
    }
    this.#state = "joined";
    this.#answerJoin("ok", result.encoded, null);
    this.#since = this.connection.host.clock.now();
    this.subscriptions.open();
    this.#mailbox.open();
    this.#openDoor();
  }

  #answerJoin(result: "ok" | "error", payload: EncodedPayload, id: string | null): void {
    const join = this.#join as Message;
    this.#join = null;
    tellJoined(this, result);
    this.connection.reply(this.#rawJoinRef, join.ref, this.topic, result, payload);
    this.connection.host.report.joined(this, this.route.logJoin, result, join.payload, this.#since, id);
    this.#releaseReplaced();
  }

  /** This one's join is answered: now the phx_close of the replaced may go out, and what it pushed behind that. */
  #releaseReplaced(): void {
    const old = this.#replaces;
    if (old === null) return;
    this.#replaces = null;
    old.#sendClose(PHX_CLOSE);
    const pushes = old.#unreleased ?? [];
    old.#unreleased = null;
    for (const [event, payload] of pushes) old.push(event, payload);
  }

  #abandon(reason: TerminateReason): void {
    this.#abandoned = reason;
    tellJoined(this, "abandoned");
    this.#door = null;
    this.#replaces = null;
    this.abort.abortSoon();
    this.#checkCongestion();
    this.#done();
  }

  #openDoor(): void {
    const frames = this.#door;
    if (frames === null) return;
    this.#door = null;
    for (const frame of frames) this.connection.reroute(frame);
    this.#checkCongestion();
  }

  // ── the mailbox ────────────────────────────────────────────────────────────────────────────────────────────

  #take(item: Message | Item): Promise<void> | undefined {
    this.#checkCongestion();
    const { tracer } = this.connection.host;
    return tracer.active ? tracer.resume(item, () => this.#run(item)) : this.#run(item);
  }

  #run(item: Message | Item): Promise<void> | undefined {
    const channel = this.#channel as Channel;
    if (!("kind" in item)) {
      if (item.event !== PHX_LEAVE) return handleIn(this, channel, item);
      this.connection.reply(this.joinRef, item.ref, this.topic, "ok", EMPTY_PAYLOAD);
      this.#answerLate(this.#end({ kind: "left" }, PHX_CLOSE));
      return undefined;
    }
    switch (item.kind) {
      case "info":
        return item.cancelled ? undefined : handleInfo(this, channel, item.message);
      case "broadcast":
        this.subscriptions.taken(item.envelope);
        return handleInfo(this, channel, item.envelope.broadcast);
      case "out":
        this.subscriptions.taken(item.envelope);
        return handleOut(this, channel, item.envelope);
      case "end":
        this.#end(item.reason, null);
        return undefined;
      case "final":
        return this.#terminate(channel);
    }
  }

  // ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────

  stop(reason: string | Error, level: LogLevel | false = "error"): void {
    if (this.#state !== "joined") return;
    if (reason === "normal" || reason === "shutdown") {
      this.#answerLate(this.#end({ kind: "stopped", reason }, PHX_CLOSE));
      return;
    }
    const why = reason instanceof Error ? { reason: reason.message, error: reason } : { reason };
    this.connection.host.report.errored(this, "stop", reason, undefined, level);
    this.#answerLate(this.#end({ kind: "error", ...why }, PHX_ERROR));
  }

  /**
   * The end, all of it that is synchronous and none of the app's code: it may come from a broadcast. Returns what
   * waited in the mailbox.
   */
  #end(reason: TerminateReason, event: typeof PHX_CLOSE | typeof PHX_ERROR | null): (Message | Item)[] {
    this.#state = "ended";
    this.#reason = reason;
    tellEnded(this, reason);
    this.#cleanUp();
    if (event !== null) this.#sendClose(event);
    const rest = this.#mailbox.clear();
    this.#checkCongestion();
    this.abort.abortSoon();
    this.post({ kind: "final" });
    return rest;
  }

  /** Frames behind a leave, a stop or a throw are answered as if they had come after it. */
  #answerLate(rest: (Message | Item)[]): void {
    for (const item of rest) if (!("kind" in item)) this.connection.reroute(item);
  }

  #sendClose(event: typeof PHX_CLOSE | typeof PHX_ERROR): void {
    const payload = event === PHX_ERROR ? CHANNEL_CRASH : EMPTY_PAYLOAD;
    this.connection.push(this.#rawJoinRef, this.#rawJoinRef, this.topic, event, payload);
  }

  #cleanUp(): void {
    this.subscriptions.clear();
    this.#handle.end();
    this.connection.forget(this);
  }

  #terminate(channel: Channel): Promise<void> | undefined {
    this.abort.abort();
    this.#terminating = true;
    return terminate(this, channel, this.#reason, () => {
      this.#terminating = false;
      this.connection.host.report.terminated(this, this.#reason, this.#since);
      this.#done();
    });
  }

  #done(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.connection.done();
  }

  #checkCongestion(): void {
    const waiting = this.#state === "ended" ? 0 : (this.#door?.length ?? this.#mailbox.length);
    this.connection.congestion.check(this, waiting);
  }
}

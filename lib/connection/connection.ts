import type { Channel } from "../channel.ts";
import type { Clock } from "../clock.ts";
import { printable } from "../errors.ts";
import { HEARTBEAT_EVENT, HEARTBEAT_TOPIC, type Message, PHX_JOIN, PHX_LEAVE } from "../protocol/message.ts";
import { EMPTY_PAYLOAD } from "../protocol/payload.ts";
import type { Encoded, Serializer } from "../protocol/serializer.ts";
import type { PubSub, Subscriber } from "../pubsub/pubsub.ts";
import type { Socket } from "../socket.ts";
import type { Transport, TransportListener } from "../transport/transport.ts";
import { ChannelProcess } from "./channel-process.ts";
import { CLOSE, type Close } from "./close-codes.ts";
import { Congestion } from "./congestion.ts";
import { checkExpiresAt, Expiry } from "./expiry.ts";
import { inFlight } from "./in-flight.ts";
import type { RateLimiter, RateMeter } from "./rate-limit.ts";
import type { Router } from "./routes.ts";
import { Sender, type SenderHost } from "./sender.ts";
import { tellDecoded, tellRouted, tellUnrouted } from "./steps.ts";

const UNMATCHED_TOPIC = JSON.stringify({ reason: "unmatched topic" });
const TOO_MANY_CHANNELS = JSON.stringify({ reason: "too many channels joined" });

/** What the connections of a mount share. */
export interface ConnectionHost extends SenderHost {
  readonly pubsub: PubSub;
  readonly clock: Clock;
  readonly router: Router;
  readonly socketName: string;
  readonly maxChannels: number;
  readonly maxPayload: number;
  readonly maxQueued: number;
  readonly rateLimiter: RateLimiter | null;
  /** The client is gone. Channels may still be busy: `settled` follows when none is. */
  ended(connection: Connection): void;
  settled(connection: Connection): void;
}

/** One client: takes its frames, routes them by topic, and writes what its channels send. */
export class Connection extends Sender<ConnectionHost> implements TransportListener, Subscriber {
  readonly socket: Socket<object>;
  readonly owner = null;
  readonly congestion: Congestion;
  readonly #channels = new Map<string, ChannelProcess>();
  readonly #rate: RateMeter | null;
  /** What counts its messages; one for all channels of a class, so that joining again doesn't begin anew. */
  #meters: Map<RateLimiter, RateMeter> | null = null;
  /** When it connected. */
  readonly since: number;
  /** What the server closed with, and the id by which the log and `explain` know it. */
  #closing: { readonly close: Close; readonly id: string } | null = null;
  /** The transport has ended. */
  #gone = false;
  /** Channels that aren't done: joining, joined, or in terminate. */
  #live = 0;
  #expiry: Expiry | null = null;
  #draining = false;
  #drained: (() => void) | null = null;

  constructor(
    host: ConnectionHost,
    socket: Socket<object>,
    id: string | null,
    serializer: Serializer,
    transport: Transport,
  ) {
    super(host, id, serializer, transport);
    this.socket = socket;
    this.congestion = new Congestion(transport, host.maxQueued);
    this.since = host.clock.now();
    this.#rate = this.meter(host.rateLimiter);
    if (id !== null) void host.pubsub.subscribe(id, this);
  }

  /** The number of channels that are joined or joining. */
  get channels(): number {
    return this.#channels.size;
  }

  /** The channels that are joined or joining. */
  get processes(): Iterable<ChannelProcess> {
    return this.#channels.values();
  }

  /** Messages that wait for handlers. */
  get queued(): number {
    let queued = 0;
    for (const process of this.#channels.values()) queued += process.queued;
    return queued;
  }

  /** The channel that is joined, or joining, on a topic. */
  channelOn(topic: string): Channel | null {
    return this.#channels.get(topic)?.channel ?? null;
  }

  /** What the app is at work on for this client, in words. */
  inFlight(): string[] {
    const found: string[] = [];
    let counted = 0;
    for (const process of this.#channels.values()) {
      found.push(...inFlight(process));
      if (process.counted) counted++;
    }
    const ending = this.#live - counted;
    if (ending > 0) found.push(`${ending} channel(s) that ended still run a handler or terminate`);
    return found;
  }

  /** Whether something of the app's may still come without being at work: a deferred answer, a delayed message. */
  awaits(what: "deferred" | "timers"): boolean {
    for (const process of this.#channels.values()) if (process[what] > 0) return true;
    return false;
  }

  /** Counts this connection's messages by a limit, if there is one. */
  meter(limiter: RateLimiter | null): RateMeter | null {
    if (limiter === null) return null;
    let meter = this.#meters?.get(limiter);
    if (meter === undefined) {
      meter = limiter.open(this.id, this.host.clock.now());
      this.#meters ??= new Map();
      this.#meters.set(limiter, meter);
    }
    return meter;
  }

  // ── from the transport ─────────────────────────────────────────────────────────────────────────────────────

  onFrame(frame: Encoded): void {
    if (this.closed) return;
    const { tracer } = this.host;
    if (!tracer.active) {
      this.#take(frame);
      return;
    }
    tracer.within(tracer.newId(), () => {
      tracer.step({ step: "frame_in", size: frame.length, binary: typeof frame !== "string" }, this);
      this.#take(frame);
    });
  }

  #take(frame: Encoded): void {
    const verdict = this.#rate?.take(this.host.clock.now()) ?? "ok";
    if (verdict === "flood") {
      this.close(CLOSE.flood);
      return;
    }
    let message: Message;
    try {
      message = this.serializer.decode(frame);
    } catch (error) {
      this.close(CLOSE.malformed, { err: error });
      return;
    }
    if (this.host.tracer.active) tellDecoded(this, message, frame.length);
    if (verdict === "limited" && this.#limits(message)) this.#limited(message, this.#rate);
    else this.route(message);
  }

  onOverflow(): void {
    this.close(CLOSE.slowConsumer);
  }

  /** Nothing has come from the client for the idle timeout. */
  onIdle(): void {
    this.close(CLOSE.idle);
  }

  onClose(code: number, reason: string): void {
    const { tracer } = this.host;
    if (tracer.active) tracer.within(tracer.newId(), () => this.#ended(code, reason));
    else this.#ended(code, reason);
  }

  #ended(code: number, reason: string): void {
    this.#gone = true;
    const { report } = this.host;
    if (this.#closing === null) {
      const id = report.ending(this, code, reason, this.since);
      this.closed = true;
      this.#unsubscribe();
      const why = reason === "" ? String(code) : reason;
      for (const process of [...this.#channels.values()]) {
        process.endGently({ kind: "closed", reason: why });
      }
      report.closed(this, code, reason, this.since, id);
    } else {
      const { close, id } = this.#closing;
      report.closed(this, close.code, close.reason ?? "", this.since, id);
    }
    this.host.ended(this);
    if (this.#live === 0) this.#settled();
  }

  // ── routing: one branch for each rule of the wire, in their order ──────────────────────────────────────────

  route(message: Message): void {
    if (this.closed) {
      tellUnrouted(this, message, "closed");
      return;
    }
    const { joinRef, ref, topic, event } = message;
    // A heartbeat is answered here, whatever its join_ref, and without one.
    if (topic === HEARTBEAT_TOPIC && event === HEARTBEAT_EVENT) {
      tellRouted(this, message, "heartbeat");
      this.reply(null, ref, topic, "ok", EMPTY_PAYLOAD);
      return;
    }
    const process = this.#channels.get(topic);
    // The door: while a join is pending, whatever comes for its topic waits for the outcome.
    if (process?.state === "joining") {
      tellRouted(this, message, "door", process);
      process.wait(message);
      return;
    }
    // A join; one for a topic that is joined puts an end to the channel there.
    if (event === PHX_JOIN) {
      this.#join(message, process ?? null);
      return;
    }
    if (process === undefined) {
      if (event === PHX_LEAVE) {
        // The client leaves what the server has ended already, or never had.
        tellRouted(this, message, "leave");
        this.reply(joinRef, ref, topic, "ok", EMPTY_PAYLOAD);
      } else {
        // The channel may have ended while the client's message was on its way.
        tellUnrouted(this, message, "not_joined");
        this.host.report.denied(this, message, UNMATCHED_TOPIC);
        this.reply(null, ref, topic, "error", UNMATCHED_TOPIC);
      }
      return;
    }
    // Meant for an earlier join of this topic.
    if (!process.takes(message)) {
      tellUnrouted(this, message, "stale");
      return;
    }
    const verdict = process.rate?.take(this.host.clock.now()) ?? "ok";
    if (verdict === "flood") {
      tellUnrouted(this, message, "flood");
      this.close(CLOSE.flood);
    } else if (verdict === "limited" && this.#limits(message)) {
      this.#limited(message, process.rate);
    } else {
      tellRouted(this, message, "channel", process);
      process.deliver(message);
    }
  }

  /** A frame that has waited behind a join, or behind an end. */
  reroute(message: Message): void {
    const { tracer } = this.host;
    if (tracer.active) tracer.resume(message, () => this.route(message));
    else this.route(message);
  }

  #join(message: Message, replaced: ChannelProcess | null): void {
    const { report, router, socketName, maxChannels } = this.host;
    if (this.#draining) {
      tellUnrouted(this, message, "draining");
      return;
    }
    const { joinRef, ref, topic } = message;
    const route = router(topic);
    if (route === undefined) {
      tellUnrouted(this, message, "unmatched_topic");
      const id = report.denied(this, message, UNMATCHED_TOPIC);
      this.warn(`ignored a join of ${printable(topic)}, which no channel of ${socketName} matches`, { id });
      this.reply(null, ref, topic, "error", UNMATCHED_TOPIC);
      return;
    }
    replaced?.replace();
    if (this.#channels.size >= maxChannels) {
      tellUnrouted(this, message, "too_many_channels");
      const id = report.denied(this, message, TOO_MANY_CHANNELS);
      this.warn(`refused a join of ${printable(topic)}: ${maxChannels} channels are joined (maxChannels)`, {
        id,
      });
      this.reply(joinRef, ref, topic, "error", TOO_MANY_CHANNELS);
      return;
    }
    const process = new ChannelProcess(this, route, message, replaced);
    tellRouted(this, message, "join", process);
    this.#channels.set(topic, process);
    this.#live++;
    process.start();
  }

  // ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Heartbeats and leaves get through: refusing them would only make the client come back. */
  #limits({ topic, event }: Message): boolean {
    return event !== PHX_LEAVE && (topic !== HEARTBEAT_TOPIC || event !== HEARTBEAT_EVENT);
  }

  #limited(message: Message, meter: RateMeter | null): void {
    const { joinRef, ref, topic } = message;
    const { counters, report } = this.host;
    counters.rateLimited++;
    const response = JSON.stringify({ reason: "rate_limited", retry_after: meter?.retryAfter ?? 0 });
    tellUnrouted(this, message, "rate_limited");
    const id = report.denied(this, message, response);
    this.warnOnce("limited", "refused messages of a connection that sends faster than rateLimit allows", {
      id,
    });
    this.reply(joinRef, ref, topic, "error", response);
  }

  // ── authorization ──────────────────────────────────────────────────────────────────────────────────────────

  /** Moves the end of the connection's authorization. */
  expiresAt(value: unknown): void {
    const at = checkExpiresAt(value);
    if (this.closed) return;
    this.#expiry ??= new Expiry(
      this.host.clock,
      (seconds) => {
        for (const process of this.#channels.values()) process.tellExpiring(seconds);
      },
      () => this.close(CLOSE.expired),
    );
    this.#expiry.set(at);
  }

  // ── from the channels ──────────────────────────────────────────────────────────────────────────────────────

  /** A process has left its topic: the next join finds it free. */
  forget(process: ChannelProcess): void {
    if (this.#channels.get(process.topic) === process) this.#channels.delete(process.topic);
  }

  /** A process has nothing left to do. */
  done(): void {
    this.#live--;
    if (this.#live === 0) this.#settled();
  }

  // ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A broadcast on the socket's id: `disconnect` closes all connections of that id. */
  receive({ event }: { readonly event: string }): void {
    if (event === "disconnect") this.close(CLOSE.disconnect);
  }

  /**
   * Closes at once: what waits in the mailboxes is not run, what is written is still sent.
   *
   * @param details For the log.
   */
  close(close: Close, details: object = {}): void {
    if (this.closed) return;
    this.closed = true;
    const id = this.host.report.closing(this, close, this.since, details);
    this.#closing = { close, id };
    const { code, reason = "", why } = close;
    this.transport.close(code, reason);
    this.#unsubscribe();
    const kind = code === CLOSE.drain.code ? "drain" : "closed";
    const end = () => {
      for (const process of [...this.#channels.values()]) process.endAtOnce({ kind, reason: why });
    };
    const { tracer } = this.host;
    if (tracer.active) tracer.within(id, end);
    else end();
  }

  /**
   * Handles what was received, starts no join, and closes when every channel is done.
   *
   * @returns Resolves then; at once if nothing is left to wait for.
   */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#live > 0 && !this.closed) {
      for (const process of [...this.#channels.values()]) {
        process.endGently({ kind: "drain", reason: CLOSE.drain.why });
      }
    }
    return new Promise((resolve) => {
      this.#drained = resolve;
      if (this.#live === 0) this.#settled();
    });
  }

  /** No channel has anything left to do. */
  #settled(): void {
    if (this.#gone) this.host.settled(this);
    if (this.#drained === null) return;
    this.close(CLOSE.drain);
    this.#drained();
  }

  #unsubscribe(): void {
    this.#expiry?.stop();
    for (const limiter of this.#meters?.keys() ?? []) limiter.close(this.id);
    if (this.id !== null) this.host.pubsub.unsubscribe(this.id, this);
  }
}

import type { Clock } from "../clock.ts";
import { describe, printable, ReturnError } from "../errors.ts";
import {
  HEARTBEAT_EVENT,
  HEARTBEAT_TOPIC,
  type Message,
  PHX_JOIN,
  PHX_LEAVE,
  type Ref,
} from "../protocol/message.ts";
import { EMPTY_PAYLOAD, type EncodedPayload } from "../protocol/payload.ts";
import type { Encoded, Serializer } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
import type { PubSub, Subscriber } from "../pubsub/pubsub.ts";
import { Reply } from "../reply.ts";
import { isPromise } from "../schema.ts";
import { Socket } from "../socket.ts";
import type { Transport, TransportListener } from "../transport/transport.ts";
import { ChannelProcess } from "./channel-process.ts";
import { CLOSE, type Close } from "./close-codes.ts";
import type { Counters } from "./counters.ts";
import { checkExpiresAt, Expiry } from "./expiry.ts";
import type { RateLimiter, RateMeter } from "./rate-limit.ts";
import type { Reporter } from "./reporter.ts";
import type { Router } from "./routes.ts";

const UNMATCHED_TOPIC = JSON.stringify({ reason: "unmatched topic" });
const TOO_MANY_CHANNELS = JSON.stringify({ reason: "too many channels joined" });

/** What the connections of a mount share. */
export interface ConnectionHost {
  readonly pubsub: PubSub;
  readonly clock: Clock;
  readonly report: Reporter;
  readonly router: Router;
  readonly socketName: string;
  readonly maxChannels: number;
  readonly maxPayload: number;
  readonly maxQueued: number;
  readonly maxBufferedBytes: number;
  readonly rateLimiter: RateLimiter | null;
  readonly counters: Counters;
  /** The client is gone. Channels may still be busy: `settled` follows when none is. */
  ended(connection: Connection): void;
  settled(connection: Connection): void;
}

/** One client: takes its frames, routes them by topic, and writes what its channels send. */
export class Connection implements TransportListener, Subscriber {
  readonly host: ConnectionHost;
  readonly socket: Socket<object>;
  readonly id: string | null;
  readonly serializer: Serializer;
  readonly owner = null;
  readonly #transport: Transport;
  readonly #channels = new Map<string, ChannelProcess>();
  readonly #rate: RateMeter | null;
  /** What counts its messages; one for all channels of a class, so that joining again doesn't begin anew. */
  #meters: Map<RateLimiter, RateMeter> | null = null;
  readonly #since: number;
  /** What the server closed with. */
  #closing: Close | null = null;
  /** No frame is taken or sent any more. */
  #closed = false;
  /** The transport has ended. */
  #gone = false;
  /** Channels that aren't done: joining, joined, or in terminate. */
  #live = 0;
  #congested: Set<ChannelProcess> | null = null;
  /** Warnings that would come with each message, and are given once. */
  #said: Set<string> | null = null;
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
    this.host = host;
    this.socket = socket;
    this.id = id;
    this.serializer = serializer;
    this.#transport = transport;
    this.#since = host.clock.now();
    this.#rate = this.meter(host.rateLimiter);
    if (id !== null) void host.pubsub.subscribe(id, this);
  }

  /** The number of channels that are joined or joining. */
  get channels(): number {
    return this.#channels.size;
  }

  /** Messages that wait for handlers. */
  get queued(): number {
    let queued = 0;
    for (const process of this.#channels.values()) queued += process.queued;
    return queued;
  }

  get bufferedBytes(): number {
    return this.#transport.bufferedBytes;
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
    if (this.#closed) return;
    const verdict = this.#rate?.take(this.host.clock.now()) ?? "ok";
    if (verdict === "flood") {
      this.#flooded();
      return;
    }
    let message: Message;
    try {
      message = this.serializer.decode(frame);
    } catch (error) {
      this.#warn("closed a connection for a frame that isn't a message", { err: error });
      this.close(CLOSE.malformed);
      return;
    }
    if (verdict === "limited" && this.#limits(message)) this.#limited(message, this.#rate);
    else this.route(message);
  }

  onOverflow(): void {
    if (this.#closed) return;
    this.#warn("closed a connection whose client doesn't read");
    this.close(CLOSE.slowConsumer);
  }

  /** Nothing has come from the client for the idle timeout. */
  onIdle(): void {
    this.close(CLOSE.idle);
  }

  onClose(code: number, reason: string): void {
    this.#gone = true;
    if (!this.#closed) {
      this.#closed = true;
      this.#unsubscribe();
      for (const process of [...this.#channels.values()]) {
        process.endGently({ kind: "closed", reason: reason === "" ? String(code) : reason });
      }
    }
    const close = this.#closing ?? { code, reason };
    this.host.report.closed(this.serializer.name, this.id, close.code, close.reason ?? "", this.#since);
    this.host.ended(this);
    if (this.#live === 0) this.#settled();
  }

  // ── routing: one branch for each rule of the wire, in their order ──────────────────────────────────────────

  route(message: Message): void {
    if (this.#closed) return;
    const { joinRef, ref, topic, event } = message;
    // A heartbeat is answered here, whatever its join_ref, and without one.
    if (topic === HEARTBEAT_TOPIC && event === HEARTBEAT_EVENT) {
      this.reply(null, ref, topic, "ok", EMPTY_PAYLOAD);
      return;
    }
    const process = this.#channels.get(topic);
    // The door: while a join is pending, whatever comes for its topic waits for the outcome.
    if (process?.state === "joining") {
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
        this.reply(joinRef, ref, topic, "ok", EMPTY_PAYLOAD);
      } else {
        // The channel may have ended while the client's message was on its way.
        this.reply(null, ref, topic, "error", UNMATCHED_TOPIC);
      }
      return;
    }
    // Meant for an earlier join of this topic.
    if (!process.takes(message)) return;
    const verdict = process.rate?.take(this.host.clock.now()) ?? "ok";
    if (verdict === "flood") this.#flooded();
    else if (verdict === "limited" && this.#limits(message)) this.#limited(message, process.rate);
    else process.deliver(message);
  }

  #join(message: Message, replaced: ChannelProcess | null): void {
    if (this.#draining) return;
    const { joinRef, ref, topic } = message;
    const route = this.host.router(topic);
    if (route === undefined) {
      this.#warn(
        `ignored a join of ${printable(topic)}, which no channel of ${this.host.socketName} matches`,
      );
      this.reply(null, ref, topic, "error", UNMATCHED_TOPIC);
      return;
    }
    replaced?.replace();
    if (this.#channels.size >= this.host.maxChannels) {
      this.#warn(
        `refused a join of ${printable(topic)}: ${this.host.maxChannels} channels are joined (maxChannels)`,
      );
      this.reply(joinRef, ref, topic, "error", TOO_MANY_CHANNELS);
      return;
    }
    const process = new ChannelProcess(this, route, message, replaced);
    this.#channels.set(topic, process);
    this.#live++;
    process.start();
  }

  // ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Heartbeats and leaves get through: refusing them would only make the client come back. */
  #limits({ topic, event }: Message): boolean {
    return event !== PHX_LEAVE && (topic !== HEARTBEAT_TOPIC || event !== HEARTBEAT_EVENT);
  }

  #limited({ joinRef, ref, topic }: Message, meter: RateMeter | null): void {
    this.host.counters.rateLimited++;
    this.#warnOnce("limited", "refused messages of a connection that sends faster than rateLimit allows");
    const response = JSON.stringify({ reason: "rate_limited", retry_after: meter?.retryAfter ?? 0 });
    this.reply(joinRef, ref, topic, "error", response);
  }

  #flooded(): void {
    this.#warn("closed a connection that sends faster than rateLimit's hardLimit");
    this.close(CLOSE.flood);
  }

  // ── authorization ──────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the socket takes new tokens. */
  get refreshes(): boolean {
    return this.socket.refresh !== Socket.prototype.refresh;
  }

  /** A client's `access_token {token}`. */
  refresh(payload: unknown): unknown {
    const token = (payload as { readonly token?: unknown } | null)?.token;
    if (typeof token !== "string") return new Reply("error", { reason: "malformed_token" });
    const checked = (result: unknown) => {
      if (result instanceof Reply && (result.status === "ok" || result.status === "error")) return result;
      const got = `${this.host.socketName}.refresh returned ${describe(result)}`;
      throw new ReturnError("invalid_return", `${got}; expected ok() or error(reason?)`);
    };
    const result: unknown = this.socket.refresh(token);
    return isPromise(result) ? Promise.resolve(result).then(checked) : checked(result);
  }

  /** Moves the end of the connection's authorization. */
  expiresAt(value: unknown): void {
    const at = checkExpiresAt(value);
    if (this.#closed) return;
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

  push(joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): boolean {
    if (this.#closed) return false;
    try {
      return this.#send(this.serializer.encodePush(joinRef, ref, topic, event, payload));
    } catch (error) {
      return this.#uncarried(error, `push of ${printable(event)} on ${printable(topic)}`);
    }
  }

  reply(joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): boolean {
    if (this.#closed) return false;
    try {
      return this.#send(this.serializer.encodeReply(joinRef, ref, topic, status, payload));
    } catch (error) {
      return this.#uncarried(error, `reply on ${printable(topic)}`);
    }
  }

  /**
   * Queues a frame that many clients get. One that may be dropped is, while the client is behind: it takes no more
   * than half of what may wait.
   */
  sendShared(frame: SharedFrame, droppable: boolean): boolean {
    if (this.#closed) return false;
    if (droppable && this.#transport.isBehind(this.host.maxBufferedBytes / 2)) return this.#dropped();
    if (typeof frame.data !== "string" && !this.#transport.carriesBinary) return this.#uncarriedBinary();
    return this.#transport.sendShared(frame);
  }

  isBehind(bytes: number): boolean {
    return this.#transport.isBehind(bytes);
  }

  onceDrained(callback: () => void): void {
    this.#transport.onceDrained(callback);
  }

  /** Whether a push that may be dropped has to be. */
  drops(): boolean {
    return this.#transport.isBehind(this.host.maxBufferedBytes / 2) && !this.#dropped();
  }

  #dropped(): false {
    this.host.counters.dropped++;
    this.#warnOnce("dropped", "dropped messages for a client that reads too slowly");
    return false;
  }

  #send(frame: Encoded): boolean {
    if (typeof frame !== "string" && !this.#transport.carriesBinary) return this.#uncarriedBinary();
    return this.#transport.send(frame);
  }

  /** A process has left its topic: the next join finds it free. */
  forget(process: ChannelProcess): void {
    if (this.#channels.get(process.topic) === process) this.#channels.delete(process.topic);
  }

  /** A process has nothing left to do. */
  done(): void {
    this.#live--;
    if (this.#live === 0) this.#settled();
  }

  /** Too much waits for a process: reading pauses until all that said so are relieved. */
  congested(process: ChannelProcess): void {
    this.#congested ??= new Set();
    this.#congested.add(process);
    if (this.#congested.size === 1) this.#transport.pause();
  }

  relieved(process: ChannelProcess): void {
    if (this.#congested?.delete(process) && this.#congested.size === 0) this.#transport.resume();
  }

  // ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** A broadcast on the socket's id: `disconnect` closes all connections of that id. */
  receive({ event }: { readonly event: string }): void {
    if (event === "disconnect") this.close(CLOSE.disconnect);
  }

  /** Closes at once: what waits in the mailboxes is not run, what is written is still sent. */
  close(close: Close): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closing = close;
    const { code, reason = "", why } = close;
    this.#transport.close(code, reason);
    this.#unsubscribe();
    const kind = code === CLOSE.drain.code ? "drain" : "closed";
    for (const process of [...this.#channels.values()]) process.endAtOnce({ kind, reason: why });
  }

  /**
   * Handles what was received, starts no join, and closes when every channel is done.
   *
   * @returns Resolves then; at once if nothing is left to wait for.
   */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#live > 0 && !this.#closed) {
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

  #uncarried(error: unknown, what: string): false {
    this.#warn(`${what} lost: ${this.serializer.name} can't carry it`, { err: error });
    return false;
  }

  #uncarriedBinary(): false {
    this.#warnOnce("binary", "binary messages lost: long-polling can't carry them to the client");
    return false;
  }

  #warnOnce(what: string, message: string): void {
    this.#said ??= new Set();
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.#warn(message);
  }

  #warn(message: string, details: object = {}): void {
    this.host.report.logger.warn({ ...details, socketId: this.id, transport: this.#transport.kind }, message);
  }
}

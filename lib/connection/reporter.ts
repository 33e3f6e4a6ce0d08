import type { TerminateReason } from "../channel.ts";
import type { Clock } from "../clock.ts";
import type { Endpoint } from "../endpoint.ts";
import { printable } from "../errors.ts";
import type { Logger, LogLevel } from "../logger.ts";
import type { Message, Ref } from "../protocol/message.ts";
import type { EncodedPayload } from "../protocol/payload.ts";
import {
  type ChannelTelemetry,
  type HandlerResult,
  type RefusalCause,
  type TelemetryContext,
  telemetry,
} from "../telemetry.ts";
import type { CloseCause, Tracer, Whom } from "../tracing.ts";
import type { Refused } from "../transport/accept.ts";
import { type Close, causeOfEnd } from "./close-codes.ts";
import { codeOf, reasonOf } from "./denials.ts";

/** What a reporter says of a channel. */
export interface ReportedChannel {
  readonly name: string;
  readonly topic: string;
  readonly joinRef: Ref;
  readonly whom: ReportedConnection;
}

export interface ReportedConnection extends Whom {
  readonly serializer: { readonly name: string };
}

/** Refusals that the app didn't mean. */
const APP_BUGS: ReadonlySet<RefusalCause> = new Set([
  "connect_crashed",
  "invalid_id",
  "invalid_return",
  "origin_crashed",
]);

/** What the log says of a client that the transport closes for what it sent. */
const BROKEN: { readonly [cause in CloseCause]?: string } = {
  too_large: "closed a connection for a frame larger than maxPayload",
  invalid_utf8: "closed a connection for a text that isn't UTF-8",
  protocol_error: "closed a connection that broke the WebSocket protocol",
};

/**
 * Tells of what happens on one transport of a mount: to the log, in Phoenix's words and with parameters
 * filtered, and to telemetry.
 */
export class Reporter {
  readonly logger: Logger;
  readonly #tracer: Tracer;
  readonly #clock: Clock;
  /** False if the logger is the quiet one, so that nobody formats a line for it. */
  readonly #logs: boolean;
  readonly #filter: (value: unknown) => unknown;
  readonly #context: TelemetryContext;

  constructor(
    context: TelemetryContext,
    host: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly logs: boolean;
      readonly tracer: Tracer;
      filter(value: unknown): unknown;
    },
  ) {
    this.logger = host.logger;
    this.#tracer = host.tracer;
    this.#clock = host.clock;
    this.#logs = host.logs;
    this.#filter = host.filter;
    this.#context = context;
  }

  get endpoint(): Endpoint {
    return this.#context.endpoint;
  }

  get now(): number {
    return this.#clock.now();
  }

  // ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────

  connected(whom: ReportedConnection, params: unknown, started: number): void {
    const serializer = whom.serializer.name;
    const duration = this.now - started;
    if (this.#logs) {
      const { socket, transport } = this.#context;
      this.logger.info(
        { transport, serializer, params: this.#filter(params) },
        `CONNECTED TO ${socket} in ${readable(duration)}`,
      );
    }
    if (telemetry.socketConnected.hasSubscribers) {
      telemetry.socketConnected.publish({ ...this.#context, serializer, params, result: "ok", duration });
    }
    if (this.#tracer.active) {
      const { socket } = this.#context;
      const shown = this.#tracer.shown(params).payload;
      this.#tracer.step({ step: "connected", socket, serializer, params: shown, duration }, whom);
    }
  }

  /** Returns the id by which `explain` knows it. */
  refused({ cause, status, reason, details }: Refused, started: number): string {
    const duration = this.now - started;
    const { socket, transport } = this.#context;
    const { err, ...hints } = (details ?? {}) as { readonly err?: unknown };
    const error = err === undefined ? {} : { err: this.#tracer.shownError(err) };
    const id = this.#tracer.fail({
      step: "refused",
      code: cause,
      socket,
      status,
      reason: this.#tracer.shown(reason).payload,
      details: details === undefined ? undefined : this.#tracer.shown({ ...hints, ...error }).payload,
      duration,
    });
    if (this.#logs) {
      this.logger[APP_BUGS.has(cause) ? "error" : "warn"](
        { id, transport, cause, status, reason: this.#filter(reason), ...details },
        `REFUSED CONNECTION TO ${socket} in ${readable(duration)}: ${cause}`,
      );
    }
    if (telemetry.socketRefused.hasSubscribers) {
      const said = { id, cause, status, reason, result: "error", duration } as const;
      telemetry.socketRefused.publish({ ...this.#context, ...said });
    }
    return id;
  }

  /** The server closes a connection. Returns the id by which `explain` knows it. */
  closing(whom: Whom, { cause, code, reason = "", line }: Close, since: number, details: object): string {
    const duration = this.now - since;
    const id = this.#tracer.fail({ step: "closed", code: cause, status: code, reason, duration }, whom);
    if (line !== undefined) this.#closeLine(whom, line.level, line.text, { ...details, id });
    return id;
  }

  /** A connection has ended without the server's doing. Returns an id if that isn't the client's good right. */
  ending(whom: Whom, code: number, reason: string, since: number): string | null {
    const cause = causeOfEnd(code, reason);
    if (cause === "client" && !this.#tracer.active) return null;
    const duration = this.now - since;
    const closed = { step: "closed", code: cause, status: code, reason, duration } as const;
    if (cause === "client") {
      this.#tracer.step(closed, whom);
      return null;
    }
    const id = this.#tracer.fail(closed, whom);
    // Of a long-polling client's fault, its transport has spoken when it happened.
    const text = whom.transportKind === "websocket" ? BROKEN[cause] : undefined;
    if (text !== undefined) this.#closeLine(whom, "warn", text, { id });
    return id;
  }

  /** The transport of a connection has ended. */
  closed(whom: ReportedConnection, code: number, reason: string, since: number, id: string | null): void {
    if (!telemetry.socketClosed.hasSubscribers) return;
    const duration = this.now - since;
    const said = { id, serializer: whom.serializer.name, socketId: whom.id, code, reason, duration };
    telemetry.socketClosed.publish({ ...this.#context, ...said });
  }

  #closeLine({ id: socketId, transportKind }: Whom, level: LogLevel, text: string, details: object): void {
    this.logger[level]({ ...details, socketId, transport: transportKind }, text);
  }

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * An error reply is about to be sent. Returns the id by which `explain` knows it.
   *
   * @param given The id, if something of the same message has failed before.
   */
  denied(
    whom: Whom,
    { joinRef, ref, topic, event }: Omit<Message, "payload">,
    response: EncodedPayload,
    channel?: string,
    given?: string | null,
  ): string {
    const reason = reasonOf(response);
    const facts = { topic, joinRef, ref, event, code: codeOf(reason), reason, channel };
    return this.#tracer.fail({ step: "denied", id: given ?? null, ...facts }, whom);
  }

  // ── channels ───────────────────────────────────────────────────────────────────────────────────────────────

  joined(
    channel: ReportedChannel,
    level: LogLevel | false,
    result: "ok" | "error",
    params: unknown,
    started: number,
    id: string | null,
  ): void {
    const listened = telemetry.channelJoined.hasSubscribers;
    if (!listened && (level === false || !this.#logs)) return;
    const duration = this.now - started;
    if (level !== false && this.#logs) {
      const verb = result === "ok" ? "JOINED" : "REFUSED JOIN";
      const line = `${verb} ${printable(channel.topic)} in ${readable(duration)}`;
      this.logger[level]({ ...named(id), params: this.#filter(params) }, line);
    }
    if (listened)
      telemetry.channelJoined.publish({ ...this.#channel(channel), id, params, result, duration });
  }

  /** Whether somebody wants to know how long a handler took. */
  timesHandledIn(level: LogLevel | false): boolean {
    return (this.#logs && level !== false) || telemetry.channelHandledIn.hasSubscribers;
  }

  handledIn(
    channel: ReportedChannel,
    level: LogLevel | false,
    event: string,
    params: unknown,
    result: HandlerResult,
    started: number,
    id: string | null,
  ): void {
    const duration = this.now - started;
    if (level !== false && this.#logs) {
      const where = `${printable(event)} INCOMING ON ${printable(channel.topic)} (${channel.name})`;
      const details = { ...named(id), params: this.#filter(params) };
      this.logger[level](details, `HANDLED ${where} in ${readable(duration)}`);
    }
    if (telemetry.channelHandledIn.hasSubscribers) {
      telemetry.channelHandledIn.publish({ ...this.#channel(channel), id, event, params, result, duration });
    }
  }

  get timesHandledOut(): boolean {
    return telemetry.channelHandledOut.hasSubscribers;
  }

  handledOut(channel: ReportedChannel, event: string, result: HandlerResult, started: number): void {
    const duration = this.now - started;
    telemetry.channelHandledOut.publish({ ...this.#channel(channel), event, result, duration });
  }

  terminated(channel: ReportedChannel, { kind, reason }: TerminateReason, since: number): void {
    if (!telemetry.channelTerminated.hasSubscribers) return;
    const duration = this.now - since;
    telemetry.channelTerminated.publish({ ...this.#channel(channel), kind, reason, duration });
  }

  /**
   * Returns the id by which `explain` knows it.
   *
   * @param event That of the message in hand, if it is one.
   * @param level Of the log line; false for a stop that its cause has a line for.
   */
  errored(
    channel: ReportedChannel,
    callback: string,
    error: unknown,
    event?: string,
    level: LogLevel | false = "error",
  ): string {
    const { topic, name, joinRef, whom } = channel;
    const shown = this.#tracer.shownError(error);
    const facts = { topic, joinRef, event, code: callback, channel: name, error: shown };
    const id = this.#tracer.fail({ step: "crashed", ...facts }, whom);
    if (level !== false) {
      this.logger[level](
        { id, err: error, topic, channel: name },
        callback === "stop"
          ? `${name} stopped on ${printable(topic)}`
          : `${callback} crashed on ${printable(topic)}`,
      );
    }
    if (telemetry.channelErrored.hasSubscribers) {
      telemetry.channelErrored.publish({ ...this.#channel(channel), id, callback, error });
    }
    return id;
  }

  #channel({ name, topic, whom }: ReportedChannel): ChannelTelemetry {
    const { id: socketId, serializer } = whom;
    return { ...this.#context, channel: name, topic, serializer: serializer.name, socketId };
  }
}

/** The id of a failure, where there is one. */
function named(id: string | null): object {
  return id === null ? {} : { id };
}

/** As Phoenix writes durations: whole milliseconds, or microseconds below one. */
function readable(ms: number): string {
  return ms > 1 ? `${Math.trunc(ms)}ms` : `${Math.round(ms * 1000)}µs`;
}

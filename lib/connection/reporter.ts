import type { TerminateReason } from "../channel.ts";
import type { Clock } from "../clock.ts";
import type { Endpoint } from "../endpoint.ts";
import { printable } from "../errors.ts";
import type { Logger, LogLevel } from "../logger.ts";
import {
  type ChannelTelemetry,
  type HandlerResult,
  type RefusalCause,
  type TelemetryContext,
  telemetry,
} from "../telemetry.ts";
import type { Refused } from "../transport/accept.ts";

/** What a reporter says of a channel. */
export interface ReportedChannel {
  readonly name: string;
  readonly topic: string;
  readonly serializer: string;
  readonly socketId: string | null;
}

/** Refusals that the app didn't mean. */
const APP_BUGS: ReadonlySet<RefusalCause> = new Set([
  "connect_crashed",
  "invalid_id",
  "invalid_return",
  "origin_crashed",
]);

/**
 * Tells of what happens on one transport of a mount: to the log, in Phoenix's words and with parameters
 * filtered, and to telemetry.
 */
export class Reporter {
  readonly logger: Logger;
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
      filter(value: unknown): unknown;
    },
  ) {
    this.logger = host.logger;
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

  connected(serializer: string, params: unknown, started: number): void {
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
  }

  refused({ cause, status, reason, details }: Refused, started: number): void {
    const duration = this.now - started;
    if (this.#logs) {
      const { socket, transport } = this.#context;
      this.logger[APP_BUGS.has(cause) ? "error" : "warn"](
        { transport, cause, status, reason: this.#filter(reason), ...details },
        `REFUSED CONNECTION TO ${socket} in ${readable(duration)}: ${cause}`,
      );
    }
    if (telemetry.socketRefused.hasSubscribers) {
      telemetry.socketRefused.publish({ ...this.#context, cause, status, reason, result: "error", duration });
    }
  }

  closed(serializer: string, socketId: string | null, code: number, reason: string, since: number): void {
    if (!telemetry.socketClosed.hasSubscribers) return;
    const duration = this.now - since;
    telemetry.socketClosed.publish({ ...this.#context, serializer, socketId, code, reason, duration });
  }

  // ── channels ───────────────────────────────────────────────────────────────────────────────────────────────

  joined(
    channel: ReportedChannel,
    level: LogLevel | false,
    result: "ok" | "error",
    params: unknown,
    started: number,
  ): void {
    const listened = telemetry.channelJoined.hasSubscribers;
    if (!listened && (level === false || !this.#logs)) return;
    const duration = this.now - started;
    if (level !== false && this.#logs) {
      const verb = result === "ok" ? "JOINED" : "REFUSED JOIN";
      const line = `${verb} ${printable(channel.topic)} in ${readable(duration)}`;
      this.logger[level]({ params: this.#filter(params) }, line);
    }
    if (listened) telemetry.channelJoined.publish({ ...this.#channel(channel), params, result, duration });
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
  ): void {
    const duration = this.now - started;
    if (level !== false && this.#logs) {
      const where = `${printable(event)} INCOMING ON ${printable(channel.topic)} (${channel.name})`;
      this.logger[level]({ params: this.#filter(params) }, `HANDLED ${where} in ${readable(duration)}`);
    }
    if (telemetry.channelHandledIn.hasSubscribers) {
      telemetry.channelHandledIn.publish({ ...this.#channel(channel), event, params, result, duration });
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

  errored(channel: ReportedChannel, callback: string, error: unknown): void {
    const { topic, name } = channel;
    this.logger.error(
      { err: error, topic, channel: name },
      callback === "stop"
        ? `${name} stopped on ${printable(topic)}`
        : `${callback} crashed on ${printable(topic)}`,
    );
    if (telemetry.channelErrored.hasSubscribers) {
      telemetry.channelErrored.publish({ ...this.#channel(channel), callback, error });
    }
  }

  #channel({ name, topic, serializer, socketId }: ReportedChannel): ChannelTelemetry {
    return { ...this.#context, channel: name, topic, serializer, socketId };
  }
}

/** As Phoenix writes durations: whole milliseconds, or microseconds below one. */
function readable(ms: number): string {
  return ms > 1 ? `${Math.trunc(ms)}ms` : `${Math.round(ms * 1000)}µs`;
}

import { channel } from "node:diagnostics_channel";
import type { TerminateReason } from "./channel.ts";
import type { Endpoint } from "./endpoint.ts";

/*
 * Every event that the library reports, as channels of node:diagnostics_channel. Their names are those of
 * Phoenix's telemetry, or made like them. Without a subscriber they cost nothing: no message is built, no time
 * is taken. Durations are milliseconds. Params and payloads are as the client sent them, not filtered.
 */

/** What all messages say. */
export interface TelemetryContext {
  readonly endpoint: Endpoint;
  /** The name of the socket class. */
  readonly socket: string;
  readonly transport: "websocket" | "longpoll";
}

export interface SocketConnected extends TelemetryContext {
  readonly serializer: string;
  readonly params: unknown;
  readonly result: "ok";
  readonly duration: number;
}

/** Why a client was not connected; each is listed in docs/errors.md. */
export type RefusalCause =
  | "connect"
  | "connect_crashed"
  | "connect_timeout"
  | "draining"
  | "invalid_id"
  | "invalid_query"
  | "invalid_return"
  | "origin"
  | "origin_crashed"
  | "params"
  | "subprotocol"
  | "vsn";

export interface SocketRefused extends TelemetryContext {
  /** For `endpoint.explain`. */
  readonly id: string;
  readonly cause: RefusalCause;
  /** The HTTP status of a refused upgrade. */
  readonly status: number;
  /** What `connect` gave to `error`. */
  readonly reason: unknown;
  readonly result: "error";
  readonly duration: number;
}

export interface SocketDrained {
  readonly endpoint: Endpoint;
  /** Connections in this batch, and in all. */
  readonly count: number;
  readonly total: number;
  /** This batch, from 1, and the number of batches. */
  readonly index: number;
  readonly rounds: number;
  readonly intervalMs: number;
}

export interface SocketClosed extends TelemetryContext {
  readonly serializer: string;
  readonly socketId: string | null;
  /** For `endpoint.explain`; null if the client closed in good order. */
  readonly id: string | null;
  readonly code: number;
  readonly reason: string;
  /** How long it was connected. */
  readonly duration: number;
}

export interface ChannelTelemetry extends TelemetryContext {
  readonly serializer: string;
  readonly socketId: string | null;
  /** The name of the channel class. */
  readonly channel: string;
  readonly topic: string;
}

export interface ChannelJoined extends ChannelTelemetry {
  /** For `endpoint.explain`; null if it was joined. */
  readonly id: string | null;
  readonly params: unknown;
  readonly result: "ok" | "error";
  readonly duration: number;
}

/** What came of a handler: a reply's status, or what else it did. */
export type HandlerResult = "ok" | "error" | "noreply" | "stop" | "crash" | (string & {});

export interface ChannelHandledIn extends ChannelTelemetry {
  /** For `endpoint.explain`, if the reply is an error; else null. */
  readonly id: string | null;
  readonly event: string;
  readonly params: unknown;
  readonly result: HandlerResult;
  readonly duration: number;
}

export interface ChannelHandledOut extends ChannelTelemetry {
  readonly event: string;
  readonly result: "noreply" | "stop" | "crash";
  readonly duration: number;
}

export interface ChannelTerminated extends ChannelTelemetry {
  readonly kind: TerminateReason["kind"];
  readonly reason: string | undefined;
  /** How long it was joined. */
  readonly duration: number;
}

export interface ChannelErrored extends ChannelTelemetry {
  /** For `endpoint.explain`. */
  readonly id: string;
  /** Where: `join`, `handleIn`, `handleOut`, `handleInfo`, `deferReply`, `terminate`, or `stop`. */
  readonly callback: string;
  readonly error: unknown;
}

/** The channels, by event. */
export const telemetry = {
  /** A client has connected: `SocketConnected`. */
  socketConnected: channel("phoenix:socket_connected"),
  /** A client was refused: `SocketRefused`. */
  socketRefused: channel("phoenix:socket_refused"),
  /** A batch of connections is told to go: `SocketDrained`. */
  socketDrained: channel("phoenix:socket_drained"),
  /** A connection has ended, whoever closed: `SocketClosed`. */
  socketClosed: channel("phoenix:socket_closed"),
  /** A join was answered: `ChannelJoined`. */
  channelJoined: channel("phoenix:channel_joined"),
  /** A client's message was handled: `ChannelHandledIn`. */
  channelHandledIn: channel("phoenix:channel_handled_in"),
  /** An intercepted broadcast was handled: `ChannelHandledOut`. */
  channelHandledOut: channel("phoenix:channel_handled_out"),
  /** A joined channel has ended: `ChannelTerminated`. */
  channelTerminated: channel("phoenix:channel_terminated"),
  /** The app's code threw, or returned what it may not: `ChannelErrored`. */
  channelErrored: channel("phoenix:channel_errored"),
} as const;

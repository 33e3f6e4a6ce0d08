export type { ChannelClass, ChannelLog } from "./channel/channel-class.ts";
export type {
  HandleInResult,
  HandleResult,
  JoinResult,
  SubscribeOptions,
  TerminateReason,
} from "./channel.ts";
export { Channel } from "./channel.ts";
export type { Cancel, Clock } from "./clock.ts";
export type { RateLimit } from "./connection/rate-limit.ts";
export type { InspectOptions } from "./debug/inspector/inspector.ts";
export type { Trace, TraceOptions } from "./debug/trace.ts";
export type { Explanation } from "./debug/tracer.ts";
export type { DrainOptions } from "./endpoint/drain.ts";
export type { EndpointOptions } from "./endpoint/options.ts";
export type { EndpointStats } from "./endpoint/stats.ts";
export { Endpoint } from "./endpoint.ts";
export {
  ChannelsError,
  ConfigError,
  DecodeError,
  PayloadError,
  ReturnError,
  StateError,
} from "./errors.ts";
export type { Logger, LogLevel } from "./logger.ts";
export type { LongPollOptions, MountOptions, TransportOptions, WebSocketOptions } from "./mount.ts";
export type { Message, Ref } from "./protocol/message.ts";
export type { EncodedPayload, Payload } from "./protocol/payload.ts";
export type { Encoded, Serializer } from "./protocol/serializer.ts";
export { V1JSONSerializer } from "./protocol/v1-json.ts";
export { V2JSONSerializer } from "./protocol/v2-json.ts";
export type { PubSubAdapter, PubSubMessage } from "./pubsub/adapter.ts";
export { Broadcast } from "./pubsub/broadcast.ts";
export { error, NoReply, noreply, ok, Reply, reply, Stop, stop } from "./reply.ts";
export type { Issue, Schema } from "./schema.ts";
export type { ChannelRoute, ConnectParams, ConnectResult, SocketClass } from "./socket.ts";
export { Socket } from "./socket.ts";
export type {
  ChannelErrored,
  ChannelHandledIn,
  ChannelHandledOut,
  ChannelJoined,
  ChannelTelemetry,
  ChannelTerminated,
  HandlerResult,
  RefusalCause,
  SocketClosed,
  SocketConnected,
  SocketDrained,
  SocketRefused,
  TelemetryContext,
} from "./telemetry.ts";
export { telemetry } from "./telemetry.ts";
export type { FailureStep, TraceStep } from "./tracing.ts";
export type { ConnectInfo } from "./transport/connect-info.ts";
export type { CheckOrigin } from "./transport/origin.ts";
export type { Refusal } from "./transport/refusal.ts";

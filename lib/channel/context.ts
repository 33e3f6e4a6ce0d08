import type { Cancel } from "../clock.ts";
import type { Endpoint } from "../endpoint.ts";
import type { LogLevel } from "../logger.ts";
import type { Ref } from "../protocol/message.ts";
import type { EncodedPayload } from "../protocol/payload.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import type { Reply } from "../reply.ts";
import type { Socket } from "../socket.ts";
import type { Tracer, Whom } from "../tracing.ts";

/**
 * The seam between a channel and the connection that runs it. Apps never see one: they write no constructor.
 *
 * @internal
 */
export interface ChannelContext {
  readonly topic: string;
  readonly joinRef: Ref;
  readonly ref: Ref;
  readonly socket: Socket<object>;
  readonly endpoint: Endpoint;
  readonly assigns: object;
  readonly signal: AbortSignal;
  push(event: string, payload: unknown): boolean;
  broadcast(event: string, payload: unknown): void;
  broadcastFrom(event: string, payload: unknown): void;
  deferReply(promise: PromiseLike<Reply> | undefined): (reply: Reply) => boolean;
  sendSelf(message: unknown, after: number | undefined): Cancel | false;
  subscribe(topic: string, fastlane: boolean): void;
  unsubscribe(topic: string): void;
  readonly ended: boolean;
  /** Where a trace is told of steps, and about whom. */
  readonly tracer: Tracer;
  readonly whom: Whom;
  /** Calls back when the channel ends, before terminate, or when its join is refused. Returns what takes it back. */
  onEnd(callback: () => void): Cancel;
  unhandled(kind: "event" | "message", what: string): void;
  /** The mount's limits, in bytes. */
  readonly maxPayload: number;
  readonly maxBufferedBytes: number;
  /** Pushes what is encoded already. False if it wasn't sent. */
  pushEncoded(event: string, payload: EncodedPayload): boolean;
  /** Sends what many clients get, as the fastlane does. False if it wasn't sent. */
  send(envelope: Envelope): boolean;
  /** Bytes that wait for the client. */
  readonly bufferedBytes: number;
  /** Whether more than so many bytes wait for the client itself, not only for the end of the turn. */
  isBehind(bytes: number): boolean;
  /** Calls back once, in a later turn, when what waits for the client has left; never if the client goes. */
  onceDrained(callback: () => void): void;
  /** The client doesn't read: closes its connection with 1013. */
  overflow(): void;
  /** Ends the channel at once, as `stop(reason)` from a handler does. @param level Of its log line, or false for none. */
  stop(reason: string | Error, level?: LogLevel | false): void;
}

import type { TerminateReason } from "./channel.ts";
import type { Ref } from "./protocol/message.ts";
import type { EncodedPayload } from "./protocol/payload.ts";
import type { HandlerResult, RefusalCause } from "./telemetry.ts";

/*
 * The steps of a trace, and what the parts of the library need of who records them. Every step is plain JSON: names
 * are cut after 256 characters, payloads after 2,048 or `maxPayload`, and what filterParameters name is hidden.
 */

/** What all steps say. What doesn't apply is absent, or null. */
interface Step {
  /** Rises with every step of an endpoint, also between traces. */
  readonly seq: number;
  /** Milliseconds of the endpoint's clock. */
  readonly at: number;
  /** The message that the step belongs to: one id from the frame that came in to all that it caused. */
  readonly id: string;
  /** The connection's number, from 1, and what the socket's `id()` returned. */
  readonly connection: number | null;
  readonly socketId: string | null;
  readonly transport: "websocket" | "longpoll" | null;
  readonly topic?: string;
  readonly joinRef?: Ref;
  readonly ref?: Ref;
  readonly event?: string;
}

/** A payload as a step shows it. */
export interface Shown {
  /** The payload, or the beginning of its JSON if it was cut, or `<n bytes>`. */
  readonly payload?: unknown;
  /** The length of the JSON of a payload that was cut. */
  readonly cut?: number;
}

/** An error as a step shows it. */
export interface ShownError {
  readonly name: string;
  readonly message: string;
  /** Of an error of the library. */
  readonly code?: string;
}

/** What the app's code was called for. */
export type TracedCallback = "join" | "handleIn" | "handleInfo" | "handleOut" | "terminate";

/**
 * What became of a broadcast for one subscriber: `sent` to the client; `intercepted`, or `queued` for
 * `handleInfo`; `held` until the join's reply is out; lost as `slow` (dropped by `static overflow`), `uncarried` (the
 * serializer or transport has no form for it) or `closed`; `overflow`: too much waits for its handlers; `taken` by
 * the library itself.
 */
export type Delivery =
  | "sent"
  | "intercepted"
  | "queued"
  | "held"
  | "slow"
  | "uncarried"
  | "closed"
  | "overflow"
  | "taken";

/** Why a subscriber's client didn't get a broadcast, or not at once: also `sender` (`broadcastFrom`), `joining`. */
export type SkipReason = Exclude<Delivery, "sent" | "taken"> | "sender" | "joining";

export interface Skipped {
  readonly connection: number | null;
  readonly socketId: string | null;
  readonly why: SkipReason;
}

/** A client has connected. */
export interface ConnectedStep extends Step {
  readonly step: "connected";
  readonly socket: string;
  readonly serializer: string;
  readonly params: unknown;
  readonly duration: number;
}

/** A client wasn't let in. */
export interface RefusedStep extends Step {
  readonly step: "refused";
  readonly code: RefusalCause;
  readonly socket: string;
  /** The HTTP status of a refused upgrade. */
  readonly status: number;
  /** What `connect` gave to `error`. */
  readonly reason?: unknown;
  /** What mends it. */
  readonly details?: unknown;
  readonly duration: number;
}

export interface FrameInStep extends Step {
  readonly step: "frame_in";
  /** Characters of a text, bytes of a binary frame. */
  readonly size: number;
  readonly binary: boolean;
}

export interface DecodedStep extends Step, Shown {
  readonly step: "decoded";
}

/** Where a message goes. */
export interface RoutedStep extends Step {
  readonly step: "routed";
  /** `door`: it waits until the topic's join is answered. */
  readonly to: "heartbeat" | "door" | "join" | "leave" | "channel";
  /** The name of the channel class. */
  readonly channel?: string;
  /** Messages that wait before it. */
  readonly waiting?: number;
}

/** Why a message goes nowhere. */
export interface UnroutedStep extends Step {
  readonly step: "unrouted";
  /** `not_joined`: a channel matches, and isn't there; `stale`: meant for an earlier join; `closed`: by the server. */
  readonly why:
    | "unmatched_topic"
    | "not_joined"
    | "stale"
    | "draining"
    | "too_many_channels"
    | "rate_limited"
    | "flood"
    | "malformed"
    | "closed";
}

/** The app's code begins. */
export interface HandlingStep extends Step {
  readonly step: "handling";
  readonly callback: TracedCallback;
  readonly channel: string;
  /** Milliseconds since the message came, or was sent: at the door and in the mailbox. */
  readonly waited: number;
}

/** The app's code has settled. */
export interface HandledStep extends Step {
  readonly step: "handled";
  readonly callback: TracedCallback;
  readonly channel: string;
  readonly result: HandlerResult;
  readonly duration: number;
  readonly error?: ShownError;
}

/** A join was answered, or given up since the client had gone. */
export interface JoinedStep extends Step {
  readonly step: "joined";
  readonly channel: string;
  readonly result: "ok" | "error" | "abandoned";
}

/** `deferReply`: the answer comes later. */
export interface DeferredStep extends Step {
  readonly step: "deferred";
}

export interface ReplyStep extends Step, Shown {
  readonly step: "reply";
  readonly status: string;
}

export interface PushStep extends Step, Shown {
  readonly step: "push";
}

/** A broadcast has been handed to all subscribers of this node. `topic` is what was broadcast to. */
export interface BroadcastStep extends Step, Shown {
  readonly step: "broadcast";
  readonly receivers: number;
  /** How many of them by what became of it. */
  readonly deliveries: { readonly [D in Delivery | SkipReason]?: number };
  /** Who hasn't got it (the first 50), and why. */
  readonly skipped: readonly Skipped[];
}

/**
 * A frame is written to a client; of a broadcast, those to the first 20, and to who the trace asks for. What was sent
 * is in the step before it (`reply`, `push`, `broadcast`); here only if there is none, as with documents.
 */
export interface FrameOutStep extends Step, Shown {
  readonly step: "frame_out";
  readonly of: "reply" | "push" | "broadcast";
  /** Characters of a text, bytes of a binary frame; of a broadcast, its payload's. */
  readonly size: number;
  readonly binary: boolean;
}

/** A message that a client will not get. */
export interface LostStep extends Step {
  readonly step: "lost";
  readonly why: "slow" | "uncarried" | "closed";
}

/** An error reply. */
export interface DeniedStep extends Step {
  readonly step: "denied";
  /** The reason, with underscores where the library's own has spaces; `error` if there is none, or it is prose. */
  readonly code: string;
  readonly reason?: string;
  readonly channel?: string;
}

/** The app's code threw, returned what it may not, or stopped with a reason that isn't normal. */
export interface CrashedStep extends Step {
  readonly step: "crashed";
  /** Where: `join`, `handleIn`, `handleOut`, `handleInfo`, `deferReply`, `terminate` or `stop`. */
  readonly code: string;
  readonly channel: string;
  readonly error: ShownError;
}

/** A channel has ended. */
export interface EndedStep extends Step {
  readonly step: "ended";
  readonly channel: string;
  readonly kind: TerminateReason["kind"];
  readonly reason?: string;
}

/** Why a connection ended. */
export type CloseCause =
  | "disconnect"
  | "expired"
  | "idle"
  | "flood"
  | "malformed"
  | "drain"
  | "slow_consumer"
  | "too_large"
  | "invalid_utf8"
  | "protocol_error"
  | "lost"
  | "session_expired"
  | "client";

export interface ClosedStep extends Step {
  readonly step: "closed";
  /** `client`: it closed by itself, in good order. */
  readonly code: CloseCause;
  /** The close code. */
  readonly status: number;
  /** The close frame's reason. */
  readonly reason: string;
  /** Milliseconds that it was connected. */
  readonly duration: number;
}

/** A step of a part of the library that stands on channels, such as documents. */
export interface NoteStep extends Step {
  readonly step: "note";
  readonly part: string;
  readonly name: string;
  readonly facts: unknown;
}

/** The trace's reader was too slow: so many of the oldest steps are missing here. Its id is empty. */
export interface DroppedStep extends Step {
  readonly step: "dropped";
  readonly count: number;
}

/** What is kept for `endpoint.explain`, also without a trace. */
export type FailureStep = RefusedStep | DeniedStep | CrashedStep | ClosedStep;

/** A step of a trace, told apart by `step`. */
export type TraceStep =
  | FailureStep
  | ConnectedStep
  | FrameInStep
  | DecodedStep
  | RoutedStep
  | UnroutedStep
  | HandlingStep
  | HandledStep
  | JoinedStep
  | DeferredStep
  | ReplyStep
  | PushStep
  | BroadcastStep
  | FrameOutStep
  | LostStep
  | EndedStep
  | NoteStep
  | DroppedStep;

type Untold<S> = S extends TraceStep
  ? Omit<S, "seq" | "at" | "id" | "connection" | "socketId" | "transport"> & {
      /** Default: that of the message in whose course it happens, or a new one. */
      readonly id?: string | null;
    }
  : never;

/** Whom a step is about. */
export interface Whom {
  readonly number: number;
  readonly id: string | null;
  readonly transportKind: "websocket" | "longpoll";
}

/** A step as it is told; the tracer adds who and when. */
export type NewStep = Untold<Exclude<TraceStep, DroppedStep>>;
export type NewFailure = Untold<FailureStep>;

/**
 * Records steps. Apart from `fail`, call nothing of it unless `active`: then nothing is built for nobody.
 *
 * The id of the message in hand goes with the call stack and with what is awaited in it (`within`, `resume`), and with
 * what waits in between (`follow`), so nobody passes ids on.
 */
export interface Tracer {
  /** Somebody reads a trace. */
  readonly active: boolean;
  /** The id of the message in whose course this is called, if there is a trace. */
  readonly cause: string | null;
  /** A new id. */
  newId(): string;
  /** A new connection's number. */
  nextConnection(): number;
  /** Calls in the course of a message. */
  within<T>(id: string, call: () => T): T;
  /** Remembers the course that an object waits in, or begins one. The first call counts. */
  follow(item: object): void;
  /** Calls in the course that an object waited in. */
  resume<T>(item: object, call: () => T): T;
  /** Milliseconds since the course of the message in hand began. */
  waited(): number;
  /** Whether a trace asks for this client in particular. */
  wants(whom: Whom): boolean;
  /** Clients whose join of a topic has begun, under a trace, and isn't answered. */
  joining(topic: string): Iterable<Whom>;
  step(step: NewStep, whom?: Whom | null): void;
  /** Records what `explain` is asked for, also without a trace. Returns its id, for the log. */
  fail(failure: NewFailure, whom?: Whom | null): string;
  /**
   * A payload or other value of a client's or the app's, as a step shows it.
   *
   * @param size Of the frame that it came in: what is over 64 KiB isn't looked at.
   */
  shown(value: unknown, size?: number): Shown;
  shownEncoded(payload: EncodedPayload): Shown;
  shownError(error: unknown): ShownError;
}

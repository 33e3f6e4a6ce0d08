/** A ref or join_ref: any JSON scalar, sent back as it came and compared with `===`. */
export type Ref = string | number | boolean | null;

/** A frame from a client, decoded (`Phoenix.Socket.Message`). */
export interface Message {
  readonly joinRef: Ref;
  readonly ref: Ref;
  readonly topic: string;
  readonly event: string;
  /** Any JSON value, or a `Uint8Array` for a binary push. */
  readonly payload: unknown;
}

/** The events that the protocol keeps for itself, and the topic and event of the heartbeat. */
export const PHX_JOIN = "phx_join";
export const PHX_LEAVE = "phx_leave";
export const PHX_REPLY = "phx_reply";
export const PHX_CLOSE = "phx_close";
export const PHX_ERROR = "phx_error";
export const HEARTBEAT_TOPIC = "phoenix";
export const HEARTBEAT_EVENT = "heartbeat";

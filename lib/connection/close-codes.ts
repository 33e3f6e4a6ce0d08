/** A way the server closes a connection. */
export interface Close {
  readonly code: number;
  /** The reason in the close frame; Phoenix sends none. */
  readonly reason?: string;
  /** The reason that channels get in `terminate`. */
  readonly why: string;
}

/**
 * Every close code that the server sends by itself. None is 1000, after which older clients don't reconnect.
 * WebSocket's own protocol errors (1002, 1007, 1009) come from `ws`.
 */
export const CLOSE = {
  /** `endpoint.disconnect`, `socket.disconnect`, or a `disconnect` broadcast on the socket's id. */
  disconnect: { code: 1001, why: "disconnect" },
  /** The socket's `expiresAt` has passed. */
  expired: { code: 1001, reason: "token expired", why: "token expired" },
  /** Nothing came from the client for `idleTimeout`. */
  idle: { code: 1002, why: "idle timeout" },
  /** The client sends faster than `rateLimit` allows. */
  flood: { code: 1008, why: "rate limit exceeded" },
  /** A frame that isn't a message. */
  malformed: { code: 1011, why: "malformed frame" },
  /** The server drains, before a restart. */
  drain: { code: 1012, why: "drain" },
  /** More than `maxBufferedBytes` wait for a client that doesn't read. */
  slowConsumer: { code: 1013, why: "slow consumer" },
} as const satisfies Record<string, Close>;

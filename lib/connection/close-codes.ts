import type { LogLevel } from "../logger.ts";
import type { CloseCause } from "../tracing.ts";

/** A way the server closes a connection. */
export interface Close {
  readonly cause: CloseCause;
  readonly code: number;
  /** The reason in the close frame; Phoenix sends none. */
  readonly reason?: string;
  /** The reason that channels get in `terminate`. */
  readonly why: string;
  /** What the log says of it; a drain says it once for all. */
  readonly line?: { readonly level: LogLevel; readonly text: string };
}

const info = (text: string) => ({ level: "info", text }) as const;
const warn = (text: string) => ({ level: "warn", text }) as const;

/**
 * Every close code that the server sends by itself. None is 1000, after which older clients don't reconnect.
 * WebSocket's own protocol errors (1002, 1007, 1009) come from `ws`.
 */
export const CLOSE = {
  /** `endpoint.disconnect`, `socket.disconnect`, or a `disconnect` broadcast on the socket's id. */
  disconnect: {
    cause: "disconnect",
    code: 1001,
    why: "disconnect",
    line: info("closed a connection: the app disconnects it"),
  },
  /** The socket's `expiresAt` has passed. */
  expired: {
    cause: "expired",
    code: 1001,
    reason: "token expired",
    why: "token expired",
    line: info("closed a connection whose token has expired"),
  },
  /** Nothing came from the client for `idleTimeout`. */
  idle: {
    cause: "idle",
    code: 1002,
    why: "idle timeout",
    line: info("closed a connection from which nothing comes"),
  },
  /** The client sends faster than `rateLimit` allows. */
  flood: {
    cause: "flood",
    code: 1008,
    why: "rate limit exceeded",
    line: warn("closed a connection that sends faster than rateLimit's hardLimit"),
  },
  /** A frame that isn't a message. */
  malformed: {
    cause: "malformed",
    code: 1011,
    why: "malformed frame",
    line: warn("closed a connection for a frame that isn't a message"),
  },
  /** The server drains, before a restart. */
  drain: { cause: "drain", code: 1012, why: "drain" },
  /** More than `maxBufferedBytes` wait for a client that doesn't read. */
  slowConsumer: {
    cause: "slow_consumer",
    code: 1013,
    why: "slow consumer",
    line: warn("closed a connection whose client doesn't read"),
  },
} as const satisfies Record<string, Close>;

/** What the codes mean that a connection ends with when the server's own code hasn't closed it. */
export function causeOfEnd(code: number, reason: string): CloseCause {
  if (code === 1002) return "protocol_error";
  if (code === 1007) return "invalid_utf8";
  if (code === 1009) return "too_large";
  if (code === 1006) return reason === "session expired" ? "session_expired" : "lost";
  return "client";
}

import type { Channel } from "../channel.ts";
import type { RateLimit } from "../connection/rate-limit.ts";
import type { Endpoint } from "../endpoint.ts";
import type { LogLevel } from "../logger.ts";
import type { Schema } from "../schema.ts";
import type { Socket } from "../socket.ts";
import type { ChannelContext } from "./context.ts";

/** What a class of channels wants of the mounts that route to it, where the mount's options don't say. */
export interface MountWishes {
  /** Bytes of one frame. */
  readonly maxPayload?: number;
  /** Milliseconds between pings to a silent client. */
  readonly pingInterval?: number;
}

/**
 * A static method of a channel class of the library, called once for each mount that routes to it.
 *
 * @internal
 */
export const ON_MOUNT: unique symbol = Symbol("onMount");

export interface MountedClass {
  [ON_MOUNT]?(endpoint: Endpoint): MountWishes;
}

/** A class of channels, as `static channels` of a socket takes it. */
export interface ChannelClass<C extends Channel<object, Socket<object>> = Channel<object, Socket<object>>> {
  new (context: ChannelContext): C;
  readonly name: string;
  readonly joinSchema?: Schema;
  readonly intercepts: readonly string[];
  readonly subscribesAtJoin: boolean;
  readonly rateLimit: ChannelRateLimit;
  readonly overflow: ChannelOverflow;
  readonly log: ChannelLog;
}

/**
 * The levels of the log lines for joins and events, or false for none. As wide as TypeScript's inference for a static
 * (`string`, `boolean`), so that apps write no annotation; the mount checks the values.
 */
export type ChannelLog =
  | {
      readonly join?: LogLevel | (string & {}) | boolean;
      readonly handleIn?: LogLevel | (string & {}) | boolean;
    }
  | boolean;

/** A limit, or false for none; as wide as {@link ChannelLog}, for the same reason. */
export type ChannelRateLimit =
  | (Omit<RateLimit, "by"> & { readonly by?: RateLimit["by"] | (string & {}) })
  | boolean;

/** By event; as wide as {@link ChannelLog}, for the same reason. */
export type ChannelOverflow = { readonly [event: string]: "close" | "drop" | (string & {}) };

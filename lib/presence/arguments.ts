import type { ChannelContext } from "../channel/context.ts";
import { Channel, channelContext } from "../channel.ts";
import { assertTopic } from "../connection/arguments.ts";
import { ConfigError, describe, PayloadError } from "../errors.ts";
import { checkOptions, integer } from "../options.ts";
import { encodePayload } from "../protocol/payload.ts";
import type { Meta } from "./entries.ts";

export interface PresenceOptions {
  /** Presences of one name on all nodes share their entries. @default the class's name */
  readonly name?: string;
  /** Milliseconds between signs of life to other nodes. @default 1_500, or a quarter of a shorter `downPeriodMs` */
  readonly heartbeatMs?: number;
  /** Milliseconds of silence after which a node's entries leave. The same on all nodes. @default 30_000 */
  readonly downPeriodMs?: number;
}

const OPTIONS = {
  name: (value: unknown, name: string) => {
    if (typeof value === "string" && value !== "") return value;
    throw new ConfigError("invalid_option", `${name} must be a name, got ${describe(value)}`);
  },
  heartbeatMs: integer(1, "milliseconds"),
  downPeriodMs: integer(1, "milliseconds"),
};

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function presenceOptions(given: unknown, className: string): Required<PresenceOptions> {
  const checked = checkOptions<PresenceOptions>(given, OPTIONS, "new Presence");
  const { name = className || "Presence", downPeriodMs = 30_000 } = checked;
  const { heartbeatMs = Math.min(1_500, Math.ceil(downPeriodMs / 4)) } = checked;
  if (downPeriodMs < heartbeatMs * 2) {
    throw new ConfigError(
      "invalid_option",
      `new Presence: downPeriodMs (${downPeriodMs}) must be at least twice heartbeatMs (${heartbeatMs}), or one lost heartbeat takes a node for dead`,
    );
  }
  return { name, heartbeatMs, downPeriodMs };
}

/** What the arguments of `track`, `update` and `untrack` name. */
export interface Target<Key extends string | undefined = string> {
  readonly context: ChannelContext;
  readonly topic: string;
  readonly key: Key;
}

/** @throws ConfigError (`invalid_argument`) */
export function target(method: string, channel: unknown, names: readonly unknown[]): Target {
  const found = optionalTarget(method, channel, names);
  if (found.key !== undefined) return found as Target;
  throw new ConfigError("invalid_argument", `${method} needs a key, a string, got undefined`);
}

/** The same, where all keys may be meant. */
export function optionalTarget(
  method: string,
  channel: unknown,
  names: readonly unknown[],
): Target<string | undefined> {
  if (!(channel instanceof Channel)) {
    throw new ConfigError("invalid_argument", `${method} needs a channel first, got ${describe(channel)}`);
  }
  const context = channelContext(channel);
  const [topic, key] = names.length === 2 ? names : [context.topic, names[0]];
  assertTopic(method, topic);
  if (key !== undefined || names.length === 2) assertKey(method, key);
  return { context, topic, key };
}

/** @throws ConfigError (`invalid_argument`) */
export function assertKey(method: string, key: unknown): asserts key is string {
  if (typeof key === "string") return;
  throw new ConfigError("invalid_argument", `${method} needs a key, a string, got ${describe(key)}`);
}

/**
 * Others put a meta into messages of their own, where what is nested as deep as the stack allows couldn't be
 * encoded any more.
 */
const MAX_DEPTH = 100;

/**
 * A meta as others will see it, whatever becomes of the object.
 *
 * @throws ConfigError (`invalid_argument`), PayloadError (`invalid_payload`)
 */
export function checkMeta(method: string, meta: unknown): Meta {
  const json = typeof meta === "object" && meta !== null ? encodePayload(meta) : null;
  if (typeof json === "string") return freeze(JSON.parse(json) as Meta, 1, method);
  throw new ConfigError("invalid_argument", `${method} needs a meta, a plain object, got ${describe(meta)}`);
}

function freeze<T>(value: T, depth: number, method: string): T {
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH) {
    throw new PayloadError(
      "invalid_payload",
      `${method}: the meta is nested deeper than ${MAX_DEPTH} levels; keep to what clients need to see`,
    );
  }
  for (const item of Object.values(value)) freeze(item, depth + 1, method);
  return Object.freeze(value);
}

import type { Clock } from "../clock.ts";
import { ConfigError } from "../errors.ts";
import { guardedLogger, type Logger } from "../logger.ts";
import { checkOptions, having, type OptionCheck, strings } from "../options.ts";
import type { PubSubAdapter } from "../pubsub/adapter.ts";

export interface EndpointOptions {
  /** Carries broadcasts to other nodes. @default none: broadcasts stay in this process */
  readonly pubsub?: PubSubAdapter;
  /** Where the library reports. @default nowhere */
  readonly logger?: Logger;
  /** Values of keys that contain one of these words are hidden in logs. @default ["password", "token", "secret"] */
  readonly filterParameters?: readonly string[];
  /** Signs long-poll tokens; nodes behind one address share it. @default random */
  readonly secret?: string;
  /** The library's time, for tests. @default the system's */
  readonly clock?: Clock;
}

const ENDPOINT_OPTIONS: {
  readonly [K in keyof EndpointOptions]-?: OptionCheck<Exclude<EndpointOptions[K], undefined>>;
} = {
  pubsub: having<PubSubAdapter>("start", "subscribe", "unsubscribe", "publish", "close"),
  logger: (value) => guardedLogger(value),
  filterParameters: strings,
  secret: (value, name) => {
    if (typeof value === "string" && value.length >= 32) return value;
    throw new ConfigError("invalid_option", `${name} must be a string of at least 32 characters`);
  },
  clock: having<Clock>("now", "schedule"),
};

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkEndpointOptions(options: EndpointOptions | undefined): EndpointOptions {
  return checkOptions<EndpointOptions>(options, ENDPOINT_OPTIONS, "new Endpoint");
}

import { ConfigError, describe } from "../errors.ts";
import { checkOptions, integer, type OptionCheck } from "../options.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface ChannelCaseOptions {
  /** `"virtual"`, or a clock of the test's: time stands still until `kit.clock.advance(ms)`. @default the system's */
  readonly clock?: "system" | "virtual" | VirtualClock;
  /** Real milliseconds that assertions wait for handlers which are running. @default 1_000 */
  readonly timeout?: number;
  /** Milliseconds between the heartbeats of clients, or false for clients that send none. @default 30_000 */
  readonly heartbeatIntervalMs?: number | false;
}

const OPTIONS: {
  readonly [K in keyof ChannelCaseOptions]-?: OptionCheck<Exclude<ChannelCaseOptions[K], undefined>>;
} = {
  clock: (value, name) => {
    if (value === "system" || value === "virtual" || value instanceof VirtualClock) return value;
    throw new ConfigError(
      "invalid_option",
      `${name} must be "system", "virtual" or a VirtualClock, got ${describe(value)}`,
    );
  },
  timeout: integer(0, "milliseconds"),
  heartbeatIntervalMs: (value, name) => (value === false ? false : integer(1, "milliseconds")(value, name)),
};

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkCaseOptions(options: unknown): Partial<ChannelCaseOptions> {
  return checkOptions<ChannelCaseOptions>(options, OPTIONS, "channelCase");
}

import { bool, checkOptions, integer } from "../options.ts";

export interface AssertOptions {
  /**
   * Real milliseconds that handlers may take. What is at rest isn't waited for. @default the kit's
   */
  readonly timeout?: number;
}

export interface RefuteOptions extends AssertOptions {
  /**
   * A handler may be waiting for something outside: judges by what has come when nothing moves, instead of failing
   * because it hasn't finished. @default false
   */
  readonly busy?: boolean;
}

const timeout = integer(0, "milliseconds");

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function assertOptions(options: unknown, where: string, otherwise: number): Required<AssertOptions> {
  return { timeout: otherwise, ...checkOptions<Required<AssertOptions>>(options, { timeout }, where) };
}

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function refuteOptions(options: unknown, where: string, otherwise: number): Required<RefuteOptions> {
  return {
    timeout: otherwise,
    busy: false,
    ...checkOptions<Required<RefuteOptions>>(options, { timeout, busy: bool }, where),
  };
}

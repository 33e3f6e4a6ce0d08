import { ConfigError, describe } from "../errors.ts";

/** How many frames a connection may send: at most `limit` at once, refilled over `interval`. */
export interface RateLimit {
  /** Frames for each interval, and the most in one burst. */
  readonly limit: number;
  /** Milliseconds. */
  readonly interval: number;
}

/** A token bucket. */
export class RateMeter {
  readonly #limit: number;
  readonly #perMs: number;
  #tokens: number;
  #at: number;

  constructor({ limit, interval }: RateLimit, now: number) {
    this.#limit = limit;
    this.#perMs = limit / interval;
    this.#tokens = limit;
    this.#at = now;
  }

  /** Takes one; false if there is none. */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#limit, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkRateLimit(value: unknown, where: string): RateLimit {
  if (typeof value !== "object" || value === null) {
    throw new ConfigError("invalid_option", `${where} must be {limit, interval}, got ${describe(value)}`);
  }
  const { limit, interval, ...rest } = value as { limit?: unknown; interval?: unknown };
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) {
    throw new ConfigError(
      "unknown_option",
      `${where} has the unknown key ${describe(unknown)}; it takes limit and interval`,
    );
  }
  for (const [key, number] of Object.entries({ limit, interval })) {
    if (typeof number !== "number" || !(number >= 1) || !Number.isFinite(number)) {
      throw new ConfigError(
        "invalid_option",
        `${where}.${key} must be a number of at least 1, got ${describe(number)}`,
      );
    }
  }
  return { limit: limit as number, interval: interval as number };
}

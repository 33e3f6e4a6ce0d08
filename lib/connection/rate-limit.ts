import { ConfigError, describe } from "../errors.ts";

/**
 * How many messages may come from a client: a token bucket of `limit`, refilled over `interval`. What is over it
 * is answered `error({reason: "rate_limited", retry_after})`; heartbeats and leaves count, and are answered.
 */
export interface RateLimit {
  /** Messages for each interval, and the most in one burst. */
  readonly limit: number;
  /** Milliseconds. */
  readonly interval: number;
  /** Whose messages count together: those of a connection, or of all connections with one socket id on a node. @default "connection" */
  readonly by?: "connection" | "id";
  /** A connection that sends more than this for each interval is closed with 1008. @default 10 times the limit */
  readonly hardLimit?: number;
}

/** What becomes of a message. */
export type Verdict = "ok" | "limited" | "flood";

/** Floating point must not refuse who waited as long as it was told. */
const ONE_TOKEN = 1 - 1e-6;

class Bucket {
  readonly #size: number;
  readonly #perMs: number;
  #tokens: number;
  #at: number;

  constructor(size: number, interval: number, now: number) {
    this.#size = size;
    this.#perMs = size / interval;
    this.#tokens = size;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#tokens = Math.min(this.#size, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#tokens < ONE_TOKEN) return false;
    this.#tokens--;
    return true;
  }

  /** Milliseconds until there is a token again. */
  get wait(): number {
    return Math.max(0, (ONE_TOKEN - this.#tokens) / this.#perMs);
  }
}

/** Counts one client's messages. */
export class RateMeter {
  readonly #soft: Bucket;
  readonly #hard: Bucket;

  constructor({ limit, interval, hardLimit = limit * 10 }: RateLimit, now: number) {
    this.#soft = new Bucket(limit, interval, now);
    this.#hard = new Bucket(hardLimit, interval, now);
  }

  take(now: number): Verdict {
    if (!this.#hard.take(now)) return "flood";
    return this.#soft.take(now) ? "ok" : "limited";
  }

  /** Seconds until a message may come again. */
  get retryAfter(): number {
    return Math.ceil(this.#soft.wait) / 1000;
  }
}

/** The meters of one mount, or of one channel class. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #byId = new Map<string, { readonly meter: RateMeter; users: number }>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** The meter for a connection, which has to close it. */
  open(socketId: string | null, now: number): RateMeter {
    if (this.#limit.by !== "id" || socketId === null) return new RateMeter(this.#limit, now);
    let shared = this.#byId.get(socketId);
    if (shared === undefined) {
      shared = { meter: new RateMeter(this.#limit, now), users: 0 };
      this.#byId.set(socketId, shared);
    }
    shared.users++;
    return shared.meter;
  }

  close(socketId: string | null): void {
    const shared = socketId === null ? undefined : this.#byId.get(socketId);
    if (shared === undefined) return;
    shared.users--;
    if (shared.users === 0) this.#byId.delete(socketId as string);
  }
}

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkRateLimit(value: unknown, where: string): RateLimit {
  if (typeof value !== "object" || value === null) {
    throw new ConfigError(
      "invalid_option",
      `${where} must be {limit, interval, by?, hardLimit?} or false, got ${describe(value)}`,
    );
  }
  const given = value as Record<string, unknown>;
  const { limit, interval, by = "connection", hardLimit = Number(limit) * 10, ...rest } = given;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) {
    throw new ConfigError(
      "unknown_option",
      `${where} has the unknown key ${describe(unknown)}; it takes limit, interval, by and hardLimit`,
    );
  }
  for (const [key, number] of Object.entries({ limit, interval, hardLimit })) {
    if (typeof number !== "number" || !(number >= 1) || !Number.isFinite(number)) {
      throw new ConfigError(
        "invalid_option",
        `${where}.${key} must be a number of at least 1, got ${describe(given[key])}`,
      );
    }
  }
  if ((hardLimit as number) < (limit as number)) {
    throw new ConfigError(
      "invalid_option",
      `${where}.hardLimit must be at least limit, ${limit}, got ${hardLimit}`,
    );
  }
  if (by !== "connection" && by !== "id") {
    throw new ConfigError("invalid_option", `${where}.by must be "connection" or "id", got ${describe(by)}`);
  }
  return { limit: limit as number, interval: interval as number, by, hardLimit: hardLimit as number };
}

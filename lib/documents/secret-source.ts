import type { Clock } from "../clock.ts";
import { ChannelsError, describe } from "../errors.ts";
import { type Keys, type Secret, secretKey } from "./secret.ts";

/**
 * Where the secrets of tenants come from that aren't registered: a database, a vault. Returns or resolves to the
 * secret, to `[secret, previous]` while it is being rotated, or to null for a tenant that doesn't exist. A throw
 * means that it can't be known now.
 */
export type SecretSource<A extends SourceAnswer = SourceAnswer> = (tenant: string) => A;

export type SourceAnswer = SecretAnswer | Promise<SecretAnswer>;

export type SecretAnswer = Secret | readonly [secret: Secret, previous: Secret] | null;

/**
 * A tenant's secrets can't be looked up now: the source threw (its error is the cause), gave something else than
 * secrets, or too many lookups are under way. It says nothing about the tenant or a token; trying again may help.
 * Code: `secrets_unavailable`.
 */
export class SecretsUnavailable extends ChannelsError {
  constructor(message: string, options?: ErrorOptions) {
    super("secrets_unavailable", message, options);
  }
}

/** A tenant without secrets is asked for again so soon, so that a new one needn't wait for the whole ttl. */
const MAX_NEGATIVE_TTL = 5_000;
/** While the source is down, or a signature is wrong, it is asked about a tenant no more often than this. */
const RETRY_AFTER = 5_000;

/** What was found, when, and when the source was last asked. */
interface Entry {
  readonly keys: Keys;
  readonly at: number;
  askedAt: number;
}

export interface SourceCacheOptions {
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly maxCached: number;
}

/** Remembers what a source answered, and asks it once at a time for each tenant. */
export class SourceCache {
  readonly #source: SecretSource;
  readonly #options: SourceCacheOptions;
  /** The least recently used first. */
  readonly #found = new Map<string, Entry>();
  /** Apart from the others: clients that make names up push no tenant out of the cache. */
  readonly #missing = new Map<string, number>();
  readonly #lookups = new Map<string, Promise<Keys | null>>();

  constructor(source: SecretSource, options: SourceCacheOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** A tenant's keys, null if it has none. @throws SecretsUnavailable, by rejection. */
  get(tenant: string): Keys | null | Promise<Keys | null> {
    const { clock, ttlMs } = this.#options;
    const now = clock.now();
    const entry = this.#found.get(tenant);
    if (entry !== undefined) {
      this.#found.delete(tenant);
      this.#found.set(tenant, entry);
      if (now - entry.at < ttlMs) return entry.keys;
      // Its refresh has just failed: what is known serves, for a time.
      if (this.#servesStale(entry, now) && entry.askedAt > entry.at && now - entry.askedAt < RETRY_AFTER) {
        return entry.keys;
      }
      return this.#ask(tenant);
    }
    const missing = this.#missing.get(tenant);
    if (missing !== undefined && now - missing < Math.min(ttlMs, MAX_NEGATIVE_TTL)) return null;
    return this.#ask(tenant);
  }

  /**
   * What the source says now, since the cached keys didn't fit: they may have been rotated. Undefined if it was
   * asked a moment ago, so that wrong signatures don't become lookups.
   */
  recheck(tenant: string): Promise<Keys | null> | undefined {
    const pending = this.#lookups.get(tenant);
    if (pending !== undefined) return pending;
    const entry = this.#found.get(tenant);
    if (entry === undefined || this.#options.clock.now() - entry.askedAt < RETRY_AFTER) return undefined;
    return this.#ask(tenant);
  }

  /** Forgets a tenant: the next call asks the source, and a lookup under way is not kept. */
  forget(tenant: string): boolean {
    this.#lookups.delete(tenant);
    this.#missing.delete(tenant);
    return this.#found.delete(tenant);
  }

  #ask(tenant: string): Promise<Keys | null> {
    const pending = this.#lookups.get(tenant);
    if (pending !== undefined) return pending;
    if (this.#lookups.size >= this.#options.maxCached) {
      return Promise.reject(
        new SecretsUnavailable(
          `${this.#lookups.size} lookups of tenants are under way: the source is too slow`,
        ),
      );
    }
    const lookup: Promise<Keys | null> = this.#lookup(
      tenant,
      () => this.#lookups.get(tenant) === lookup,
    ).finally(() => {
      if (this.#lookups.get(tenant) === lookup) this.#lookups.delete(tenant);
    });
    this.#lookups.set(tenant, lookup);
    return lookup;
  }

  async #lookup(tenant: string, isCurrent: () => boolean): Promise<Keys | null> {
    const { clock } = this.#options;
    const entry = this.#found.get(tenant);
    const askedAt = clock.now();
    if (entry !== undefined) entry.askedAt = askedAt;
    let keys: Keys | null;
    try {
      keys = toKeys(await this.#source(tenant), tenant);
    } catch (cause) {
      if (entry !== undefined && this.#servesStale(entry, clock.now())) return entry.keys;
      throw new SecretsUnavailable(`the source of secrets failed for the tenant ${describe(tenant)}`, {
        cause,
      });
    }
    if (isCurrent()) this.#keep(tenant, keys, askedAt);
    return keys;
  }

  #keep(tenant: string, keys: Keys | null, at: number): void {
    const { maxCached } = this.#options;
    this.#found.delete(tenant);
    this.#missing.delete(tenant);
    if (keys === null) this.#missing.set(tenant, at);
    else this.#found.set(tenant, { keys, at, askedAt: at });
    for (const map of [this.#found, this.#missing]) {
      if (map.size <= maxCached) continue;
      for (const oldest of map.keys()) {
        map.delete(oldest);
        break;
      }
    }
  }

  #servesStale(entry: Entry, now: number): boolean {
    return now - entry.at < this.#options.ttlMs + this.#options.staleMs;
  }
}

function toKeys(answer: unknown, tenant: string): Keys | null {
  if (answer === null) return null;
  const where = `the source's secret of the tenant ${describe(tenant)}`;
  if (!Array.isArray(answer)) return [secretKey(answer, where)];
  const [secret, previous] = answer as unknown[];
  if (answer.length === 1) return [secretKey(secret, where)];
  if (answer.length === 2)
    return [secretKey(secret, where), secretKey(previous, `${where}, the previous one,`)];
  throw new SecretsUnavailable(
    `a source of secrets gives a secret, [secret, previous] or null; for ${describe(tenant)} it gave ${describe(answer)}`,
  );
}

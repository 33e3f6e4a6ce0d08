import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import { ConfigError, describe } from "../errors.ts";
import { checkOptions, having, integer, method } from "../options.ts";
import { isTenantId } from "./names.ts";
import { type Keys, type Secret, secretKey } from "./secret.ts";
import { type SecretSource, type SourceAnswer, SourceCache } from "./secret-source.ts";

export interface TenantSecretsOptions<A extends SourceAnswer = SourceAnswer> {
  /** Asked for tenants that aren't registered. None by default. */
  readonly source?: SecretSource<A>;
  /** How long the source's answer counts, in milliseconds: 60,000 by default. "No such tenant" counts for 5 s at most. */
  readonly ttlMs?: number;
  /** How much longer it counts while the source fails, in milliseconds: 300,000 by default. 0 for not at all. */
  readonly staleMs?: number;
  /** The most tenants whose answers are kept, and lookups that may be under way: 10,000 by default. */
  readonly maxCached?: number;
  /** Injected time, for tests. */
  readonly clock?: Clock;
}

/** A value, or a promise of it if a source may have to be asked: if `A`, which the source answers, isn't `never`. */
export type Answer<A, T> = [A] extends [never] ? T : T | Promise<T>;

/** Secrets of tenants with or without a source. */
export type AnyTenantSecrets = TenantSecrets<SourceAnswer>;

/** What trying a tenant's keys came to. */
export type Attempt<T> =
  | { readonly known: false }
  /** `found` is null if no key fits. */
  | { readonly known: true; readonly found: T | null };

const OPTIONS = {
  source: method<SecretSource>,
  ttlMs: integer(0, "milliseconds"),
  staleMs: integer(0, "milliseconds"),
  maxCached: integer(1, "tenants"),
  clock: having<Clock>("now", "schedule"),
};

/**
 * What the MACs here begin with. A token's signature is over base64 and a dot, so neither can be taken for the other.
 */
const MAC_DOMAIN = Buffer.from("\0phoenix-channels-server/documents/mac/1\0");

/**
 * The secrets that tenants sign their tokens with. A tenant has one, or two while it is being rotated: both verify,
 * the newer one signs.
 *
 * Without a source everything is answered at once. With one, methods return promises where it has to be asked:
 * `await` them. Secrets can't be read out, and are in no error.
 *
 * ```ts
 * const tenants = new TenantSecrets();
 * tenants.register("acme", process.env.ACME_SECRET);
 *
 * const fromVault = new TenantSecrets({ source: (tenant) => vault.read(`tenants/${tenant}`) });
 * ```
 */
export class TenantSecrets<out A extends SourceAnswer = never> {
  readonly #registered = new Map<string, Keys>();
  readonly #cache: SourceCache | null;

  /** @throws ConfigError (`unknown_option`, `invalid_option`) */
  constructor(options: TenantSecretsOptions<A> = {}) {
    const {
      source,
      ttlMs = 60_000,
      staleMs = 300_000,
      maxCached = 10_000,
      clock = systemClock,
    } = checkOptions<TenantSecretsOptions>(options, OPTIONS, "new TenantSecrets");
    this.#cache = source === undefined ? null : new SourceCache(source, { ttlMs, staleMs, maxCached, clock });
  }

  /**
   * Sets a tenant's one secret. What it had before no longer verifies: see {@link rotate}.
   *
   * @throws ConfigError (`invalid_argument`) for a name that can't be a tenant's, and for a secret that is no string
   * or `Uint8Array` of at least 32 bytes; so also for one that is undefined, because its variable isn't set.
   */
  register(tenant: string, secret: Secret | undefined): void {
    if (!isTenantId(tenant)) {
      throw new ConfigError(
        "invalid_argument",
        `register: a tenant is 1 to 256 bytes of well-formed Unicode without ":" or control characters, got ${describe(tenant)}`,
      );
    }
    this.#registered.set(tenant, [
      secretKey(secret, `register: the secret of the tenant ${describe(tenant)}`),
    ]);
  }

  /** Removes a tenant, or what is cached of it. Returns whether there was something. */
  unregister(tenant: string): boolean {
    const cached = this.#cache?.forget(tenant) ?? false;
    return this.#registered.delete(tenant) || cached;
  }

  /**
   * Gives a registered tenant a new secret: it signs from now on, the one before it still verifies, an older one no
   * longer does. With the secret that signs already, nothing changes.
   *
   * @throws ConfigError (`invalid_argument`) for a tenant that isn't registered, and for secrets as in `register`.
   */
  rotate(tenant: string, secret: Secret | undefined): void {
    const keys = this.#registered.get(tenant);
    if (keys === undefined) {
      throw new ConfigError(
        "invalid_argument",
        `rotate: the tenant ${describe(tenant)} isn't registered here; register it, or rotate in the source`,
      );
    }
    const key = secretKey(secret, `rotate: the secret of the tenant ${describe(tenant)}`);
    if (!key.equals(keys[0])) this.#registered.set(tenant, [key, keys[0]]);
  }

  /**
   * A MAC over some strings under the secret that signs, in base64url: what the server gives to a client and knows
   * again later. Null if the tenant is unknown.
   *
   * @throws ConfigError (`invalid_argument`) for a part that isn't well-formed Unicode.
   * @throws SecretsUnavailable if the source fails, by rejection.
   */
  mac(tenant: string, parts: readonly string[]): Answer<A, string | null> {
    const message = macInput(parts);
    if (message === null) {
      throw new ConfigError("invalid_argument", "mac: the parts must be strings of well-formed Unicode");
    }
    return chain(this.signingKey(tenant), (key) =>
      key === null ? null : hmac(key, message).toString("base64url"),
    );
  }

  /**
   * Whether a MAC is that of the strings, under either secret. The comparison takes the same time for any MAC.
   *
   * @throws SecretsUnavailable if the source fails, by rejection.
   */
  verifyMac(tenant: string, parts: readonly string[], mac: unknown): Answer<A, boolean> {
    const message = macInput(parts);
    const given = typeof mac === "string" ? Buffer.from(mac) : null;
    const attempt = this.tryKeys(tenant, (key) => {
      if (message === null || given === null) return null;
      const right = Buffer.from(hmac(key, message).toString("base64url"));
      return given.length === right.length && timingSafeEqual(given, right) ? true : null;
    });
    return chain(attempt, (result) => result.known && result.found !== null);
  }

  /** @internal The key that signs a tenant's tokens, null if it is unknown. */
  signingKey(tenant: string): Answer<A, KeyObject | null> {
    return chain(this.#keys(tenant), (keys) => keys?.[0] ?? null) as Answer<A, KeyObject | null>;
  }

  /**
   * @internal Calls `attempt` with each of a tenant's keys until it returns something. If none fits, a source is asked
   * again, but only once in a few seconds: the secret may have been rotated.
   */
  tryKeys<T>(tenant: string, attempt: (key: KeyObject) => T | null): Answer<A, Attempt<T>> {
    return chain(this.#keys(tenant), (keys): Attempt<T> | Promise<Attempt<T>> => {
      const result = tryAll(keys, attempt);
      if (!result.known || result.found !== null || this.#registered.has(tenant)) return result;
      const newer = this.#cache?.recheck(tenant);
      return newer === undefined ? result : newer.then((found) => tryAll(found, attempt));
    }) as Answer<A, Attempt<T>>;
  }

  #keys(tenant: string): Keys | null | Promise<Keys | null> {
    const registered = this.#registered.get(tenant);
    if (registered !== undefined) return registered;
    return this.#cache === null || !isTenantId(tenant) ? null : this.#cache.get(tenant);
  }
}

/** Goes on with a value: at once if it is there, else when it comes. */
export function chain<A, T, U>(value: Answer<A, T>, next: (value: T) => U): Answer<A, U>;
export function chain<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U>;
export function chain<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

function tryAll<T>(keys: Keys | null, attempt: (key: KeyObject) => T | null): Attempt<T> {
  if (keys === null) return { known: false };
  for (const key of keys) {
    const found = attempt(key);
    if (found !== null) return { known: true, found };
  }
  return { known: true, found: null };
}

function hmac(key: KeyObject, message: Buffer): Buffer {
  return createHmac("sha256", key).update(message).digest();
}

/** Each part behind its length, so that no two lists have one encoding. Null if a part has no UTF-8. */
function macInput(parts: readonly string[]): Buffer | null {
  const pieces: Buffer[] = [MAC_DOMAIN];
  for (const part of parts) {
    if (typeof part !== "string" || !part.isWellFormed()) return null;
    const bytes = Buffer.from(part);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    pieces.push(length, bytes);
  }
  return Buffer.concat(pieces);
}

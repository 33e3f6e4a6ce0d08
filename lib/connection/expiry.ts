import type { Cancel, Clock } from "../clock.ts";
import { ConfigError, describe } from "../errors.ts";

/** Seconds before the end at which the client is told, or half of what is left if that is sooner. */
const WARN_SECONDS = 60;

/** The time until which a connection is authorized. */
export class Expiry {
  readonly #clock: Clock;
  readonly #onExpiring: (seconds: number) => void;
  readonly #onExpired: () => void;
  #cancel: Cancel | null = null;

  constructor(clock: Clock, onExpiring: (seconds: number) => void, onExpired: () => void) {
    this.#clock = clock;
    this.#onExpiring = onExpiring;
    this.#onExpired = onExpired;
  }

  /** Milliseconds since the epoch, or null for no end. A later call moves it. */
  set(at: number | null): void {
    this.stop();
    if (at === null) return;
    const left = at - this.#clock.now();
    const warning = Math.min(WARN_SECONDS * 1000, left / 2);
    if (left <= 0) this.#cancel = this.#clock.schedule(this.#onExpired, 0);
    else this.#cancel = this.#clock.schedule(() => this.#warn(at), left - warning);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #warn(at: number): void {
    const left = Math.max(0, at - this.#clock.now());
    this.#cancel = this.#clock.schedule(this.#onExpired, left);
    this.#onExpiring(Math.round(left / 1000));
  }
}

/** @throws ConfigError (`invalid_argument`) */
export function checkExpiresAt(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const at = value instanceof Date ? value.getTime() : value;
  // A JWT's exp is in seconds; taken as milliseconds it would be in January 1970.
  if (typeof at === "number" && Number.isFinite(at)) return at;
  throw new ConfigError(
    "invalid_argument",
    `expiresAt must be a Date, milliseconds since the epoch (a JWT's exp times 1000) or null, got ${describe(value)}`,
  );
}

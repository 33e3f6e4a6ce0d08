import { createSecretKey, type KeyObject } from "node:crypto";
import { ConfigError } from "../errors.ts";

/** A tenant's secret: at least 32 bytes, of UTF-8 if it is a string. */
export type Secret = string | Uint8Array;

/** What a tenant's tokens are verified with: the first one signs. */
export type Keys = readonly [KeyObject] | readonly [KeyObject, KeyObject];

/** A key for HS256 has at least as many bits as the hash (RFC 7518, section 3.2). */
export const MIN_SECRET_BYTES = 32;

/**
 * Takes a secret over, as a key that no inspection shows.
 *
 * @throws ConfigError (`invalid_argument`) saying what is wrong with it, and never what it is.
 */
export function secretKey(secret: unknown, where: string): KeyObject {
  if (typeof secret !== "string" && !(secret instanceof Uint8Array)) {
    throw refused(
      where,
      secret === null ? "null" : Array.isArray(secret) ? "an array" : `a value of type ${typeof secret}`,
    );
  }
  // Buffer.from would make one replacement character of each surrogate, so that unlike secrets become one.
  if (typeof secret === "string" && !secret.isWellFormed()) {
    throw refused(where, "a string that isn't well-formed Unicode");
  }
  const bytes = Buffer.from(secret);
  if (bytes.length < MIN_SECRET_BYTES) throw refused(where, `one of ${bytes.length} bytes`);
  return createSecretKey(bytes);
}

function refused(where: string, got: string): ConfigError {
  return new ConfigError(
    "invalid_argument",
    `${where} must be a string or Uint8Array of at least ${MIN_SECRET_BYTES} bytes, got ${got}; make one with \`openssl rand -base64 32\``,
  );
}

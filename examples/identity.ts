import { createHash } from "node:crypto";

/**
 * Who has a token. There are no accounts: a browser makes up a token, which stays its own secret, and everybody may
 * see what it hashes to. Null if it is too short to be a secret.
 */
export function personOf(token: string | null): string | null {
  if (token === null || token.length < 16) return null;
  return createHash("sha256").update(token).digest("hex").slice(0, 16);
}

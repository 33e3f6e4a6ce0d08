import type { KeyObject } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";
import { decodeUtf8 } from "../protocol/decode.ts";
import { decodeFrozen } from "../protocol/payload.ts";

/** The most characters that a token may have: more are refused before anything is computed. */
export const MAX_TOKEN_LENGTH = 8192;

/** The only algorithm: a token can't choose how it is verified. */
const ALGORITHM = "HS256";

/** Header, claims and signature in base64url, without padding, none of them empty. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/;

/** A token whose signature nobody has checked. */
export interface ParsedToken {
  readonly text: string;
  readonly claims: object;
  /** What keeps it from being verified at all: another algorithm, or no signature. Null if nothing does. */
  readonly unverifiable: string | null;
}

/** Takes a token apart. A string says why it isn't one, and quotes nothing of it. */
export function parseToken(text: unknown): ParsedToken | string {
  if (typeof text !== "string") {
    return `a token is a string, got ${text === null ? "null" : Array.isArray(text) ? "an array" : `a value of type ${typeof text}`}`;
  }
  if (text.length > MAX_TOKEN_LENGTH) {
    return `the token has ${text.length} characters, more than the ${MAX_TOKEN_LENGTH} that are read`;
  }
  const parts = COMPACT.exec(text);
  if (parts === null) return "the token isn't three parts of base64url with dots between them";
  const header = jsonObject(parts[1]);
  if (header === null) return "the token's header isn't a JSON object in base64url";
  const claims = jsonObject(parts[2]);
  if (claims === null) return "the token's claims aren't a JSON object in base64url";
  // Extensions that must be understood: none is.
  if (Object.hasOwn(header, "crit")) return "the token's header has crit: extensions aren't supported";
  return { text, claims, unverifiable: unverifiable(header, parts[3] ?? "") };
}

function unverifiable(header: object, signature: string): string | null {
  const alg: unknown = Object.hasOwn(header, "alg") ? (header as { alg: unknown }).alg : undefined;
  if (alg !== ALGORITHM) return `the token's algorithm isn't ${ALGORITHM}, the only one that is accepted`;
  return signature === "" ? "the token has no signature" : null;
}

/** Whether a key made the token's signature. */
export function isSignedBy({ text }: ParsedToken, key: KeyObject): boolean {
  try {
    // Times are checked by the injected clock, elsewhere.
    jsonwebtoken.verify(text, key, {
      algorithms: [ALGORITHM],
      ignoreExpiration: true,
      ignoreNotBefore: true,
    });
    return true;
  } catch (error) {
    // Whatever it objects to, the token isn't accepted; what else it throws is a defect, and not the token's.
    if (error instanceof jsonwebtoken.JsonWebTokenError) return false;
    throw error;
  }
}

/** Signs claims, given as JSON and checked already. */
export function signToken(claims: string, key: KeyObject): string {
  // As text: the package would put the system's time in the place of an iat of 0.
  return jsonwebtoken.sign(claims, key, { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: "JWT" } });
}

/** Frozen, so that nobody who gets the claims can change them for the others. */
function jsonObject(part: string | undefined): object | null {
  let value: unknown;
  try {
    value = decodeFrozen(decodeUtf8(Buffer.from(part ?? "", "base64url"), "the part"));
  } catch {
    // Both parsers' errors may quote the token.
    return null;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
}

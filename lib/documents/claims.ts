import { isId, isTenantId } from "./names.ts";

/** What a client with the scope may do: receive a document's ops, submit ops, summarize. */
export const SCOPES = Object.freeze({
  read: "doc:read",
  write: "doc:write",
  summarize: "summary:write",
} as const);

/** A scope that the document channel knows. Tokens may have others, for the app. */
export type DocumentScope = (typeof SCOPES)[keyof typeof SCOPES];

/** Who a token was made for. Whatever else the token says of the user comes with it. */
export interface TokenUser {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** What a token says, after it was checked. Claims of the app's own come with it; all is frozen. */
export interface Claims {
  readonly documentId: string;
  readonly tenantId: string;
  readonly scopes: readonly string[];
  readonly user: TokenUser;
  /** When it was made, in seconds since 1970. */
  readonly iat: number;
  /** From when on it no longer counts, in seconds since 1970. */
  readonly exp: number;
  /** The version of this set of claims. */
  readonly ver: string;
  /** The token's own id. */
  readonly jti?: string;
  /** Before when it doesn't count yet, in seconds since 1970. */
  readonly nbf?: number;
  readonly [claim: string]: unknown;
}

/** The version of the claims that tokens made here have. */
export const CLAIMS_VERSION = "1.0";

/** What the times of a token may be: those that a `Date` can show. */
const MAX_SECONDS = 8.64e12;
const MAX_SCOPES = 64;

const ID = "1 to 256 bytes of well-formed Unicode without control characters";
const SECONDS = "a number of seconds since 1970";

interface Rule {
  readonly expected: string;
  readonly optional?: true;
  check(value: unknown): boolean;
}

const RULES = new Map<string, Rule>([
  ["tenantId", { expected: `${ID} or ":"`, check: isTenantId }],
  ["documentId", { expected: ID, check: isId }],
  ["scopes", { expected: `a list of at most ${MAX_SCOPES} scopes, each ${ID}`, check: isScopes }],
  ["user", { expected: `an object whose id is ${ID}`, check: isUser }],
  ["iat", { expected: SECONDS, check: isTime }],
  ["exp", { expected: SECONDS, check: isTime }],
  ["ver", { expected: ID, check: isId }],
  ["jti", { expected: ID, optional: true, check: isId }],
  ["nbf", { expected: SECONDS, optional: true, check: isTime }],
]);

/** What is wrong with some claims, as a sentence's end; null if nothing is. Values aren't shown, only their kind. */
export function claimsFault(claims: object): string | null {
  for (const [name, { expected, optional, check }] of RULES) {
    const value: unknown = Object.hasOwn(claims, name)
      ? (claims as Record<string, unknown>)[name]
      : undefined;
    if (value === undefined) {
      if (optional) continue;
      return `has no claim ${name} (${expected})`;
    }
    if (!check(value)) return `has a claim ${name} that isn't ${expected}, but ${kind(value)}`;
  }
  return null;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_SECONDS;
}

function isScopes(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_SCOPES && value.every(isId);
}

function isUser(value: unknown): value is TokenUser {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.hasOwn(value, "id") &&
    isId((value as { id: unknown }).id)
  );
}

function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "an object" : `another ${typeof value}`;
}

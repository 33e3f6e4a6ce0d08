import jwt from "jsonwebtoken";
import type { Diagnosis } from "./diagnosis.ts";
import { diagnosis, shown } from "./diagnosis.ts";
import { moment, relative, span } from "./time.ts";

export interface TokenContext {
  /** Checks the signature; null leaves it unchecked. */
  readonly secret: string | null;
  /** The document that the token should be for; null for any. */
  readonly document: { readonly tenant: string; readonly document: string } | null;
  /** This machine's time, in ms since the epoch. */
  readonly now: number;
  /** The server's, if it is known. */
  readonly serverNow: number | null;
}

/** What can be said about a token without the server. */
export interface TokenReport {
  readonly header: Readonly<Record<string, unknown>> | null;
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly signature: "valid" | "invalid" | "unchecked";
  /** What is wrong with it, the gravest first. */
  readonly findings: readonly Diagnosis[];
}

const ALGORITHM = "HS256";

/** Clocks differ by so much at least, before it counts: a Date header has whole seconds. */
export const SKEW_MS = 2_000;

/** Seconds since the epoch are below this for thousands of years, milliseconds above it since 1973. */
const LOOKS_LIKE_MS = 1e11;

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isTime = (value: unknown) => typeof value === "number" && Number.isFinite(value);

/** The claims that the library requires. */
export const REQUIRED_CLAIMS: readonly {
  readonly name: string;
  readonly takes: string;
  readonly check: (value: unknown) => boolean;
}[] = [
  { name: "documentId", takes: "a string", check: isText },
  { name: "tenantId", takes: "a string", check: isText },
  {
    name: "scopes",
    takes: "a list of strings",
    check: (value) => Array.isArray(value) && value.every((scope) => typeof scope === "string"),
  },
  {
    name: "user",
    takes: "an object with an id",
    check: (value) => typeof value === "object" && value !== null && isText((value as { id?: unknown }).id),
  },
  { name: "iat", takes: "a number of seconds", check: isTime },
  { name: "exp", takes: "a number of seconds", check: isTime },
  { name: "ver", takes: "a string", check: isText },
];

/** Reads a token, and names everything that is wrong with it. */
export function inspectToken(token: string, context: TokenContext): TokenReport {
  const parts = token.split(".");
  const header = jsonObject(parts[0]);
  const claims = jsonObject(parts[1]);
  if (parts.length !== 3 || header === null || claims === null) {
    const finding = diagnosis("token_malformed", whyMalformed(token, parts, header));
    return { header, claims, signature: "unchecked", findings: [finding] };
  }
  const findings: Diagnosis[] = [];
  const add = (finding: Diagnosis | null) => {
    if (finding !== null) findings.push(finding);
  };
  let signature: TokenReport["signature"] = "unchecked";
  if (header.alg !== ALGORITHM) {
    const evidence = `its header says alg ${shown(header.alg)}; only ${ALGORITHM} is taken`;
    findings.push(diagnosis("token_wrong_algorithm", evidence));
  } else if (context.secret !== null) {
    signature = verifies(token, context.secret) ? "valid" : "invalid";
    if (signature === "invalid") findings.push(wrongSecret(token, context.secret));
  }
  add(missingClaims(claims));
  add(expired(claims, context));
  add(notYetValid(claims, context));
  add(otherDocument(claims, context));
  return { header, claims, signature, findings };
}

function jsonObject(part: string | undefined): Record<string, unknown> | null {
  if (part === undefined || !/^[\w-]+$/.test(part)) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    return value as Record<string, unknown>;
  } catch {
    return null;
  }
}

function whyMalformed(token: string, parts: readonly string[], header: object | null): string {
  if (token === "") return "it is empty";
  if (/^bearer\s/i.test(token)) return 'it begins with "Bearer ", which isn\'t a part of it';
  if (/^["']|["']$/.test(token)) return "it has quotes around it";
  if (/\s/.test(token)) return "it has blanks or line ends in it";
  if (parts.length !== 3)
    return `it has ${parts.length} part${parts.length === 1 ? "" : "s"} between dots, not 3`;
  return `its ${header === null ? "first part, the header," : "second part, the claims,"} isn't a JSON object in base64url`;
}

function verifies(token: string, secret: string | Buffer): boolean {
  try {
    jwt.verify(token, secret, { algorithms: [ALGORITHM], ignoreExpiration: true, ignoreNotBefore: true });
    return true;
  } catch {
    return false;
  }
}

/** Finds the secret with which it would have been right, among the usual mistakes. */
function wrongSecret(token: string, secret: string): Diagnosis {
  const variants: [secret: string | Buffer, what: string][] = [
    [secret.trim(), "without the blanks or line ends around it"],
    [`${secret}\n`, "with a line end behind it: whoever signs reads it from a file and doesn't trim it"],
    [Buffer.from(secret, "base64"), "decoded from base64"],
    [Buffer.from(secret, "hex"), "decoded from hex"],
    [Buffer.from(secret).toString("base64"), "encoded in base64"],
  ];
  const right = variants.find(([variant]) => variant.length > 0 && verifies(token, variant));
  const evidence = ["the token's signature isn't that of the secret given here"];
  if (right !== undefined) evidence.push(`it is right for that secret ${right[1]}`);
  return diagnosis("token_wrong_secret", ...evidence);
}

function missingClaims(claims: Readonly<Record<string, unknown>>): Diagnosis | null {
  const evidence = REQUIRED_CLAIMS.flatMap(({ name, takes, check }) => {
    if (!Object.hasOwn(claims, name)) return [`${name} is missing: ${takes}`];
    return check(claims[name]) ? [] : [`${name} must be ${takes}, and is ${shown(claims[name])}`];
  });
  return evidence.length === 0 ? null : diagnosis("token_missing_claims", ...evidence);
}

function expired({ exp }: Readonly<Record<string, unknown>>, context: TokenContext): Diagnosis | null {
  if (typeof exp !== "number" || !Number.isFinite(exp)) return null;
  const { now, serverNow } = context;
  const at = exp * 1_000;
  const here = at <= now;
  const there = serverNow === null ? here : at <= serverNow;
  if (!here && !there) return null;
  return diagnosis(here ? "token_expired" : "clock_skew", ...times("exp", at, context));
}

function notYetValid(claims: Readonly<Record<string, unknown>>, context: TokenContext): Diagnosis | null {
  const now = context.serverNow ?? context.now;
  for (const name of ["nbf", "iat"]) {
    const seconds = claims[name];
    if (typeof seconds !== "number" || !(seconds * 1_000 > now + SKEW_MS)) continue;
    const evidence = times(name, seconds * 1_000, context);
    if (seconds > LOOKS_LIKE_MS) evidence.unshift(`${name} looks like milliseconds; a JWT counts in seconds`);
    return diagnosis("token_not_yet_valid", ...evidence);
  }
  return null;
}

/** A claim's moment, by each clock that is known. */
export function times(name: string, at: number, { now, serverNow }: TokenContext): string[] {
  const lines = [`${name} is ${moment(at)}: ${relative(at, now)} by this machine's clock`];
  if (serverNow === null) return lines;
  lines.push(`${relative(at, serverNow)} by the server's clock, as its Date header tells`);
  const skew = serverNow - now;
  if (Math.abs(skew) > SKEW_MS) {
    lines.push(`the server's clock is ${span(skew)} ${skew > 0 ? "ahead of" : "behind"} this machine's`);
  }
  return lines;
}

function otherDocument(
  claims: Readonly<Record<string, unknown>>,
  { document }: TokenContext,
): Diagnosis | null {
  if (document === null) return null;
  if (isText(claims.tenantId) && claims.tenantId !== document.tenant) {
    const evidence = `its tenantId is ${shown(claims.tenantId)}, the topic's tenant ${shown(document.tenant)}`;
    return diagnosis("token_other_tenant", evidence);
  }
  if (isText(claims.documentId) && claims.documentId !== document.document) {
    const evidence = `its documentId is ${shown(claims.documentId)}, the topic's document ${shown(document.document)}`;
    return diagnosis("token_other_document", evidence);
  }
  return null;
}

/** The scopes that a token has; none if it can't be read. */
export function scopesOf(report: TokenReport): readonly string[] {
  const scopes = report.claims?.scopes;
  return Array.isArray(scopes) ? scopes.filter((scope): scope is string => typeof scope === "string") : [];
}

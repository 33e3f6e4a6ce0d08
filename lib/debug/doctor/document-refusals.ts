import type { PhoenixClient } from "../client/phoenix-client.ts";
import { diagnoseGone } from "./answers.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { inspectToken, scopesOf, type TokenContext, type TokenReport, times } from "./token.ts";

/** Whose token was refused where. */
export interface DocumentCase extends TokenContext {
  readonly client: PhoenixClient;
  readonly topic: string;
  readonly token: string;
  readonly document: { readonly tenant: string; readonly document: string };
  /** The mode that was asked for, and the one that was given. */
  readonly mode: string;
}

/** A refusal as documents express it: in a reply, an event or a nack. */
export interface Refusal {
  readonly reason: string;
  /** As of HTTP; 0 if none was given. */
  readonly code: number;
  readonly message: string;
  readonly retryAfter: unknown;
  /** All of it, for the evidence. */
  readonly given: unknown;
}

/** Reads the payload of an error reply or event. A nack has its code and message within `content`. */
export function refusal(given: unknown): Refusal {
  const payload = (given ?? {}) as Record<string, unknown>;
  const nacks = payload.nacks;
  const nack = (Array.isArray(nacks) ? nacks[0] : payload) as Record<string, unknown> | null;
  const content = (nack?.content ?? payload) as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    reason: text(payload.reason) || (typeof given === "string" ? given : ""),
    code: typeof content.code === "number" ? content.code : 0,
    message: text(content.message),
    retryAfter: content.retryAfter ?? payload.retryAfter ?? payload.retry_after,
    given,
  };
}

/** What the token's own reasons mean; what the token says decides between their faults. */
const TOKEN_REASONS: Readonly<Record<string, FaultId>> = {
  token_expired: "token_expired",
  invalid_signature: "token_wrong_secret",
  malformed_token: "token_malformed",
  missing_claims: "token_missing_claims",
  unknown_tenant: "tenant_unknown",
  wrong_tenant: "token_other_tenant",
  wrong_document: "token_other_document",
};

const SESSION = /session|resync|unknown[_ ]client|not[_ ]connected/i;

/** Why `connect_document` was refused. */
export function diagnoseConnectRefusal(refused: Refusal, document: DocumentCase): Diagnosis {
  const { reason, code } = refused;
  const seen = `connect_document was answered ${shown(refused.given)}`;
  const report = inspectToken(document.token, document);
  if (Object.hasOwn(TOKEN_REASONS, reason))
    return diagnoseToken(TOKEN_REASONS[reason], seen, report, document);
  switch (reason) {
    case "missing_scope":
      return scopeMissing(seen, report, neededFor(document.mode));
    case "unmatched event":
      return diagnosis("not_a_document", seen);
    case "unmatched topic":
      return diagnoseGone(document.client, document.topic, seen);
    case "rate_limited":
    case "throttled":
      return diagnosis("rate_limited", seen, ...retry(refused));
  }
  switch (code) {
    case 401:
      return diagnoseToken(wordOf(refused), seen, report, document);
    case 403:
      return diagnoseForbidden(seen, report, document);
    case 413:
      return diagnosis("message_too_large", seen);
    case 429:
      return diagnosis("rate_limited", seen, ...retry(refused));
    case 503:
    case 500:
      return diagnosis("document_unavailable", seen, ...retry(refused));
    case 400:
      return diagnosis("connect_document_refused", seen);
  }
  // A server that isn't ours has words of its own.
  const word = wordOf(refused);
  if (word !== undefined) return diagnoseToken(word, seen, report, document);
  if (/unauthor|token|jwt|auth/i.test(`${reason} ${refused.message}`)) {
    return diagnoseToken(undefined, seen, report, document);
  }
  if (/forbidden|scope|permission/i.test(`${reason} ${refused.message}`)) {
    return diagnoseForbidden(seen, report, document);
  }
  return diagnosis("connect_document_refused", seen);
}

/** The fault that a refusal's own words name. */
function wordOf({ reason, message }: Refusal): FaultId | undefined {
  const words = `${reason} ${message}`;
  if (/expired/i.test(words)) return "token_expired";
  if (/not (yet )?(active|valid)|before/i.test(words)) return "token_not_yet_valid";
  if (/signature/i.test(words)) return "token_wrong_secret";
  if (/malformed/i.test(words)) return "token_malformed";
  if (/claim/i.test(words)) return "token_missing_claims";
  return undefined;
}

/**
 * The server refuses the token: what it names, held against the token itself. A signature is refused also for an
 * algorithm, and some servers call each refusal the same.
 */
function diagnoseToken(
  named: FaultId | undefined,
  seen: string,
  report: TokenReport,
  document: DocumentCase,
): Diagnosis {
  const found = (fault: FaultId) => report.findings.find((finding) => finding.fault === fault);
  const first = report.findings[0];
  const exact = named === undefined ? undefined : found(named);
  if (exact !== undefined) return { fault: exact.fault, evidence: [...exact.evidence, seen] };
  switch (named) {
    case undefined:
      return first === undefined
        ? diagnosis("token_refused", seen)
        : { fault: first.fault, evidence: [...first.evidence, seen] };
    case "token_expired":
      return expiredThere(seen, report, document);
    case "token_wrong_secret":
    case "token_malformed": {
      const other =
        found("token_malformed") ?? found("token_wrong_algorithm") ?? found("token_not_yet_valid");
      if (other !== undefined) return { fault: other.fault, evidence: [...other.evidence, seen] };
      if (report.signature !== "valid") return diagnosis(named, seen);
      const tenant = shown(document.document.tenant);
      const evidence = `it is signed with the secret given here: the server has another one for the tenant ${tenant}`;
      return diagnosis("token_wrong_secret", evidence, seen);
    }
    default:
      return diagnosis(named, seen);
  }
}

/** The server finds the token expired, and this machine doesn't: the clocks differ. */
function expiredThere(seen: string, report: TokenReport, document: DocumentCase): Diagnosis {
  const skew = report.findings.find(({ fault }) => fault === "clock_skew");
  if (skew !== undefined) return { fault: "clock_skew", evidence: [...skew.evidence, seen] };
  const exp = report.claims?.exp;
  if (typeof exp !== "number") return diagnosis("token_expired", seen);
  return diagnosis("clock_skew", ...times("exp", exp * 1_000, document), seen);
}

/** 403: another tenant, another document, a scope, or the app. */
function diagnoseForbidden(seen: string, report: TokenReport, document: DocumentCase): Diagnosis {
  const other = report.findings.find(({ fault }) => fault.startsWith("token_other_"));
  if (other !== undefined) return { fault: other.fault, evidence: [...other.evidence, seen] };
  const needed = neededFor(document.mode);
  const scopes = scopesOf(report);
  if (report.claims === null || needed.some((scope) => !scopes.includes(scope))) {
    return scopeMissing(seen, report, needed);
  }
  return diagnosis("authorization_refused", seen);
}

function neededFor(mode: string): string[] {
  return mode === "write" ? ["doc:read", "doc:write"] : ["doc:read"];
}

function scopeMissing(seen: string, report: TokenReport, needed: readonly string[]): Diagnosis {
  const scopes = scopesOf(report);
  const missing = needed.filter((scope) => !scopes.includes(scope));
  const has = scopes.length === 0 ? "none" : scopes.join(", ");
  const evidence = [`needed: ${needed.join(" and ")}; the token has: ${has}`];
  if (missing.length > 0 && missing.length < needed.length) evidence.push(`missing: ${missing.join(", ")}`);
  return diagnosis("scope_missing", ...evidence, seen);
}

function retry({ retryAfter }: Refusal): string[] {
  return retryAfter === undefined ? [] : [`try again in ${retryAfter} s`];
}

const SUBMIT_REASONS: Readonly<Record<string, FaultId>> = {
  read_only: "read_only",
  client_mismatch: "client_mismatch",
  invalid_csn: "csn_refused",
  invalid_rsn: "rsn_refused",
  malformed: "op_malformed",
  batch_too_large: "batch_too_large",
  "unmatched event": "event_unmatched",
};

/**
 * Why `submitOp` was refused.
 *
 * @param sent The first op as it was sent, for the evidence.
 */
export function diagnoseSubmitRefusal(
  refused: Refusal,
  document: DocumentCase,
  sent: Readonly<Record<string, unknown>>,
): Diagnosis {
  const { reason, code, message } = refused;
  const seen = `submitOp was answered ${shown(refused.given)}`;
  const report = inspectToken(document.token, document);
  const ofReason = Object.hasOwn(SUBMIT_REASONS, reason) ? SUBMIT_REASONS[reason] : undefined;
  if (ofReason !== undefined) return diagnosis(ofReason, ...sentNumbers(ofReason, sent), seen);
  switch (reason) {
    case "missing_scope":
      return scopeMissing(seen, report, ["doc:write"]);
    case "unmatched topic":
      return diagnoseGone(document.client, document.topic, seen);
    case "rate_limited":
    case "throttled":
      return diagnosis("rate_limited", seen, ...retry(refused));
    case "not_authenticated": {
      const expired = report.findings.find(
        ({ fault }) => fault === "token_expired" || fault === "clock_skew",
      );
      if (expired !== undefined) return { fault: expired.fault, evidence: [...expired.evidence, seen] };
      return diagnosis("session_gone", "connect_document had been answered ok before", seen);
    }
  }
  if (SESSION.test(`${reason} ${message}`)) return diagnosis("session_gone", seen);
  switch (code) {
    case 401:
      return diagnoseToken(wordOf(refused) ?? "token_expired", seen, report, document);
    case 403:
      if (document.mode !== "write") return diagnosis("read_only", seen);
      return scopesOf(report).includes("doc:write")
        ? diagnosis("op_refused", seen)
        : scopeMissing(seen, report, ["doc:write"]);
    case 413:
      return diagnosis("batch_too_large", seen);
    case 429:
      return diagnosis("rate_limited", seen, ...retry(refused));
    case 500:
    case 503:
      return diagnosis("document_unavailable", seen, ...retry(refused));
  }
  // A nack may carry its cause in the message only.
  if (/csn|client ?sequence/i.test(message))
    return diagnosis("csn_refused", ...sentNumbers("csn_refused", sent), seen);
  if (/rsn|ref(erence)? ?seq/i.test(message))
    return diagnosis("rsn_refused", ...sentNumbers("rsn_refused", sent), seen);
  return diagnosis(code === 400 ? "op_malformed" : "op_refused", seen);
}

/** The number, or name, that was refused. */
function sentNumbers(fault: FaultId, sent: Readonly<Record<string, unknown>>): string[] {
  switch (fault) {
    case "csn_refused":
      return [`clientSequenceNumber ${shown(sent.clientSequenceNumber)} was sent`];
    case "rsn_refused":
      return [
        `referenceSequenceNumber ${shown(sent.referenceSequenceNumber)} was sent, the head is ${shown(sent.head)}`,
      ];
    case "client_mismatch":
      return [`clientId ${shown(sent.clientId)} was sent, this connection has ${shown(sent.ownClientId)}`];
    default:
      return [];
  }
}

import type { PhoenixClient } from "../client/phoenix-client.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { scopesOf, type TokenContext, type TokenReport, times } from "./token.ts";

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

/** The fault that a refusal's own words name. */
export function wordOf({ reason, message }: Refusal): FaultId | undefined {
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
export function diagnoseToken(
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
    case "token_expired": {
      // A token whose time hasn't begun is refused by the same name.
      const early = found("token_not_yet_valid");
      if (early !== undefined) return { fault: early.fault, evidence: [...early.evidence, seen] };
      return expiredThere(seen, report, document);
    }
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

export function scopeMissing(seen: string, report: TokenReport, needed: readonly string[]): Diagnosis {
  const scopes = scopesOf(report);
  const missing = needed.filter((scope) => !scopes.includes(scope));
  const has = scopes.length === 0 ? "none" : scopes.join(", ");
  const evidence = [`needed: ${needed.join(" and ")}; the token has: ${has}`];
  if (missing.length > 0 && missing.length < needed.length) evidence.push(`missing: ${missing.join(", ")}`);
  return diagnosis("scope_missing", ...evidence, seen);
}

export function retry({ retryAfter }: Refusal): string[] {
  return retryAfter === undefined ? [] : [`try again in ${retryAfter} s`];
}

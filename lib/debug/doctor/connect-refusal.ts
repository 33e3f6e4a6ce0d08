import { diagnoseGone } from "./answers.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { type DocumentCase, diagnoseToken, type Refusal, retry, scopeMissing, wordOf } from "./refusal.ts";
import { inspectToken, scopesOf, type TokenReport } from "./token.ts";

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
    case "unauthorized":
      // The app's own word, and that of many servers for any refusal of the token.
      if (code === 403) return diagnosis("authorization_refused", seen);
      break;
    case "too_many_clients":
      return diagnosis("document_full", seen, ...retry(refused));
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
    case 410:
      return diagnosis("session_gone", seen);
    case 413:
      return diagnosis("message_too_large", seen);
    case 429:
      return diagnosis("rate_limited", seen, ...retry(refused));
    case 503:
    case 500:
      return diagnosis("document_unavailable", seen, ...retry(refused));
    case 400: {
      // What is no token at all isn't looked at any further.
      const malformed = report.findings.find(({ fault }) => fault === "token_malformed");
      if (malformed !== undefined) return { fault: malformed.fault, evidence: [...malformed.evidence, seen] };
      return diagnosis("connect_document_refused", seen);
    }
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

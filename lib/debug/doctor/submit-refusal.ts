import { diagnoseGone } from "./answers.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { type DocumentCase, diagnoseToken, type Refusal, retry, scopeMissing, wordOf } from "./refusal.ts";
import { inspectToken, scopesOf } from "./token.ts";

/** A client that is refused for a log that is down is told to send slower. */
const LOG = /\blog\b/i;

const SESSION = /session|resync|unknown[_ ]client|n.t connected/i;

const SUBMIT_REASONS: Readonly<Record<string, FaultId>> = {
  read_only: "read_only",
  client_mismatch: "client_mismatch",
  invalid_csn: "csn_refused",
  invalid_rsn: "rsn_refused",
  malformed: "op_malformed",
  batch_too_large: "batch_too_large",
  rejected: "op_refused",
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
  const needed = sent.type === "summarize" ? ["doc:write", "summary:write"] : ["doc:write"];
  // Names another id, or the own one when the session has let go of it.
  if (reason === "client_mismatch" && sent.clientId === sent.ownClientId) {
    return diagnosis("session_gone", "the clientId is the one that connect_document gave", seen);
  }
  const ofReason = Object.hasOwn(SUBMIT_REASONS, reason) ? SUBMIT_REASONS[reason] : undefined;
  if (ofReason !== undefined) return diagnosis(ofReason, ...sentNumbers(ofReason, sent), seen);
  switch (reason) {
    case "missing_scope":
      return scopeMissing(seen, report, needed);
    case "unmatched topic":
      return diagnoseGone(document.client, document.topic, seen);
    case "rate_limited":
    case "throttled":
      return diagnosis(LOG.test(message) ? "document_unavailable" : "rate_limited", seen, ...retry(refused));
    case "token_expired":
      return diagnoseToken("token_expired", seen, report, document);
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
      return needed.every((scope) => scopesOf(report).includes(scope))
        ? diagnosis("op_refused", seen)
        : scopeMissing(seen, report, needed);
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

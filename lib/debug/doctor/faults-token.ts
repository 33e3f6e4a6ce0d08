import type { Fault } from "./faults.ts";

/** Faults of a document's token. */
export const TOKEN_FAULTS = {
  not_authenticated: {
    kind: "token",
    symptom: "the join succeeds, and everything else is answered `not_authenticated`",
    cause: "a join gives nothing yet: the client hasn't sent `connect_document` with a token",
    fix: "push `connect_document {tenantId, id, token, client, mode, versions}` after the join; here: --token",
  },
  token_malformed: {
    kind: "token",
    symptom: "the token isn't a JWT",
    cause: 'it is cut, quoted, a name instead of a value, or has "Bearer " before it',
    fix: "pass the three parts with their two dots, and nothing else",
  },
  token_wrong_algorithm: {
    kind: "token",
    symptom: "the token's signature is of a kind that isn't taken",
    cause: "its header doesn't say HS256: another service signs with its own algorithm, or with none",
    fix: "sign with HS256 and the tenant's secret",
  },
  token_wrong_secret: {
    kind: "token",
    symptom: "the token's signature is refused",
    cause: "it was signed with another secret than the one that the server has for this tenant",
    fix: "compare both secrets, blanks and line ends too; --secret checks the token here",
  },
  token_missing_claims: {
    kind: "token",
    symptom: "claims are missing or have the wrong type",
    cause: "whoever signs the token leaves them out",
    fix: "sign all of documentId, tenantId, scopes, user {id}, iat, exp and ver",
  },
  token_expired: {
    kind: "token",
    symptom: "the token has expired",
    cause: "its `exp` has passed",
    fix: "get a new token for each connection; let the client's token function fetch one",
  },
  clock_skew: {
    kind: "token",
    symptom: "the token is refused for its time, and is valid by this machine's clock",
    cause: "the clocks of the server, this machine and whoever signs differ",
    fix: "set the clocks by NTP, and compare the times",
  },
  token_not_yet_valid: {
    kind: "token",
    symptom: "the token isn't valid yet",
    cause: "its `nbf` or `iat` is ahead: the signer's clock is fast, or it is in milliseconds",
    fix: "set the clocks by NTP; write `iat`, `nbf` and `exp` in seconds",
  },
  token_other_tenant: {
    kind: "token",
    symptom: "the token is for another tenant",
    cause: "its `tenantId` isn't the tenant of the topic",
    fix: "get a token for this tenant, or correct the topic: document:{tenant}:{document}",
  },
  token_other_document: {
    kind: "token",
    symptom: "the token is for another document",
    cause: "its `documentId` isn't the document of the topic",
    fix: "get a token for this document, or correct the topic: document:{tenant}:{document}",
  },
  tenant_unknown: {
    kind: "token",
    symptom: "the server doesn't know the tenant",
    cause: "no secret is registered for it",
    fix: "`tenants.register(tenant, secret)` on the server, or correct the tenant's name",
  },
  token_refused: {
    kind: "token",
    symptom: "the token is refused, and nothing is wrong with it as far as can be seen from here",
    cause: "the signature, most likely: the server has another secret",
    fix: "give --secret to check the signature here; see the server's log",
  },
} as const satisfies Record<string, Fault>;

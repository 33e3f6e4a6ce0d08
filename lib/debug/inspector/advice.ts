import type { FailureStep } from "../../tracing.ts";
import { FAULTS, type FaultId } from "../doctor/faults.ts";

/** What a failure means, and what mends it. */
export interface Advice {
  /** The doctor's name for it; null for what only the server can see. */
  readonly fault: FaultId | null;
  readonly symptom: string;
  readonly cause: string;
  readonly fix: string;
}

type Known = FaultId | Omit<Advice, "fault">;
type Table<K extends string> = { readonly [code in K]: Known };
type CodeOf<S extends FailureStep["step"]> = Extract<FailureStep, { step: S }>["code"];

const APP_ERROR = "see the log line with this id, which has the error and its stack";

/** Where the doctor speaks of its own command line, or of what it can't see from outside. */
const HERE: { readonly [F in FaultId]?: Partial<Omit<Advice, "fault">> } = {
  connect_refused: { fix: "give what `connect` asks for: a param, or the client's `authToken`" },
  join_refused: { fix: "see the channel's `join`: give what it asks for, or connect as a user who may" },
  join_payload_refused: { fix: "send what the schema asks for in the params of the join" },
  join_crashed: { fix: APP_ERROR },
  channel_crashed: {
    cause: "a handler threw, returned what it may not, or stopped the channel with a reason; it stands below",
    fix: APP_ERROR,
  },
  not_authenticated: {
    fix: "push `connect_document {tenantId, id, token, client, mode, versions}` after the join, and wait for its reply",
  },
  token_wrong_secret: {
    fix: "compare both secrets, blanks and line ends too; the doctor's --secret checks the token",
  },
  connect_crashed: { fix: APP_ERROR },
};

const REFUSED: Table<CodeOf<"refused">> = {
  connect: "connect_refused",
  connect_crashed: "connect_crashed",
  connect_timeout: "connect_slow",
  draining: "draining",
  invalid_id: {
    symptom: "the client gets 500",
    cause: "`id()` of the socket class returned neither a string nor null",
    fix: "return a string, or null for a socket without a name",
  },
  invalid_query: "query_refused",
  invalid_return: {
    symptom: "the client gets 403",
    cause: "`connect` of the socket class returned neither ok() nor error()",
    fix: "return ok() or error(reason) on every way through `connect`",
  },
  origin: "origin_refused",
  origin_crashed: "connect_crashed",
  params: "connect_refused",
  subprotocol: "auth_token_unanswered",
  vsn: "version_refused",
};

const CLOSED: Table<CodeOf<"closed">> = {
  disconnect: "disconnected",
  expired: "disconnected",
  idle: {
    symptom: "the connection is closed with 1002",
    cause: "nothing came from the client for `idleTimeout`: it sleeps, is gone, or sends no heartbeats",
    fix: "nothing, if a device slept; else let the client send heartbeats more often than `idleTimeout`",
  },
  flood: "rate_limited",
  malformed: "frame_refused",
  drain: "draining",
  slow_consumer: {
    symptom: "the connection is closed with 1013",
    cause: "the client reads more slowly than it is sent to: more than `maxBufferedBytes` wait for it",
    fix: 'send less, or less often; let events that may be missed be dropped: static overflow = {cursor: "drop"}',
  },
  too_large: "message_too_large",
  invalid_utf8: "broken_frames",
  protocol_error: "broken_frames",
  lost: "connection_lost",
  session_expired: {
    symptom: "a long-polling session ends",
    cause:
      "the client hasn't polled for a while: the tab is closed or asleep, or its requests go to another node",
    fix: "nothing, if the tab was closed; behind a load balancer, see long-polling in docs/deploying.md",
  },
  client: {
    symptom: "the client closes the connection",
    cause: "the page was left, or the app called `socket.disconnect()`",
    fix: "nothing: it is the client's good right",
  },
};

/** The library's own error replies; those with other reasons are the app's. */
const DENIED: ReadonlyMap<string, Known> = new Map<string, Known>([
  ["unmatched_topic", "topic_unmatched"],
  ["unmatched_event", "event_unmatched"],
  ["invalid_payload", "payload_refused"],
  ["join_crashed", "join_crashed"],
  ["too_many_channels", "too_many_channels"],
  ["too_many_channels_joined", "too_many_channels"],
  ["rate_limited", "rate_limited"],
  ["malformed_token", "token_malformed"],
]);

/** The reasons of the document channel. An app's own channel may mean something else by them. */
const DOCUMENT: ReadonlyMap<string, Known> = new Map<string, Known>([
  ["not_authenticated", "not_authenticated"],
  ["malformed_token", "token_malformed"],
  ["invalid_signature", "token_wrong_secret"],
  ["token_expired", "token_expired"],
  ["missing_claims", "token_missing_claims"],
  ["unknown_tenant", "tenant_unknown"],
  ["wrong_tenant", "token_other_tenant"],
  ["wrong_document", "token_other_document"],
  ["wrong_user", "authorization_refused"],
  ["missing_scope", "scope_missing"],
  ["unauthorized", "authorization_refused"],
  ["read_only", "read_only"],
  ["malformed", "op_malformed"],
  ["malformed_topic", "connect_document_refused"],
  ["topic_mismatch", "connect_document_refused"],
  ["unsupported_version", "connect_document_refused"],
  ["already_connected", "connect_document_refused"],
  ["too_many_clients", "document_full"],
  ["throttled", "rate_limited"],
  ["unavailable", "document_unavailable"],
  ["internal_error", "document_unavailable"],
  ["too_large", "message_too_large"],
  ["client_mismatch", "client_mismatch"],
  ["invalid_csn", "csn_refused"],
  ["invalid_rsn", "rsn_refused"],
  ["rejected", "op_refused"],
  ["batch_too_large", "batch_too_large"],
  [
    "resync",
    {
      symptom: "the client is told to begin anew",
      cause: "the ops that it asks for are gone from the log, or the document was set back",
      fix: "load the latest summary, and connect from there: the reply's `summaryContext` names it",
    },
  ],
]);

/** What is known of a failure; null for one that only the app can explain, such as its own reason. */
export function adviceOf(failure: FailureStep): Advice | null {
  const known = lookUp(failure);
  if (known === undefined) return null;
  if (typeof known !== "string") return { fault: null, ...known };
  const { symptom, cause, fix } = { ...FAULTS[known], ...HERE[known] };
  return { fault: known, symptom, cause, fix };
}

function lookUp(failure: FailureStep): Known | undefined {
  switch (failure.step) {
    case "refused":
      return REFUSED[failure.code];
    case "closed":
      return CLOSED[failure.code];
    case "crashed":
      return crash(failure.code);
    case "denied": {
      const { code, reason = "", event, topic = "" } = failure;
      if (code === "invalid_payload" && event === "phx_join") return "join_payload_refused";
      if (code === "unmatched_topic" && event !== "phx_join") return "channel_gone";
      const own = DENIED.get(code);
      if (own !== undefined) return own;
      const ofDocument = topic.startsWith("document:") ? DOCUMENT.get(reason) : undefined;
      return ofDocument ?? (event === "phx_join" ? "join_refused" : "push_refused");
    }
  }
}

function crash(callback: string): Known {
  if (callback === "join") return "join_crashed";
  if (callback !== "terminate") return "channel_crashed";
  return {
    symptom: "the channel's `terminate` threw, after it had ended",
    cause: "an error in `terminate`; clients don't notice",
    fix: APP_ERROR,
  };
}

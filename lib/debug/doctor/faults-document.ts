import type { Fault } from "./faults.ts";

/** Faults of a document's channel, once the token is right. */
export const DOCUMENT_FAULTS = {
  scope_missing: {
    kind: "permission",
    symptom: "the token lacks the scope for this",
    cause: "reading needs `doc:read`, writing `doc:write`, summaries `summary:write`",
    fix: 'sign the scope into the token; to read only, connect with mode "read"',
  },
  read_only: {
    kind: "permission",
    symptom: "the operation is refused because the client is connected to read",
    cause: '`connect_document` had the mode "read", or the server gave no more',
    fix: 'connect with mode "write" and a token with `doc:write`',
  },
  authorization_refused: {
    kind: "permission",
    symptom: "403, though token, tenant, document and scope are right",
    cause: "the app's `authorize` refuses this user",
    fix: "see `authorize` of the document channel; the answer has its reason",
  },
  not_a_document: {
    kind: "channel",
    symptom: "the channel doesn't know `connect_document`",
    cause: "the topic's channel isn't a DocumentChannel",
    fix: 'mount a subclass of DocumentChannel at "document:*", before patterns that match it too',
  },
  connect_document_unanswered: {
    kind: "channel",
    symptom: "`connect_document` isn't answered, while heartbeats are",
    cause: "the server waits: for `authorize`, for the secrets' source, or for the log to load the document",
    fix: "see what `authorize` and the log wait for",
  },
  connect_document_refused: {
    kind: "channel",
    symptom: "`connect_document` is refused as a request",
    cause: "fields are missing, don't match the topic, or the channel is connected already",
    fix: "tenantId and id must be those of the topic, once for each join",
  },
  document_unavailable: {
    kind: "delivery",
    symptom: "the document can't be opened or written at the moment",
    cause: "its log is down or full, its session failed, or a hook such as `authorize` threw",
    fix: "see the server's log; the client may try again after `retryAfter`",
  },
  document_full: {
    kind: "refused",
    symptom: "the document has as many clients as it takes",
    cause: "`maxClients` of the documents, on this node",
    fix: "see whether clients are left behind that should have gone; raise `maxClients`",
  },
  session_gone: {
    kind: "delivery",
    symptom: "the client was connected, and isn't any more",
    cause: "the document's session stopped, failed or was rolled back; or a hook of the channel's threw",
    fix: "join and `connect_document` again, with `resume`; see the server's log for the session's end",
  },
  client_mismatch: {
    kind: "operation",
    symptom: "the operation is refused because of its client id",
    cause: "`clientId` isn't the one that this connection got from `connect_document`",
    fix: "use the client id of the latest connect_document; each reconnect has a new one",
  },
  csn_refused: {
    kind: "operation",
    symptom: "the operation's clientSequenceNumber is refused",
    cause: "they must be 1, 2, 3 … for each client id, without a gap; one was skipped or used for another op",
    fix: "count from 1 after each connect_document, and send in order",
  },
  rsn_refused: {
    kind: "operation",
    symptom: "the operation's referenceSequenceNumber is refused",
    cause: "it is above the document's head, or below its minimum sequence number",
    fix: "send the sequenceNumber of the last op that the client has applied",
  },
  op_malformed: {
    kind: "operation",
    symptom: "the operation is refused as malformed",
    cause: "its form is wrong, or its type is one that only the server sends",
    fix: "send {clientId, messageBatches: [[{type, contents, clientSequenceNumber, referenceSequenceNumber}]]}",
  },
  batch_too_large: {
    kind: "operation",
    symptom: "the operation, or the batch it is in, is too large",
    cause: "more than 100 ops in one push, or more bytes than `maxMessageSize`",
    fix: "send smaller batches; `connect_document` says the maxMessageSize",
  },
  op_refused: {
    kind: "operation",
    symptom: "the operation is refused for a reason of the app's",
    cause: "`beforeOps` of the document channel refuses it",
    fix: "see `beforeOps`; the answer has its reason",
  },
  submit_unanswered: {
    kind: "operation",
    symptom: "the operation isn't acknowledged, while heartbeats are answered",
    cause: "it is acknowledged when durable: the log is slow, or down",
    fix: "see the log's disk and the server's log; it is refused after 5 seconds at most",
  },
  broadcast_other_document: {
    kind: "delivery",
    symptom: "the op comes with another document's id",
    cause: "the server's `documentId` isn't the document of the topic: clients ignore it",
    fix: "send the op with the document's own id",
  },
} as const satisfies Record<string, Fault>;

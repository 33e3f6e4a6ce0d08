import type { Message } from "../client/frames.ts";
import type { PhoenixClient, ReplyTo } from "../client/phoenix-client.ts";
import { diagnoseFailure } from "./answers.ts";
import { type BroadcastWatch, watch } from "./broadcast.ts";
import { Diagnosed, type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { clocks, type DocumentAccess, type DocumentConnection, type Opened } from "./session.ts";
import { diagnoseSubmitRefusal } from "./submit-refusal.ts";
import type { SubmitPlan, Walk } from "./walk.ts";

type Fields = Record<string, unknown>;

/** What `submitOp` is sent with. */
export interface Submission {
  readonly payload: Fields;
  readonly ops: readonly Fields[];
}

/** Fills in what the user left out: the client's id, and the numbers. */
export function submission(plan: SubmitPlan, { clientId, head }: DocumentConnection): Submission {
  const given = plan.messageBatches ?? [[{ type: "op", contents: { type: "doctor" } }]];
  let csn = 0;
  const batches = (Array.isArray(given) ? given : [given]).map((batch: unknown) =>
    Array.isArray(batch)
      ? batch.map((op: unknown) => {
          csn++;
          if (typeof op !== "object" || op === null) return op;
          return { clientSequenceNumber: csn, referenceSequenceNumber: head, ...op };
        })
      : batch,
  );
  const ops = batches.flat().filter((op): op is Fields => typeof op === "object" && op !== null);
  return { payload: { ...plan, clientId: plan.clientId ?? clientId, messageBatches: batches }, ops };
}

/** Watches the second connection for the first op that was submitted. */
export function watchOp(
  { topic, environment, examination }: Walk,
  first: PhoenixClient,
  second: PhoenixClient,
  { ops }: Submission,
  { clientId }: DocumentConnection,
): BroadcastWatch {
  const isIt = (message: Message) => carries(message, clientId, ops);
  const check = ({ event, payload }: Message): Diagnosis | null => {
    if (event !== "op") {
      return diagnosis("broadcast_missing", `it came as ${shown(event)}, where clients listen for "op"`);
    }
    const { documentId } = (payload ?? {}) as { documentId?: unknown };
    const own = examination.document?.document;
    if (documentId === undefined || documentId === own) return null;
    return diagnosis("broadcast_other_document", `its documentId is ${shown(documentId)}, not ${shown(own)}`);
  };
  return watch(first, second, topic, isIt, environment.target.timeoutMs, check);
}

/** Whether a message has the first of the ops that a client submitted. */
function carries({ payload }: Message, clientId: string, [first]: readonly Fields[]): boolean {
  const { op } = (payload ?? {}) as { op?: unknown };
  const list: unknown[] = Array.isArray(op) ? op : [op];
  return list
    .filter((item): item is Fields => typeof item === "object" && item !== null)
    .some((item) => item.clientId === clientId && item.clientSequenceNumber === first?.clientSequenceNumber);
}

/** Submits, and returns the op's sequence number; null if the server doesn't tell. @throws Diagnosed */
export async function submitOp(
  walk: Walk,
  { client, skew }: Opened,
  access: DocumentAccess,
  connected: DocumentConnection,
  sent: Submission,
): Promise<number | null> {
  const { topic, environment, notes } = walk;
  const { timeoutMs } = environment.target;
  const { clientId, head, mode } = connected;
  const mark = client.count;
  const isNack = (message: Message) => message.topic === topic && message.event === "nack";
  const answer = await client.pushFor(
    topic,
    "submitOp",
    sent.payload,
    (message) => (isNack(message) ? true : undefined),
    timeoutMs,
  );
  if (answer.kind === "reply" && answer.status === "ok") {
    const { sequenceNumber } = (answer.response ?? {}) as { sequenceNumber?: unknown };
    return typeof sequenceNumber === "number" ? sequenceNumber : null;
  }
  if (answer.kind !== "reply" && answer.kind !== "message") {
    const isBack = (message: Message) => message.topic === topic && carries(message, clientId, sent.ops);
    if (answer.kind === "timeout" && client.since(mark).some(isBack)) {
      notes.push("the server didn't reply to submitOp; the op came back to its sender, which counts");
      return null;
    }
    const wait = { client, topic, what: "`submitOp`", timeoutMs, crashed: "session_gone" } as const;
    throw new Diagnosed(await diagnoseFailure(answer, { ...wait, unanswered: "submit_unanswered" }));
  }
  // The reply has the reason, and the nack the code: both are there when this is answered.
  await client.heartbeat(timeoutMs);
  const since = client.since(mark);
  const nack = since.find(isNack);
  const reply = answer.kind === "reply" ? answer : errorReply(since, topic);
  const refused = both(reply, nack);
  const numbers = { ...sent.ops[0], clientId: sent.payload.clientId, ownClientId: clientId, head };
  const { token, secret, name } = access;
  const times = await clocks(skew, environment);
  throw new Diagnosed(
    diagnoseSubmitRefusal(refused, { client, topic, token, secret, document: name, mode, ...times }, numbers),
  );
}

/** The reply to the only push since. */
function errorReply(since: readonly Message[], topic: string): ReplyTo | null {
  const reply = since.find((message) => message.topic === topic && message.event === "phx_reply");
  if (reply === undefined) return null;
  const { status, response } = (reply.payload ?? {}) as { status?: unknown; response?: unknown };
  return status === "error" ? { kind: "reply", status, response } : null;
}

function both(reply: ReplyTo | null, nack: Message | undefined): Refusal {
  if (reply === null) return refusal(nack?.payload);
  const replied = refusal(reply.response);
  if (nack === undefined) return replied;
  const { code, message, retryAfter } = refusal(nack.payload);
  return {
    ...replied,
    code: replied.code || code,
    message: replied.message || message,
    retryAfter: replied.retryAfter ?? retryAfter,
  };
}

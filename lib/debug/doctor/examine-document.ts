import type { DocumentName } from "../../documents/log/op-log.ts";
import type { Message } from "../client/frames.ts";
import type { PhoenixClient } from "../client/phoenix-client.ts";
import { diagnoseFailure, reasonOf } from "./answers.ts";
import { type BroadcastWatch, watch } from "./broadcast.ts";
import { Diagnosed, type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import { type DocumentCase, diagnoseSubmitRefusal, type Refusal, refusal } from "./document-refusals.ts";
import {
  clocks,
  connectDocument,
  type DocumentAccess,
  type DocumentConnection,
  joinTopic,
  type Opened,
  openClient,
} from "./session.ts";
import { broadcastStep, type SubmitPlan, type Walk } from "./walk.ts";

type Fields = Record<string, unknown>;

/** The steps of a document's client behind the join: connect_document, submitOp, and the op at another client. */
export async function examineDocument(walk: Walk, first: Opened, name: DocumentName): Promise<void> {
  const { examination, steps, environment, topic } = walk;
  const { token, secret, mode, submit } = examination;
  if (token === null) {
    steps.skip("connect_document", "no token is given");
    await steps.run("submitOp", () => submitUnconnected(walk, first.client));
    return;
  }
  const access: DocumentAccess = { name, token, secret };
  const connected = await steps.run("connect_document", async () => {
    const given = await connectDocument(first, topic, access, mode, environment);
    return [given, `client ${given.clientId.slice(0, 8)}…, mode ${given.mode}, head ${given.head}`];
  });
  if (connected.mode !== mode)
    walk.notes.push(`asked for the mode "${mode}", the server gave "${connected.mode}"`);
  if (submit === null) {
    steps.skip("submitOp", "as asked by --no-submit");
    return;
  }
  const second = await steps.run("second connection", async () => {
    const opened = await openClient("second", environment);
    walk.clients.push(opened.client);
    await joinTopic(opened.client, topic, examination.joinPayload, environment);
    const given = await connectDocument(opened, topic, access, "read", environment);
    return [opened.client, `client ${given.clientId.slice(0, 8)}…, mode ${given.mode}`];
  });
  const sent = submission(submit, connected);
  const broadcast = watchOp(walk, first.client, second, sent, connected);
  await steps.run("submitOp", async () => {
    const sequenceNumber = await submitOp(walk, first, access, connected, sent);
    walk.notes.push("an op was written into the document, and stays in its history");
    return [undefined, sequenceNumber === null ? "" : `sequence number ${sequenceNumber}`];
  });
  await broadcastStep(walk, broadcast);
}

/** Without a token nothing but the refusal can be shown. */
async function submitUnconnected(walk: Walk, client: PhoenixClient): Promise<never> {
  const { topic, environment } = walk;
  const { timeoutMs } = environment.target;
  const op = { type: "noop", contents: null, clientSequenceNumber: 1, referenceSequenceNumber: 0 };
  const answer = await client.push(topic, "submitOp", { clientId: "", messageBatches: [[op]] }, timeoutMs);
  if (answer.kind !== "reply") {
    const wait = { client, topic, what: "`submitOp`", timeoutMs, unanswered: "submit_unanswered" } as const;
    throw new Diagnosed(await diagnoseFailure(answer, wait));
  }
  const seen = `submitOp was answered ${shown(answer.response)}`;
  switch (reasonOf(answer.response)) {
    case "not_authenticated":
      throw new Diagnosed(diagnosis("not_authenticated", "the doctor was given no token", seen));
    case "unmatched event":
      throw new Diagnosed(diagnosis("not_a_document", seen));
    default:
      throw new Diagnosed(diagnosis("unknown", "the doctor was given no token", seen));
  }
}

interface Submission {
  readonly payload: Fields;
  readonly ops: readonly Fields[];
}

/** Fills in what the user left out: the client's id, and the numbers. */
function submission(plan: SubmitPlan, { clientId, head }: DocumentConnection): Submission {
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
function watchOp(
  { topic, environment, examination }: Walk,
  first: PhoenixClient,
  second: PhoenixClient,
  { ops }: Submission,
  { clientId }: DocumentConnection,
): BroadcastWatch {
  const csn = ops[0]?.clientSequenceNumber;
  const isIt = ({ payload }: Message) =>
    opsOf(payload).some((op) => op.clientId === clientId && op.clientSequenceNumber === csn);
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

function opsOf(payload: unknown): Fields[] {
  const { op } = (payload ?? {}) as { op?: unknown };
  const list: unknown[] = Array.isArray(op) ? op : [op];
  return list.filter((item): item is Fields => typeof item === "object" && item !== null);
}

/** Submits, and returns the op's sequence number; null if the server doesn't tell. */
async function submitOp(
  walk: Walk,
  { client, skew }: Opened,
  access: DocumentAccess,
  connected: DocumentConnection,
  sent: Submission,
): Promise<number | null> {
  const { topic, environment } = walk;
  const { timeoutMs } = environment.target;
  const mark = client.count;
  const pick = (message: Message) =>
    message.topic === topic && message.event === "nack" ? refusal(message.payload) : undefined;
  const answer = await client.pushFor(topic, "submitOp", sent.payload, pick, timeoutMs);
  if (answer.kind === "reply" && answer.status === "ok") {
    const { sequenceNumber } = (answer.response ?? {}) as { sequenceNumber?: unknown };
    return typeof sequenceNumber === "number" ? sequenceNumber : null;
  }
  let refused: Refusal;
  if (answer.kind === "reply") refused = refusal(answer.response);
  else if (answer.kind === "message")
    refused = await withReason(client, topic, mark, answer.value, timeoutMs);
  else {
    if (answer.kind === "timeout" && ownOp(client, topic, mark, connected, sent)) {
      walk.notes.push("the server didn't reply to submitOp; the op came back to its sender, which counts");
      return null;
    }
    const nack = client.since(mark).find((message) => message.event === "nack" && message.topic === topic);
    if (nack !== undefined && answer.kind === "ended") refused = refusal(nack.payload);
    else {
      const wait = { client, topic, what: "`submitOp`", timeoutMs, unanswered: "submit_unanswered" } as const;
      throw new Diagnosed(await diagnoseFailure(answer, wait));
    }
  }
  const document: DocumentCase = {
    client,
    topic,
    token: access.token,
    secret: access.secret,
    document: access.name,
    mode: connected.mode,
    ...(await clocks(skew, environment)),
  };
  const numbers = {
    ...sent.ops[0],
    clientId: sent.payload.clientId,
    ownClientId: connected.clientId,
    head: connected.head,
  };
  throw new Diagnosed(diagnoseSubmitRefusal(refused, document, numbers));
}

/** A nack came before the reply, which has the reason: it is there when a heartbeat sent now is answered. */
async function withReason(
  client: PhoenixClient,
  topic: string,
  mark: number,
  nack: Refusal,
  timeoutMs: number,
): Promise<Refusal> {
  await client.heartbeat(timeoutMs);
  const replies = client.since(mark).filter(({ topic: of, event }) => of === topic && event === "phx_reply");
  const reply = replies
    .map(({ payload }) => payload as { status?: unknown; response?: unknown } | null)
    .at(0);
  if (reply?.status !== "error") return nack;
  return { ...nack, reason: refusal(reply.response).reason, given: reply.response };
}

function ownOp(
  client: PhoenixClient,
  topic: string,
  mark: number,
  { clientId }: DocumentConnection,
  { ops }: Submission,
): boolean {
  const csn = ops[0]?.clientSequenceNumber;
  return client
    .since(mark)
    .some(
      (message) =>
        message.topic === topic &&
        opsOf(message.payload).some((op) => op.clientId === clientId && op.clientSequenceNumber === csn),
    );
}

import type { DocumentName } from "../../documents/log/op-log.ts";
import type { PhoenixClient } from "../client/phoenix-client.ts";
import { diagnoseFailure, reasonOf } from "./answers.ts";
import { Diagnosed, diagnosis, shown } from "./diagnosis.ts";
import { connectDocument, type DocumentAccess, joinTopic, type Opened, openClient } from "./session.ts";
import { submission, submitOp, watchOp } from "./submit.ts";
import { broadcastStep, type Walk } from "./walk.ts";

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

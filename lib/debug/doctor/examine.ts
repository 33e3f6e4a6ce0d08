import type { Clock } from "../../clock.ts";
import type { PhoenixClient } from "../client/phoenix-client.ts";
import { Trace, type TracedFrame } from "../client/trace.ts";
import { diagnoseFailure, diagnosePushRefusal } from "./answers.ts";
import { type BroadcastWatch, watch } from "./broadcast.ts";
import { Diagnosed, type Diagnosis, diagnosis } from "./diagnosis.ts";
import { examineDocument } from "./examine-document.ts";
import { joinTopic, openClient } from "./session.ts";
import { type Step, Steps } from "./steps.ts";
import { broadcastStep, connectStep, type Examination, type Walk } from "./walk.ts";

export interface Report {
  readonly steps: readonly Step[];
  /** Null if all is well. */
  readonly diagnosis: Diagnosis | null;
  /** What else the user should know. */
  readonly notes: readonly string[];
  readonly trace: readonly TracedFrame[];
}

/**
 * Goes through the steps of a client until one fails, and finds out why.
 *
 * @param signal Cuts the connections; what it returns then says nothing about the server.
 */
export async function examine(
  examination: Examination,
  clock: Clock,
  signal: AbortSignal,
  onStep: (step: Step) => void = () => {},
): Promise<Report> {
  const trace = new Trace(clock);
  const walk: Walk = {
    environment: { target: examination.target, clock, trace, signal },
    examination,
    topic: examination.topic ?? "",
    steps: new Steps(clock, onStep),
    notes: [],
    clients: [],
  };
  const { steps, notes, clients } = walk;
  let found: Diagnosis | null = null;
  const cut = () => {
    for (const client of clients) client.cut();
  };
  signal.addEventListener("abort", cut, { once: true });
  try {
    await stages(walk);
    found = steps.slow(examination.slowMs);
  } catch (error) {
    if (!(error instanceof Diagnosed)) throw error;
    found = error.diagnosis;
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
  return { steps: steps.done, diagnosis: found, notes, trace: trace.frames };
}

async function stages(walk: Walk): Promise<void> {
  const { examination, steps, topic, environment, clients } = walk;
  const first = await connectStep(walk, "connect", "first");
  if (examination.topic === null) {
    await heartbeatStep(walk, first.client);
  } else {
    await steps.run("join", async () => {
      await joinTopic(first.client, topic, examination.joinPayload, environment);
      return [undefined, topic];
    });
    if (examination.document === null) await examineChannel(walk, first.client);
    else await examineDocument(walk, first, examination.document);
    await steps.run("leave", async () => [undefined, await leave(walk, first.client)]);
  }
  await Promise.all(clients.map((client) => client.close()));
}

async function heartbeatStep({ steps, environment, topic }: Walk, client: PhoenixClient): Promise<void> {
  await steps.run("heartbeat", async () => {
    const { timeoutMs } = environment.target;
    const answer = await client.heartbeat(timeoutMs);
    if (answer.kind === "reply") return [undefined, ""];
    const what = "a heartbeat";
    const unanswered = "heartbeat_unanswered";
    throw new Diagnosed(await diagnoseFailure(answer, { client, topic, what, timeoutMs, unanswered }));
  });
}

/** Any channel: a heartbeat, and a push if there is one to send. */
async function examineChannel(walk: Walk, client: PhoenixClient): Promise<void> {
  const { examination, steps, environment, topic } = walk;
  await heartbeatStep(walk, client);
  const { push, expect } = examination;
  if (push === null) return;
  let broadcast: BroadcastWatch | null = null;
  if (expect !== null) {
    const second = await steps.run("second connection", async () => {
      const opened = await openClient("second", environment);
      walk.clients.push(opened.client);
      await joinTopic(opened.client, topic, examination.joinPayload, environment);
      return [opened.client, `joined ${topic}`];
    });
    broadcast = watch(
      client,
      second,
      topic,
      (message) => message.event === expect,
      environment.target.timeoutMs,
    );
  }
  await steps.run("push", async () => [undefined, await pushOnce(walk, client, push)]);
  if (broadcast !== null) await broadcastStep(walk, broadcast);
}

async function pushOnce(
  { environment, examination, topic }: Walk,
  client: PhoenixClient,
  { event, payload }: { readonly event: string; readonly payload: unknown },
): Promise<string> {
  const { timeoutMs } = environment.target;
  if (!examination.hasReply) {
    client.cast(topic, event, payload);
    return `${event}, no reply awaited`;
  }
  const answer = await client.push(topic, event, payload, timeoutMs);
  if (answer.kind === "reply") {
    if (answer.status !== "error") return `${event}: ${answer.status}`;
    throw new Diagnosed(diagnosePushRefusal(answer, event, client, topic));
  }
  const wait = { client, topic, what: event, timeoutMs, unanswered: "push_unanswered" } as const;
  throw new Diagnosed(await diagnoseFailure(answer, wait));
}

async function leave({ environment, topic }: Walk, client: PhoenixClient): Promise<string> {
  const { timeoutMs } = environment.target;
  const answer = await client.leave(topic, timeoutMs);
  if (answer.kind === "reply") {
    if (answer.status === "ok") return "";
    throw new Diagnosed(diagnosis("unknown", `the leave was answered with the status ${answer.status}`));
  }
  const wait = { client, topic, what: "the leave", timeoutMs, unanswered: "leave_unanswered" } as const;
  throw new Diagnosed(await diagnoseFailure(answer, wait));
}

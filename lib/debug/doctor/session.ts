import type { Clock } from "../../clock.ts";
import type { DocumentName } from "../../documents/log/op-log.ts";
import { dateOf, plainGet } from "../client/http-probe.ts";
import { PhoenixClient } from "../client/phoenix-client.ts";
import { attempt, type Target } from "../client/target.ts";
import type { Trace } from "../client/trace.ts";
import { diagnoseFailure, diagnoseJoinRefusal } from "./answers.ts";
import { diagnoseConnectRefusal } from "./connect-refusal.ts";
import { Diagnosed, diagnosis, shown } from "./diagnosis.ts";
import { diagnoseHandshake } from "./handshake.ts";
import { type DocumentCase, type Refusal, refusal } from "./refusal.ts";

/** What all commands that connect need. */
export interface Environment {
  readonly target: Target;
  readonly clock: Clock;
  readonly trace: Trace;
  /** Aborted when nobody wants the result any more. */
  readonly signal: AbortSignal;
}

/** A token, and the document that it is for. */
export interface DocumentAccess {
  readonly name: DocumentName;
  readonly token: string;
  readonly secret: string | null;
}

/** What the server gave at `connect_document`. */
export interface DocumentConnection {
  readonly clientId: string;
  readonly mode: string;
  /** The sequence number up to which the client has the document. */
  readonly head: number;
}

/** A client whose WebSocket is open. */
export interface Opened {
  readonly client: PhoenixClient;
  /** How far the server's clock is ahead of this machine's, in ms; null if the answer had no Date. */
  readonly skew: number | null;
}

/** @throws Diagnosed */
export async function openClient(
  name: string,
  { target, clock, trace, signal }: Environment,
): Promise<Opened> {
  const since = clock.now();
  const result = await attempt(target, clock);
  if (result.kind !== "open") {
    throw new Diagnosed(await diagnoseHandshake(result, target, clock, clock.now() - since));
  }
  if (signal.aborted) result.socket.cut();
  const date = dateOf(result.headers.date);
  return {
    client: new PhoenixClient(name, result.socket, clock, trace),
    skew: date === null ? null : skewOf(date, clock.now()),
  };
}

/** A Date header has whole seconds: the time is half of one later on average. */
function skewOf(date: number, now: number): number {
  return date + 500 - now;
}

/** Joins, and returns the reply's response. @throws Diagnosed */
export async function joinTopic(
  client: PhoenixClient,
  topic: string,
  payload: unknown,
  { target: { timeoutMs } }: Environment,
): Promise<unknown> {
  const answer = await client.join(topic, payload, timeoutMs);
  if (answer.kind === "reply") {
    if (answer.status === "ok") return answer.response;
    throw new Diagnosed(diagnoseJoinRefusal(answer, topic));
  }
  const wait = { client, topic, what: "the join", timeoutMs, unanswered: "join_timeout" } as const;
  throw new Diagnosed(await diagnoseFailure(answer, wait));
}

interface ConnectEvent {
  readonly ok: boolean;
  readonly payload: unknown;
}

/** Pushes `connect_document`. Servers answer it with a reply, an event, or both. @throws Diagnosed */
export async function connectDocument(
  { client, skew }: Opened,
  topic: string,
  access: DocumentAccess,
  mode: string,
  environment: Environment,
): Promise<DocumentConnection> {
  const { timeoutMs } = environment.target;
  const { tenant, document } = access.name;
  const payload = {
    tenantId: tenant,
    id: document,
    token: access.token,
    client: {
      mode,
      details: { capabilities: { interactive: false } },
      permission: [],
      user: { id: "doctor" },
      scopes: [],
    },
    mode,
    versions: ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
  };
  const wait = {
    client,
    topic,
    what: "`connect_document`",
    timeoutMs,
    unanswered: "connect_document_unanswered",
  } as const;
  const pick = (message: { topic: string; event: string; payload: unknown }): ConnectEvent | undefined => {
    if (message.topic !== topic) return undefined;
    if (message.event === "connect_document_success") return { ok: true, payload: message.payload };
    if (message.event === "connect_document_error") return { ok: false, payload: message.payload };
    return undefined;
  };
  const refuse = async (refused: Refusal): Promise<never> => {
    const at = { client, topic, mode, token: access.token, secret: access.secret, document: access.name };
    throw new Diagnosed(diagnoseConnectRefusal(refused, { ...at, ...(await clocks(skew, environment)) }));
  };
  const mark = client.count;
  const answer = await client.pushFor(topic, "connect_document", payload, pick, timeoutMs);
  switch (answer.kind) {
    case "message":
      return answer.value.ok ? connection(answer.value.payload, mode) : refuse(refusal(answer.value.payload));
    case "reply": {
      if (answer.status !== "ok") return refuse(refusal(answer.response));
      const { clientId } = (answer.response ?? {}) as { clientId?: unknown };
      if (typeof clientId === "string") return connection(answer.response, mode);
      // The reply only says that the request has come; what it gave is in the event.
      const event = await client.expect(topic, pick, timeoutMs, mark);
      if (event.kind !== "message") throw new Diagnosed(await diagnoseFailure(event, wait));
      return event.value.ok ? connection(event.value.payload, mode) : refuse(refusal(event.value.payload));
    }
    default:
      throw new Diagnosed(await diagnoseFailure(answer, wait));
  }
}

function connection(given: unknown, asked: string): DocumentConnection {
  const { clientId, mode, checkpointSequenceNumber, initialMessages } = (given ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof clientId !== "string") {
    throw new Diagnosed(diagnosis("unknown", `connect_document gave no clientId: ${shown(given)}`));
  }
  const last = Array.isArray(initialMessages) ? initialMessages.at(-1) : undefined;
  const head = checkpointSequenceNumber ?? (last as { sequenceNumber?: unknown } | undefined)?.sequenceNumber;
  return {
    clientId,
    mode: typeof mode === "string" ? mode : asked,
    head: typeof head === "number" ? head : 0,
  };
}

/** Both clocks, for what a token's times mean. A server whose upgrade has no Date is asked once more. */
export async function clocks(
  skew: number | null,
  { target, clock }: Environment,
): Promise<Pick<DocumentCase, "now" | "serverNow">> {
  const now = clock.now();
  if (skew !== null) return { now, serverNow: now + skew };
  const plain = await plainGet(target.url, target.headers, { clock, ...target });
  if (plain === null || plain.date === null) return { now, serverNow: null };
  return { now, serverNow: now + skewOf(plain.date, now) };
}

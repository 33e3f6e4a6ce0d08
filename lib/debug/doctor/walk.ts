import type { DocumentName } from "../../documents/log/op-log.ts";
import type { PhoenixClient } from "../client/phoenix-client.ts";
import type { Target } from "../client/target.ts";
import { diagnoseFailure } from "./answers.ts";
import { type BroadcastWatch, diagnoseMissing } from "./broadcast.ts";
import { Diagnosed } from "./diagnosis.ts";
import { type Environment, type Opened, openClient } from "./session.ts";
import type { Steps } from "./steps.ts";

/** What `submitOp` sends: what is absent is filled in. */
export interface SubmitPlan {
  readonly clientId?: unknown;
  readonly messageBatches?: unknown;
}

/** What the doctor shall do. */
export interface Examination {
  readonly target: Target;
  /** Null examines the connection only. */
  readonly topic: string | null;
  readonly joinPayload: unknown;
  /** The document that the topic names; null for channels of other kinds. */
  readonly document: DocumentName | null;
  readonly token: string | null;
  readonly secret: string | null;
  readonly mode: "read" | "write";
  /** Null writes nothing into the document. */
  readonly submit: SubmitPlan | null;
  readonly push: { readonly event: string; readonly payload: unknown } | null;
  /** Whether the push is answered. */
  readonly hasReply: boolean;
  /** The event that a second connection shall get for the push. */
  readonly expect: string | null;
  /** A step that takes longer makes the server slow. */
  readonly slowMs: number;
}

/** What the steps share. */
export interface Walk {
  readonly environment: Environment;
  readonly examination: Examination;
  readonly topic: string;
  readonly steps: Steps;
  readonly notes: string[];
  /** All connections, to be closed at the end. */
  readonly clients: PhoenixClient[];
}

/** Opens a connection. */
export function connectStep(walk: Walk, step: string, name: string): Promise<Opened> {
  return walk.steps.run(step, async () => {
    const opened = await openClient(name, walk.environment);
    walk.clients.push(opened.client);
    const { host, pathname } = walk.environment.target.url;
    return [opened, `${host}${pathname}`];
  });
}

/** Waits for what the second connection shall get. */
export function broadcastStep(
  { steps, topic, environment, examination }: Walk,
  broadcast: BroadcastWatch,
): Promise<void> {
  return steps.run("broadcast", async () => {
    const result = await broadcast.arrival;
    if (result.kind === "message") {
      if (result.value !== null) throw new Diagnosed(result.value);
      return [undefined, "the second connection has it"];
    }
    if (result.kind === "timeout")
      throw new Diagnosed(await diagnoseMissing(broadcast, environment.target.timeoutMs));
    const { timeoutMs } = environment.target;
    const what = "the broadcast, on the second connection";
    const crashed = examination.document === null ? "channel_crashed" : "session_gone";
    const wait = {
      client: broadcast.second,
      topic,
      what,
      timeoutMs,
      unanswered: "broadcast_missing",
      crashed,
    } as const;
    throw new Diagnosed(await diagnoseFailure(result, wait));
  });
}

import type { PhoenixClient } from "../client/phoenix-client.ts";
import { diagnoseFailure, diagnosePushRefusal } from "../doctor/answers.ts";
import type { Diagnosis } from "../doctor/diagnosis.ts";
import { EXIT } from "../exit-codes.ts";
import type { Redactor } from "../redact.ts";
import { withSession } from "./channel-session.ts";
import { type ConnectionOptions, json, readConnection } from "./connection-options.ts";
import { type Io, readAll, Usage } from "./io.ts";
import { Printer, wantsColour } from "./printer.ts";
import { diagnosisJson, exitCode, printDiagnosis } from "./report.ts";

export interface SendOptions extends ConnectionOptions {
  readonly topic: string;
  readonly reply: boolean;
  readonly mode: "read" | "write";
  readonly json?: boolean;
  readonly color: boolean;
}

interface Push {
  readonly event: string;
  readonly payload: unknown;
}

/** `send`: joins, pushes one event, and prints its reply. */
export async function runSend(
  url: string,
  event: string,
  payloadText: string | undefined,
  options: SendOptions,
  io: Io,
  redactor: Redactor,
): Promise<number> {
  if (payloadText === "-" && [options.token, options.secret, options.authToken].includes("-")) {
    throw new Usage("only one of the payload and the token can come from the standard input");
  }
  const text = payloadText === "-" ? await readAll(io) : (payloadText ?? "{}");
  const push: Push = { event, payload: json(text, "the payload", redactor) };
  const connection = await readConnection(url, options, [options.topic], io, redactor);
  const printer = new Printer(io.stdout, redactor, wantsColour(io, options.color));
  const errors = new Printer(io.stderr, redactor, false);
  const use = (client: PhoenixClient) =>
    sendOnce(client, connection.target.timeoutMs, options, push, redactor, printer);
  const found = await withSession(connection, [options.topic], options.mode, io, use);
  if (io.signal.aborted) return EXIT.interrupted;
  if (found === null) return exitCode(null);
  if (options.json === true) errors.json(diagnosisJson(found, redactor));
  else printDiagnosis(errors, redactor, found);
  return exitCode(found);
}

async function sendOnce(
  client: PhoenixClient,
  timeoutMs: number,
  { topic, reply, json: asJson }: SendOptions,
  { event, payload }: Push,
  redactor: Redactor,
  printer: Printer,
): Promise<Diagnosis | null> {
  if (!reply) {
    client.cast(topic, event, payload);
    // Behind it on the same connection: when this is answered, the server has read the push.
    const beat = await client.heartbeat(timeoutMs);
    if (beat.kind === "reply") return null;
    const unanswered = "heartbeat_unanswered";
    return diagnoseFailure(beat, { client, topic, what: event, timeoutMs, unanswered });
  }
  const answer = await client.push(topic, event, payload, timeoutMs);
  if (answer.kind !== "reply") {
    const unanswered = "push_unanswered";
    return diagnoseFailure(answer, { client, topic, what: event, timeoutMs, unanswered });
  }
  const { status, response } = answer;
  if (asJson === true) printer.json({ status, response });
  else printer.line([status === "error" ? "red" : "green", status], " ", redactor.json(response));
  return status === "error" ? diagnosePushRefusal(answer, event, client, topic) : null;
}

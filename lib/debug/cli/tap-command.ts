import type { PhoenixClient } from "../client/phoenix-client.ts";
import type { TracedFrame } from "../client/trace.ts";
import { diagnoseEnding, diagnoseFailure } from "../doctor/answers.ts";
import type { Diagnosis } from "../doctor/diagnosis.ts";
import { EXIT } from "../exit-codes.ts";
import type { Redactor } from "../redact.ts";
import { withSession } from "./channel-session.ts";
import { type ConnectionOptions, readConnection } from "./connection-options.ts";
import { frameJson, frameLine } from "./frame-line.ts";
import type { Io } from "./io.ts";
import { Printer, wantsColour } from "./printer.ts";
import { diagnosisJson, exitCode, printDiagnosis } from "./report.ts";

export interface TapOptions extends ConnectionOptions {
  readonly topic: string[];
  readonly event?: string[];
  readonly count?: number;
  readonly full?: boolean;
  readonly heartbeats?: boolean;
  readonly json?: boolean;
  readonly color: boolean;
}

/** As the official client. */
const HEARTBEAT_MS = 30_000;

/** `tap`: prints what goes over a connection of its own, until it ends. */
export async function runTap(url: string, options: TapOptions, io: Io, redactor: Redactor): Promise<number> {
  const connection = await readConnection(url, options, options.topic, io, redactor);
  const printer = new Printer(io.stdout, redactor, wantsColour(io, options.color));
  const errors = new Printer(io.stderr, redactor, false);
  const unread = options.topic.filter((topic) => connection.documentOf(topic) !== null);
  if (connection.token === null && unread.length > 0) {
    errors.line(
      `note: without a token nothing of ${unread.join(", ")} comes: a document's join gives nothing yet`,
    );
  }
  const enough = new AbortController();
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const onFrame = (traced: TracedFrame) => {
    if (left === 0 || !isShown(traced, options)) return;
    if (options.json === true) printer.json(frameJson(traced));
    else printer.line(...frameLine(traced, redactor, { full: options.full === true, named: false }));
    if (isMessage(traced) && --left === 0) enough.abort();
  };
  const until = AbortSignal.any([enough.signal, io.signal]);
  const use = (client: PhoenixClient) => follow(client, connection.target.timeoutMs, io.clock, until);
  const found = await withSession(connection, options.topic, "read", io, use, onFrame);
  if (found === null || until.aborted) return EXIT.healthy;
  if (options.json === true) errors.json(diagnosisJson(found, redactor));
  else printDiagnosis(errors, redactor, found);
  return exitCode(found);
}

/** Keeps the connection alive until it ends, or somebody has seen enough. */
async function follow(
  client: PhoenixClient,
  timeoutMs: number,
  clock: Io["clock"],
  until: AbortSignal,
): Promise<Diagnosis | null> {
  let cancel = () => {};
  try {
    return await new Promise<Diagnosis | null>((resolve, reject) => {
      const beat = async () => {
        const answer = await client.heartbeat(timeoutMs);
        if (answer.kind === "reply") {
          cancel = clock.schedule(next, HEARTBEAT_MS);
          return;
        }
        const unanswered = "heartbeat_unanswered";
        resolve(
          await diagnoseFailure(answer, { client, topic: "", what: "a heartbeat", timeoutMs, unanswered }),
        );
      };
      const next = () => {
        beat().catch(reject);
      };
      cancel = clock.schedule(next, HEARTBEAT_MS);
      void client.ended().then((ending) => resolve(diagnoseEnding(ending, "anything more")));
      if (until.aborted) resolve(null);
      until.addEventListener("abort", () => resolve(null), { once: true });
    });
  } finally {
    cancel();
  }
}

/** Whether it is what the user waits for: neither the client's own, nor an answer to it. */
function isMessage({ direction, frame }: TracedFrame): boolean {
  return direction === "in" && !("foreign" in frame) && frame.event !== "phx_reply";
}

function isShown(traced: TracedFrame, { event, heartbeats }: TapOptions): boolean {
  const { frame } = traced;
  if ("foreign" in frame) return true;
  if (frame.topic === "phoenix") return heartbeats === true;
  return event === undefined || (isMessage(traced) && event.includes(frame.event));
}

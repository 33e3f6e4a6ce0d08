import { examine } from "../doctor/examine.ts";
import type { Examination, SubmitPlan } from "../doctor/walk.ts";
import { EXIT } from "../exit-codes.ts";
import type { Redactor } from "../redact.ts";
import { type ConnectionOptions, json, readConnection } from "./connection-options.ts";
import { frameJson } from "./frame-line.ts";
import { type Io, Usage } from "./io.ts";
import { Printer, wantsColour } from "./printer.ts";
import { diagnosisJson, exitCode, printDiagnosis, printStep, printTrace } from "./report.ts";

export interface DoctorOptions extends ConnectionOptions {
  readonly topic?: string;
  readonly push?: string[];
  readonly reply: boolean;
  readonly expect?: string;
  readonly mode: "read" | "write";
  /** False for --no-submit. */
  readonly submit?: string | boolean;
  readonly slow: number;
  readonly json?: boolean;
  readonly trace?: boolean;
  readonly color: boolean;
}

/** `doctor`: walks through what a client does, and explains the first failure. */
export async function runDoctor(
  url: string,
  options: DoctorOptions,
  io: Io,
  redactor: Redactor,
): Promise<number> {
  const examination = await readExamination(url, options, io, redactor);
  const printer = new Printer(io.stdout, redactor, wantsColour(io, options.color));
  const asJson = options.json === true;
  const { origin, host, pathname } = readUrl(examination);
  const address = `${origin}//${host}${pathname}`;
  if (!asJson) printer.line(["bold", address], examination.topic === null ? "" : `  ${examination.topic}`);
  const report = await examine(examination, io.clock, io.signal, (step) => {
    if (!asJson) printStep(printer, step);
  });
  if (io.signal.aborted) return EXIT.interrupted;
  const { steps, diagnosis, notes, trace } = report;
  const code = exitCode(diagnosis);
  const withTrace = options.trace === true || diagnosis?.fault === "unknown";
  if (asJson) {
    printer.json({
      url: address,
      topic: examination.topic,
      healthy: diagnosis === null,
      exitCode: code,
      steps: steps.map((step) => ({ ...step, ms: Math.round(step.ms * 10) / 10 })),
      diagnosis: diagnosisJson(diagnosis, redactor),
      notes,
      ...(withTrace ? { trace: trace.map(frameJson) } : {}),
    });
    return code;
  }
  for (const note of notes) printer.line(["yellow", "  note: "], note);
  if (diagnosis === null) printer.line(["green", "all is well"]);
  else printDiagnosis(printer, redactor, diagnosis);
  if (withTrace) printTrace(printer, redactor, trace);
  return code;
}

function readUrl({ target: { url } }: Examination): { origin: string; host: string; pathname: string } {
  return { origin: url.protocol, host: url.host, pathname: url.pathname };
}

async function readExamination(
  url: string,
  options: DoctorOptions,
  io: Io,
  redactor: Redactor,
): Promise<Examination> {
  const topic = options.topic ?? null;
  const [event, payload, ...rest] = options.push ?? [];
  if (rest.length > 0) throw new Usage("--push takes an event and its payload as JSON");
  const push =
    event === undefined
      ? null
      : { event, payload: payload === undefined ? {} : json(payload, "--push", redactor) };
  if (topic === null && push !== null) throw new Usage("--push needs a --topic");
  if (options.expect !== undefined && push === null) throw new Usage("--expect needs a --push");
  const { target, joinPayload, documentOf, token, secret } = await readConnection(
    url,
    options,
    [topic],
    io,
    redactor,
  );
  return {
    target,
    topic,
    joinPayload,
    // A document of an app's own kind has a push, not ops.
    document: push === null ? documentOf(topic) : null,
    token,
    secret,
    mode: options.mode,
    submit: submitPlan(options.submit, redactor),
    push,
    hasReply: options.reply,
    expect: options.expect ?? null,
    slowMs: options.slow,
  };
}

/** @throws Usage */
function submitPlan(option: string | boolean | undefined, redactor: Redactor): SubmitPlan | null {
  if (option === false) return null;
  if (typeof option !== "string") return {};
  const plan = json(option, "--submit", redactor);
  if (typeof plan !== "object" || plan === null || Array.isArray(plan)) {
    throw new Usage('--submit takes an object: {"messageBatches": [[{"type": "op", "contents": …}]]}');
  }
  return plan;
}

import type { TracedFrame } from "../client/trace.ts";
import type { Diagnosis } from "../doctor/diagnosis.ts";
import { FAULTS, type Fault } from "../doctor/faults.ts";
import type { Step } from "../doctor/steps.ts";
import { EXIT } from "../exit-codes.ts";
import type { Redactor } from "../redact.ts";
import { frameLine } from "./frame-line.ts";
import type { Part, Printer } from "./printer.ts";

const NAME_WIDTH = 18;

/** The exit code of a result. */
export function exitCode(diagnosis: Diagnosis | null): number {
  return diagnosis === null ? EXIT.healthy : EXIT[FAULTS[diagnosis.fault].kind];
}

export function printStep(printer: Printer, { name, status, ms, detail }: Step): void {
  const marks: Readonly<Record<Step["status"], Part>> = {
    ok: ["green", "✓"],
    failed: ["red", "✗"],
    skipped: ["yellow", "-"],
  };
  const time = status === "skipped" ? "" : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  printer.line("  ", marks[status], ` ${name.padEnd(NAME_WIDTH)}${time.padStart(8)}  `, ["dim", detail]);
}

/** The fault in words, and what points to it. */
export function printDiagnosis(printer: Printer, redactor: Redactor, { fault, evidence }: Diagnosis): void {
  const { symptom, cause, fix }: Fault = FAULTS[fault];
  printer.line();
  printer.line(["red", fault], ": ", ["bold", symptom]);
  printer.line("  cause  ", cause);
  evidence.forEach((line, i) => {
    printer.line(i === 0 ? "  seen   " : "         ", redactor.brief(line));
  });
  printer.line("  fix    ", fix);
}

export function printTrace(printer: Printer, redactor: Redactor, trace: readonly TracedFrame[]): void {
  printer.line();
  printer.line(["bold", trace.length === 0 ? "no frame was sent or received" : "the frames, in order:"]);
  for (const traced of trace) printer.line(...frameLine(traced, redactor, { full: false, named: true }));
}

/** A diagnosis as JSON has it. */
export function diagnosisJson(diagnosis: Diagnosis | null, redactor: Redactor): object | null {
  if (diagnosis === null) return null;
  const { kind, symptom, cause, fix }: Fault = FAULTS[diagnosis.fault];
  return {
    fault: diagnosis.fault,
    kind,
    symptom,
    cause,
    fix,
    evidence: diagnosis.evidence.map((line) => redactor.brief(line)),
  };
}

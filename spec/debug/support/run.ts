import { expect } from "chai";
import { type Clock, systemClock } from "../../../lib/clock.ts";
import { main } from "../../../lib/debug/cli/program.ts";
import { FAULTS, type Fault, type FaultId } from "../../../lib/debug/doctor/faults.ts";
import { EXIT } from "../../../lib/debug/exit-codes.ts";
import { afterTest } from "../../support/teardown.ts";

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly isTTY?: boolean;
  /** Called for each line as it is printed. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line within this process. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const printed = { stdout: "", stderr: "" };
  const abort = new AbortController();
  afterTest(() => abort.abort());
  const output = (name: "stdout" | "stderr") => ({
    isTTY: options.isTTY ?? false,
    write(text: string) {
      printed[name] += text;
      if (options.onLine !== undefined) for (const line of text.split("\n")) options.onLine(line);
    },
  });
  async function* stdin() {
    if (options.stdin === undefined) throw new Error("nobody should read the standard input");
    yield options.stdin;
  }
  const code = await main(argv, {
    stdin: stdin(),
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: options.env ?? {},
    clock: options.clock ?? systemClock,
    signal: options.signal ?? abort.signal,
  });
  return { code, ...printed };
}

/** What `doctor --json` prints. */
export interface DoctorJson {
  readonly url: string;
  readonly topic: string | null;
  readonly healthy: boolean;
  readonly exitCode: number;
  readonly steps: readonly { name: string; status: string; ms: number; detail: string }[];
  readonly diagnosis: (Fault & { fault: FaultId; evidence: string[] }) | null;
  readonly notes: readonly string[];
  readonly trace?: readonly Record<string, unknown>[];
}

/** Runs the doctor, and parses its report. */
export async function doctor(argv: readonly string[], options: RunOptions = {}): Promise<DoctorJson> {
  const { code, stdout, stderr } = await run(["doctor", ...argv, "--json"], options);
  expect(stderr).to.equal("");
  const report = JSON.parse(stdout) as DoctorJson;
  expect(report.exitCode).to.equal(code);
  return report;
}

/** Runs the doctor and expects a fault, found at a step, with evidence in which the words are. */
export async function expectFault(
  fault: FaultId,
  step: string,
  argv: readonly string[],
  words: readonly (string | RegExp)[] = [],
  options: RunOptions = {},
): Promise<DoctorJson> {
  const report = await doctor(argv, options);
  const found = JSON.stringify(report.diagnosis, null, 1);
  expect(report.diagnosis?.fault, found).to.equal(fault);
  const { kind, symptom, cause, fix }: Fault = FAULTS[fault];
  expect(report.diagnosis).to.include({ kind, symptom, cause, fix });
  expect(report.exitCode).to.equal(EXIT[kind]);
  expect(report.healthy).to.equal(false);
  const last = report.steps.at(-1);
  expect(`${last?.name} ${last?.status}`, found).to.equal(
    `${step} ${fault === "slow_server" ? "ok" : "failed"}`,
  );
  const evidence = report.diagnosis?.evidence.join("\n") ?? "";
  for (const word of words) {
    if (typeof word === "string") expect(evidence).to.include(word);
    else expect(evidence).to.match(word);
  }
  return report;
}

import type { OpLog } from "../documents/log/op-log.ts";
import { ConfigError, describe as show } from "../errors.ts";
import { appendCases } from "./op-log/appends.ts";
import { checkpointCases } from "./op-log/checkpoints.ts";
import { lifeCases } from "./op-log/life.ts";
import { nameCases } from "./op-log/names.ts";
import { readCases } from "./op-log/reads.ts";
import type { Case, OpLogHarness } from "./op-log/trial.ts";
import { Trial } from "./op-log/trial.ts";

export { recordId } from "../documents/record.ts";
export type { OpLogHarness } from "./op-log/trial.ts";

/** One thing that a log must do. */
export interface OpLogCase {
  readonly name: string;
  /** Opens a log, tries it and closes it. Rejects with an AssertionError of node:assert if it does something else. */
  run(): Promise<void>;
}

/** The functions of a test runner: mocha, vitest, jest and node:test have them. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
}

/**
 * All that a log must do, for a runner without `describe` and `it`, or for none.
 *
 * @throws ConfigError (`invalid_argument`)
 */
export function opLogCases(harness: OpLogHarness): OpLogCase[] {
  if (typeof harness !== "object" || harness === null || typeof harness.open !== "function") {
    throw new ConfigError("invalid_argument", `a log's suite needs {open}, got ${show(harness)}`);
  }
  const cases: Case[] = [
    ...appendCases,
    ...readCases,
    ...checkpointCases,
    ...nameCases,
    ...lifeCases.filter(({ needs }) => needs === undefined || harness[needs] !== undefined),
  ];
  return cases.map(({ name, run }) => ({ name, run: () => inTrial(harness, run) }));
}

/**
 * Declares the suite that every log must pass, one test for each case.
 *
 * ```ts
 * import { describe, it } from "node:test";
 *
 * opLogSuite("MyLog", { open: async () => new MyLog(await emptyDatabase()) }, { describe, it });
 * ```
 *
 * @param runner Defaults to the globals `describe` and `it`, which mocha and jest have.
 * @throws ConfigError (`invalid_argument`)
 */
export function opLogSuite(name: string, harness: OpLogHarness, runner?: TestRunner): void {
  const { describe, it } = runner ?? (globalThis as unknown as Partial<TestRunner>);
  if (typeof describe !== "function" || typeof it !== "function") {
    throw new ConfigError(
      "invalid_argument",
      "opLogSuite found no global describe and it: pass those of your test runner as {describe, it}",
    );
  }
  const cases = opLogCases(harness);
  describe(name, () => {
    for (const { name, run } of cases) it(name, run);
  });
}

async function inTrial(harness: OpLogHarness, run: (trial: Trial) => Promise<void>): Promise<void> {
  const opened = new Set<OpLog>();
  const trial = new Trial(harness, await harness.open(), opened);
  try {
    await run(trial);
  } finally {
    for (const log of opened) await log.close();
  }
}

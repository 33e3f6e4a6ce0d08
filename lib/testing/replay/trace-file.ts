import { readFile } from "node:fs/promises";
import { ConfigError, describe } from "../../errors.ts";
import type { TraceStep } from "../../tracing.ts";

/**
 * Reads the steps of a trace, in the order in which they happened: a filter that matches late tells some of them late.
 *
 * @param source A file that `trace.toJSONL()` was written to, or the steps themselves.
 * @throws ConfigError (`invalid_trace`) naming the line that isn't a step.
 */
export async function readTrace(source: unknown): Promise<TraceStep[]> {
  const steps = await read(source);
  return steps.sort((a, b) => a.seq - b.seq);
}

async function read(source: unknown): Promise<TraceStep[]> {
  if (typeof source === "string" || source instanceof URL) {
    const lines = (await readFile(source, "utf8")).split("\n");
    return lines.flatMap((line, i) => (line.trim() === "" ? [] : [parse(line, `line ${i + 1}`)]));
  }
  if (typeof source === "object" && source !== null && Symbol.iterator in source) {
    return Array.from(source as Iterable<unknown>, (step, i) => checked(step, `step ${i + 1}`));
  }
  throw new ConfigError(
    "invalid_argument",
    `replay takes a file's path, or a trace's steps, got ${describe(source)}`,
  );
}

function parse(line: string, where: string): TraceStep {
  let step: unknown;
  try {
    step = JSON.parse(line);
  } catch (cause) {
    const what = `replay: ${where} isn't JSON (${describe(line)}); write the file by trace.toJSONL()`;
    throw new ConfigError("invalid_trace", what, { cause });
  }
  return checked(step, where);
}

function checked(step: unknown, where: string): TraceStep {
  const { step: kind, seq, at, id } = (step ?? {}) as Partial<Record<string, unknown>>;
  if (typeof kind === "string" && typeof seq === "number" && Number.isFinite(at) && typeof id === "string") {
    return step as TraceStep;
  }
  throw new ConfigError("invalid_trace", `replay: ${where} isn't a step of a trace: ${describe(step)}`);
}

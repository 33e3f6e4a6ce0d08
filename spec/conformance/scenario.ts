import { readFileSync } from "node:fs";

/** One thing received, as the transcripts write it: `{frame}`, `{binary}`, `{close}`, `{status, headers, body}`, … */
export type Item = { readonly [key: string]: unknown };

/** An action, under the key that names it, and what arrived between it and a quiet spell. */
export interface Step {
  readonly [action: string]: unknown;
  readonly receives: { readonly [conn: string]: readonly Item[] };
}

export interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
}

export function readScenarios(file: string): Scenario[] {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")) as Scenario[];
}

/** The parts of an action's argument. A part that isn't known would be played wrongly, so it throws. */
export function parts(argument: unknown, known: readonly string[], what: string): Record<string, unknown> {
  if (typeof argument !== "object" || argument === null) throw new Error(`${what} takes an object`);
  const unknown = Object.keys(argument).filter((key) => !key.startsWith("_") && !known.includes(key));
  if (unknown.length > 0) throw new Error(`${what} has parts that this player doesn't know: ${unknown}`);
  return argument as Record<string, unknown>;
}

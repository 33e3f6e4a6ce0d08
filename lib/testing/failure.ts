import { AssertionError } from "node:assert";
import { type Comparison, shown } from "./match.ts";
import type { Transcript } from "./transcript.ts";

/** The message that comes nearest to what an assertion looks for. */
export interface Nearest {
  readonly event: string;
  readonly payload: unknown;
  readonly comparison: Comparison;
}

export interface Failure {
  /** The call, such as `assertPush("new_msg")`. */
  readonly call: string;
  /** What went wrong. */
  readonly what: string;
  readonly transcript: Transcript;
  readonly nearest?: Nearest | null;
  /** What is still at work, in words. */
  readonly flight?: readonly string[];
  /** For a runner's diff, where there is no nearest message. */
  readonly actual?: unknown;
  readonly expected?: unknown;
  readonly hint?: string | null;
}

/** What every assertion of the kit throws. Its `cause` is the latest crash of the app's code, if there was one. */
export function failure(given: Failure): AssertionError {
  const { call, what, transcript, nearest, flight = [], hint } = given;
  const parts = [`${call}: ${what}`];
  if (flight.length > 0) parts.push(["still in flight:", ...flight].join("\n  "));
  if (nearest != null) parts.push(describeNearest(nearest));
  if (hint != null) parts.push(hint);
  parts.push(String(transcript));
  const error = new AssertionError({
    message: parts.join("\n\n"),
    operator: call.split("(", 1)[0],
    actual: nearest?.payload ?? given.actual,
    expected: nearest?.comparison.expected ?? given.expected,
  });
  const cause = transcript.latestError;
  if (cause !== undefined) error.cause = cause;
  return error;
}

function describeNearest({ event, payload, comparison }: Nearest): string {
  const lines = [`nearest: ${event}  ${shown(payload)}`];
  for (const { path, expected, actual } of comparison.differences) {
    lines.push(`  ${path === "" ? "the payload" : path}: expected ${expected}, got ${actual}`);
  }
  return lines.join("\n");
}

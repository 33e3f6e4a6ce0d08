import type { Shown } from "../../tracing.ts";

/** What stands in a trace for the value of a key that `filterParameters` names. */
const FILTERED = "[FILTERED]";
/** What stands in a trace for bytes, and for what is too long to be looked at. */
const SIZE = /^<(\d+) bytes>$/;
const MAX_NAME = 256;
/** What is nested deeper stands as an ellipsis. */
const MAX_DEPTH = 8;
const DEEPER = "…";

export function isFiltered(value: unknown): boolean {
  return value === FILTERED;
}

/** The number of bytes, if a trace has no more of a value than that. */
export function sizeOf(value: unknown): number | null {
  const match = typeof value === "string" ? SIZE.exec(value) : null;
  return match === null ? null : Number(match[1]);
}

/** Why a trace doesn't have all of a payload; null if it does. */
export function missing({ payload, cut }: Shown): string | null {
  if (cut !== undefined) return `its payload of ${cut} characters was cut: record with trace({ maxPayload })`;
  if (sizeOf(payload) !== null) return `its payload was recorded as ${String(payload)}`;
  if (payload === "<unreadable>") return "its payload couldn't be recorded";
  const path = hiddenAt(payload);
  return path === null ? null : `${path} was filtered, or is nested too deep`;
}

/** Where a value that a trace doesn't have is, as `user.token`. */
export function hiddenAt(value: unknown, path: readonly string[] = []): string | null {
  if (isFiltered(value) || isDeeper(value, path.length)) return path.join(".");
  if (typeof value !== "object" || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    const found = hiddenAt(item, [...path, key]);
    if (found !== null) return found;
  }
  return null;
}

/** @param depth Of the value in its payload. */
export function isDeeper(value: unknown, depth: number): boolean {
  return value === DEEPER && depth === MAX_DEPTH;
}

/** Whether a topic, an event or a ref is only the beginning of what it was. */
export function isCut(name: unknown): boolean {
  return typeof name === "string" && name.length === MAX_NAME + 1 && name.endsWith("…");
}

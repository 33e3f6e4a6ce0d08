import { hash } from "node:crypto";

/** Types that only the sequencer writes. */
export const SYSTEM_TYPES: ReadonlySet<string> = new Set([
  "join",
  "leave",
  "summaryAck",
  "summaryNack",
  "noClient",
  "control",
  "tripComplete",
]);

/** The type of an op that only moves the client's reference sequence number, and isn't sequenced. */
export const NOOP = "noop";
export const SUMMARIZE = "summarize";

/** Characters of a summary's handle. */
export const MAX_HANDLE = 1024;

/** A client's op before it has a place in the order. Contents and metadata are JSON text. */
export interface OpDraft {
  readonly type: string;
  /** Null: the next one, whichever that is. */
  readonly csn: number | null;
  /** Null: the head. */
  readonly rsn: number | null;
  readonly contents: string;
  readonly metadata: string | null;
  readonly compression: string | null;
  readonly hash: string;
  /** What a `summarize` proposes. */
  readonly summary: SummaryDraft | null;
}

export interface SummaryDraft {
  readonly handle: string;
  /** The handle of the summary that it follows, null for none. */
  readonly parent: string | null;
  /** Whether the app's hook has found what the handle names. */
  readonly resolves: boolean;
}

/** The hash by which a resent op is known: of its type, contents and metadata as they came. */
export function opHash(type: string, contents: string, metadata: string | null): string {
  return hash("sha256", `${JSON.stringify(type)},${contents},${metadata ?? ""}`, "base64").slice(0, 22);
}

/**
 * What the contents of a `summarize` propose, as an object or as its JSON: `{handle, head}`, with the parent's
 * handle in `head`, or first in `parents`. Null if there is no handle.
 */
export function readSummary(contents: unknown): Omit<SummaryDraft, "resolves"> | null {
  let value = contents;
  if (typeof value === "string") {
    try {
      value = JSON.parse(value);
    } catch {
      return null;
    }
  }
  if (typeof value !== "object" || value === null) return null;
  const { handle, head, parents } = value as Record<string, unknown>;
  // Its answer repeats the handle, twice.
  if (typeof handle !== "string" || handle === "" || handle.length > MAX_HANDLE) return null;
  const parent = head ?? (Array.isArray(parents) ? parents[0] : undefined);
  return { handle, parent: typeof parent === "string" && parent !== "" ? parent : null };
}

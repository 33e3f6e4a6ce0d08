import type { EncodedPayload } from "../protocol/payload.ts";
import type { Shown, ShownError } from "../tracing.ts";

/** Characters of a topic, an event, a ref or a reason. */
const MAX_NAME = 256;
/** Characters of a payload's JSON. */
export const MAX_PAYLOAD = 2_048;
const MAX_MESSAGE = 1_000;
/** What is longer isn't parsed in order to be shown: filtering it would take too long. */
const MAX_PARSED = 64 * 1024;

type Filter = (value: unknown) => unknown;

/** Cuts a text. The rest can be collected: the part of a string that `slice` gives keeps all of it alive. */
export function cut(text: string, max = MAX_NAME): string {
  return text.length <= max ? text : `${Buffer.from(text.slice(0, max)).toString()}…`;
}

/** A value as a step shows it: filtered, plain JSON, and short. */
export function shown(value: unknown, filter: Filter, size = 0, max = MAX_PAYLOAD): Shown {
  if (size > Math.max(max, MAX_PARSED)) return { payload: `<${size} bytes>` };
  let json: string | undefined;
  try {
    json = JSON.stringify(filter(value), (_key, part) => (part instanceof Error ? shownError(part) : part));
  } catch {
    // What the app gives may be a cycle, or an object that throws when it is looked at.
    return { payload: "<unreadable>" };
  }
  if (json === undefined) return {};
  if (json.length > max) return { payload: cut(json, max), cut: json.length };
  // A copy: what the client sent is the app's by now, and may change.
  return { payload: JSON.parse(json) as unknown };
}

export function shownEncoded(payload: EncodedPayload, filter: Filter, max = MAX_PAYLOAD): Shown {
  if (typeof payload !== "string" || payload.length > Math.max(max, MAX_PARSED)) {
    return { payload: `<${payload.length} bytes>` };
  }
  return shown(JSON.parse(payload), filter, 0, max);
}

export function shownError(error: unknown): ShownError {
  try {
    if (error instanceof Error) {
      const { code } = error as { readonly code?: unknown };
      return {
        name: cut(String(error.name)),
        message: cut(String(error.message), MAX_MESSAGE),
        ...(typeof code === "string" ? { code: cut(code) } : {}),
      };
    }
    return { name: typeof error, message: cut(String(error), MAX_MESSAGE) };
  } catch {
    // The app may throw an object that throws when it is looked at.
    return { name: typeof error, message: "<unreadable>" };
  }
}

import type { EncodedPayload } from "../protocol/payload.ts";

/** Longer replies aren't parsed for their reason: each error reply is looked at. */
const MAX_PARSED = 1_000;

/** The reasons of the library's own that are no words by which to look something up. */
const PHRASES: ReadonlySet<string> = new Set([
  "unmatched topic",
  "unmatched event",
  "invalid payload",
  "join crashed",
  "too many channels joined",
]);

/** Such as `rate_limited`, and the reasons of documents. */
const WORD = /^[a-z][a-z0-9_]{0,63}$/;

/** The reason that an error reply gives, if it gives one as the library does. */
export function reasonOf(response: EncodedPayload): string | undefined {
  if (typeof response !== "string" || response.length > MAX_PARSED) return undefined;
  const reason = (JSON.parse(response) as { readonly reason?: unknown } | null)?.reason;
  return typeof reason === "string" ? reason : undefined;
}

/** What an error reply is for who looks for advice: its reason if that is like a code, `error` if it is prose. */
export function codeOf(reason: string | undefined): string {
  if (reason === undefined) return "error";
  if (PHRASES.has(reason)) return reason.replaceAll(" ", "_");
  return WORD.test(reason) ? reason : "error";
}

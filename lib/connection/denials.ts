import type { EncodedPayload } from "../protocol/payload.ts";

/** Longer replies aren't parsed for their reason: each error reply is looked at. */
const MAX_PARSED = 1_000;

/** The reasons of the library's own error replies; those of parts that stand on channels are the app's, too. */
const OWN: ReadonlySet<string> = new Set([
  "unmatched topic",
  "unmatched event",
  "invalid payload",
  "join crashed",
  "too many channels joined",
  "rate_limited",
  "malformed_token",
]);

/** The reason that an error reply gives, if it gives one as the library does. */
export function reasonOf(response: EncodedPayload): string | undefined {
  if (typeof response !== "string" || response.length > MAX_PARSED) return undefined;
  const reason = (JSON.parse(response) as { readonly reason?: unknown } | null)?.reason;
  return typeof reason === "string" ? reason : undefined;
}

/** What an error reply is for who looks for advice: stable, as docs/errors.md lists the reasons. */
export function codeOf(reason: string | undefined): string {
  return reason !== undefined && OWN.has(reason) ? reason.replaceAll(" ", "_") : "error";
}

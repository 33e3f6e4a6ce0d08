import { describe, ReturnError } from "../errors.ts";
import { type Entries, type PresenceEntry, sealed } from "./entries.ts";

/**
 * Entries with what `fetch` has returned for their keys. Their metas stay as they are; keys that it left out do so
 * too, and those that it made up are not there.
 *
 * @throws ReturnError (`invalid_return`)
 */
export function decorate(entries: Entries, fetched: unknown): Entries {
  if (fetched === entries) return entries;
  const decorations = record(fetched, "the entries by key");
  const decorated: Record<string, PresenceEntry> = Object.create(null);
  for (const [key, entry] of Object.entries(entries)) {
    // Its own only: a key may be called "constructor".
    const decoration = Object.hasOwn(decorations, key) ? decorations[key] : undefined;
    decorated[key] =
      decoration === undefined || decoration === entry
        ? entry
        : Object.freeze({
            ...record(decoration, `an object for the key ${describe(key)}`),
            metas: entry.metas,
          });
  }
  return sealed(decorated);
}

function record(value: unknown, expected: string): Record<string, unknown> {
  // Not an array, a Map, a promise: what JSON would make of them is not what was meant.
  if (Object.prototype.toString.call(value) === "[object Object]") return value as Record<string, unknown>;
  throw new ReturnError(
    "invalid_return",
    `Presence.fetch returned ${describe(value)}; expected ${expected}, as in {[key]: {metas, …}}`,
  );
}

/**
 * How deep a value may be nested that clients send to each other through a document: more than any has that makes
 * sense, and little enough for every writer and reader on its way, today's and those that load the log later.
 */
export const MAX_NESTING = 256;

/** Whether a value, as it was parsed, is nested deeper than {@link MAX_NESTING}. */
export function isTooDeep(value: unknown, left = MAX_NESTING): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (left === 0) return true;
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return items.some((item) => isTooDeep(item, left - 1));
}

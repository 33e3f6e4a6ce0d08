/**
 * How deep what clients send may be nested, if it is kept. The parser takes any depth, the writer only what its
 * stack holds: what was written once has to be written again, elsewhere and inside of other things.
 */
export const MAX_NESTING = 500;

/** Whether a value is nested too deep to be kept. @param json The same value as text. */
export function isTooDeep(value: unknown, json: string): boolean {
  // Each level takes two characters, so most values needn't be looked at.
  if (json.length <= 2 * MAX_NESTING) return false;
  let level = nested([value]);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === MAX_NESTING) return true;
    level = nested(level.flatMap((item) => Object.values(item)));
  }
  return false;
}

function nested(values: readonly unknown[]): object[] {
  return values.filter((value) => typeof value === "object" && value !== null) as object[];
}

const UNITS: readonly [name: string, ms: number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

/** A span of time in its two largest units: "2 hours 5 minutes". */
export function span(ms: number): string {
  let left = Math.round(Math.abs(ms) / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "less than a second";
}

/** Where a moment lies, seen from another: "3 minutes ago", "in 2 hours". */
export function relative(ms: number, now: number): string {
  return ms <= now ? `${span(now - ms)} ago` : `in ${span(ms - now)}`;
}

const MAX_DATE = 8.64e15;

/** A moment, to the second: "2026-11-25T19:00:00Z". */
export function moment(ms: number): string {
  if (!(Math.abs(ms) <= MAX_DATE)) return "no time at all";
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

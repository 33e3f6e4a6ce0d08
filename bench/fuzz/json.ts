import type { Random } from "../support/random.ts";

/** Names and texts that have broken something somewhere. */
const TEXTS = [
  "",
  "1",
  "room:a",
  "room:b",
  "room:",
  "phoenix",
  "heartbeat",
  "phx_join",
  "phx_leave",
  "phx_reply",
  "echo",
  "shout",
  "toString",
  "constructor",
  "__proto__",
  "hasOwnProperty",
  "then",
  "toJSON",
  "\u0000room:a",
  "\ufeffroom:a",
  "\u2028\u2029",
  "grüße 👋",
  '"\\/\b\f\n\r\t',
  "x".repeat(255),
  "ü".repeat(200),
];

/** As they stand in JSON: some of them can't be made by JSON.stringify. */
const SCALARS = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "1",
  "-1.5e-7",
  "9007199254740993",
  "1e400",
  '"\\ud800"',
  '"\\u0000"',
];

/** A string, in JSON. */
export function jsonText(random: Random): string {
  return JSON.stringify(random.pick(TEXTS));
}

/** Any value, in JSON: built as text, so that keys may come twice and numbers may be too large. */
export function jsonValue(random: Random, depth = 3): string {
  const kind = random.below(depth > 0 ? 10 : 6);
  if (kind < 3) return jsonText(random);
  if (kind < 6) return random.pick(SCALARS);
  if (kind === 6 && random.chance(0.02)) return nested(random.between(100, 20_000));
  const items = Array.from({ length: random.below(4) }, () => jsonValue(random, depth - 1));
  if (kind < 8) return `[${items.join(random.pick([",", " , ", ",\n"]))}]`;
  return jsonObject(items.map((item) => [jsonText(random), item]));
}

/** An object, in JSON, of keys and values in JSON. */
export function jsonObject(entries: readonly (readonly [key: string, value: string])[]): string {
  return `{${entries.map(([key, value]) => `${key}:${value}`).join(",")}}`;
}

/** Deeper than a recursive function would bear. */
function nested(depth: number): string {
  return `${"[".repeat(depth)}1${"]".repeat(depth)}`;
}

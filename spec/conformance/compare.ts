import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import type { Item } from "./scenario.ts";

type Json = { readonly [key: string]: unknown };

const ABBREVIATION = /^<\d+ chars, sha1 [0-9a-f]{12}>$/;
/** Headers whose absence says as much as their value: compared also where none is recorded. */
const NEGOTIATED = ["sec-websocket-protocol", "sec-websocket-extensions"];
/** Headers whose values are names in whatever case. */
const CASELESS = ["connection", "upgrade"];

/** Compares what a connection received in a step with what the recorded server sent it there. */
export function compare(received: readonly Item[], recorded: readonly Item[], where: string): void {
  const items = presenceInOrder(received);
  const expected = presenceInOrder(recorded).map((item, i) => chosen(items[i], item));
  const actual = items.map((item, i) => comparable(item, expected[i]));
  expect(actual, where).to.deep.equal(expected);
}

/** Of a recorded item and its `also`, the one that is equal to what was received; else the recorded one. */
function chosen(received: Item | undefined, recorded: Item): unknown {
  const { also, ...main } = recorded;
  const first = normal(main);
  if (also === undefined || received === undefined) return first;
  const others = [also].flat().map(normal);
  return others.find((other) => isDeepStrictEqual(comparable(received, other), other)) ?? first;
}

/** A recorded value without what isn't to be compared. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key]) => !key.startsWith("_"));
  return Object.fromEntries(entries.map(([key, part]) => [key, normal(part)]));
}

/** A received value in the form of the recorded one that it is compared with. */
function comparable(value: unknown, expected: unknown): unknown {
  if (isObject(value) && "status" in value && "headers" in value && isObject(expected)) {
    return comparableAnswer(value, expected);
  }
  return comparableJson(value, expected);
}

function comparableJson(value: unknown, expected: unknown): unknown {
  if (typeof value === "string") {
    return typeof expected === "string" && ABBREVIATION.test(expected) ? abbreviated(value) : value;
  }
  if (Array.isArray(value)) {
    const list: readonly unknown[] = Array.isArray(expected) ? expected : [];
    return value.map((part, i) => comparableJson(part, list[i]));
  }
  if (!isObject(value)) return value;
  const like = isObject(expected) ? expected : {};
  const parts: [string, unknown][] = [];
  for (const [key, part] of Object.entries(value)) {
    if (key.startsWith("_")) continue;
    const isRef = (key === "phx_ref" || key === "phx_ref_prev") && typeof part === "string" && part !== "";
    const other = Object.hasOwn(like, key) ? like[key] : undefined;
    parts.push([key, isRef ? `<${key}>` : comparableJson(part, other)]);
  }
  return Object.fromEntries(parts);
}

/** Of an HTTP answer, what is recorded: its body's wording may not be, and of the headers those that matter. */
function comparableAnswer(value: Json, expected: Json): Json {
  const answer: Record<string, unknown> = {};
  for (const key of Object.keys(expected)) {
    if (key in value) answer[key] = comparableJson(value[key], expected[key]);
  }
  if (isObject(value.headers) && isObject(expected.headers)) {
    const names = new Set([...Object.keys(expected.headers), ...NEGOTIATED]);
    const headers: Record<string, unknown> = {};
    for (const name of names) {
      if (!Object.hasOwn(value.headers, name)) continue;
      const got = value.headers[name];
      const want = expected.headers[name];
      headers[name] = CASELESS.includes(name) && caseless(got) === caseless(want) ? want : got;
    }
    answer.headers = headers;
  }
  return answer;
}

/** How the transcripts write a long string. */
function abbreviated(text: string): string {
  const sha1 = createHash("sha1").update(text).digest("hex").slice(0, 12);
  return `<${text.length} chars, sha1 ${sha1}>`;
}

/** Puts each presence_state before the presence_diffs of its topic beside it: either order is right. */
export function presenceInOrder(items: readonly Item[]): Item[] {
  const ordered = [...items];
  for (let i = 1; i < ordered.length; i++) {
    for (let j = i; j > 0; j--) {
      const [before, item] = [eventOf(ordered[j - 1]), eventOf(ordered[j])];
      if (item?.event !== "presence_state" || before?.event !== "presence_diff") break;
      if (item.topic !== before.topic) break;
      ordered.splice(j - 1, 2, ordered[j] as Item, ordered[j - 1] as Item);
    }
  }
  return ordered;
}

function eventOf(item: Item | undefined): { readonly topic: unknown; readonly event: unknown } | null {
  const frame = item?.frame;
  if (Array.isArray(frame)) return { topic: frame[2], event: frame[3] };
  return isObject(frame) ? { topic: frame.topic, event: frame.event } : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function caseless(value: unknown): unknown {
  return typeof value === "string" ? value.toLowerCase() : value;
}

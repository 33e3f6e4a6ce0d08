import { type Comparison, type Difference, shown } from "../match.ts";
import { isDeeper, isFiltered, sizeOf } from "./recorded.ts";

/** Of the library's own: another with each run. */
const VOLATILE = ["phx_ref", "phx_ref_prev"];

/**
 * Compares what a server sends with what it sent when the trace was recorded, and learns what stands for what: an id
 * that the server has drawn anew is put in the place of the recorded one, wherever that comes up again.
 */
export class Likeness {
  readonly #volatile: ReadonlySet<string>;
  readonly #learned = new Map<string, string>();

  /** @param volatile The keys whose values differ from run to run. */
  constructor(volatile: readonly string[]) {
    this.#volatile = new Set([...VOLATILE, ...volatile]);
  }

  /** A recorded value, with what has been learned in its place. */
  translate(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.translate(item));
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.#learned.get(key) ?? key, this.translate(item)]),
    );
  }

  /** A recorded text: an id may be all of it, a part of a topic, or somewhere in JSON. */
  text(text: string): string {
    const whole = this.#learned.get(text);
    if (whole !== undefined || this.#learned.size === 0) return whole ?? text;
    const json = jsonIn(text);
    if (json !== undefined) return JSON.stringify(this.translate(json));
    const parts = text.split(":").map((part) => this.#learned.get(part) ?? part);
    return parts.join(":");
  }

  /** Equal, but for what was filtered or is volatile. */
  compare(recorded: unknown, actual: unknown): Comparison {
    const differences: Difference[] = [];
    const expected = this.#walk(recorded, actual, "", 0, differences);
    if (differences.length === 0) this.#learn(recorded, actual, false);
    return { differences, expected };
  }

  #walk(recorded: unknown, actual: unknown, path: string, depth: number, found: Difference[]): unknown {
    if (actual instanceof Uint8Array && sizeOf(recorded) === actual.length) return actual;
    if (actual !== undefined && (isFiltered(recorded) || isDeeper(recorded, depth))) return actual;
    if (Array.isArray(recorded) && Array.isArray(actual)) {
      const length = Math.max(recorded.length, actual.length);
      const items = Array.from({ length }, (_, i) =>
        this.#walk(recorded[i], actual[i], `${path}[${i}]`, depth + 1, found),
      );
      return items.slice(0, recorded.length);
    }
    if (isRecord(recorded) && isRecord(actual)) return this.#entries(recorded, actual, path, depth, found);
    const inner = bothJson(recorded, actual);
    if (inner !== null) return JSON.stringify(this.#walk(inner[0], inner[1], path, depth, found));
    const expected = this.translate(recorded);
    // The same text may mean something else here.
    if (Object.is(expected, actual) || Object.is(recorded, actual)) return actual;
    found.push({ path, expected: shown(expected), actual: shown(actual) });
    return expected;
  }

  #entries(recorded: Entries, actual: Entries, path: string, depth: number, found: Difference[]): unknown {
    const names = new Map(Object.keys(recorded).map((key) => [this.#learned.get(key) ?? key, key]));
    const merged: [string, unknown][] = [];
    for (const name of new Set([...names.keys(), ...Object.keys(actual)])) {
      const own = names.get(name);
      const before = own === undefined ? undefined : recorded[own];
      const now = Object.hasOwn(actual, name) ? actual[name] : undefined;
      const bothThere = before !== undefined && now !== undefined;
      const same = bothThere && this.#volatile.has(name);
      const expected = same ? now : this.#walk(before, now, `${path}.${name}`, depth + 1, found);
      if (expected !== undefined) merged.push([name, expected]);
    }
    return Object.fromEntries(merged);
  }

  #learn(recorded: unknown, actual: unknown, volatile: boolean): void {
    const inner = bothJson(recorded, actual);
    if (inner !== null) {
      this.#learn(inner[0], inner[1], volatile);
    } else if (typeof recorded === "string" && typeof actual === "string") {
      if (volatile && recorded !== actual && !isFiltered(recorded)) this.#learned.set(recorded, actual);
    } else if (Array.isArray(recorded) && Array.isArray(actual)) {
      for (const [i, item] of recorded.entries()) this.#learn(item, actual[i], volatile);
    } else if (isRecord(recorded) && isRecord(actual)) {
      for (const [key, item] of Object.entries(recorded)) {
        const name = this.#learned.get(key) ?? key;
        this.#learn(item, Object.hasOwn(actual, name) ? actual[name] : undefined, this.#volatile.has(name));
      }
    }
  }
}

type Entries = Readonly<Record<string, unknown>>;

/** What a text of JSON holds, as in the `data` of a document's ops; undefined for any other text. */
function jsonIn(text: unknown): unknown {
  if (typeof text !== "string" || !/^[[{"]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function bothJson(recorded: unknown, actual: unknown): [unknown, unknown] | null {
  const [before, now] = [jsonIn(recorded), jsonIn(actual)];
  return before === undefined || now === undefined ? null : [before, now];
}

function isRecord(value: unknown): value is Entries {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

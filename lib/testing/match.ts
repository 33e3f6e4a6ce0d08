import { inspect } from "node:util";
import { ConfigError, describe } from "../errors.ts";

/** Any class, the built-in ones too. */
export type AnyClass = abstract new (...args: never[]) => unknown;

/** Matches by kind: made by `kit.any`. */
export class Any {
  readonly #type: AnyClass | typeof BigInt | typeof Symbol | undefined;

  constructor(type: AnyClass | undefined) {
    this.#type = type;
  }

  matches(value: unknown): boolean {
    switch (this.#type as unknown) {
      case undefined:
        return value !== undefined && value !== null;
      case String:
        return typeof value === "string";
      case Number:
        return typeof value === "number";
      case Boolean:
        return typeof value === "boolean";
      default:
        return value instanceof (this.#type as never);
    }
  }

  toString(): string {
    return this.#type === undefined ? "anything" : `any ${(this.#type as { name: string }).name}`;
  }

  [inspect.custom](): string {
    return `<${this}>`;
  }
}

/** @throws ConfigError (`invalid_argument`) */
export function any(type?: AnyClass): Any {
  if (type === undefined || typeof type === "function") return new Any(type);
  throw new ConfigError(
    "invalid_argument",
    `any takes a class such as String, or nothing, got ${describe(type)}`,
  );
}

/** Where a value isn't what a pattern says. */
export interface Difference {
  /** Such as `.user.name`; empty for the value itself. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
}

/** What comes of comparing a value with a pattern. */
export interface Comparison {
  readonly differences: readonly Difference[];
  /** The value with the pattern's parts in the place of what differs, for a runner's own diff. */
  readonly expected: unknown;
}

const BUILT_IN: ReadonlySet<unknown> = new Set([
  String,
  Number,
  Boolean,
  Object,
  Array,
  Date,
  RegExp,
  Uint8Array,
  Buffer,
]);

/**
 * Compares a value with a pattern. A part of an object is enough, at any depth; lists match item by item; a function
 * is asked, a RegExp tested, `any(…)` and the asymmetric matchers of jest, vitest and chai decide for themselves;
 * all else must be equal.
 *
 * @throws ConfigError (`invalid_argument`) for a class as a pattern, which is always a mistake.
 */
export function compare(value: unknown, pattern: unknown): Comparison {
  const differences: Difference[] = [];
  const expected = walk(value, pattern, "", differences);
  return { differences, expected };
}

function walk(value: unknown, pattern: unknown, path: string, found: Difference[]): unknown {
  if (typeof pattern === "function") return ask(value, pattern as (value: unknown) => unknown, path, found);
  if (pattern instanceof Any) return decided(pattern.matches(value), value, String(pattern), path, found);
  if (pattern instanceof RegExp) {
    const matches = typeof value === "string" && new RegExp(pattern.source, pattern.flags).test(value);
    return decided(matches, value, `a string that matches ${pattern}`, path, found);
  }
  if (isAsymmetric(pattern)) {
    return decided(pattern.asymmetricMatch(value), value, shown(pattern), path, found);
  }
  if (pattern instanceof Uint8Array) {
    const same = value instanceof Uint8Array && Buffer.compare(value, pattern) === 0;
    return decided(same, value, shown(pattern), path, found, pattern);
  }
  if (Array.isArray(pattern)) return list(value, pattern, path, found);
  if (typeof pattern === "object" && pattern !== null) {
    return part(value, pattern as Record<string, unknown>, path, found);
  }
  return decided(Object.is(value, pattern), value, shown(pattern), path, found, pattern);
}

function decided(
  matches: boolean,
  value: unknown,
  expected: string,
  path: string,
  found: Difference[],
  instead: unknown = `<${expected}>`,
): unknown {
  if (matches) return value;
  found.push({ path, expected, actual: shown(value) });
  return instead;
}

function ask(
  value: unknown,
  predicate: (value: unknown) => unknown,
  path: string,
  found: Difference[],
): unknown {
  if (BUILT_IN.has(predicate) || /^class\b/.test(Function.prototype.toString.call(predicate))) {
    const { name } = predicate;
    throw new ConfigError("invalid_argument", `a class is no pattern: write kit.any(${name}) for ${name}`);
  }
  const name = predicate.name === "" ? "a function" : `${predicate.name}()`;
  let verdict: unknown;
  try {
    verdict = predicate(value);
  } catch (error) {
    const said = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    return decided(false, value, `what ${name} takes, which threw: ${said}`, path, found);
  }
  const answer = verdict === false || verdict === true ? "" : `, which returned ${describe(verdict)}`;
  return decided(verdict === true, value, `what ${name} says true to${answer}`, path, found);
}

function list(value: unknown, pattern: readonly unknown[], path: string, found: Difference[]): unknown {
  if (!Array.isArray(value) || value.length !== pattern.length) {
    return decided(false, value, `${shown(pattern)} (${pattern.length} items)`, path, found, [...pattern]);
  }
  return pattern.map((item, i) => walk(value[i], item, `${path}[${i}]`, found));
}

function part(value: unknown, pattern: Record<string, unknown>, path: string, found: Difference[]): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    return decided(false, value, shown(pattern), path, found, pattern);
  }
  // Entries, not a spread: a key may be __proto__.
  const merged = new Map(Object.entries(value));
  for (const key of Object.keys(pattern)) {
    const step = /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const own = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    const expected = walk(own, pattern[key], `${path}${step}`, found);
    if (expected === undefined) merged.delete(key);
    else merged.set(key, expected);
  }
  return Object.fromEntries(merged);
}

interface Asymmetric {
  asymmetricMatch(value: unknown): boolean;
}

function isAsymmetric(value: unknown): value is Asymmetric {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Partial<Asymmetric>).asymmetricMatch === "function"
  );
}

/** A value on one line. */
export function shown(value: unknown, max = 200): string {
  const text = inspect(value, {
    depth: 6,
    breakLength: Number.POSITIVE_INFINITY,
    compact: true,
    maxArrayLength: 20,
  });
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

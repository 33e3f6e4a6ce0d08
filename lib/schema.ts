import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ConfigError, describe } from "./errors.ts";

/** Any schema of the Standard Schema interface: zod, valibot, arktype and others. */
export type Schema<Output = unknown> = StandardSchemaV1<unknown, Output>;

/** What a client learns of a payload that a schema refuses. */
export interface Issue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** A schema's answer: the value to go on with, or why not. */
export type Validated = { readonly value: unknown } | { readonly issues: readonly Issue[] };

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

/** Validates without a promise, unless the schema itself is asynchronous. */
export function validate(schema: Schema, value: unknown): Validated | Promise<Validated> {
  const result = schema["~standard"].validate(value);
  return isPromise(result) ? Promise.resolve(result).then(normalize) : normalize(result);
}

function normalize(result: StandardSchemaV1.Result<unknown>): Validated {
  if (result.issues === undefined) return { value: result.value };
  return {
    issues: result.issues.map(({ message, path }) => ({
      message,
      // Not path.map: arktype's paths are a subclass of Array, whose map makes [0] of [].
      path: Array.from(path ?? [], (segment) => {
        const key = typeof segment === "object" ? segment.key : segment;
        return typeof key === "symbol" ? String(key) : key;
      }),
    })),
  };
}

/** @throws ConfigError (`invalid_option`) if the value isn't a Standard Schema. */
export function assertSchema(value: unknown, where: string): asserts value is Schema {
  // A schema may be a function: arktype's are.
  const standard = (
    (typeof value === "object" || typeof value === "function") && value !== null
      ? (value as { "~standard"?: unknown })["~standard"]
      : undefined
  ) as { validate?: unknown } | undefined;
  if (typeof standard?.validate !== "function") {
    throw new ConfigError(
      "invalid_option",
      `${where} must be a Standard Schema (zod, valibot, arktype, …), got ${describe(value)}`,
    );
  }
}

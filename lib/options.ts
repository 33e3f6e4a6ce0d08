import { ConfigError, describe } from "./errors.ts";

/** What an option takes: its check returns the value to use, or throws. */
export type OptionCheck<T> = (value: unknown, name: string) => T;

/**
 * Checks an object of options against a table. Unknown keys throw, and `undefined` means absent.
 *
 * @throws ConfigError (`unknown_option`, `invalid_option`) naming the option, the value and what it takes.
 */
export function checkOptions<T extends object>(
  given: unknown,
  table: { readonly [K in keyof T]: OptionCheck<T[K]> },
  where: string,
  orElse = "",
): Partial<T> {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ConfigError(
      "invalid_option",
      `${where} takes ${orElse}an object of options, got ${describe(given)}`,
    );
  }
  const checked: Partial<T> = {};
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(table, key)) {
      throw new ConfigError(
        "unknown_option",
        `${where} has no option ${describe(key)}; it has ${Object.keys(table).join(", ")}`,
      );
    }
    if (value === undefined) continue;
    const name = key as keyof T;
    checked[name] = table[name](value, `${where}: ${key}`);
  }
  return checked;
}

export const bool: OptionCheck<boolean> = (value, name) => {
  if (typeof value === "boolean") return value;
  throw new ConfigError("invalid_option", `${name} must be true or false, got ${describe(value)}`);
};

/** A whole number from `min` up. */
export function integer(min: number, unit: string, max = Number.MAX_SAFE_INTEGER): OptionCheck<number> {
  return (value, name) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new ConfigError(
      "invalid_option",
      `${name} must be a number of ${unit} ${range}, got ${describe(value)}`,
    );
  };
}

export const strings: OptionCheck<readonly string[]> = (value, name) => {
  if (!Array.isArray(value)) {
    throw new ConfigError("invalid_option", `${name} must be a list of strings, got ${describe(value)}`);
  }
  for (const item of value) {
    if (typeof item !== "string") {
      throw new ConfigError("invalid_option", `${name} must be a list of strings, one is ${describe(item)}`);
    }
  }
  return [...value];
};

export function method<T>(value: unknown, name: string): T {
  if (typeof value === "function") return value as T;
  throw new ConfigError("invalid_option", `${name} must be a function, got ${describe(value)}`);
}

/** An object that has the methods. */
export function having<T>(...methods: string[]): OptionCheck<T> {
  return (value, name) => {
    const target = value as Record<string, unknown> | null;
    const missing = methods.find((m) => typeof target !== "object" || typeof target?.[m] !== "function");
    if (missing === undefined) return value as T;
    throw new ConfigError(
      "invalid_option",
      `${name} must have the methods ${methods.join(", ")}, got ${describe(value)}`,
    );
  };
}

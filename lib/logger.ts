import { ConfigError, describe } from "./errors.ts";

/**
 * Where the library reports, in the shape of pino: an object of details, then the message. `console` has it
 * too. The library itself never prints.
 */
export interface Logger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export type LogLevel = keyof Logger;

export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const quietLogger: Logger = Object.freeze({ debug() {}, info() {}, warn() {}, error() {} });

/** Checks a logger, and guards it: one that throws must not take a connection with it. */
export function guardedLogger(logger: unknown): Logger {
  const given = logger as Partial<Logger> | null;
  for (const level of LOG_LEVELS) {
    if (typeof given !== "object" || given === null || typeof given[level] !== "function") {
      throw new ConfigError(
        "invalid_option",
        `logger needs the methods debug, info, warn and error (pino and console have them), got ${describe(logger)}`,
      );
    }
  }
  const target = given as Logger;
  const at = (level: LogLevel) => (details: object, message: string) => {
    try {
      target[level](details, message);
    } catch {
      // There is nowhere left to report to.
    }
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const FILTERED = "[FILTERED]";
const MAX_DEPTH = 8;

/**
 * Replaces the values of keys that contain one of the words, at any depth (`filter_parameters`), for logs and
 * traces; and of `key` beside `clientId`, whatever the words. Cuts what is nested deeper than a reader would follow, and shows bytes by their number.
 */
export function filterParameters(value: unknown, words: readonly string[], depth = 0): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (depth === MAX_DEPTH) return "…";
  if (Array.isArray(value)) return value.map((item) => filterParameters(item, words, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const lower = key.toLowerCase();
      const hidden = words.some((word) => lower.includes(word)) || isResumeKey(key, value);
      return [key, hidden ? FILTERED : filterParameters(item, words, depth + 1)];
    }),
  );
}

/** A document's client goes on from another one by `{clientId, key}`: who has both can take its place. */
function isResumeKey(key: string, beside: object): boolean {
  return key === "key" && Object.hasOwn(beside, "clientId");
}

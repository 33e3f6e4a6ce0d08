import type { IncomingMessage } from "node:http";
import { ConfigError, describe, ReturnError } from "../errors.ts";
import type { Refused } from "./accept.ts";

/**
 * Which origins may connect (Phoenix's `check_origin`): `true` for those whose host is the Host header's, a list
 * such as `["https://example.com", "//example.com:8443", "//*.example.com"]`, a function, or `false` for all.
 */
export type CheckOrigin =
  | boolean
  | readonly string[]
  | ((origin: string, request: IncomingMessage) => boolean);

/** Null if a request may go on. One without an Origin header comes from no browser, and may. */
export type OriginCheck = (request: IncomingMessage) => Refused | null;

/** @throws ConfigError (`invalid_option`) */
export function originCheck(option: unknown): OriginCheck {
  if (option === false) return () => null;
  const allowed = option === true ? sameHost : typeof option === "function" ? custom(option) : listed(option);
  return (request) => {
    const { origin, host } = request.headers;
    try {
      if (origin === undefined || allowed(origin, request)) return null;
    } catch (err) {
      return { cause: "origin_crashed", status: 500, details: { err, error: "checkOrigin crashed" } };
    }
    const error = 'another origin: name it in the mount\'s checkOrigin, as ["https://example.com"]';
    return { cause: "origin", status: 403, details: { origin, host, error } };
  };
}

type Allowed = (origin: string, request: IncomingMessage) => boolean;

const sameHost: Allowed = (origin, request) => {
  const url = parse(origin);
  const { host: header } = request.headers;
  const host = header === undefined ? null : parse(`http://${header}`);
  return url !== null && host !== null && url.hostname === host.hostname;
};

function custom(check: unknown): Allowed {
  return (origin, request) => {
    const allowed: unknown = (check as Allowed)(origin, request);
    // A promise is truthy, and would let in everybody.
    if (typeof allowed === "boolean") return allowed;
    throw new ReturnError(
      "invalid_return",
      `checkOrigin returned ${describe(allowed)}; expected true or false`,
    );
  };
}

function listed(option: unknown): Allowed {
  if (!Array.isArray(option)) {
    throw new ConfigError(
      "invalid_option",
      `checkOrigin must be true, false, a list of origins or a function, got ${describe(option)}`,
    );
  }
  const patterns = option.map(pattern);
  return (origin) => {
    const url = parse(origin);
    return url !== null && patterns.some((matches) => matches(url));
  };
}

// scheme://host:port, of which the scheme and the port may be absent.
const PATTERN =
  /^(?:([a-z][a-z0-9+.-]*):)?\/\/((?:\*\.)?(?:[^\s/:*?#[\]@]+|\[[0-9a-f:.]+\]))(?::(\d{1,5}))?\/?$/i;

function pattern(entry: unknown): (url: URL) => boolean {
  const parts = typeof entry === "string" ? PATTERN.exec(entry) : null;
  if (parts === null) {
    throw new ConfigError(
      "invalid_option",
      `checkOrigin has the entry ${describe(entry)}; write it as "https://example.com", "//example.com:8443" or "//*.example.com"`,
    );
  }
  const scheme = parts[1]?.toLowerCase();
  const host = (parts[2] ?? "").toLowerCase();
  const suffix = host.startsWith("*.") ? host.slice(1) : null;
  const port = parts[3] ?? (scheme === undefined ? undefined : defaultPort(`${scheme}:`));
  return (url) =>
    (scheme === undefined || url.protocol === `${scheme}:`) &&
    (port === undefined || (url.port || defaultPort(url.protocol)) === port) &&
    (suffix === null
      ? url.hostname === host
      : url.hostname === suffix.slice(1) || url.hostname.endsWith(suffix));
}

function defaultPort(protocol: string): string | undefined {
  if (protocol === "https:" || protocol === "wss:") return "443";
  if (protocol === "http:" || protocol === "ws:") return "80";
  return undefined;
}

function parse(url: string): URL | null {
  try {
    const parsed = new URL(url);
    return parsed.hostname === "" ? null : parsed;
  } catch {
    return null;
  }
}

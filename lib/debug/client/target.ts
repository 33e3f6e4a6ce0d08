import type { Clock } from "../../clock.ts";
import { type Handshake, handshake } from "./websocket.ts";

/** Where to connect, and with what. */
export interface Target {
  /** The WebSocket's address, with the params and without `vsn`. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly origin: string | null;
  /** Travels in the subprotocol, as the official client's `authToken`; null for none. */
  readonly authToken: string | null;
  readonly timeoutMs: number;
  /** Whether a certificate must be trusted. */
  readonly rejectUnauthorized: boolean;
}

/** What is other than the target says. */
export interface Variation {
  readonly url?: URL;
  readonly vsn?: string;
  readonly origin?: string | null;
}

export const VSN = "2.0.0";

const SUFFIX = "/websocket";
const AUTH_PREFIX = "base64url.bearer.phx.";

/**
 * The WebSocket's address for what a user gives, which is that of the mount, as for the official client, or the
 * WebSocket's own. Null if it is no such URL.
 */
export function webSocketUrl(given: string): URL | null {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    return null;
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") return null;
  url.hash = "";
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith(SUFFIX) ? path : `${path}${SUFFIX}`;
  if (url.searchParams.has("vsn")) url.searchParams.delete("vsn");
  return url;
}

/** Adds a param, and leaves the query as it is: `searchParams` would repair what may be wrong with it. */
export function addParam(url: URL, name: string, value: string): void {
  const param = `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(value.toWellFormed())}`;
  url.search = url.search === "" ? param : `${url.search}&${param}`;
}

/** Attempts to connect. */
export function attempt(target: Target, clock: Clock, variation: Variation = {}): Promise<Handshake> {
  const { timeoutMs, rejectUnauthorized, authToken } = target;
  const url = new URL(variation.url ?? target.url);
  addParam(url, "vsn", variation.vsn ?? VSN);
  const origin = variation.origin === undefined ? target.origin : variation.origin;
  const headers = origin === null ? target.headers : { ...target.headers, Origin: origin };
  const protocols =
    authToken === null ? [] : ["phoenix", `${AUTH_PREFIX}${Buffer.from(authToken).toString("base64url")}`];
  return handshake({ url: url.href, headers, protocols, timeoutMs, rejectUnauthorized }, clock);
}

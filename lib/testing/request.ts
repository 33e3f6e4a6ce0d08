import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { ConfigError, describe } from "../errors.ts";
import type { Mount } from "../mount.ts";
import { checkOptions, type OptionCheck } from "../options.ts";
import type { ConnectInfo } from "../transport/connect-info.ts";

/** What a test says of a client besides its params; `connect` gets it as `info`. */
export interface ClientInfo {
  /** @default "websocket", or what the mount has */
  readonly transport?: "websocket" | "longpoll";
  /** The address of the peer. @default "127.0.0.1" */
  readonly remoteAddress?: string;
  /** Headers of the request, such as cookies. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The client's token, for mounts with the option `authToken: true`. */
  readonly authToken?: string;
}

function text(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new ConfigError("invalid_option", `${name} must be a string, got ${describe(value)}`);
}

export const CLIENT_INFO: { readonly [K in keyof ClientInfo]-?: OptionCheck<NonNullable<ClientInfo[K]>> } = {
  transport: (value, name) => {
    if (value === "websocket" || value === "longpoll") return value;
    throw new ConfigError(
      "invalid_option",
      `${name} must be "websocket" or "longpoll", got ${describe(value)}`,
    );
  },
  remoteAddress: text,
  headers: (value, name) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigError("invalid_option", `${name} must be an object of strings, got ${describe(value)}`);
    }
    const entries = Object.entries(value).map(([key, item]) => [
      key.toLowerCase(),
      text(item, `${name}.${key}`),
    ]);
    return Object.fromEntries(entries) as Record<string, string>;
  },
  authToken: text,
};

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkClientInfo(info: unknown, where: string): Partial<ClientInfo> {
  return checkOptions<ClientInfo>(info, CLIENT_INFO, where) as Partial<ClientInfo>;
}

/** What `connect` learns of a client that never sent a request. */
export function connectInfoOf(
  transport: "websocket" | "longpoll",
  path: string,
  query: string,
  { remoteAddress = "127.0.0.1", headers = {}, authToken }: ClientInfo,
  signal: AbortSignal,
): ConnectInfo {
  const uri = new URL(`http://localhost${path}/${transport}`);
  uri.search = query === "" ? "" : `?${query}`;
  if (headers.host !== undefined) uri.host = headers.host;
  const all = { host: uri.host, ...headers };
  // Of a socket that is never opened.
  const request = new IncomingMessage(new NetSocket());
  Object.assign(request, { method: "GET", url: `${uri.pathname}${uri.search}`, headers: all });
  return {
    transport,
    remoteAddress,
    headers: { ...all },
    uri,
    userAgent: headers["user-agent"],
    authToken: authToken ?? null,
    request,
    signal,
  };
}

/** Params as the official client writes them into the address: nested as `user[id]=7`, all of them text. */
export function encodeParams(params: object, parent = ""): string {
  return Object.entries(params)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const name = parent === "" ? key : `${parent}[${key}]`;
      if (typeof value === "object") return encodeParams(value ?? {}, name);
      return `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`;
    })
    .filter((pair) => pair !== "")
    .join("&");
}

/** Where a client of a mount connects to: its params go into the path where that has them, else into the query. */
export function addressOf(
  method: string,
  mount: Mount,
  params: object,
): { path: string; query: string; pathParams: Record<string, string> } {
  const rest = new Map(Object.entries({ vsn: "2.0.0", ...params }));
  const pathParams: Record<string, string> = {};
  let { path } = mount;
  for (const name of mount.pathParams) {
    const value = rest.get(name);
    if (value === undefined) {
      throw new ConfigError("invalid_argument", `${method}: the path ${mount.path} needs the param ${name}`);
    }
    pathParams[name] = String(value);
    rest.delete(name);
    path = path.replace(`:${name}`, encodeURIComponent(String(value)));
  }
  return { path, query: encodeParams(Object.fromEntries(rest)), pathParams };
}

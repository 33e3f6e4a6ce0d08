import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";

/** What `connect` learns of a client besides its params (Phoenix's `connect_info`). Not kept after connect. */
export interface ConnectInfo {
  readonly transport: "websocket" | "longpoll";
  /** The address of the peer: a proxy's, if there is one. Undefined if the client is gone. */
  readonly remoteAddress: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The request's address. Its host is what the client claims. */
  readonly uri: URL;
  readonly userAgent: string | undefined;
  /** The client's `authToken`, for mounts with the option `authToken: true`; else null. */
  readonly authToken: string | null;
  readonly request: IncomingMessage;
  /** Aborted when the client goes, or `connectTimeout` has passed, before connect has answered. */
  readonly signal: AbortSignal;
}

export function connectInfo(
  transport: "websocket" | "longpoll",
  request: IncomingMessage,
  authToken: string | null,
  signal: AbortSignal,
): ConnectInfo {
  const headers = { ...request.headers };
  return {
    transport,
    remoteAddress: request.socket.remoteAddress,
    headers,
    uri: requestUri(request),
    userAgent: headers["user-agent"],
    authToken,
    request,
    signal,
  };
}

function requestUri(request: IncomingMessage): URL {
  const scheme = (request.socket as Partial<TLSSocket>).encrypted === true ? "https" : "http";
  const { path, query } = splitTarget(requestTarget(request));
  const uri = new URL(`${scheme}://localhost`);
  // The setters ignore a Host header that isn't a host, where the constructor would throw.
  uri.host = request.headers.host ?? "localhost";
  uri.pathname = path;
  uri.search = query === "" ? "" : `?${query}`;
  return uri;
}

/** The target as the client sent it: Express takes the part before a mount path off `url`. */
export function requestTarget(request: IncomingMessage): string | undefined {
  const { originalUrl } = request as { originalUrl?: unknown };
  return typeof originalUrl === "string" ? originalUrl : request.url;
}

/** Splits a request's target into its path and its query (without the "?"). */
export function splitTarget(target: string | undefined): { path: string; query: string } {
  const [path = "/", ...rest] = (target ?? "/").split("?");
  return { path, query: rest.join("?") };
}

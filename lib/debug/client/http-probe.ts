import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../clock.ts";
import { readBody } from "./websocket.ts";

export interface PlainAnswer {
  readonly status: number;
  /** The server's time in milliseconds since the epoch, by its Date header; null if there is none. */
  readonly date: number | null;
  readonly body: string;
}

/** A plain GET at a WebSocket's address, as a proxy without upgrades makes of it. Null if it isn't answered. */
export function plainGet(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly rejectUnauthorized: boolean },
): Promise<PlainAnswer | null> {
  const { clock, timeoutMs, rejectUnauthorized } = options;
  const secure = url.protocol === "wss:";
  const target = new URL(url);
  target.protocol = secure ? "https:" : "http:";
  return new Promise((resolve) => {
    const outgoing = (secure ? requestHttps : requestHttp)(target, {
      headers,
      agent: false,
      rejectUnauthorized,
    });
    const finish = (answer: PlainAnswer | null) => {
      cancel();
      outgoing.destroy();
      resolve(answer);
    };
    const cancel = clock.schedule(() => finish(null), timeoutMs);
    outgoing.once("error", () => finish(null));
    outgoing.once("response", (response) => {
      void readBody(response).then((body) => {
        finish({ status: response.statusCode ?? 0, date: dateOf(response.headers.date), body });
      });
    });
    outgoing.end();
  });
}

/** The time of a Date header, or null. */
export function dateOf(header: string | undefined): number | null {
  const time = Date.parse(header ?? "");
  return Number.isNaN(time) ? null : time;
}

/** Whether the port speaks TLS, whatever its certificate. */
export function speaksTls(url: URL, clock: Clock, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: portOf(url),
      // Only whether a handshake comes about counts: nothing is sent over it.
      rejectUnauthorized: false,
    });
    const finish = (speaks: boolean) => {
      cancel();
      socket.destroy();
      resolve(speaks);
    };
    const cancel = clock.schedule(() => finish(false), timeoutMs);
    socket.once("secureConnect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}

/** The port of a URL, also where it is the scheme's own. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "wss:" || url.protocol === "https:" ? 443 : 80;
}

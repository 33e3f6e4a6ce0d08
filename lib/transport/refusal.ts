import { STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import type { Duplex } from "node:stream";
import { ConfigError, describe } from "../errors.ts";

/** Says in the answer to a refused client by which id the server's log and `endpoint.explain` know it. */
export const EXPLAIN_ID = "x-explain-id";

/** The answer to a request that may not connect, as `onRefused` returns it. */
export interface Refusal {
  /** 400 to 599. */
  readonly status: number;
  /** @default "" */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Checks what `onRefused` returned. @throws ConfigError (`invalid_option`) */
export function checkRefusal(value: unknown): Refusal | undefined {
  if (value === undefined || value === null) return undefined;
  const fail = (message: string): never => {
    throw new ConfigError(
      "invalid_option",
      `onRefused must return {status, body?, headers?} or nothing: ${message}`,
    );
  };
  if (typeof value !== "object") return fail(`got ${describe(value)}`);
  const {
    status,
    body = "",
    headers = {},
    ...rest
  } = value as { status?: unknown; body?: unknown; headers?: unknown };
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined)
    return fail(`got the unknown key ${describe(unknown)}; it takes status, body, headers`);
  if (!Number.isInteger(status) || (status as number) < 400 || (status as number) > 599) {
    return fail(`status must be from 400 to 599, got ${describe(status)}`);
  }
  if (typeof body !== "string") return fail(`body must be a string, got ${describe(body)}`);
  if (typeof headers !== "object" || headers === null)
    return fail(`headers must be an object, got ${describe(headers)}`);
  for (const [name, header] of Object.entries(headers)) {
    validateHeaderName(name);
    if (typeof header !== "string")
      return fail(`the header ${name} must be a string, got ${describe(header)}`);
    validateHeaderValue(name, header);
  }
  return { status: status as number, body, headers: headers as Record<string, string> };
}

/** Answers an upgrade request that stays HTTP, and closes. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const { status, body = "", headers = {} } = refusal;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "Connection: close",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers)
      .filter(([name]) => !["connection", "content-length", "transfer-encoding"].includes(name.toLowerCase()))
      .map(([name, value]) => `${name}: ${value}`),
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

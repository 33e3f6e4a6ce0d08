import type { IncomingMessage } from "node:http";
import { isIPv4 } from "node:net";
import { describe, ReturnError } from "../../errors.ts";

/** Decides who may look. */
export type Authorize = (request: IncomingMessage) => boolean | Promise<boolean>;

/** What proxies add to what they pass on. */
const PROXY_HEADERS = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/**
 * Why a request may not see the inspector, for whoever reads the answer; null if it may.
 *
 * @throws ReturnError (`invalid_return`) if `authorize` returns anything but true or false; and what it throws.
 */
export async function refusal(request: IncomingMessage, authorize: Authorize | null): Promise<string | null> {
  if (authorize === null) return remoteness(request);
  const verdict: unknown = await authorize(request);
  if (verdict === true) return null;
  if (verdict === false) return "authorize refused this request.";
  throw new ReturnError(
    "invalid_return",
    `the inspector's authorize must return true or false, got ${describe(verdict)}`,
  );
}

/** Why a request can't be trusted to come from a browser on this machine. */
function remoteness({ socket, headers }: IncomingMessage): string | null {
  if (!isLoopback(socket.remoteAddress ?? "")) {
    return "The inspector is for this machine only, unless it is mounted with authorize.";
  }
  // A page elsewhere whose name was made to lead to this machine has its own name as the host.
  if (!isLocalName(headers.host)) {
    return "The inspector answers to localhost and 127.0.0.1 only, unless it is mounted with authorize.";
  }
  if (PROXY_HEADERS.some((name) => headers[name] !== undefined)) {
    return "This request came through a proxy, behind which nobody is known to be local: mount the inspector with authorize.";
  }
  return null;
}

function isLoopback(address: string): boolean {
  const v4 = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  return address === "::1" || (isIPv4(v4) && v4.startsWith("127."));
}

function isLocalName(host: string | undefined): boolean {
  if (host === undefined) return false;
  let name: string;
  try {
    name = new URL(`http://${host}`).hostname;
  } catch {
    return false;
  }
  return name === "localhost" || name.endsWith(".localhost") || isLoopback(name.replace(/^\[|\]$/g, ""));
}

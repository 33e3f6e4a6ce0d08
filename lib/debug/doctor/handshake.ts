import type { Clock } from "../../clock.ts";
import { plainGet, portOf, speaksTls } from "../client/http-probe.ts";
import { addParam, attempt, type Target, type Variation, VSN } from "../client/target.ts";
import type { Handshake } from "../client/websocket.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { diagnoseForbidden, diagnoseNotFound } from "./handshake-probes.ts";
import { span } from "./time.ts";

type Failed = Exclude<Handshake, { kind: "open" }>;
type Http = Extract<Handshake, { kind: "http" }>;

const SYSTEM_ERRORS: Readonly<Record<string, FaultId>> = {
  ENOTFOUND: "address_unknown",
  EAI_AGAIN: "address_unknown",
  EAI_NODATA: "address_unknown",
  ECONNREFUSED: "connection_refused",
  EHOSTUNREACH: "host_unreachable",
  EHOSTDOWN: "host_unreachable",
  ENETUNREACH: "host_unreachable",
  ENETDOWN: "host_unreachable",
  ETIMEDOUT: "host_unreachable",
};

const CERTIFICATE = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** A `connect` that waits gives up no sooner. */
const SLOW_REFUSAL_MS = 2_000;

/**
 * Finds out why a handshake failed, with further requests that differ from it in one thing.
 *
 * @param ms How long the handshake took.
 */
export async function diagnoseHandshake(
  failed: Failed,
  target: Target,
  clock: Clock,
  ms: number,
): Promise<Diagnosis> {
  switch (failed.kind) {
    case "timeout":
      return failed.connected
        ? diagnosis("handshake_unanswered", `no answer to the request within ${span(target.timeoutMs)}`)
        : diagnosis("host_unreachable", `${place(target)} didn't answer within ${span(target.timeoutMs)}`);
    case "error":
      return diagnoseError(failed.code, failed.message, target, clock);
    case "http":
      return diagnoseStatus(failed, target, clock, ms);
  }
}

function place({ url }: Target): string {
  return `${url.hostname}, port ${portOf(url)}`;
}

async function diagnoseError(
  code: string,
  message: string,
  target: Target,
  clock: Clock,
): Promise<Diagnosis> {
  const { url, timeoutMs } = target;
  const known = SYSTEM_ERRORS[code];
  if (known !== undefined) return diagnosis(known, `${place(target)}: ${code}`);
  if (CERTIFICATE.test(code)) return diagnosis("certificate_refused", `${code}: ${message}`);
  if (/subprotocol/.test(message) && target.authToken !== null) {
    return diagnosis("auth_token_unanswered", "the answer 101 names no subprotocol");
  }
  if (/^Invalid (Upgrade|Sec-WebSocket)|^Server sent/.test(message)) {
    return diagnosis("bad_handshake", message);
  }
  const secure = url.protocol === "wss:";
  if (secure && (code === "EPROTO" || code.startsWith("ERR_SSL_"))) {
    return diagnosis("wrong_scheme", `${place(target)} doesn't speak TLS: try ws://`);
  }
  const isHttp = !code.startsWith("HPE_");
  const isCut = code === "ECONNRESET" || /socket hang up/.test(message);
  if (!secure && (!isHttp || isCut) && (await speaksTls(url, clock, timeoutMs))) {
    return diagnosis("wrong_scheme", `${place(target)} speaks TLS: try wss://`);
  }
  if (!isHttp) return diagnosis("not_http", `${place(target)}: ${message}`);
  if (isCut) return diagnosis("hung_up", `the connection ended before the answer: ${code || message}`);
  return diagnosis("unknown", `the handshake failed: ${code} ${message}`);
}

async function diagnoseStatus(http: Http, target: Target, clock: Clock, ms: number): Promise<Diagnosis> {
  const { status, headers } = http;
  const answer = answered(http);
  switch (status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return diagnosis("redirected", `${answer}, to ${shown(headers.location ?? "nowhere")}`);
    case 401:
    case 407:
      return diagnosis("login_required", answer);
    case 403:
      return diagnoseForbidden(answer, target, (variation) => tries(target, clock, variation));
    case 404:
      return diagnoseNotFound(
        answer,
        target,
        (variation) => tries(target, clock, variation),
        async (url) => (await plainGet(url, target.headers, { clock, ...target }))?.status,
      );
    case 413:
    case 431:
      return diagnosis("message_too_large", `${answer}: the request's headers or query`);
    case 429:
      return diagnosis("rate_limited", answer, ...retryAfter(http));
    case 500:
      return diagnosis("connect_crashed", answer);
    case 502:
    case 504:
      return diagnosis("bad_gateway", answer);
    case 503: {
      const slow = ms >= SLOW_REFUSAL_MS;
      const evidence = `${answer} after ${slow ? span(ms) : "no wait"}`;
      return diagnosis(slow ? "connect_slow" : "draining", evidence, ...retryAfter(http));
    }
    case 400:
    case 405:
    case 426:
    case 501:
      return diagnoseUnupgraded(http, target, clock);
    default:
      if (status >= 200 && status < 300) return diagnosis("not_websocket", answer);
      return diagnosis("unknown", answer);
  }
}

/** The server has no upgrade before it: it said so, as it says to a plain request. */
async function diagnoseUnupgraded(http: Http, target: Target, clock: Clock): Promise<Diagnosis> {
  const answer = answered(http);
  if (target.url.search !== "") {
    const url = new URL(target.url);
    url.search = "";
    const bare = await tries(target, clock, { url });
    if (!(bare.kind === "http" && bare.status === http.status)) {
      return diagnosis("query_refused", answer, "the same request without the params isn't answered so");
    }
  }
  const url = new URL(target.url);
  addParam(url, "vsn", VSN);
  const plain = await plainGet(url, target.headers, { clock, ...target });
  if (plain?.status !== http.status) {
    return diagnosis("not_websocket", answer, `a plain GET gets ${plain?.status ?? "no answer"}`);
  }
  const evidence = [answer, "a plain GET of the same address, without the upgrade, gets the same answer"];
  const { via, server } = http.headers;
  if (via !== undefined) evidence.push(`the answer came through a proxy: Via: ${via}`);
  if (server !== undefined) evidence.push(`the answer is signed "Server: ${server}"`);
  return diagnosis("proxy_eats_upgrade", ...evidence);
}

/** A handshake that differs; what it opens is cut. */
async function tries(target: Target, clock: Clock, variation: Variation): Promise<Handshake> {
  const result = await attempt(target, clock, variation);
  if (result.kind === "open") result.socket.cut();
  return result;
}

function retryAfter({ headers }: Http): string[] {
  const value = headers["retry-after"];
  return value === undefined ? [] : [`Retry-After: ${value}`];
}

/** The answer, in a sentence: its status, and the body if it is a short text. */
function answered({ status, headers, body }: Http): string {
  const text = body.trim();
  const isPage = /html/i.test(String(headers["content-type"] ?? "")) || text.startsWith("<");
  if (text === "") return `the answer is ${status}`;
  return `the answer is ${status}${isPage ? ", a web page" : `: ${shown(text)}`}`;
}

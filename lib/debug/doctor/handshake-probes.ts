import { type Target, type Variation, VSN } from "../client/target.ts";
import type { Handshake } from "../client/websocket.ts";
import { type Diagnosis, diagnosis } from "./diagnosis.ts";

type Try = (variation: Variation) => Promise<Handshake>;

/** Older clients speak it, and many servers both. */
const OTHER_VSN = "1.0.0";

/** Where Phoenix apps mount their sockets, as a rule. */
const USUAL_PATH = "/socket/websocket";

/** 403: changes one thing at a time, until the server lets it in. */
export async function diagnoseForbidden(answer: string, target: Target, tries: Try): Promise<Diagnosis> {
  const own = `${target.url.protocol === "wss:" ? "https" : "http"}://${target.url.host}`;
  const origins = [null, own].filter((origin) => origin !== target.origin);
  for (const origin of origins) {
    const result = await tries({ origin });
    if (result.kind !== "open") continue;
    return diagnosis(
      "origin_refused",
      `${answer} to a request ${withOrigin(target.origin)}`,
      `a request ${withOrigin(origin)} is let in`,
    );
  }
  const other = await tries({ vsn: OTHER_VSN });
  if (other.kind === "open") {
    return diagnosis("version_refused", `${answer} to vsn=${VSN}`, `vsn=${OTHER_VSN} is let in`);
  }
  const evidence = [
    answer,
    `it is refused ${origins.map(withOrigin).join(" and ")} too, and as vsn ${OTHER_VSN}`,
  ];
  const names = [...new Set(target.url.searchParams.keys())];
  const given = names.length === 0 ? "no params" : `the params ${names.join(", ")}`;
  evidence.push(`it was given ${given}${target.authToken === null ? "" : " and an auth token"}`);
  return diagnosis("connect_refused", ...evidence);
}

function withOrigin(origin: string | null): string {
  return origin === null ? "without Origin" : `with the Origin ${origin}`;
}

/**
 * 404: looks whether a WebSocket is nearby, or the mount only long-polls.
 *
 * @param statusAt The status of a plain GET at an address; undefined if it isn't answered.
 */
export async function diagnoseNotFound(
  answer: string,
  target: Target,
  tries: Try,
  statusAt: (url: URL) => Promise<number | undefined>,
): Promise<Diagnosis> {
  const { pathname } = target.url;
  const paths = [
    pathname.replace(/\/websocket$/, "") || "/",
    USUAL_PATH,
    // A proxy that should strip a prefix and doesn't, or the other way round.
    pathname.replace(/^\/[^/]+(?=\/.+\/websocket$)/, ""),
  ];
  for (const path of new Set(paths)) {
    if (path === pathname) continue;
    const url = new URL(target.url);
    url.pathname = path;
    const result = await tries({ url });
    const isThere = result.kind === "open" || (result.kind === "http" && result.status === 403);
    if (!isThere) continue;
    const mount = path.replace(/\/websocket$/, "");
    const hint =
      path === pathname.replace(/\/websocket$/, "")
        ? `a WebSocket is at ${path} itself, without /websocket: it isn't one that the official client finds`
        : `a WebSocket is at ${path}: give the address ${url.protocol}//${url.host}${mount}`;
    return diagnosis("wrong_path", `${answer} at ${pathname}`, hint);
  }
  const longpoll = new URL(target.url);
  longpoll.pathname = pathname.replace(/\/websocket$/, "/longpoll");
  if ((await statusAt(longpoll)) === 200) {
    const hint = `${longpoll.pathname} is answered: the mount long-polls, and its WebSocket is turned off`;
    return diagnosis("wrong_path", `${answer} at ${pathname}`, hint);
  }
  return diagnosis("wrong_path", `${answer} at ${pathname}`);
}

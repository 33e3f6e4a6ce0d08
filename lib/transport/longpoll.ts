import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../logger.ts";
import type { Accepted, Connect, OnRefusal, Refused } from "./accept.ts";
import { BodyCutError, BodyTooLargeError, readBody } from "./body.ts";
import { connectInfo, requestTarget, splitTarget } from "./connect-info.ts";
import { framesOf } from "./longpoll-frames.ts";
import { respond } from "./longpoll-poll.ts";
import { LongPollSession, type LongPollSessionOptions } from "./longpoll-session.ts";
import type { OriginCheck } from "./origin.ts";
import { decodeParams } from "./params.ts";
import { EXPLAIN_ID } from "./refusal.ts";

export interface LongPollOptions extends LongPollSessionOptions {
  readonly logger: Logger;
  readonly onRefusal: OnRefusal;
  readonly checkOrigin: OriginCheck;
  readonly authToken: boolean;
  readonly maxPayload: number;
  readonly connectTimeout: number;
  /** Signs session tokens. */
  readonly secret: Buffer;
  readonly connect: Connect;
}

const TOKEN_HEADER = "x-phoenix-longpoll-token";
const AUTH_TOKEN_HEADER = "x-phoenix-authtoken";
/** The client sends up to 100 frames in one body. */
const MIN_BATCH_BYTES = 8 * 1024 * 1024;
/** What `ws` closes with for a frame over `maxPayload`. */
const TOO_LARGE = 1009;

/** Phoenix's long-polling: a session is opened by a GET without a token, polled by GETs and sent to by POSTs. */
export class LongPolling {
  readonly #options: LongPollOptions;
  readonly #sessions = new Map<string, LongPollSession>();
  /** What refuses each client about which connect hasn't decided. */
  readonly #undecided = new Set<() => void>();
  #allEnded: (() => void) | null = null;

  constructor(options: LongPollOptions) {
    this.#options = options;
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    pathParams: Readonly<Record<string, string>>,
    draining: boolean,
  ): Promise<void> {
    try {
      const since = this.#options.clock.now();
      const forbidden = this.#options.checkOrigin(request);
      if (forbidden !== null) {
        this.#refuse(response, forbidden, since);
      } else if (request.method === "OPTIONS") {
        preflight(request, response);
      } else if (request.method === "GET") {
        const session = this.#session(request);
        if (session !== undefined) session.poll(request, response);
        else if (draining) this.#refuse(response, { cause: "draining", status: 503 }, since);
        else await this.#open(request, response, pathParams, since);
      } else if (request.method === "POST") {
        await this.#post(request, response);
      } else {
        plain(response, 400);
      }
    } catch (error) {
      if (error instanceof BodyCutError) return;
      this.#options.logger.error({ err: error }, "a long-poll request failed");
      plain(response, 500);
    }
  }

  /** Refuses the clients about which connect hasn't decided yet. */
  drain(): void {
    for (const refuse of this.#undecided) refuse();
  }

  /** Resolves when no session is left. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#sessions.size === 0) resolve();
      else this.#allEnded = resolve;
    });
  }

  #refuse(response: ServerResponse, refused: Refused, since: number): void {
    response.setHeader(EXPLAIN_ID, this.#options.onRefusal(refused, since));
    // The client throws on a status it doesn't know. After 403 it gives up, after 500, or an answer that isn't
    // JSON, it tries again.
    if (refused.cause === "draining") plain(response, 503);
    else respond(response, { status: refused.status >= 500 ? 500 : 403 });
  }

  // ── a new session ──────────────────────────────────────────────────────────────────────────────────────────

  async #open(
    request: IncomingMessage,
    response: ServerResponse,
    pathParams: Readonly<Record<string, string>>,
    since: number,
  ): Promise<void> {
    const outcome = await this.#connect(request, response, pathParams);
    if (outcome === undefined) return;
    if (!("open" in outcome)) {
      this.#refuse(response, outcome, since);
      return;
    }
    const id = randomBytes(18).toString("base64url");
    const session = new LongPollSession(this.#signed(id), this.#options, () => {
      this.#sessions.delete(id);
      if (this.#sessions.size === 0) this.#allEnded?.();
    });
    this.#sessions.set(id, session);
    session.start(outcome.open(session));
    respond(response, { status: 410, token: session.token, messages: [] });
  }

  /** Undefined if the client has gone meanwhile. */
  async #connect(
    request: IncomingMessage,
    response: ServerResponse,
    pathParams: Readonly<Record<string, string>>,
  ): Promise<Accepted | Refused | undefined> {
    const { authToken, clock, connect, connectTimeout } = this.#options;
    const header = request.headers[AUTH_TOKEN_HEADER];
    const token = authToken && typeof header === "string" ? header : null;
    const abort = new AbortController();
    const outcome = connect(connectInfo("longpoll", request, token, abort.signal), pathParams);
    if (!(outcome instanceof Promise)) return outcome;
    return new Promise((resolve) => {
      const give = (result: Accepted | Refused | undefined) => {
        cancel();
        this.#undecided.delete(onDrain);
        response.off("close", onGone);
        resolve(result);
      };
      const onGone = () => {
        abort.abort();
        give(undefined);
      };
      const giveUp = (cause: "connect_timeout" | "draining") => {
        abort.abort();
        give({ cause, status: 503 });
      };
      const onDrain = () => giveUp("draining");
      this.#undecided.add(onDrain);
      const cancel = clock.schedule(() => giveUp("connect_timeout"), connectTimeout);
      response.once("close", onGone);
      void outcome.then(give);
    });
  }

  // ── frames ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const session = this.#session(request);
    // Nothing is read from a client whose channels can't keep up.
    if (session === undefined || !(await session.ready())) {
      respond(response, { status: 410 });
      return;
    }
    try {
      respond(response, { status: await this.#receive(request, session) });
    } catch (error) {
      if (!(error instanceof BodyTooLargeError)) throw error;
      const { maxPayload, logger } = this.#options;
      logger.warn({ maxPayload }, "closed a long-poll session: a frame, or a batch, is too large");
      session.close(TOO_LARGE, "");
      plain(response, 413);
    }
  }

  /** Passes on the frames of a POST, and returns the status of its answer. */
  async #receive(request: IncomingMessage, session: LongPollSession): Promise<number> {
    const { maxPayload } = this.#options;
    const [type = ""] = (request.headers["content-type"] ?? "").toLowerCase().split(";");
    const isBatch = type.trim() === "application/x-ndjson";
    const body = await readBody(request, isBatch ? Math.max(maxPayload, MIN_BATCH_BYTES) : maxPayload);
    for (const frame of framesOf(body, isBatch)) {
      if (session.paused) await session.ready();
      if (!session.takesFrames) return 410;
      if (frame.length > maxPayload) throw new BodyTooLargeError();
      if (!session.receive(frame.data)) return 400;
    }
    // The client sends no more before it has its answer.
    await session.ready();
    return 200;
  }

  // ── tokens ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** The session of a request's token; the header counts before the query. */
  #session(request: IncomingMessage): LongPollSession | undefined {
    const header = request.headers[TOKEN_HEADER];
    const token = typeof header === "string" ? header : queryToken(request);
    if (token === undefined) return undefined;
    const [id = ""] = token.split(".", 1);
    const given = Buffer.from(token);
    const expected = Buffer.from(this.#signed(id));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    return this.#sessions.get(id);
  }

  /** The token of a session. */
  #signed(id: string): string {
    const signature = createHmac("sha256", this.#options.secret).update(`longpoll:${id}`);
    return `${id}.${signature.digest("base64url")}`;
  }
}

function queryToken(request: IncomingMessage): string | undefined {
  try {
    const { token } = decodeParams(splitTarget(requestTarget(request)).query);
    return typeof token === "string" ? token : undefined;
  } catch {
    return undefined;
  }
}

const PLAIN_HEADERS = {
  "Access-Control-Allow-Origin": "*",
  "Cache-Control": "max-age=0, private, must-revalidate",
  "Content-Length": 0,
};

/** All origins may ask: who may connect is decided by checkOrigin, at each request. */
function preflight(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, {
    ...PLAIN_HEADERS,
    "Access-Control-Allow-Headers": request.headers["access-control-request-headers"] ?? "",
    "Access-Control-Allow-Methods": "get, post, options",
    "Access-Control-Max-Age": "3600",
  });
  response.end();
}

function plain(response: ServerResponse, status: number): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, PLAIN_HEADERS).end();
}

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Cancel, Clock } from "../clock.ts";
import type { Accepted, Connect, OnRefusal, Refused } from "./accept.ts";
import { subprotocolAuth } from "./auth-token.ts";
import { connectInfo } from "./connect-info.ts";
import type { OriginCheck } from "./origin.ts";
import { checkRefusal, EXPLAIN_ID, type Refusal, refuseUpgrade } from "./refusal.ts";
import type { Counters } from "./transport.ts";
import { WebSocketTransport } from "./websocket.ts";

export interface UpgradeOptions {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly onRefusal: OnRefusal;
  readonly checkOrigin: OriginCheck;
  readonly authToken: boolean;
  readonly maxPayload: number;
  readonly maxBufferedBytes: number;
  readonly idleTimeout: number;
  readonly pingInterval: number;
  readonly connectTimeout: number;
  readonly closeTimeout: number;
  readonly onRefused: ((request: IncomingMessage, reason: unknown) => unknown) | null;
  readonly connect: Connect;
}

/** At most so many bytes of frames are kept while connect decides; then reading waits. */
const MAX_EARLY_BYTES = 65_536;

interface Pending {
  readonly socket: Duplex;
  readonly pathParams: Readonly<Record<string, string>>;
  /** The client's Sec-WebSocket-Protocol. */
  readonly offered: string | undefined;
  readonly since: number;
  /** The subprotocol to answer with. */
  protocol: string | null;
  accepted: Accepted | null;
}

/** Turns upgrade requests of one mount into WebSocket transports, or refuses them. */
export class Upgrades {
  readonly #options: UpgradeOptions;
  readonly #server: WebSocketServer;
  readonly #pending = new WeakMap<IncomingMessage, Pending>();
  readonly #open = new Set<WebSocket>();
  /** What refuses each client about which connect hasn't decided. */
  readonly #undecided = new Set<() => void>();
  #allClosed: (() => void) | null = null;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxPayload,
      closeTimeout: options.closeTimeout,
      // ws has checked the handshake before it asks.
      verifyClient: ({ req }: { req: IncomingMessage }, accept: (verified: boolean) => void) => {
        this.#verify(req, accept);
      },
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    this.#server.on("headers", (headers, request) => {
      const protocol = this.#pending.get(request)?.protocol;
      if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
    });
  }

  handle(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    pathParams: Readonly<Record<string, string>>,
    draining: boolean,
  ): void {
    const offered = request.headers["sec-websocket-protocol"];
    const pending: Pending = {
      socket,
      pathParams,
      offered,
      since: this.#options.clock.now(),
      protocol: null,
      accepted: null,
    };
    if (draining) {
      socket.on("error", () => socket.destroy());
      this.#refuse(request, pending, { cause: "draining", status: 503 });
      return;
    }
    this.#pending.set(request, pending);
    // The auth token isn't a subprotocol's name: ws would refuse it, so it never sees the header.
    delete request.headers["sec-websocket-protocol"];
    this.#server.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, pending));
  }

  /** Refuses the clients about which connect hasn't decided yet. */
  drain(): void {
    for (const refuse of this.#undecided) refuse();
  }

  /** Resolves when all WebSockets of this mount are closed, TCP and all. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#open.size === 0) resolve();
      else this.#allClosed = resolve;
    });
  }

  #verify(request: IncomingMessage, accept: (verified: boolean) => void): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    if (pending.offered !== undefined) request.headers["sec-websocket-protocol"] = pending.offered;
    const { checkOrigin, authToken } = this.#options;
    const { socket, offered } = pending;
    const forbidden = checkOrigin(request);
    if (forbidden !== null) {
      this.#refuse(request, pending, forbidden);
      return;
    }
    let token: string | null = null;
    if (authToken) {
      const auth = subprotocolAuth(offered);
      if (auth === null) {
        const error = "the client's subprotocols are neither phoenix nor one auth token in base64";
        this.#refuse(request, pending, { cause: "subprotocol", status: 403, details: { error } });
        return;
      }
      token = auth.authToken;
      pending.protocol = auth.protocol;
    }
    const abort = new AbortController();
    const info = connectInfo("websocket", request, token, abort.signal);
    const outcome = this.#options.connect(info, pending.pathParams);
    const decided = (result: Accepted | Refused) => {
      if ("open" in result) {
        pending.accepted = result;
        accept(true);
      } else {
        this.#refuse(request, pending, result);
      }
    };
    if (outcome instanceof Promise) this.#wait(socket, outcome, abort, decided, request, pending);
    else decided(outcome);
  }

  /** While connect decides: keeps early frames, sees the client go, and bounds the time. */
  #wait(
    socket: Duplex,
    outcome: Promise<Accepted | Refused>,
    abort: AbortController,
    decided: (result: Accepted | Refused) => void,
    request: IncomingMessage,
    pending: Pending,
  ): void {
    const early: Buffer[] = [];
    let size = 0;
    let over = false;
    const onData = (chunk: Buffer) => {
      early.push(chunk);
      size += chunk.length;
      if (size > MAX_EARLY_BYTES) socket.pause();
    };
    const finish = () => {
      over = true;
      cancel();
      this.#undecided.delete(onDrain);
      socket.off("data", onData).off("end", onGone).off("close", onGone).off("error", onGone);
    };
    const onGone = () => {
      if (over) return;
      finish();
      abort.abort();
      socket.destroy();
    };
    const giveUp = (cause: "connect_timeout" | "draining") => {
      finish();
      abort.abort();
      this.#refuse(request, pending, { cause, status: 503 });
    };
    const onDrain = () => giveUp("draining");
    this.#undecided.add(onDrain);
    const { clock, connectTimeout } = this.#options;
    const cancel: Cancel = clock.schedule(() => giveUp("connect_timeout"), connectTimeout);
    socket.on("data", onData).on("end", onGone).on("close", onGone).on("error", onGone);
    void outcome.then((result) => {
      if (over) return;
      finish();
      socket.pause();
      if (size > 0) socket.unshift(Buffer.concat(early));
      decided(result);
      // ws listens by now, or the refusal has ended the stream.
      socket.resume();
    });
  }

  #refuse(request: IncomingMessage, pending: Pending, refused: Refused): void {
    let refusal: Refusal = { status: refused.status };
    let { details } = refused;
    const { onRefused, onRefusal } = this.#options;
    if (refused.cause === "connect" && onRefused !== null) {
      try {
        refusal = checkRefusal(onRefused(request, refused.reason)) ?? refusal;
      } catch (err) {
        details = { err, error: "onRefused crashed" };
        refusal = { status: 500 };
      }
    }
    const id = onRefusal({ ...refused, status: refusal.status, details }, pending.since);
    const { protocol } = pending;
    refuseUpgrade(pending.socket, {
      ...refusal,
      headers: {
        [EXPLAIN_ID]: id,
        ...refusal.headers,
        ...(protocol === null ? {} : { "Sec-WebSocket-Protocol": protocol }),
      },
    });
  }

  #opened(ws: WebSocket, { socket, accepted }: Pending): void {
    if (accepted === null) return;
    this.#open.add(ws);
    ws.once("close", () => {
      this.#open.delete(ws);
      if (this.#open.size === 0) this.#allClosed?.();
    });
    const transport = new WebSocketTransport(ws, socket, this.#options);
    transport.start(accepted.open(transport));
  }
}

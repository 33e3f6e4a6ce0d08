import { randomBytes } from "node:crypto";
import { type MountWishes, ON_MOUNT } from "../channel/channel-class.ts";
import type { ChannelContext } from "../channel/context.ts";
import { sealEvents } from "../channel/events.ts";
import { Channel, channelContext, type HandleInResult, type JoinResult } from "../channel.ts";
import { assertEvent } from "../connection/arguments.ts";
import { type Endpoint, endpointInternals } from "../endpoint.ts";
import { ConfigError, describe } from "../errors.ts";
import { encodePayload, type Payload } from "../protocol/payload.ts";
import { error, noreply, ok } from "../reply.ts";
import type { Socket } from "../socket.ts";
import type { Admission } from "./admission.ts";
import { Attachment } from "./attachment.ts";
import type { Claims } from "./claims.ts";
import { type Answer, DocumentClient, type Mode } from "./client.ts";
import { type ConnectDocument, pickMode, readConnect, successPayload } from "./connect-document.ts";
import { Credentials } from "./credentials.ts";
import { Documents } from "./documents.ts";
import { FailureWindow } from "./failure-window.ts";
import type { DocumentName } from "./log/op-log.ts";
import { documentKey, documentName } from "./names.ts";
import { ConnectRefusal, nackPayload, OpRefusal } from "./refusal.ts";
import { requestedOps } from "./request-ops.ts";
import type { Session } from "./session.ts";
import { readSignals } from "./signals.ts";
import { type ClientOp, readSubmission, type Submission } from "./submission.ts";
import { note } from "./trace.ts";
import { checkVerdict, type Verdict } from "./verdict.ts";

const WISHES: MountWishes = { maxPayload: 4 * 1024 * 1024, pingInterval: 15_000 };

const CONNECT = "connect_document";
const ACCESS_TOKEN = "access_token";

/**
 * A document that many clients write to, in one durable order: topics `document:{tenant}:{document}`. Subclass it,
 * name the {@link Documents} in `static documents`, and route `document:*` to it.
 *
 * A client that has joined has nothing yet: it pushes `connect_document` with a token of its tenant's, and gets the
 * document's ops; then it may push `submitOp`, `submitSignal`, `noop` and `requestOps`. Until then every event is
 * answered `{reason: "not_authenticated"}`. Add events of the app's own with `on`, as in any channel.
 */
export abstract class DocumentChannel<
  Assigns extends object = object,
  S extends Socket<object> = Socket<object>,
> extends Channel<Assigns, S> {
  /** The documents that this class serves. */
  static documents?: Documents;
  static override subscribesAtJoin = false;

  readonly #failures = new FailureWindow();
  #attachment: Attachment | null = null;
  #client: DocumentClient | null = null;

  /** @internal */
  constructor(context: ChannelContext) {
    super(context);
    // A field of a subclass would come before any method, and isn't there yet when the class is mounted.
    Object.defineProperty(this, "handleIn", { value: DocumentChannel.prototype.handleIn });
  }

  /** @internal */
  static [ON_MOUNT](endpoint: Endpoint): MountWishes {
    const { documents, name, prototype } = this;
    if (!(documents instanceof Documents)) {
      throw new ConfigError(
        "invalid_channel",
        `${name} needs its documents, as in "static documents = new Documents({tenants})", got ${describe(documents)}`,
      );
    }
    if (prototype.handleIn !== DocumentChannel.prototype.handleIn) {
      throw new ConfigError(
        "invalid_channel",
        `${name} may not override handleIn, which keeps clients without a token out: add events with on`,
      );
    }
    documents.mounted(endpoint);
    return WISHES;
  }

  static {
    const events = new Map<string, (channel: DocumentChannel, payload: unknown) => unknown>([
      [CONNECT, (channel, payload) => channel.#connect(payload)],
      ["submitOp", (channel, payload) => channel.#submitOp(payload)],
      ["submitSignal", (channel, payload) => channel.#submitSignal(payload)],
      ["noop", (channel, payload) => channel.#noop(payload)],
      ["requestOps", (channel, payload) => channel.#requestOps(payload)],
      [ACCESS_TOKEN, (channel, payload) => channel.#refresh(payload)],
    ]);
    for (const [event, handler] of events) {
      this.on(event, function (payload: unknown) {
        return handler(this, payload) as HandleInResult | Promise<HandleInResult>;
      });
    }
    sealEvents(this, events.keys());
  }

  // ── what apps may override ─────────────────────────────────────────────────────────────────────────────────

  /**
   * Lets everybody join, since that gives nothing: see `connect_document`. Refuses topics that name no document.
   */
  join(topic: string, _payload: unknown): JoinResult | Promise<JoinResult> {
    if (documentName(topic) !== null) return ok();
    const message = "the topic must be document:{tenant}:{document}, with well-formed ids of 1 to 256 bytes";
    return error({ reason: "malformed_topic", message });
  }

  /**
   * Asked when a token is found good, before the client is connected, and before a new token takes the place of that
   * one. An error refuses it with the code 403 and the reason `unauthorized`; its payload comes along as `details`.
   */
  authorize?(claims: Claims, mode: Mode): Verdict | Promise<Verdict>;

  /**
   * Asked for each push of ops, before they are queued. An error refuses the push with the reason `rejected`; a
   * `message` in its payload reaches the client.
   */
  beforeOps?(ops: readonly ClientOp[]): Verdict | Promise<Verdict>;

  /**
   * Told of each push of this client when its ops are durable: their first and last sequence number. On this node
   * only, and not if the process ends before: what must not be missed is read from the log.
   */
  afterOps?(ops: readonly ClientOp[], first: number, last: number): void | Promise<void>;

  /** Asked for each signal of this client. An error refuses the push that it came in. */
  onSignal?(content: unknown): Verdict | Promise<Verdict>;

  /**
   * Asked whether the app has stored what a `summarize` names. The default says yes to any handle. A summary that it
   * doesn't know gets a `summaryNack`.
   */
  resolveSummary?(handle: string): boolean | Promise<boolean>;

  // ── what apps may ask ──────────────────────────────────────────────────────────────────────────────────────

  /** Who this client is, once it is connected; in `terminate`, who it was. */
  get client(): { readonly clientId: string; readonly mode: Mode; readonly claims: Claims } | null {
    const client = this.#client;
    return client === null ? null : { clientId: client.clientId, mode: client.mode, claims: client.claims };
  }

  /** The document's session, while this client is connected to it. */
  get session(): Session | null {
    return this.#attachment?.session ?? null;
  }

  /** Sends a message to all connected clients of the document, this one included: those with a token, nobody else. */
  override broadcast(event: string, payload?: Payload): void {
    this.#broadcast(event, payload, null);
  }

  /** Like {@link broadcast}, but not to this client. */
  override broadcastFrom(event: string, payload?: Payload): void {
    this.#broadcast(event, payload, channelContext(this));
  }

  #broadcast(event: string, payload: Payload | undefined, from: object | null): void {
    assertEvent("broadcast", event);
    const { pubsub } = endpointInternals(this.endpoint);
    pubsub.broadcast(documentKey(this.#name), event, encodePayload(payload), from);
  }

  // ── events ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps clients out that aren't connected, or whose token has expired; a subclass may not override it. */
  override handleIn(event: string, payload: unknown): HandleInResult | Promise<HandleInResult> {
    if (event === CONNECT) return super.handleIn(event, payload);
    const attachment = this.#attachment;
    if (attachment === null) {
      const message = "push connect_document with a token first";
      if (event !== "submitOp") return error({ reason: "not_authenticated", message });
      const refusal = new OpRefusal("not_authenticated", message);
      const { reason, code } = refusal;
      note(channelContext(this), "nacked", { reason, code, message });
      this.deferReply()(error({ reason, message }));
      channelContext(this).pushEncoded("nack", nackPayload(refusal, 0));
      return noreply();
    }
    if (attachment.client.paused && event !== ACCESS_TOKEN && event !== "submitOp") {
      return tokenExpired();
    }
    return super.handleIn(event, payload);
  }

  async #connect(payload: unknown): Promise<void> {
    const answer = this.deferReply();
    const { clock } = this.#documents;
    let refusal: ConnectRefusal | null;
    try {
      refusal = await this.#tryConnect(payload, answer);
    } catch (err) {
      const { logger } = endpointInternals(this.endpoint);
      logger.error({ err, topic: this.topic }, "connect_document failed");
      refusal = new ConnectRefusal("internal_error", "the server failed; its log says why");
    }
    if (refusal === null) return;
    const { reason, code, message, details } = refusal;
    if (code < 429) this.#failures.add(clock.now());
    if (channelContext(this).tracer.active) {
      note(channelContext(this), "connect_refused", { reason, code, message, details });
    }
    answer(error({ reason, code, message, ...details }));
    this.push("connect_document_error", { code, message, reason, ...details });
  }

  async #tryConnect(payload: unknown, answer: Answer): Promise<ConnectRefusal | null> {
    const documents = this.#documents;
    if (this.#attachment !== null) {
      return new ConnectRefusal("already_connected", "connect_document: the channel is connected already");
    }
    const retryAfter = this.#failures.retryAfter(documents.clock.now());
    if (retryAfter > 0) {
      const message = "too many failed connect_document on this channel";
      return new ConnectRefusal("throttled", `${message}; try again in ${retryAfter} s`, { retryAfter });
    }
    // Null where a subclass lets clients join what names no document.
    const name = documentName(this.topic);
    const request =
      name === null
        ? new ConnectRefusal("topic_mismatch", "connect_document: the topic isn't document:{tenantId}:{id}")
        : readConnect(payload, name);
    if (request instanceof ConnectRefusal) return request;
    const claims = await this.#credentials.verify(request.token);
    if (claims instanceof ConnectRefusal) return claims;
    const mode = pickMode(request.mode, claims.scopes);
    if (mode instanceof ConnectRefusal) return mode;
    const unauthorized = await this.#authorize(claims, mode);
    if (unauthorized !== null) return unauthorized;
    return this.#attach(request, claims, mode, answer);
  }

  async #authorize(claims: Claims, mode: Mode): Promise<ConnectRefusal | null> {
    const refused = checkVerdict(this, "authorize", await this.authorize?.(claims, mode));
    if (refused === null) return null;
    return new ConnectRefusal("unauthorized", refused.message ?? "the app doesn't allow it", {
      details: refused.details,
    });
  }

  async #attach(
    request: ConnectDocument,
    claims: Claims,
    mode: Mode,
    answer: Answer,
  ): Promise<ConnectRefusal | null> {
    const documents = this.#documents;
    const context = channelContext(this);
    const clientId = randomBytes(16).toString("base64url");
    const resume = await this.#credentials.resume(clientId, claims.user.id, request.resume);
    if (resume instanceof ConnectRefusal) return resume;
    const { key, from } = resume;
    const now = documents.clock.now();
    const client = new DocumentClient({
      clientId,
      mode,
      claims,
      until: documents.tokenEnd(claims),
      detail: {
        ...request.client,
        mode,
        user: claims.user,
        scopes: claims.scopes,
        timestamp: Math.floor(now),
      },
      port: context,
      now,
      onSequenced:
        this.afterOps === undefined
          ? null
          : (submission, first, last) => this.#sequenced(submission, first, last),
    });
    const attachment = new Attachment(documents, this.#name, client, context, () => {
      this.#attachment = null;
    });
    return attachment.connect({
      lastSeen: request.lastSeen,
      resume: from,
      admitted: (admission) => {
        this.#attachment = attachment;
        this.#client = client;
        this.#welcome(attachment, request, key, admission, answer);
      },
    });
  }

  #welcome(
    { client, maxMessageSize }: Attachment,
    { version }: ConnectDocument,
    key: string | null,
    admission: Admission,
    answer: Answer,
  ): void {
    const { clientId, mode, claims } = client;
    const { checkpointSequenceNumber, resumed } = admission;
    answer(ok({ clientId, mode, checkpointSequenceNumber, key, ...(resumed === null ? {} : { resumed }) }));
    const own = { clientId, claims, mode, maxMessageSize, version };
    channelContext(this).pushEncoded(`${CONNECT}_success`, successPayload(admission, own));
  }

  #submitOp(payload: unknown): void | Promise<void> {
    const { session, client, maxMessageSize } = this.#connected;
    const answer = this.deferReply();
    // The answer waits with the ops, and is how they are known on the way.
    const { tracer } = channelContext(this);
    if (tracer.active) tracer.follow(answer);
    const submission = readSubmission(payload, client.clientId, maxMessageSize);
    if (submission instanceof OpRefusal) client.refuse(answer, submission, session.head);
    else if (this.#asks(submission)) return this.#submitAsked(submission, answer);
    else session.submit(client, submission, answer);
  }

  /** Whether a hook of the app's has to be asked about a push. */
  #asks({ ops }: Submission): boolean {
    if (this.beforeOps !== undefined) return true;
    return this.resolveSummary !== undefined && ops.some(({ summary }) => summary !== null);
  }

  /** A push that the app's hooks are asked about first. */
  async #submitAsked(submission: Submission, answer: Answer): Promise<void> {
    const { session, client } = this.#connected;
    const refuse = (refusal: OpRefusal) => client.refuse(answer, refusal, session.head);
    const early = client.mayWrite(submission.ops, this.#documents.clock.now());
    if (early !== null) return refuse(early);
    const refused = checkVerdict(this, "beforeOps", await this.beforeOps?.(submission.sent));
    if (refused !== null) {
      return refuse(new OpRefusal("rejected", refused.message ?? "the app refused the ops"));
    }
    const ops = [...submission.ops];
    for (const [i, op] of ops.entries()) {
      if (op.summary === null || this.resolveSummary === undefined) continue;
      const resolves = (await this.resolveSummary(op.summary.handle)) === true;
      ops[i] = { ...op, summary: { ...op.summary, resolves } };
    }
    session.submit(client, { ...submission, ops }, answer);
  }

  #sequenced({ sent }: Submission, first: number, last: number): void {
    const crashed = (err: unknown) => {
      const { logger } = endpointInternals(this.endpoint);
      logger.error({ err, topic: this.topic }, `${this.constructor.name}.afterOps crashed`);
    };
    try {
      Promise.resolve(this.afterOps?.(sent, first, last)).catch(crashed);
    } catch (err) {
      crashed(err);
    }
  }

  #submitSignal(payload: unknown): HandleInResult | Promise<HandleInResult> {
    const { client } = this.#connected;
    const { clientId } = (payload ?? {}) as Record<string, unknown>;
    if (clientId !== undefined && clientId !== client.clientId) {
      const message = "submitSignal: the clientId isn't the one that connect_document gave";
      return error({ reason: "client_mismatch", message });
    }
    const signals = readSignals(payload);
    if (typeof signals === "string")
      return error({ reason: "malformed", message: `submitSignal: ${signals}` });
    const send = () => {
      for (const { content, isFor } of signals) {
        const message = JSON.stringify({ clientId: client.clientId, content });
        this.session?.signal(message, (other) => other !== client && isFor(other));
      }
      return ok();
    };
    if (this.onSignal === undefined) return send();
    return (async () => {
      for (const { content } of signals) {
        const refused = checkVerdict(this, "onSignal", await this.onSignal?.(content));
        if (refused !== null)
          return error({ reason: "rejected", message: refused.message ?? "the app refused it" });
      }
      return send();
    })();
  }

  #noop(payload: unknown): HandleInResult {
    const { session, client } = this.#connected;
    const { clientId, referenceSequenceNumber: rsn } = (payload ?? {}) as Record<string, unknown>;
    if (clientId !== undefined && clientId !== client.clientId) {
      const message = "noop: the clientId isn't the one that connect_document gave";
      return error({ reason: "client_mismatch", message });
    }
    if (!Number.isSafeInteger(rsn) || (rsn as number) < 0) {
      const message = `noop needs a referenceSequenceNumber, a whole number from 0, got ${describe(rsn)}`;
      return error({ reason: "malformed", message });
    }
    if (client.mode === "read") return ok();
    const wrong = session.noop(client, rsn as number);
    return wrong === null ? ok() : error({ reason: "invalid_rsn", message: wrong });
  }

  async #requestOps(payload: unknown): Promise<HandleInResult> {
    const { session, client } = this.#connected;
    const { logger } = endpointInternals(this.endpoint);
    const { reply, list } = await requestedOps(session, payload, logger);
    // The log may have taken its time.
    if (client.paused) return tokenExpired();
    const wantsEvent = (payload as { readonly event?: unknown } | null)?.event === true;
    if (wantsEvent && list !== null) {
      const document = JSON.stringify(session.document);
      channelContext(this).pushEncoded("op", `{"documentId":${document},"op":${list}}`);
    }
    return reply;
  }

  async #refresh(payload: unknown): Promise<HandleInResult> {
    const attachment = this.#connected;
    const answer = this.deferReply();
    const token: unknown = (payload as { readonly token?: unknown } | null)?.token;
    if (typeof token !== "string") {
      return error({ reason: "malformed_token", message: "access_token needs {token}" });
    }
    const claims = await this.#credentials.verify(token);
    if (claims instanceof ConnectRefusal) {
      const { reason, message, details } = claims;
      return error({ reason, message, ...details });
    }
    if (claims.user.id !== attachment.client.userId) {
      return error({ reason: "wrong_user", message: "the token is for another user than this client" });
    }
    const unauthorized = await this.#authorize(claims, attachment.client.mode);
    if (unauthorized !== null) {
      const { reason, message, details } = unauthorized;
      return error({ reason, message, ...details });
    }
    // The reply comes before the ops that waited, and before an end that the new token's scopes bring.
    answer(ok());
    attachment.refreshed(claims);
    return noreply();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

  get #documents(): Documents {
    return (this.constructor as typeof DocumentChannel).documents as Documents;
  }

  get #credentials(): Credentials {
    const { logger } = endpointInternals(this.endpoint);
    return new Credentials(this.#documents, this.#name, logger);
  }

  get #name(): DocumentName {
    return documentName(this.topic) as DocumentName;
  }

  /** For handlers that `handleIn` has let through. */
  get #connected(): Attachment {
    return this.#attachment as Attachment;
  }
}

function tokenExpired(): HandleInResult {
  return error({ reason: "token_expired", message: "push access_token with a new token" });
}

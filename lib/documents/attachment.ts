import type { ChannelContext } from "../channel/context.ts";
import type { Cancel } from "../clock.ts";
import { Expiry } from "../connection/expiry.ts";
import { StateError } from "../errors.ts";
import type { Admission, ConnectRequest } from "./admission.ts";
import { type Claims, SCOPES } from "./claims.ts";
import type { DocumentClient } from "./client.ts";
import type { Documents } from "./documents.ts";
import { type DocumentName, LogCorrupt, OpLogError } from "./log/op-log.ts";
import { documentKey, documentTopic } from "./names.ts";
import { type ConnectRefusal, nackPayload, OpRefusal } from "./refusal.ts";
import type { Session } from "./session.ts";
import { type DocumentStep, note } from "./trace.ts";
import { unavailable } from "./waiting.ts";

/** Milliseconds that a client has for a new token, once its own has expired. */
const GRACE = 10_000;

/** What ties a channel to its document's session, from connect_document to the channel's end. */
export class Attachment {
  readonly client: DocumentClient;
  readonly #documents: Documents;
  readonly #name: DocumentName;
  readonly #context: ChannelContext;
  readonly #onDetached: () => void;
  readonly #expiry: Expiry;
  readonly #keys: readonly string[];
  #release: () => void = () => {};
  #session: Session | null = null;
  #opened = false;
  #detached = false;
  #cancelGrace: Cancel | null = null;
  #cancelOnEnd: Cancel | null = null;

  constructor(
    documents: Documents,
    name: DocumentName,
    client: DocumentClient,
    context: ChannelContext,
    onDetached: () => void,
  ) {
    this.client = client;
    this.#documents = documents;
    this.#name = name;
    this.#context = context;
    this.#onDetached = onDetached;
    // The topic for what the app broadcasts to it from anywhere, the other for what the document's channels do.
    this.#keys = [documentKey(name), documentTopic(name)];
    this.#expiry = new Expiry(
      documents.clock,
      (seconds) => context.pushEncoded("token_expiring", JSON.stringify({ expires_in: seconds })),
      () => this.#expired(),
    );
  }

  /** For a client that is connected. */
  get session(): Session {
    return this.#session as Session;
  }

  /** What the contents of one push may take, in bytes. */
  get maxMessageSize(): number {
    return this.#documents.maxMessageSize(this.#context.maxPayload);
  }

  /** Connects the client; null once `request.admitted` was told. */
  async connect(request: ConnectRequest): Promise<ConnectRefusal | null> {
    if (this.#context.ended) return unavailable();
    // Before anything is waited for: the client may go at any moment.
    this.#cancelOnEnd = this.#context.onEnd(() => this.#detach());
    let refusal: ConnectRefusal | null;
    try {
      const held = this.#documents.registry.hold(this.#name.tenant, this.#name.document);
      this.#release = held;
      const session = await held.session;
      this.#session = session;
      if (this.#detached) return unavailable();
      refusal = await session.connect(this.client, {
        ...request,
        admitted: (admission) => {
          request.admitted(admission);
          this.#open();
          if (this.#context.tracer.active) this.#attached(admission);
        },
      });
    } catch (error) {
      this.#detach();
      // A log that can't be read now may be later; one that is corrupt won't.
      const passes =
        error instanceof OpLogError ? !(error instanceof LogCorrupt) : error instanceof StateError;
      if (!passes) throw error;
      this.#documents.logger.error(
        { err: error, ...this.#name },
        "a client can't be connected to its document",
      );
      return unavailable();
    }
    if (refusal !== null) this.#detach();
    return refusal;
  }

  /** The client has brought a new token of the same user. */
  refreshed(claims: Claims): void {
    // The token may have been looked at for longer than the client was there.
    if (this.#detached) return;
    const { client } = this;
    client.claims = claims;
    client.until = this.#documents.tokenEnd(claims);
    this.#expiry.set(client.until);
    if (!claims.scopes.includes(SCOPES.read)) {
      this.#expel(new OpRefusal("missing_scope", `the new token lacks the scope ${SCOPES.read}`));
    } else if (client.mode === "write" && !claims.scopes.includes(SCOPES.write)) {
      this.#expel(new OpRefusal("missing_scope", `the new token lacks the scope ${SCOPES.write}`));
    } else if (client.paused) {
      this.#cancelGrace?.();
      this.#cancelGrace = null;
      this.#subscribe();
      this.#note("resumed", {});
      this.session.resume(client);
    }
  }

  #attached({ resumed, initialMessages, checkpointSequenceNumber: head }: Admission): void {
    const { mode, userId, cursor } = this.client;
    const from = resumed?.clientId ?? null;
    this.#note("attached", { mode, userId, head, initial: initialMessages.length, cursor, from });
  }

  #note(name: DocumentStep, facts: object): void {
    const { clientId } = this.client;
    if (this.#context.tracer.active) note(this.#context, name, { clientId, ...facts });
  }

  #open(): void {
    this.#opened = true;
    this.#subscribe();
    this.#expiry.set(this.client.until);
  }

  #subscribe(): void {
    for (const key of this.#keys) this.#context.subscribe(key, true);
  }

  /** Nothing more is accepted or delivered, until a new token comes, or not in time. */
  #expired(): void {
    for (const key of this.#keys) this.#context.unsubscribe(key);
    this.#note("paused", { grace: GRACE });
    this.session.pause(this.client);
    this.#cancelGrace = this.#documents.clock.schedule(() => {
      this.#expel(new OpRefusal("token_expired", "the token has expired, and no new one came"));
    }, GRACE);
  }

  /** Ends the client, and its channel with it: the official client joins again, and may bring another token. */
  #expel(refusal: OpRefusal): void {
    const { head } = this.session;
    const { topic, joinRef, tracer, whom } = this.#context;
    const { reason, message } = refusal;
    // No error reply goes out with this nack.
    const failure = { step: "denied", topic, joinRef, event: "nack", code: reason, reason } as const;
    const id = tracer.fail(failure, whom);
    const details = { id, reason, clientId: this.client.clientId, ...this.#name };
    this.#documents.logger.info(details, `a client is put out of its document: ${message}`);
    this.#note("expelled", { reason, message, head });
    this.session.revoke(this.client);
    this.#context.pushEncoded("nack", nackPayload(refusal, head));
    this.#context.stop(refusal.message, false);
  }

  #detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    this.#cancelOnEnd?.();
    this.#cancelGrace?.();
    this.#expiry.stop();
    if (this.#opened) this.#note("left", { head: this.session.head });
    this.#session?.disconnect(this.client);
    this.client.ended = true;
    this.#release();
    this.#onDetached();
  }
}

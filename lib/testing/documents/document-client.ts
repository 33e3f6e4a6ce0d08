import type { Claims } from "../../documents/claims.ts";
import type { Mode } from "../../documents/client.ts";
import type { DocumentChannel } from "../../documents/document-channel.ts";
import type { SequencedOp } from "../../documents/sequencer.ts";
import { describe, StateError } from "../../errors.ts";
import type { Socket } from "../../socket.ts";
import type { AssertOptions, RefuteOptions } from "../assert-options.ts";
import { Inbox, type Item } from "../inbox.ts";
import { shown } from "../match.ts";
import { TestChannel } from "../test-channel.ts";
import type { TestSocket } from "../test-socket.ts";
import type { DocumentCase } from "./document-case.ts";
import { type NumberedOp, type OpToSubmit, Submissions } from "./submissions.ts";

export type AnyDocumentChannel = DocumentChannel<object, Socket<object>>;

/** What `connect_document_success` brings. */
export interface ConnectedDocument {
  readonly clientId: string;
  readonly mode: Mode;
  readonly claims: Claims;
  /** Whether the document had ops before. */
  readonly existing: boolean;
  /** What the contents of one push may take, in bytes. */
  readonly maxMessageSize: number;
  /** Who is connected, oneself included: `client` is what each says of itself, and the server of it. */
  readonly initialClients: readonly { readonly clientId: string; readonly client: unknown }[];
  /** The ops that the client lacked: its own join is the last of them, unless more follows. */
  readonly initialMessages: readonly SequencedOp[];
  readonly checkpointSequenceNumber: number;
  /** The latest summary, if there is one. */
  readonly summaryContext?: { readonly handle: string; readonly sequenceNumber: number };
  readonly [field: string]: unknown;
}

/** What the server knows of the client that was resumed: everything above it was never sequenced. */
export interface ResumedClient {
  readonly clientId: string;
  readonly lastClientSequenceNumber: number;
  readonly lastSequenceNumber: number;
}

/** Which other clients get a signal: all, unless one of these is there. */
export interface SignalTarget {
  /** Only these client ids. */
  readonly targetedClients?: readonly string[];
  /** All but these client ids. */
  readonly ignoredClients?: readonly string[];
}

/** A signal as it came; `clientId` is null for those of the server, as of the coming and going of readers. */
export interface ReceivedSignal {
  readonly clientId: string | null;
  readonly content: unknown;
}

/** The refusal of a push of ops, as it came. */
export interface ReceivedNack {
  /** The op that was wrong, if it was one. */
  readonly operation: object | null;
  /** The document's head. */
  readonly sequenceNumber: number;
  readonly content: {
    readonly code: number;
    readonly type: string;
    readonly message: string;
    /** Seconds. */
    readonly retryAfter?: number;
  };
}

/** What `requestOps` is answered with. */
export interface RequestedOps {
  readonly ops: readonly SequencedOp[];
  readonly head: number;
  /** Whether there are more, which another request gets. */
  readonly more: boolean;
}

/** How a client connects again. */
export interface ReconnectOptions {
  /** Whether it goes on from what it was, so that nothing it sent is lost or doubled. @default true */
  readonly resume?: boolean;
  /** @default what it connected with before */
  readonly token?: string;
  /** It has every op up to here. @default the last op that it has seen */
  readonly lastSeenSequenceNumber?: number;
}

/**
 * One client of a document: made by `kit.connectDocument`. It is a `TestChannel`, so whatever that can do it can do as
 * well: `push` events of the app's own, `assertReply`, `assertPush`, `leave`, `close`.
 */
export class TestDocumentClient<C extends AnyDocumentChannel = AnyDocumentChannel> extends TestChannel<C> {
  readonly tenant: string;
  readonly document: string;
  readonly #kit: DocumentCase<C>;
  readonly #incoming = new Inbox();
  readonly #ops: SequencedOp[] = [];
  readonly #submissions = new Submissions();
  /** Replies by ref, as soon as they are there. */
  readonly #replies = new Map<string, Item & { readonly status: string }>();
  #connected: ConnectedDocument | null = null;
  #key: string | null = null;
  #resumed: ResumedClient | null = null;
  #toResend: readonly NumberedOp[] = [];
  /** The last op that it has seen; before the first of this connection, what it said. */
  #head = 0;

  /** @internal */
  constructor(
    kit: DocumentCase<C>,
    socket: TestSocket<Socket<object>>,
    topic: string,
    joinRef: string,
    name: { readonly tenant: string; readonly document: string },
  ) {
    super(kit, socket, topic, joinRef);
    this.#kit = kit;
    this.tenant = name.tenant;
    this.document = name.document;
  }

  // ── what it knows ──────────────────────────────────────────────────────────────────────────────────────────

  /**
   * What `connect_document_success` brought.
   *
   * @throws StateError (`not_connected`) for a client that has joined only; so does all that needs it.
   */
  get connected(): ConnectedDocument {
    if (this.#connected !== null) return this.#connected;
    throw new StateError(
      "not_connected",
      `the client isn't connected to the document of ${describe(this.topic)}`,
    );
  }

  get clientId(): string {
    return this.connected.clientId;
  }

  get mode(): Mode {
    return this.connected.mode;
  }

  get checkpointSequenceNumber(): number {
    return this.connected.checkpointSequenceNumber;
  }

  /** The ops that it got when it connected. */
  get initialMessages(): readonly SequencedOp[] {
    return this.connected.initialMessages;
  }

  /** All ops that have come by now: those of `initialMessages`, and those since, whether asserted or not. */
  get ops(): readonly SequencedOp[] {
    return this.#ops;
  }

  /** The sequence number of the last op that it has seen. */
  get head(): number {
    return this.#head;
  }

  /** What another connection passes as `resume` to go on from this one. */
  get resume(): { readonly clientId: string; readonly key: string } {
    return { clientId: this.clientId, key: this.#key as string };
  }

  /** What the server knew of the client that this one resumed; null if it resumed none, or the server forgot it. */
  get resumed(): ResumedClient | null {
    return this.#resumed;
  }

  /** The `clientSequenceNumber` of its next op. */
  get nextClientSequenceNumber(): number {
    return this.#submissions.next;
  }

  /**
   * What it sent and nobody has answered yet. For a client that has resumed another: those of the other's that were
   * never sequenced, until {@link resend}.
   */
  get unanswered(): readonly NumberedOp[] {
    return [...this.#toResend, ...this.#submissions.unanswered];
  }

  // ── the client's calls ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * Submits ops in one push, which is taken as a whole or not at all. The client numbers them; numbers that a test
   * gives are sent as they are. A push that is refused gives its numbers back.
   *
   * @returns The ref, for `assertReply`: `{sequenceNumber, first}` if they are durable.
   */
  submitOp(...ops: OpToSubmit[]): string {
    const numbered = this.#submissions.number(ops, this.head);
    return this.#submit({ clientId: this.clientId, messageBatches: [numbered] }, numbered);
  }

  /** Submits one op as a client does that numbers nothing: `{type, contents}` are the payload. Returns the ref. */
  submitBareOp(op: OpToSubmit): string {
    const [numbered] = this.#submissions.number([op], this.head) as [NumberedOp];
    return this.#submit({ type: numbered.type, ...op }, [numbered]);
  }

  /**
   * Sends a signal, to all other clients or to some. Returns the ref.
   *
   * @param content Any JSON value.
   */
  submitSignal(content: unknown, target: SignalTarget = {}): string {
    const { targetedClients, ignoredClients } = target;
    const signal = { signal: content, targetedClients, ignoredClients };
    return this.push("submitSignal", { clientId: this.clientId, contentBatches: [signal] });
  }

  /** Says what it has seen, without an op. Returns the ref. @param referenceSequenceNumber Default: {@link head}. */
  noop(referenceSequenceNumber: number = this.head): string {
    return this.push("noop", { clientId: this.clientId, referenceSequenceNumber });
  }

  /**
   * Asks for ops above `from`, up to `to` or the head.
   *
   * @throws AssertionError if it is refused; to see that, `push("requestOps", …)`.
   */
  async requestOps(
    range: { readonly from: number; readonly to?: number; readonly event?: boolean },
    options?: AssertOptions,
  ): Promise<RequestedOps> {
    const ref = this.push("requestOps", range);
    return (await this.assertReply(ref, "ok", undefined, options)) as RequestedOps;
  }

  /** Brings a new token, as before the end of the one it has. Returns the ref. */
  refreshToken(token: string): string {
    return this.push("access_token", { token });
  }

  /**
   * Connects anew, as a client does that has lost its connection: closes it if it is open, and connects another, which
   * has another client id.
   *
   * @returns The new client. {@link resend} sends what this one sent in vain.
   * @throws AssertionError if it is refused.
   */
  reconnect(options: ReconnectOptions = {}): Promise<TestDocumentClient<C>> {
    return this.#kit.reconnect(this, options);
  }

  /**
   * Submits what the client that this one resumed has sent in vain, under its own numbers.
   *
   * @returns The ref; null if there is nothing to send.
   */
  resend(): string | null {
    const ops = this.#toResend;
    this.#toResend = [];
    if (ops.length === 0) return null;
    // What they referred to has been seen; the numbers are those of this client.
    return this.submitOp(
      ...ops.map(({ clientSequenceNumber: _csn, referenceSequenceNumber: _rsn, ...op }) => op),
    );
  }

  #submit(payload: object, ops: readonly NumberedOp[]): string {
    const ref = this.push("submitOp", payload);
    this.#submissions.sent(ref, ops);
    // The answer may have come at once.
    const reply = this.#replies.get(ref);
    if (reply !== undefined) this.#submissions.answered(ref, reply.status);
    return ref;
  }

  // ── what must come, and what must not ──────────────────────────────────────────────────────────────────────

  /**
   * Waits for an op since it has connected, of whoever: also its own, and those of the server, as `join`. The first
   * that matches is taken.
   *
   * @param match A part of the op that it must have, such as `{contents: {insert: "a"}}`.
   * @returns The op.
   * @throws AssertionError if none matches when all is at rest.
   */
  async assertOp(match?: unknown, options?: AssertOptions): Promise<SequencedOp> {
    const call = `assertOp(${match === undefined ? "" : shown(match)})`;
    const found = this.take("assertOp", "message", this.#incoming, "op", match, options, undefined, call);
    return (await found) as SequencedOp;
  }

  /** Waits until all is at rest, and checks that no such op has come, or that all were taken. */
  refuteOp(match?: unknown, options?: RefuteOptions): Promise<void> {
    const call = `refuteOp(${match === undefined ? "" : shown(match)})`;
    return this.refuteItem("refuteOp", this.#incoming, "op", match, options, call);
  }

  /**
   * Waits for a signal.
   *
   * @param match A part of `{clientId, content}`.
   * @returns The signal.
   * @throws AssertionError if none matches when all is at rest.
   */
  async assertSignal(match?: unknown, options?: AssertOptions): Promise<ReceivedSignal> {
    return (await this.assertPush("signal", match, options)) as ReceivedSignal;
  }

  /** Waits until all is at rest, and checks that no such signal has come, or that all were taken. */
  refuteSignal(match?: unknown, options?: RefuteOptions): Promise<void> {
    return this.refutePush("signal", match, options);
  }

  /**
   * Waits for the refusal of a push of ops: beside the reply, which has the `reason`, it comes as the event `nack`.
   *
   * @param match A part of `{operation, sequenceNumber, content: {code, type, message, retryAfter}}`.
   * @returns The nack.
   * @throws AssertionError if none matches when all is at rest.
   */
  async assertNack(match?: unknown, options?: AssertOptions): Promise<ReceivedNack> {
    return (await this.assertPush("nack", match, options)) as ReceivedNack;
  }

  /** Waits until all is at rest, and checks that no such nack has come, or that all were taken. */
  refuteNack(match?: unknown, options?: RefuteOptions): Promise<void> {
    return this.refutePush("nack", match, options);
  }

  // ── what the kit and the connection bring ──────────────────────────────────────────────────────────────────

  /**
   * @internal Connects. Returns the reply, null if none comes, and beside it what is still in flight.
   *
   * @param lastSeen What it has seen already.
   */
  async connect(
    payload: object,
    lastSeen: number,
    timeout: number,
  ): Promise<{ status: string | null; response: unknown; flight: string[] }> {
    this.#head = lastSeen;
    const ref = this.push("connect_document", payload);
    const event = () => this.#connected !== null || this.#replies.get(ref)?.status === "error";
    const look = () => this.#replies.has(ref) && event();
    const flight = await this.#kit.rest.wait({ timeout, look, more: () => this.socket.awaits("deferred") });
    const reply = this.#replies.get(ref);
    if (reply === undefined) return { status: null, response: undefined, flight: flight ?? [] };
    reply.entry.taken = true;
    const { key = null, resumed = null } = reply.payload as { key?: string; resumed?: ResumedClient };
    this.#key = key;
    this.#resumed = resumed;
    return { status: reply.status, response: reply.payload, flight: [] };
  }

  /** @internal It has resumed another client: takes over what was never sequenced of that one. */
  takeOver(ops: readonly NumberedOp[]): void {
    const last = this.#resumed?.lastClientSequenceNumber;
    if (last !== undefined) this.#toResend = ops.filter((op) => op.clientSequenceNumber > last);
  }

  /** @internal */
  override replied(ref: string, status: string, response: unknown, item: Item): void {
    super.replied(ref, status, response, item);
    this.#replies.set(ref, { ...item, status });
    this.#submissions.answered(ref, status);
  }

  /** @internal */
  override pushed(item: Item): void {
    switch (item.event) {
      case "op":
        for (const op of (item.payload as { readonly op: readonly SequencedOp[] }).op) {
          this.#saw(op);
          this.#incoming.put({ ...item, payload: op });
        }
        break;
      case "connect_document_success":
        item.entry.taken = true;
        this.#connected = item.payload as ConnectedDocument;
        for (const op of this.#connected.initialMessages) this.#saw(op);
        break;
      default:
        super.pushed(item);
    }
  }

  #saw(op: SequencedOp): void {
    // `requestOps` may bring again what it has.
    if (op.sequenceNumber <= this.#head) return;
    this.#ops.push(op);
    this.#head = op.sequenceNumber;
  }
}

import type { Cancel } from "../clock.ts";
import { describe, printable, StateError } from "../errors.ts";
import type { Answer, DocumentClient, Mode } from "./client.ts";
import { Delivery } from "./delivery.ts";
import type { DocumentHost } from "./documents.ts";
import { loadState } from "./load.ts";
import { type DocumentName, LogTruncated } from "./log/op-log.ts";
import { Ordering, type Resumed, unavailable } from "./ordering.ts";
import { RecentOps } from "./recent.ts";
import { StoredRecord } from "./record.ts";
import { ConnectRefusal, type OpRefusal } from "./refusal.ts";
import type { DocumentState, Summary } from "./state.ts";
import type { Submission } from "./submission.ts";

/** Characters of ops in `initialMessages`. */
const MAX_INITIAL = 512 * 1024;
/** Ops between two checkpoints. */
const CHECKPOINT_EVERY = 1000;
/** A write client that says nothing for this long, and holds the MSN back, is taken for dead; and how often that is looked at. */
const SILENT = 5 * 60_000;
const SILENCE_CHECK = 30_000;

/** Connects of one user within this many milliseconds. */
const MAX_CONNECTS = 300;
const CONNECT_WINDOW = 60_000;

/** A client of a session, as `session.clients` shows it. */
export interface SessionClient {
  readonly clientId: string;
  readonly mode: Mode;
  /** `{user, scopes, mode, timestamp, details…}` */
  readonly detail: unknown;
}

/** What a client asks for that connects. */
export interface ConnectRequest {
  /** It has every op up to here. Null: it begins at the latest summary, or at the beginning. */
  readonly lastSeen: number | null;
  /** The client id that it goes on from. */
  readonly resume: string | null;
  /** Called when it is connected, before it gets any op. */
  admitted(admission: Admission): void;
}

/** What a client gets when it is connected. */
export interface Admission {
  /** In their wire form, contiguous. */
  readonly initialMessages: readonly string[];
  readonly checkpointSequenceNumber: number;
  readonly initialClients: readonly { readonly clientId: string; readonly client: unknown }[];
  readonly existing: boolean;
  readonly summary: Summary | null;
  readonly resumed: Resumed | null;
}

/**
 * A document that is open on this node: its order, and who is connected. It is nothing but what the log says; one
 * that ends, or fails, is built anew from there.
 */
export class Session {
  readonly tenant: string;
  readonly document: string;
  readonly #name: DocumentName;
  readonly #host: DocumentHost;
  readonly #ordering: Ordering;
  readonly #delivery: Delivery;
  readonly #recent: RecentOps;
  readonly #local = new Map<string, DocumentClient>();
  /** Connects by user, in the window that began then. */
  readonly #connects = new Map<string, number>();
  #windowBegan = 0;
  readonly #onEnded: (session: Session, error: unknown) => void;
  #checkpointed: number;
  #checkpointing: Promise<void> | null = null;
  #cancelSilence: Cancel | null = null;
  /** Of what is being committed, the first push's answer: traces tell of its ops in that push's course. */
  #cause: Answer | null = null;
  #ended = false;
  #troubled = false;

  /** @internal Reads the document's state from the log. */
  static async open(
    name: DocumentName,
    host: DocumentHost,
    onEnded: (session: Session, error: unknown) => void,
  ): Promise<Session> {
    const state = await loadState(host.log, name);
    return new Session(name, host, state, onEnded);
  }

  private constructor(
    name: DocumentName,
    host: DocumentHost,
    state: DocumentState,
    onEnded: (session: Session, error: unknown) => void,
  ) {
    this.tenant = name.tenant;
    this.document = name.document;
    this.#name = name;
    this.#host = host;
    this.#onEnded = onEnded;
    this.#checkpointed = state.sn;
    this.#recent = new RecentOps(host.recent);
    this.#ordering = new Ordering(state, name, {
      log: host.log,
      clock: host.clock,
      node: host.node,
      boot: host.boot,
      mayWrite: (client, submission) => this.#mayWrite(client, submission),
      acknowledge: (client, first, last, answer) => {
        this.#cause ??= answer;
        this.#delivery.acknowledge(client, first, last, answer);
      },
      committed: (ops, answers) => {
        const cause = this.#cause;
        this.#cause = null;
        host.notes.resume(cause, () => this.#committed(ops, answers));
      },
      superseded: (clientId) => this.#superseded(clientId),
      trouble: (error) => this.#trouble(error),
      lost: () => this.#fail(new StateError("closed", "the log has records that this session didn't write")),
    });
    this.#delivery = new Delivery(
      {
        clock: host.clock,
        page: (after, to, max) => this.#page(after, to, max),
        unreadable: (client, error) => this.#unreadable(client, error),
        uncarried: (err, { event }) =>
          host.logger.error(
            { err, event, ...name },
            "document event not delivered: a serializer can't carry it",
          ),
      },
      name.document,
      state.sn,
    );
    // Whoever was connected to an earlier session of this process is gone; and if no other process can have the log
    // open, so is everybody else.
    for (const { clientId, boot } of state.clients.values()) {
      if (boot === host.boot || !host.log.guarantees.shared) this.#ordering.leaveId(clientId);
    }
  }

  /** The sequence number of the last durable op, 0 if there is none. */
  get head(): number {
    return this.#ordering.head;
  }

  /** No connected client refers to an op below it. */
  get minimumSequenceNumber(): number {
    return this.#ordering.state.msn;
  }

  /** Who is connected, on all nodes that write and on this one that read. */
  get clients(): SessionClient[] {
    const clients: SessionClient[] = [];
    for (const { clientId, detail } of this.#ordering.state.clients.values()) {
      clients.push({ clientId, mode: "write", detail });
    }
    for (const { clientId, mode, detail } of this.#local.values()) {
      if (mode === "read") clients.push({ clientId, mode, detail });
    }
    return clients;
  }

  /** The latest summary that was acknowledged. */
  get summary(): Summary | null {
    return this.#ordering.state.summary;
  }

  /** The op that the latest checkpoint in the log stands at. */
  get checkpoint(): number {
    return this.#checkpointed;
  }

  /** Pushes that wait for a record. */
  get queued(): number {
    return this.#ordering.queued;
  }

  /** False once it has ended: the registry starts another. */
  get running(): boolean {
    return !this.#ended;
  }

  /**
   * Removes old ops from the log: those up to `upTo`, by default all that the latest summary covers. Ops that no
   * summary covers stay, since nobody could catch up without them.
   *
   * @returns The highest sequence number that is gone.
   * @throws OpLogError by rejection, if the log fails.
   */
  async truncate(upTo?: number): Promise<number> {
    const covered = this.summary?.sequenceNumber ?? 0;
    const cut = Math.min(upTo ?? covered, covered);
    if (cut === 0) return (await this.#host.log.state(this.#name)).floor;
    await this.#checkpoint();
    return this.#host.log.truncate(this.#name, cut);
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal Nobody is connected, and nothing is under way. */
  get idle(): boolean {
    return this.#local.size === 0 && this.#ordering.idle;
  }

  /** @internal Resolves to null once the client is connected, which `request.admitted` was told. */
  async connect(client: DocumentClient, request: ConnectRequest): Promise<ConnectRefusal | null> {
    if (this.#ended) return unavailable();
    if (this.#ordering.down) return unavailable();
    if (this.#local.size >= this.#host.maxClients) {
      const message = `the document has ${this.#local.size} clients, as many as maxClients allows`;
      return new ConnectRefusal("too_many_clients", message, { retryAfter: 10 });
    }
    if (this.#overRate(client.userId)) {
      const message = `the user has connected to the document ${MAX_CONNECTS} times within a minute`;
      return new ConnectRefusal("throttled", message, { retryAfter: CONNECT_WINDOW / 1000 });
    }
    const existing = this.head > 0;
    this.#local.set(client.clientId, client);
    let target: number | null = null;
    let resumed: Resumed | null = null;
    if (client.mode === "write") {
      const joined = await this.#ordering.join(client, request.resume);
      if (joined instanceof ConnectRefusal) {
        this.#forget(client);
        return joined;
      }
      target = joined.sequenceNumber;
      resumed = joined.resumed;
    }
    const refused = await this.#admit(client, request, target, existing, resumed);
    if (refused !== null) this.disconnect(client);
    else this.#watchSilence();
    return refused;
  }

  #overRate(userId: string): boolean {
    const now = this.#host.clock.now();
    if (now - this.#windowBegan >= CONNECT_WINDOW) {
      this.#windowBegan = now;
      this.#connects.clear();
    }
    const connects = (this.#connects.get(userId) ?? 0) + 1;
    this.#connects.set(userId, connects);
    return connects > MAX_CONNECTS;
  }

  /**
   * Reads what the client lacks, then lets it in: in one turn, so that no op comes twice or not at all.
   *
   * @param target Its own join's number; null for a reader, who is let in at the head.
   */
  async #admit(
    client: DocumentClient,
    { lastSeen, admitted }: ConnectRequest,
    target: number | null,
    existing: boolean,
    resumed: Resumed | null,
  ): Promise<ConnectRefusal | null> {
    const from = lastSeen ?? this.summary?.sequenceNumber ?? 0;
    if (from > (target ?? this.head)) {
      const message = `lastSeenSequenceNumber ${from} is above the head ${this.head}: the document was set back`;
      return this.#resync(message, {});
    }
    const initialMessages: string[] = [];
    let left = MAX_INITIAL;
    let cursor = from;
    for (;;) {
      this.#delivery.flush();
      const to = target ?? this.head;
      if (cursor >= to || left <= 0) break;
      let page: string[];
      try {
        const read = this.#page(cursor, to, left);
        page = Array.isArray(read) ? read : await read;
      } catch (error) {
        if (error instanceof LogTruncated) return this.#resync(error.message, { floor: error.floor });
        this.#trouble(error);
        return unavailable();
      }
      // The client, or the session, may have gone while the log was read.
      if (client.ended || this.#ended) return unavailable();
      for (const op of page) {
        if (initialMessages.length > 0 && op.length > left) {
          left = 0;
          break;
        }
        initialMessages.push(op);
        left -= op.length;
        cursor++;
      }
    }
    if (client.ended || this.#ended) return unavailable();
    const to = target ?? this.head;
    const initialClients = this.#initialClients(client, to);
    client.cursor = cursor;
    admitted({
      initialMessages,
      checkpointSequenceNumber: cursor < to ? this.head : cursor,
      initialClients,
      existing,
      summary: this.summary,
      resumed,
    });
    if (client.mode === "read")
      this.#announce(client, "join", { clientId: client.clientId, client: client.detail });
    this.#delivery.connect(client);
    return null;
  }

  /** Who is connected at an op: a client whose join comes later is told of then. */
  #initialClients(self: DocumentClient, sn: number): { clientId: string; client: unknown }[] {
    const clients: { clientId: string; client: unknown }[] = [];
    for (const { clientId, detail, joined } of this.#ordering.state.clients.values()) {
      if (joined <= sn) clients.push({ clientId, client: detail });
    }
    for (const { clientId, mode, detail } of [...this.#delivery.clients, self]) {
      if (mode === "read") clients.push({ clientId, client: detail });
    }
    return clients;
  }

  /** @internal The client is gone, whyever. Twice is once. */
  disconnect(client: DocumentClient): void {
    if (!this.#forget(client) || this.#ended) return;
    if (client.mode === "write") this.#ordering.leave(client);
    else if (this.#delivery.clients.has(client)) this.#announce(client, "leave", client.clientId);
    this.#delivery.disconnect(client);
    this.#host.settled(this);
  }

  #forget(client: DocumentClient): boolean {
    client.ended = true;
    return this.#local.delete(client.clientId);
  }

  /** @internal The client's ops that wait are not sequenced any more. */
  revoke(client: DocumentClient): void {
    this.#ordering.drop(client);
  }

  /** @internal Nothing more goes to the client until it resumes. */
  pause(client: DocumentClient): void {
    this.#delivery.pause(client);
  }

  /** @internal */
  resume(client: DocumentClient): void {
    this.#delivery.resume(client);
  }

  /** @internal A push of ops. Its answer comes when it is durable, or refused. */
  submit(client: DocumentClient, submission: Submission, answer: Answer): void {
    const bound = this.#host.notes.bound(answer);
    const refusal = this.#mayWrite(client, submission) ?? this.#ordering.push(client, submission, bound);
    if (refusal !== null) client.refuse(answer, refusal, this.head);
    else client.heardAt = this.#host.clock.now();
  }

  /** @internal Returns what is wrong with it. */
  noop(client: DocumentClient, rsn: number): string | null {
    client.heardAt = this.#host.clock.now();
    return this.#ordering.noop(client, rsn);
  }

  /** @internal Sends a signal to the connected clients for which `to` says so. */
  signal(payload: string, to: (client: DocumentClient) => boolean): void {
    this.#delivery.signal("signal", payload, to);
  }

  /**
   * @internal Ops above `from` and up to `to`, in their wire form, about as many as make `max` characters.
   * @throws LogTruncated, OpLogError by rejection.
   */
  read(from: number, to: number, max: number): string[] | Promise<string[]> {
    return this.#page(from, Math.min(to, this.head), max);
  }

  #announce(client: DocumentClient, type: "join" | "leave", content: unknown): void {
    const payload = JSON.stringify({ clientId: null, content: JSON.stringify({ type, content }) });
    this.signal(payload, (other) => other !== client);
  }

  // ── from the order ─────────────────────────────────────────────────────────────────────────────────────────

  #mayWrite(client: DocumentClient, { ops }: Submission): OpRefusal | null {
    return client.mayWrite(ops, this.#host.clock.now());
  }

  #committed(
    ops: readonly string[],
    answers: readonly { readonly type: string; readonly contents: string }[],
  ): void {
    if (this.#troubled) {
      this.#troubled = false;
      this.#host.logger.info({ ...this.#name }, `the log takes ops of ${printable(this.document)} again`);
    }
    this.#recent.add(ops, this.head);
    this.#host.notes.stored(this.#name, this.head - ops.length + 1, this.head);
    this.#delivery.add(ops, answers);
    if (this.head - this.#checkpointed >= CHECKPOINT_EVERY) void this.#checkpoint().catch(() => {});
    if (this.#ordering.idle) this.#host.settled(this);
  }

  /** Another connection goes on from this client: what waits of it was never sequenced. */
  #superseded(clientId: string): void {
    const client = this.#local.get(clientId);
    if (client === undefined) return;
    this.#ordering.drop(client);
    client.port.stop("resumed by another connection");
    this.disconnect(client);
  }

  #page(after: number, to: number, max: number): string[] | Promise<string[]> {
    return after >= to ? [] : (this.#recent.page(after, to, max) ?? this.#fromLog(after, to, max));
  }

  async #fromLog(after: number, to: number, max: number): Promise<string[]> {
    const ops: string[] = [];
    let size = 0;
    for (const record of await this.#host.log.read(this.#name, after, max)) {
      for (const op of new StoredRecord(record).wire(after)) {
        size += op.length;
        if (after + ops.length >= to || (ops.length > 0 && size > max)) return ops;
        ops.push(op);
      }
    }
    if (ops.length > 0) return ops;
    const error = new StateError(
      "closed",
      `the log lacks the ops of ${describe(this.document)} above ${after}`,
    );
    this.#fail(error);
    throw error;
  }

  /** An op that a client has yet to get can't be read. */
  #unreadable(client: DocumentClient, error: unknown): void {
    if (error instanceof LogTruncated) {
      client.port.pushEncoded(
        "resync",
        JSON.stringify({ floor: error.floor, summaryContext: this.summaryContext }),
      );
    } else {
      this.#trouble(error);
    }
    client.port.stop(error instanceof Error ? error : String(error));
  }

  /** @internal What a client needs to begin with the latest summary. */
  get summaryContext(): { readonly handle: string; readonly sequenceNumber: number } | null {
    const { summary } = this;
    return summary === null ? null : { handle: summary.handle, sequenceNumber: summary.sequenceNumber };
  }

  #resync(message: string, details: object): ConnectRefusal {
    return new ConnectRefusal("resync", message, { ...details, summaryContext: this.summaryContext });
  }

  // ── checkpoints, silence, the end ──────────────────────────────────────────────────────────────────────────

  /** Stores the state as it is, if nothing is being appended: then it is that of the head. */
  #checkpoint(): Promise<void> {
    const { state, head } = this.#ordering;
    if (state.sn !== head || head === this.#checkpointed) return this.#checkpointing ?? Promise.resolve();
    const { sn, id } = state.position;
    this.#checkpointed = sn;
    const saved = this.#host.log.saveCheckpoint(this.#name, { sn, id, bytes: state.encode() });
    this.#checkpointing = saved.catch((error: unknown) => {
      // Nothing is lost: the next start reads more of the log.
      this.#host.logger.warn({ err: error, ...this.#name }, "a document's checkpoint couldn't be stored");
      throw error;
    });
    return this.#checkpointing;
  }

  #watchSilence(): void {
    this.#cancelSilence ??= this.#host.clock.schedule(() => {
      this.#cancelSilence = null;
      const { state, head } = this.#ordering;
      const since = this.#host.clock.now() - SILENT;
      for (const client of [...this.#local.values()]) {
        const rsn = state.clients.get(client.clientId)?.rsn;
        if (rsn === undefined || rsn !== state.msn || rsn === head || client.heardAt > since) continue;
        this.revoke(client);
        client.port.stop("silent for 5 minutes, and holding the minimum sequence number back");
        this.disconnect(client);
      }
      if (this.#local.size > 0) this.#watchSilence();
    }, SILENCE_CHECK);
  }

  #trouble(error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#host.logger.error(
      { err: error, ...this.#name },
      `the log doesn't take ops of ${printable(this.document)}: they wait, and clients are refused until it does`,
    );
  }

  /** What this session knows isn't what the log says: it ends, and its clients begin anew. */
  #fail(error: Error): void {
    if (this.#ended) return;
    this.#host.logger.error(
      { err: error, ...this.#name },
      `the session of ${printable(this.document)} failed`,
    );
    const resync = JSON.stringify({ summaryContext: this.summaryContext });
    this.#end((client) => {
      client.port.pushEncoded("resync", resync);
      client.port.stop(error);
    });
    this.#onEnded(this, error);
  }

  #end(tell: (client: DocumentClient) => void): void {
    this.#ended = true;
    this.#ordering.stop();
    this.#delivery.stop();
    this.#cancelSilence?.();
    this.#recent.clear();
    for (const client of [...this.#local.values()]) {
      this.#forget(client);
      this.#delivery.disconnect(client);
      tell(client);
    }
  }

  /**
   * @internal Ends the session; clients that are connected are told, and join again. What is in flight may still be
   * committed.
   */
  async stop(reason = "the document's session was stopped"): Promise<void> {
    if (this.#ended) return;
    const saved = this.#checkpoint();
    this.#end((client) => client.port.stop(reason));
    await Promise.all([saved.catch(() => {}), this.#ordering.settled()]);
  }
}

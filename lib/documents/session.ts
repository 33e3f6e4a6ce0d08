import { ConfigError, describe, printable } from "../errors.ts";
import { Admissions, type ConnectRequest } from "./admission.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { Answer, DocumentClient, Mode } from "./client.ts";
import { Delivery } from "./delivery.ts";
import type { DocumentHost } from "./documents.ts";
import { loadState } from "./load.ts";
import { type DocumentName, LogTruncated } from "./log/op-log.ts";
import { OpReader } from "./op-reader.ts";
import { Ordering } from "./ordering.ts";
import { MAX_SESSION_BYTES, RecentOps } from "./recent.ts";
import type { ConnectRefusal, OpRefusal } from "./refusal.ts";
import { Silence } from "./silence.ts";
import type { DocumentState, Summary } from "./state.ts";
import type { Submission } from "./submission.ts";
import { type Carrier, inCourse, note } from "./trace.ts";

/** A client of a session, as `session.clients` shows it. */
export interface SessionClient {
  readonly clientId: string;
  readonly mode: Mode;
  /** `{user, scopes, mode, timestamp, details…}` */
  readonly detail: unknown;
}

/**
 * A document that is open on this node: its order, and who is connected. It is nothing but what the log says; one
 * that ends, or fails, is built anew from there.
 */
export class Session {
  /** With `document` its name. */
  readonly tenant: string;
  readonly document: string;
  readonly #name: DocumentName;
  readonly #host: DocumentHost;
  readonly #ordering: Ordering;
  readonly #delivery: Delivery;
  readonly #recent: RecentOps;
  readonly #reader: OpReader;
  readonly #checkpoints: Checkpoints;
  readonly #local = new Map<string, DocumentClient>();
  readonly #admissions: Admissions;
  readonly #silence: Silence;
  readonly #onEnded: (session: Session, error: unknown) => void;
  #stopping: Promise<void> | null = null;
  #ended = false;
  #troubled = false;

  /** @internal Reads the document's state from the log. */
  static async open(
    name: DocumentName,
    host: DocumentHost,
    onEnded: (session: Session, error: unknown) => void,
  ): Promise<Session> {
    const state = await loadState(host.log, name, host.clock);
    if (host.traces.active) host.traces.note("session_started", name, { head: state.sn, msn: state.msn });
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
    this.#recent = new RecentOps(host.recent, MAX_SESSION_BYTES);
    this.#reader = new OpReader(name, host, this.#recent, (error) => this.#fail(error));
    this.#ordering = new Ordering(state, name, {
      log: host.log,
      clock: host.clock,
      node: host.node,
      boot: host.boot,
      traces: host.traces,
      mayWrite: (client, submission) => this.#mayWrite(client, submission),
      acknowledge: (client, first, last, answer) => this.#delivery.acknowledge(client, first, last, answer),
      committed: (ops, answers, carriers) => this.#committed(ops, answers, carriers),
      superseded: (clientId) => this.#superseded(clientId),
      trouble: (error) => this.#trouble(error),
      failed: (error) => this.#fail(error),
      settled: () => host.settled(this),
    });
    this.#silence = new Silence({
      clock: host.clock,
      clients: this.#local,
      order: this.#ordering,
      silent: (client) => this.#silent(client),
    });
    this.#checkpoints = new Checkpoints(name, host, this.#ordering);
    this.#delivery = new Delivery(
      {
        clock: host.clock,
        page: (after, to, max) => this.#reader.page(after, to, max),
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
    this.#admissions = new Admissions({
      clock: host.clock,
      maxClients: host.maxClients,
      clients: this.#local,
      order: this.#ordering,
      reader: this.#reader,
      delivery: this.#delivery,
      session: this,
      isGone: (client) => client.ended || this.#ended,
      forget: (client) => this.#forget(client),
      announce: (client) =>
        this.#announce(client, "join", { clientId: client.clientId, client: client.detail }),
    });
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
    return this.#checkpoints.latest;
  }

  /** Pushes that wait for a record. */
  get queued(): number {
    return this.#ordering.queued;
  }

  /** False once it ends: the registry starts another. */
  get running(): boolean {
    return !this.#ended && this.#stopping === null;
  }

  /**
   * Removes old ops from the log: those up to `upTo`, by default all that the latest summary covers. Ops that no
   * summary covers stay, since nobody could catch up without them.
   *
   * @returns The highest sequence number that is gone.
   * @throws ConfigError (`invalid_argument`); OpLogError if the log fails; StateError (`closed`) if the session ends
   * meanwhile: all by rejection.
   */
  async truncate(upTo?: number): Promise<number> {
    if (upTo !== undefined && !Number.isSafeInteger(upTo)) {
      throw new ConfigError("invalid_argument", `truncate takes a whole number, got ${describe(upTo)}`);
    }
    const covered = this.summary?.sequenceNumber ?? 0;
    const cut = Math.min(upTo ?? covered, covered);
    if (cut === 0) return (await this.#host.log.state(this.#name)).floor;
    await this.#checkpoints.save();
    const floor = await this.#host.log.truncate(this.#name, cut);
    this.#reader.forget();
    return floor;
  }

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal Nobody is connected, and nothing is under way. */
  get idle(): boolean {
    return this.#local.size === 0 && this.#ordering.idle;
  }

  /** @internal Resolves to null once the client is connected, which `request.admitted` was told. */
  async connect(client: DocumentClient, request: ConnectRequest): Promise<ConnectRefusal | null> {
    const early = this.#admissions.refusal(client, request);
    if (early !== null) return early;
    this.#local.set(client.clientId, client);
    try {
      const refused = await this.#admissions.admit(client, request);
      if (refused !== null) this.disconnect(client);
      else this.#silence.watch();
      return refused;
    } catch (error) {
      this.disconnect(client);
      throw error;
    }
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
    // Its channel has ended while a hook was asked: nobody is there to be answered.
    if (client.ended) return;
    const refusal = this.#mayWrite(client, submission) ?? this.#ordering.push(client, submission, answer);
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
    return this.#reader.page(from, Math.min(to, this.head), max);
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
    carriers: readonly Carrier[],
  ): void {
    if (this.#ended) return;
    if (this.#troubled) {
      this.#troubled = false;
      this.#host.logger.info({ ...this.#name }, `the log takes ops of ${printable(this.document)} again`);
    }
    if (this.#host.traces.active) this.#traceCommitted(ops, carriers);
    this.#recent.add(ops, this.head);
    this.#delivery.add(ops, answers, carriers);
    this.#checkpoints.committed();
  }

  /** Each push of a record is told of it; one without pushes, of joins and leaves, has an id of its own. */
  #traceCommitted(ops: readonly string[], carriers: readonly Carrier[]): void {
    const facts = { first: this.head - ops.length + 1, last: this.head, pushes: carriers.length };
    if (carriers.length === 0) this.#host.traces.note("record_committed", this.#name, facts);
    for (const { client, answer } of carriers) {
      inCourse(client.port, answer, () => note(client.port, "record_committed", facts));
    }
  }

  /** Another connection goes on from this client: what waits of it was never sequenced. */
  #superseded(clientId: string): void {
    const client = this.#local.get(clientId);
    if (client === undefined) return;
    this.#ordering.drop(client);
    client.port.stop("resumed by another connection", "info");
    this.disconnect(client);
  }

  /** An op that a client has yet to get can't be read. */
  #unreadable(client: DocumentClient, error: unknown): void {
    if (error instanceof LogTruncated) {
      client.port.pushEncoded(
        "resync",
        JSON.stringify({ floor: error.floor, summaryContext: this.summaryContext }),
      );
    }
    const level = error instanceof LogTruncated ? "info" : "error";
    client.port.stop(error instanceof Error ? error : String(error), level);
  }

  /** @internal What a client needs to begin with the latest summary. */
  get summaryContext(): { readonly handle: string; readonly sequenceNumber: number } | null {
    const { summary } = this;
    return summary === null ? null : { handle: summary.handle, sequenceNumber: summary.sequenceNumber };
  }

  // ── silence, trouble, the end ──────────────────────────────────────────────────────────────────────────────

  #silent(client: DocumentClient): void {
    this.revoke(client);
    client.port.stop("silent for 5 minutes, and holding the minimum sequence number back", "info");
    this.disconnect(client);
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
    if (this.#host.traces.active) {
      this.#host.traces.note("session_failed", this.#name, { head: this.head, error: error.message });
    }
    const resync = JSON.stringify({ summaryContext: this.summaryContext });
    this.#end((client) => {
      client.port.pushEncoded("resync", resync);
      client.port.stop(error, false);
    });
    this.#onEnded(this, error);
  }

  #end(tell: (client: DocumentClient) => void): void {
    this.#ended = true;
    this.#ordering.stop();
    this.#checkpoints.stop();
    this.#delivery.stop();
    this.#silence.stop();
    this.#recent.clear();
    this.#reader.stop();
    for (const client of [...this.#local.values()]) {
      this.#forget(client);
      // Who is connecting is answered as any that comes too late.
      const connected = this.#delivery.clients.has(client);
      this.#delivery.disconnect(client);
      if (connected) tell(client);
    }
  }

  /**
   * @internal Ends the session; clients that are connected are told, and join again. What they have sent is
   * sequenced, and their leaves behind it, unless the log doesn't answer.
   *
   * @returns Resolves when it has ended; never rejects.
   */
  stop(reason = "the document's session was stopped"): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  async #stop(reason: string): Promise<void> {
    if (this.#ended) return this.settled();
    if (this.#host.traces.active) {
      const facts = { head: this.head, clients: this.#local.size, reason };
      this.#host.traces.note("session_stopped", this.#name, facts);
    }
    // Its clients have no lines of their own for that.
    const clients = this.#delivery.clients.size;
    if (clients > 0) {
      const what = `the session of ${printable(this.document)} was stopped with ${clients} client(s)`;
      this.#host.logger.info({ reason, clients, ...this.#name }, what);
    }
    this.#delivery.flush();
    for (const client of [...this.#local.values()]) {
      if (this.#delivery.clients.has(client)) client.port.stop(reason, false);
      this.disconnect(client);
    }
    await this.#ordering.drained();
    if (!this.#ended) {
      const saved = this.#checkpoints.saveLast();
      this.#end((client) => client.port.stop(reason, false));
      await saved;
    }
    await this.settled();
  }

  /** @internal Resolves when nothing of this session is under way in the log, or after a while if that hangs. */
  settled(): Promise<void> {
    return this.#ordering.settled();
  }
}

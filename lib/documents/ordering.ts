import type { Cancel, Clock } from "../clock.ts";
import { atTurnEnd } from "../turn.ts";
import { Appender } from "./appender.ts";
import { type Answer, acknowledged, type DocumentClient, type QueuedPush } from "./client.ts";
import type { DocumentName, LogRecord, OpLog } from "./log/op-log.ts";
import { ConnectRefusal, OpRefusal } from "./refusal.ts";
import { type Moved, movedMinimum, NOOP, type OpDraft, Stamp, validate, validateNoop } from "./sequencer.ts";
import type { DocumentState, WriteClient } from "./state.ts";
import type { Submission } from "./submission.ts";

/** What one record takes at most, in bytes, unless one push alone is larger. */
const MAX_RECORD = 1024 * 1024;
/** What stands before the ops of a record, at most. */
const HEADER_BYTES = 64 * 1024;
/** What may wait of one client; and of all, while the log doesn't answer. */
const MAX_QUEUED_OPS = 256;
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Milliseconds that pushes and joins wait while the log doesn't answer. */
const MAX_WAIT = 5000;
/** Milliseconds after an append, in which a moved MSN waits for an op to carry it; and between two noops. */
const NOOP_AFTER = 250;
const NOOP_INTERVAL = 2000;
/** Seconds after which a throttled client should try again. */
const RETRY_AFTER = 2;
/** About what a join or leave takes in a record. */
const SYSTEM_BYTES = 512;

/** What is known of a client id that a new client resumes. */
export interface Resumed {
  readonly clientId: string;
  readonly lastClientSequenceNumber: number;
  readonly lastSequenceNumber: number;
}

export interface Joined {
  readonly sequenceNumber: number;
  readonly resumed: Resumed | null;
}

interface PendingJoin {
  readonly client: DocumentClient;
  readonly resume: string | null;
  readonly since: number;
  readonly bytes: number;
  settle(result: Joined | ConnectRefusal): void;
}

/** What an append does when it is durable. */
interface Batch {
  readonly record: LogRecord;
  readonly stamp: Stamp;
  readonly settle: readonly (() => void)[];
}

export interface OrderingHost {
  readonly log: OpLog;
  readonly clock: Clock;
  readonly node: string;
  readonly boot: string;
  /** Why a client may not submit these ops now, or null: asked again when they get their place. */
  mayWrite(client: DocumentClient, submission: Submission): OpRefusal | null;
  /** A push is durable: its answer follows its ops. */
  acknowledge(client: DocumentClient, first: number, last: number, answer: Answer): void;
  /** Ops are durable: in their wire form, with the events that answer summaries. */
  committed(ops: readonly string[], answers: Stamp["answers"]): void;
  /** A client of this session goes on under another id. */
  superseded(clientId: string): void;
  trouble(error: unknown): void;
  /** The log's end isn't where this session left it. */
  lost(): void;
}

/**
 * Gives ops their place: takes what waits into one record, appends it, and goes on when it is durable. One append
 * is in flight at a time, so a busy document makes larger records, not more of them.
 */
export class Ordering {
  readonly state: DocumentState;
  readonly #host: OrderingHost;
  readonly #appender: Appender;
  readonly #moved: Moved = new Map();
  #joins: PendingJoin[] = [];
  #leaves: string[] = [];
  /** Clients with pushes that wait, in the order of their turns. */
  #turns: DocumentClient[] = [];
  /** Clients that leave behind their last push. */
  readonly #leaving = new Set<DocumentClient>();
  /** The last durable op. */
  #head: number;
  #appending = false;
  #inFlight: Promise<void> = Promise.resolve();
  #appendStarted = 0;
  #appendedAt = 0;
  #scheduled = false;
  #stopped = false;
  #noopAt = Number.NEGATIVE_INFINITY;
  #noopDue = false;
  #cancelNoop: Cancel | null = null;
  #cancelSweep: Cancel | null = null;
  #queuedBytes = 0;

  constructor(state: DocumentState, name: DocumentName, host: OrderingHost) {
    this.state = state;
    this.#head = state.sn;
    this.#host = host;
    this.#appender = new Appender(host.log, name, host.clock, (error) => host.trouble(error));
  }

  get head(): number {
    return this.#head;
  }

  /** Pushes that wait. */
  get queued(): number {
    return this.#turns.reduce((sum, client) => sum + client.queue.length, 0);
  }

  get idle(): boolean {
    return (
      !this.#appending &&
      this.#joins.length === 0 &&
      this.#leaves.length === 0 &&
      this.#turns.length === 0 &&
      this.#leaving.size === 0
    );
  }

  /** The log hasn't answered for a while. */
  get down(): boolean {
    if (!this.#appending) return false;
    return this.#appender.failing || this.#host.clock.now() - this.#appendStarted > MAX_WAIT;
  }

  // ── what waits ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A write client connects, in place of the one that it resumes. Resolves when its join is durable. */
  join(client: DocumentClient, resume: string | null): Promise<Joined | ConnectRefusal> {
    const bytes = SYSTEM_BYTES + 2 * Buffer.byteLength(JSON.stringify(client.detail));
    return new Promise((settle) => {
      this.#joins.push({ client, resume, since: this.#host.clock.now(), bytes, settle });
      this.#sweepLater();
      this.#schedule();
    });
  }

  /** A write client is gone. What it sent before is still sequenced, unless it was dropped. */
  leave(client: DocumentClient): void {
    const pending = this.#joins.findIndex((join) => join.client === client);
    if (pending >= 0) {
      // Nobody has heard of it.
      this.#joins.splice(pending, 1)[0]?.settle(new ConnectRefusal("unavailable", "the client has left"));
    } else if (client.queue.length > 0) {
      this.#leaving.add(client);
    } else {
      this.leaveId(client.clientId);
    }
  }

  /** A write client of this log is gone, whoever held it. */
  leaveId(clientId: string): void {
    this.#leaves.push(clientId);
    this.#schedule();
  }

  /** A push of a connected write client. */
  push(client: DocumentClient, submission: Submission, answer: Answer): OpRefusal | null {
    const { ops, bytes } = submission;
    const over =
      client.queuedOps + ops.length > MAX_QUEUED_OPS ||
      client.queuedBytes + bytes > Math.max(MAX_QUEUED_BYTES, bytes) ||
      (this.down && this.#queuedBytes + bytes > MAX_QUEUED_BYTES);
    if (over && client.queue.length > 0) return throttled("too many ops of this client wait");
    if (over && this.down) return throttled("the log doesn't answer, and too many ops wait");
    if (client.queue.push({ submission, answer, since: this.#host.clock.now() }) === 1)
      this.#turns.push(client);
    client.queuedOps += ops.length;
    client.queuedBytes += bytes;
    this.#queuedBytes += bytes;
    this.#sweepLater();
    this.#schedule();
    return null;
  }

  /** A noop outside of the order of pushes. Returns what is wrong with it. */
  noop(client: DocumentClient, rsn: number): string | null {
    const wrong = validateNoop(this.state, rsn);
    const writer = this.state.clients.get(client.clientId);
    // Behind pushes that wait and refer to less it would be their undoing.
    if (wrong !== null || writer === undefined || client.queue.length > 0) return wrong;
    this.#moved.set(client.clientId, { rsn, csn: this.#moved.get(client.clientId)?.csn ?? writer.csn });
    this.#noopLater();
    return null;
  }

  /** Forgets what waits of a client. */
  drop(client: DocumentClient): void {
    this.#queuedBytes -= client.queuedBytes;
    client.drop();
    this.#turns = this.#turns.filter((other) => other !== client);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelNoop?.();
    this.#cancelSweep?.();
    this.#appender.stop();
    const refusal = new ConnectRefusal("unavailable", "the document's session has ended", { retryAfter: 1 });
    for (const { settle } of this.#joins.splice(0)) settle(refusal);
  }

  /** Resolves when the log has answered what is in flight, or after a while if it doesn't. */
  async settled(): Promise<void> {
    let cancel: Cancel = () => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = this.#host.clock.schedule(resolve, MAX_WAIT);
    });
    await Promise.race([this.#inFlight, timeout]);
    cancel();
  }

  // ── records ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what comes in one turn of the event loop together. */
  #schedule(): void {
    if (this.#scheduled || this.#appending || this.#stopped) return;
    this.#scheduled = true;
    atTurnEnd(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#appending || this.#stopped) return;
    const after = this.state.position;
    const batch = this.#build();
    if (batch === null) {
      // Noops alone make no record, and what came behind them has waited for its turn.
      if (this.#turns.length > 0) this.#schedule();
      return;
    }
    this.#appending = true;
    this.#appendStarted = this.#host.clock.now();
    this.#inFlight = this.#appender.append(after, batch.record).then((committed) => {
      this.#appending = false;
      if (this.#stopped) return;
      if (committed) this.#committed(batch);
      else this.#host.lost();
    });
  }

  #committed({ record, stamp, settle }: Batch): void {
    this.#head = record.last;
    this.#appendedAt = this.#host.clock.now();
    for (const done of settle) done();
    this.#host.committed(stamp.ops, stamp.answers);
    this.#noopLater();
    this.#pump();
  }

  /** One record of what waits: those that leave, those that join, then pushes, the clients taking turns. */
  #build(): Batch | null {
    let stamp: Stamp | null = null;
    const { node, boot, clock, log } = this.#host;
    const begun = () => {
      stamp ??= new Stamp(this.state, { node, boot, now: clock.now(), moved: this.#moved });
      return stamp;
    };
    const settle: (() => void)[] = [];
    let left = Math.min(MAX_RECORD, log.maxRecordBytes - HEADER_BYTES);
    /** Whether so many bytes still fit; the first always do. */
    const fits = (bytes: number) => {
      if (stamp !== null && bytes > left) return false;
      left -= bytes;
      return true;
    };
    while (this.#leaves.length > 0 && fits(SYSTEM_BYTES)) {
      const clientId = this.#leaves.shift() as string;
      if (this.state.clients.has(clientId)) begun().leave(clientId);
    }
    while (this.#joins.length > 0 && fits((this.#joins[0] as PendingJoin).bytes)) {
      settle.push(this.#stampJoin(begun(), this.#joins.shift() as PendingJoin));
    }
    this.#stampPushes(begun, () => stamp !== null, fits, settle);
    if (this.#noopDue && stamp === null) begun().noop();
    this.#noopDue = false;
    // TypeScript doesn't see what the closure has done.
    const finished = stamp as Stamp | null;
    if (finished === null || finished.ops.length === 0) return null;
    return { record: finished.finish(), stamp: finished, settle };
  }

  #stampJoin(stamp: Stamp, { client, resume, settle }: PendingJoin): () => void {
    let resumed: Resumed | null = null;
    if (resume !== null) {
      const old = this.state.clients.get(resume);
      if (old !== undefined) {
        this.#host.superseded(resume);
        stamp.leave(resume);
      }
      const last = this.state.departed.get(resume);
      if (last !== undefined) {
        resumed = { clientId: resume, lastClientSequenceNumber: last.csn, lastSequenceNumber: last.sn };
      }
    }
    const sequenceNumber = stamp.join(client.clientId, client.detail);
    return () => settle({ sequenceNumber, resumed });
  }

  #stampPushes(
    begun: () => Stamp,
    hasBegun: () => boolean,
    fits: (bytes: number) => boolean,
    settle: (() => void)[],
  ): void {
    /** Clients whose next push has to wait for the next record. */
    const later: DocumentClient[] = [];
    while (this.#turns.length > 0) {
      const client = this.#turns[0] as DocumentClient;
      const push = client.queue[0];
      if (push === undefined || !fits(push.submission.bytes)) break;
      this.#turns.shift();
      client.queue.shift();
      client.queuedOps -= push.submission.ops.length;
      client.queuedBytes -= push.submission.bytes;
      this.#queuedBytes -= push.submission.bytes;
      // A record that begins takes along what noops have moved, and with it the MSN.
      const minimum =
        hasBegun() || this.#moved.size === 0 ? this.state.msn : movedMinimum(this.state, this.#moved);
      const waits = this.#stampPush(begun, client, push, minimum, settle);
      if (client.queue.length > 0) (waits ? later : this.#turns).push(client);
      else if (this.#leaving.delete(client)) this.#leaves.push(client.clientId);
    }
    this.#turns.push(...later);
    if (this.#leaves.length > 0) this.#schedule();
  }

  /** True if the client's noops have to be in a record before its next push is. */
  #stampPush(
    begun: () => Stamp,
    client: DocumentClient,
    { submission, answer }: QueuedPush,
    minimum: number,
    settle: (() => void)[],
  ): boolean {
    const { ops, sent } = submission;
    const writer = this.state.clients.get(client.clientId);
    const refusal =
      writer === undefined
        ? new OpRefusal("client_mismatch", "the client isn't connected any more")
        : this.#host.mayWrite(client, submission);
    if (refusal !== null || writer === undefined) {
      if (refusal !== null) client.refuse(answer, refusal, this.#head);
      return false;
    }
    const verdict = validate(this.state, writer, ops, this.#moved, minimum);
    if (verdict.kind === "refuse") {
      const { reason, message, index } = verdict;
      client.refuse(answer, new OpRefusal(reason, message, sent[index] ?? null), this.#head);
      return false;
    }
    const skip = verdict.kind === "duplicate" ? ops.length : verdict.skip;
    const rest = ops.slice(skip);
    if (rest.every(({ type }) => type === NOOP)) {
      if (verdict.last === 0) answer(acknowledged(this.#head, this.#head));
      else this.#acknowledgeSeen(client, verdict, answer, settle);
      return this.#takeNoops(writer, rest);
    }
    const { first, last, trailing } = begun().push(writer, ops, skip);
    settle.push(() => {
      this.#host.acknowledge(client, verdict.first || first, last, answer);
      client.onSequenced?.(submission, first, last);
    });
    if (trailing !== null) this.#moved.set(client.clientId, trailing);
    return trailing !== null;
  }

  /** Answers a push whose ops are sequenced already. */
  #acknowledgeSeen(
    client: DocumentClient,
    { first, last }: { readonly first: number; readonly last: number },
    answer: Answer,
    settle: (() => void)[],
  ): void {
    const acknowledge = () => this.#host.acknowledge(client, first, last, answer);
    // They may be in the record that is being made.
    if (last > this.#head) settle.push(acknowledge);
    else acknowledge();
  }

  #takeNoops(writer: WriteClient, noops: readonly OpDraft[]): boolean {
    if (noops.length === 0) return false;
    const csn = (this.#moved.get(writer.clientId)?.csn ?? writer.csn) + noops.length;
    const rsn = noops.at(-1)?.rsn ?? this.#head;
    this.#moved.set(writer.clientId, { rsn, csn });
    this.#noopLater();
    return true;
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** An op that carries the MSN, if noops could move it and no other op comes. */
  #noopLater(): void {
    if (this.#moved.size === 0 || this.#cancelNoop !== null || this.#stopped) return;
    const now = this.#host.clock.now();
    const at = Math.max(this.#appendedAt + NOOP_AFTER, this.#noopAt + NOOP_INTERVAL, now);
    this.#cancelNoop = this.#host.clock.schedule(() => {
      this.#cancelNoop = null;
      if (this.#moved.size === 0) return;
      if (this.#host.clock.now() < this.#appendedAt + NOOP_AFTER) {
        this.#noopLater();
      } else if (this.#raises()) {
        this.#noopAt = this.#host.clock.now();
        this.#noopDue = true;
        this.#schedule();
      }
    }, at - now);
  }

  /** Whether what has moved raises the MSN. */
  #raises(): boolean {
    return movedMinimum(this.state, this.#moved) > this.state.msn;
  }

  #sweepLater(): void {
    if (this.#stopped) return;
    this.#cancelSweep ??= this.#host.clock.schedule(() => this.#sweep(), MAX_WAIT);
  }

  /** While the log doesn't answer, nobody waits for longer than they may; what is in flight goes on. */
  #sweep(): void {
    this.#cancelSweep = null;
    if (this.#turns.length === 0 && this.#joins.length === 0) return;
    if (this.down) {
      const before = this.#host.clock.now() - MAX_WAIT;
      const refusal = throttled("the log doesn't answer");
      for (const client of this.#turns) {
        while (client.queue[0] !== undefined && client.queue[0].since <= before) {
          const { submission, answer } = client.queue.shift() as DocumentClient["queue"][number];
          client.queuedOps -= submission.ops.length;
          client.queuedBytes -= submission.bytes;
          this.#queuedBytes -= submission.bytes;
          client.refuse(answer, refusal, this.#head);
        }
      }
      this.#turns = this.#turns.filter((client) => {
        if (client.queue.length > 0) return true;
        if (this.#leaving.delete(client)) this.#leaves.push(client.clientId);
        return false;
      });
      const late = this.#joins.filter(({ since }) => since <= before);
      this.#joins = this.#joins.filter(({ since }) => since > before);
      for (const { settle } of late) settle(unavailable());
    }
    this.#sweepLater();
  }
}

export function unavailable(): ConnectRefusal {
  const message = "the document's log doesn't answer; try again later";
  return new ConnectRefusal("unavailable", message, { retryAfter: RETRY_AFTER });
}

function throttled(message: string): OpRefusal {
  return new OpRefusal("throttled", `${message}; try again in ${RETRY_AFTER} s`, null, RETRY_AFTER);
}

import type { Cancel, Clock } from "../clock.ts";
import { atTurnEnd } from "../turn.ts";
import { Appender } from "./appender.ts";
import type { Answer, DocumentClient, QueuedPush } from "./client.ts";
import type { DocumentName, LogRecord, OpLog, Position } from "./log/op-log.ts";
import { Noops } from "./noops.ts";
import { MAX_WAIT } from "./patience.ts";
import { type ConnectRefusal, OpRefusal } from "./refusal.ts";
import { movedMinimum, NOOP, type OpDraft, Stamp, validate, validateNoop } from "./sequencer.ts";
import type { DocumentState, WriteClient } from "./state.ts";
import type { Submission } from "./submission.ts";
import { type Carrier, type DocumentTraces, inCourse, note } from "./trace.ts";
import { type Joined, type PendingJoin, type Resumed, SYSTEM_BYTES, Waiting } from "./waiting.ts";

/** What one record takes at most, in bytes, unless one push alone is larger. */
const MAX_RECORD = 1024 * 1024;
/** What stands before the ops of a record, and what each client takes there that noops have moved. */
const HEADER_BYTES = 16 * 1024;
const MOVED_BYTES = 80;
/** What an append does when it is durable. */
interface Batch {
  readonly record: LogRecord;
  readonly stamp: Stamp;
  readonly settle: readonly (() => void)[];
  readonly carriers: readonly Carrier[];
}

/** One record in the making. */
interface Building {
  /** The MSN that the next op can't refer below. */
  readonly minimum: () => number;
  /** The stamp, which begins when it is first asked for. */
  readonly begun: () => Stamp;
  /** Whether so many bytes still fit; the first always do. */
  readonly fits: (bytes: number) => boolean;
  readonly settle: (() => void)[];
  /** The pushes in it, if there is a trace. */
  readonly carriers: Carrier[];
}

export interface OrderingHost {
  readonly log: OpLog;
  readonly clock: Clock;
  readonly node: string;
  readonly boot: string;
  readonly traces: DocumentTraces;
  /** Why a client may not submit these ops now, or null: asked again when they get their place. */
  mayWrite(client: DocumentClient, submission: Submission): OpRefusal | null;
  /** A push is durable: its answer follows its ops. */
  acknowledge(client: DocumentClient, first: number, last: number, answer: Answer): void;
  /** Ops are durable: in their wire form, with the events that answer summaries. */
  committed(ops: readonly string[], answers: Stamp["answers"], carriers: readonly Carrier[]): void;
  /** A client of this session goes on under another id. */
  superseded(clientId: string): void;
  /** An append failed, and is tried again. */
  trouble(error: unknown): void;
  /** It can't go on: the log's end isn't where this session left it, or won't ever take its record. */
  failed(error: Error): void;
  /** Nothing waits any more, and nothing was appended. */
  settled(): void;
}

/**
 * Gives ops their place: takes what waits into one record, appends it, and goes on when it is durable. One append
 * is in flight at a time, so a busy document makes larger records, not more of them.
 */
export class Ordering {
  readonly state: DocumentState;
  readonly #host: OrderingHost;
  readonly #appender: Appender;
  readonly #noops: Noops;
  readonly #waiting: Waiting;
  /** The last durable op. */
  #head: number;
  #appending = false;
  #inFlight: Promise<void> = Promise.resolve();
  #appendStarted = 0;
  #scheduled = false;
  #stopped = false;
  #noopDue = false;
  #whenIdle: (() => void)[] = [];

  constructor(state: DocumentState, name: DocumentName, host: OrderingHost) {
    this.state = state;
    this.#head = state.sn;
    this.#host = host;
    this.#appender = new Appender(host.log, name, host.clock, (error) => host.trouble(error));
    this.#waiting = new Waiting(this);
    this.#noops = new Noops(state, host.clock, () => {
      this.#noopDue = true;
      this.#schedule();
    });
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  get head(): number {
    return this.#head;
  }

  /** Pushes that wait. */
  get queued(): number {
    return this.#waiting.pushes;
  }

  get idle(): boolean {
    return !this.#appending && this.#waiting.isEmpty;
  }

  /** The log hasn't answered for a while. */
  get down(): boolean {
    if (!this.#appending) return false;
    return this.#appender.failing || this.#host.clock.now() - this.#appendStarted >= MAX_WAIT;
  }

  // ── what waits ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A write client connects, in place of the one that it resumes. Resolves when its join is durable. */
  join(client: DocumentClient, resume: string | null): Promise<Joined | ConnectRefusal> {
    const joined = this.#waiting.join(client, resume);
    this.#schedule();
    return joined;
  }

  /** A write client is gone. What it sent before is still sequenced, unless it was dropped. */
  leave(client: DocumentClient): void {
    this.#waiting.leave(client);
    this.#schedule();
  }

  /** A write client of this log is gone, whoever held it. */
  leaveId(clientId: string): void {
    this.#waiting.leaves.push(clientId);
    this.#schedule();
  }

  /** A push of a connected write client. Returns why it isn't taken. */
  push(client: DocumentClient, submission: Submission, answer: Answer): OpRefusal | null {
    const refusal = this.#waiting.push(client, submission, answer);
    if (refusal === null) this.#schedule();
    return refusal;
  }

  /** A noop outside of the order of pushes. Returns what is wrong with it. */
  noop(client: DocumentClient, rsn: number): string | null {
    const wrong = validateNoop(this.state, rsn);
    const writer = this.state.clients.get(client.clientId);
    // Behind pushes that wait and refer to less it would be their undoing.
    if (wrong !== null || writer === undefined || client.queue.length > 0) return wrong;
    this.#noops.move(writer, rsn, this.#noops.csn(writer));
    return null;
  }

  /** Forgets what waits of a client. */
  drop(client: DocumentClient): void {
    this.#waiting.drop(client);
    this.#schedule();
  }

  /** Takes nothing more; what is in flight may still be committed, but nobody here learns of it. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#noops.stop();
    this.#waiting.stop();
    this.#appender.stop();
    this.#tellIdle();
  }

  /** Resolves when nothing waits and nothing is in flight, or after a while if the log doesn't answer. */
  drained(): Promise<void> {
    if (this.idle || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#host.clock.schedule(resolve, MAX_WAIT);
      this.#whenIdle.push(() => {
        cancel();
        resolve();
      });
    });
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

  #tellIdle(): void {
    for (const tell of this.#whenIdle.splice(0)) tell();
  }

  // ── records ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what comes in one turn of the event loop together. */
  #schedule(): void {
    if (this.#scheduled || this.#appending || this.#stopped) return;
    this.#scheduled = true;
    atTurnEnd(() => {
      this.#scheduled = false;
      this.#host.traces.apart(() => this.#pump());
    });
  }

  #pump(): void {
    if (this.#appending || this.#stopped) return;
    const after = this.state.position;
    let batch: Batch | null;
    try {
      batch = this.#build();
    } catch (error) {
      // The state may be half of what was to be written.
      this.#host.failed(asError(error));
      return;
    }
    if (batch === null) {
      // Noops alone make no record, and what came behind them has waited for its turn.
      if (this.#waiting.hasPushes) this.#schedule();
      else if (this.idle) this.#settle();
      return;
    }
    this.#appending = true;
    this.#appendStarted = this.#host.clock.now();
    this.#inFlight = this.#append(after, batch);
  }

  async #append(after: Position, batch: Batch): Promise<void> {
    const failure = await this.#appender.append(after, batch.record);
    this.#appending = false;
    if (this.#stopped) return;
    try {
      if (failure === null) this.#committed(batch);
      else this.#host.failed(failure);
    } catch (error) {
      this.#host.failed(asError(error));
    }
  }

  #committed({ record, stamp, settle, carriers }: Batch): void {
    this.#head = record.last;
    this.#waiting.stamped = [];
    for (const done of settle) done();
    this.#host.committed(stamp.ops, stamp.answers, carriers);
    this.#noops.appended();
    if (this.idle && !this.#noopDue) this.#settle();
    else this.#host.traces.apart(() => this.#pump());
  }

  #settle(): void {
    this.#tellIdle();
    this.#host.settled();
  }

  /** What one record may take besides its header. */
  get #maxBytes(): number {
    return this.#host.log.maxRecordBytes - HEADER_BYTES;
  }

  /** One record of what waits: those that leave, those that join, then pushes, the clients taking turns. */
  #build(): Batch | null {
    const { node, boot, clock } = this.#host;
    const { moved } = this.#noops;
    const max = this.#maxBytes;
    let stamp: Stamp | null = null;
    let left = 0;
    const begun = () => {
      stamp ??= new Stamp(this.state, { node, boot, now: clock.now(), moved });
      return stamp;
    };
    const fits = (bytes: number) => {
      if (stamp === null) {
        const header = moved.size * MOVED_BYTES;
        left = Math.min(MAX_RECORD, max) - header;
        if (header > 0 && bytes + header > max) {
          // What noops have moved goes first, in a record of its own.
          begun().noop();
          left = 0;
          return false;
        }
      } else if (bytes > left) {
        return false;
      }
      left -= bytes;
      return true;
    };
    // A record that begins takes along what noops have moved, and with it the MSN.
    const minimum = () =>
      stamp !== null || moved.size === 0 ? this.state.msn : movedMinimum(this.state, moved);
    const building: Building = { minimum, begun, fits, settle: [], carriers: [] };
    const { leaves, joins } = this.#waiting;
    while (leaves.length > 0 && fits(SYSTEM_BYTES)) {
      const clientId = leaves.shift() as string;
      if (this.state.clients.has(clientId)) begun().leave(clientId);
    }
    while (joins.length > 0 && fits((joins[0] as PendingJoin).bytes)) {
      this.#stampJoin(building, joins.shift() as PendingJoin);
    }
    this.#stampPushes(building);
    if (this.#noopDue && stamp === null) begun().noop();
    this.#noopDue = false;
    // TypeScript doesn't see what the closure has done.
    const finished = stamp as Stamp | null;
    if (finished === null) return null;
    // What noops have moved is in the state, so it has to be in the log.
    if (finished.ops.length === 0) finished.noop();
    return {
      record: finished.finish(),
      stamp: finished,
      settle: building.settle,
      carriers: building.carriers,
    };
  }

  #stampJoin({ begun, settle }: Building, pending: PendingJoin): void {
    const { client, resume } = pending;
    const stamp = begun();
    let resumed: Resumed | null = null;
    if (resume !== null) {
      if (this.state.clients.has(resume)) {
        this.#host.superseded(resume);
        stamp.leave(resume);
      }
      const last = this.state.departed.get(resume);
      if (last !== undefined) {
        resumed = { clientId: resume, lastClientSequenceNumber: last.csn, lastSequenceNumber: last.sn };
      }
    }
    const sequenceNumber = stamp.join(client.clientId, client.detail);
    this.#waiting.stamped.push(pending);
    settle.push(() => pending.settle({ sequenceNumber, resumed }));
  }

  #stampPushes(building: Building): void {
    const waiting = this.#waiting;
    /** Clients whose next push has to wait for the next record. */
    const later: DocumentClient[] = [];
    let next = waiting.peek();
    while (next !== null && building.fits(next.push.submission.bytes)) {
      const { client, push } = next;
      waiting.take();
      if (this.#stampPush(building, client, push)) later.push(client);
      else waiting.again(client);
      next = waiting.peek();
    }
    for (const client of later) waiting.again(client);
    if (waiting.leaves.length > 0) this.#schedule();
  }

  /** True if the client's noops have to be in a record before its next push is. */
  #stampPush(
    { minimum, begun, settle, carriers }: Building,
    client: DocumentClient,
    { submission, answer }: QueuedPush,
  ): boolean {
    const { ops, sent } = submission;
    const writer = this.state.clients.get(client.clientId);
    if (writer === undefined) {
      const refusal = new OpRefusal("client_mismatch", "the client isn't connected any more");
      client.refuse(answer, refusal, this.#head);
      return false;
    }
    const refusal = this.#host.mayWrite(client, submission);
    if (refusal !== null) {
      client.refuse(answer, refusal, this.#head);
      return false;
    }
    const verdict = validate(this.state, writer, ops, this.#noops.moved, minimum);
    if (verdict.kind === "refuse") {
      const { reason, message, index } = verdict;
      client.refuse(answer, new OpRefusal(reason, message, sent[index] ?? null), this.#head);
      return false;
    }
    const skip = verdict.kind === "duplicate" ? ops.length : verdict.skip;
    const rest = ops.slice(skip);
    if (rest.every(({ type }) => type === NOOP)) {
      const first = verdict.first || this.state.sn;
      const last = verdict.last || this.state.sn;
      const acknowledge = () => this.#host.acknowledge(client, first, last, answer);
      // They may be in the record that is being made.
      if (last > this.#head) settle.push(acknowledge);
      else acknowledge();
      return this.#takeNoops(writer, rest);
    }
    const { first, last, trailing } = begun().push(writer, ops, skip);
    if (client.port.tracer.active) {
      carriers.push({ client, answer, first, last });
      const facts = { clientId: client.clientId, first, last, msn: this.state.msn };
      inCourse(client.port, answer, () => note(client.port, "op_stamped", facts));
    }
    settle.push(() => {
      this.#host.acknowledge(client, verdict.first || first, last, answer);
      if (client.onSequenced === null) return;
      const told = client.onSequenced.bind(null, submission, first, last);
      inCourse(client.port, answer, told);
    });
    if (trailing !== null) this.#noops.move(writer, trailing.rsn, trailing.csn);
    return trailing !== null;
  }

  #takeNoops(writer: WriteClient, noops: readonly OpDraft[]): boolean {
    if (noops.length === 0) return false;
    this.#noops.move(writer, noops.at(-1)?.rsn ?? this.#head, this.#noops.csn(writer) + noops.length);
    return true;
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

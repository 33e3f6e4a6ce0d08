import type { Cancel, Clock } from "../clock.ts";
import type { Answer, DocumentClient, QueuedPush } from "./client.ts";
import { MAX_WAIT } from "./patience.ts";
import { ConnectRefusal, OpRefusal } from "./refusal.ts";
import type { Submission } from "./submission.ts";
import { note } from "./trace.ts";

/** What may wait of one client; and of all, while the log doesn't answer. */
const MAX_QUEUED_OPS = 256;
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Milliseconds until what has waited too long is looked at again, if the log may still answer. */
const SWEEP_AGAIN = 250;
/** Seconds after which a throttled client should try again. */
const RETRY_AFTER = 2;
/** About what a join or leave takes in a record, besides what the client says of itself: that is there twice. */
export const SYSTEM_BYTES = 512;

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

export interface PendingJoin {
  readonly client: DocumentClient;
  readonly resume: string | null;
  readonly since: number;
  readonly bytes: number;
  settle(result: Joined | ConnectRefusal): void;
}

export interface WaitingHost {
  readonly clock: Clock;
  /** The log hasn't answered for a while. */
  readonly down: boolean;
  readonly head: number;
}

/** What waits for its place in a document's order: who leaves, who joins, and pushes, whose clients take turns. */
export class Waiting {
  readonly leaves: string[] = [];
  joins: PendingJoin[] = [];
  /** Joins in the record that is in flight. */
  stamped: PendingJoin[] = [];
  readonly #host: WaitingHost;
  /** Clients with pushes that wait, in the order of their turns. */
  #turns: DocumentClient[] = [];
  /** Clients that leave behind their last push. */
  readonly #leaving = new Set<DocumentClient>();
  #bytes = 0;
  #stopped = false;
  #cancelSweep: Cancel | null = null;

  constructor(host: WaitingHost) {
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.joins.length === 0 && this.leaves.length === 0 && !this.hasPushes && this.#leaving.size === 0;
  }

  get hasPushes(): boolean {
    return this.#turns.length > 0;
  }

  /** The number of pushes. */
  get pushes(): number {
    return this.#turns.reduce((sum, client) => sum + client.queue.length, 0);
  }

  /** A write client connects. */
  join(client: DocumentClient, resume: string | null): Promise<Joined | ConnectRefusal> {
    if (this.#stopped) return Promise.resolve(ended());
    const bytes = SYSTEM_BYTES + 3 * Buffer.byteLength(JSON.stringify(client.detail));
    return new Promise((settle) => {
      this.joins.push({ client, resume, since: this.#host.clock.now(), bytes, settle });
      this.#sweepLater();
    });
  }

  /** A write client is gone. What it sent before is still sequenced, unless it was dropped. */
  leave(client: DocumentClient): void {
    const pending = this.joins.findIndex((join) => join.client === client);
    // Nobody has heard of one that was joining. If it is still there, its session ends.
    if (pending >= 0) this.joins.splice(pending, 1)[0]?.settle(ended());
    else if (client.queue.length > 0) this.#leaving.add(client);
    else this.leaves.push(client.clientId);
  }

  /** Adds a push, unless too much waits already. */
  push(client: DocumentClient, submission: Submission, answer: Answer): OpRefusal | null {
    const { ops, bytes } = submission;
    const { down, clock } = this.#host;
    const over =
      client.queuedOps + ops.length > MAX_QUEUED_OPS ||
      client.queuedBytes + bytes > Math.max(MAX_QUEUED_BYTES, bytes) ||
      (down && this.#bytes + bytes > MAX_QUEUED_BYTES);
    if (over && client.queue.length > 0) return throttled("too many ops of this client wait");
    if (over && down) return throttled("the log doesn't answer, and too many ops wait");
    if (client.queue.push({ submission, answer, since: clock.now() }) === 1) this.#turns.push(client);
    client.queuedOps += ops.length;
    client.queuedBytes += bytes;
    this.#bytes += bytes;
    this.#sweepLater();
    if (client.port.tracer.active) {
      const { queuedOps, clientId } = client;
      note(client.port, "op_queued", { clientId, ops: ops.length, bytes, waiting: queuedOps - ops.length });
    }
    return null;
  }

  /** The push whose turn it is. */
  peek(): { readonly client: DocumentClient; readonly push: QueuedPush } | null {
    for (let client = this.#turns[0]; client !== undefined; client = this.#turns[0]) {
      const push = client.queue[0];
      if (push !== undefined) return { client, push };
      this.#turns.shift();
      this.again(client);
    }
    return null;
  }

  /** Takes the push whose turn it is. Its client gets another turn when `again` says so. */
  take(): void {
    const client = this.#turns.shift();
    if (client !== undefined) this.#unqueue(client);
  }

  /** A client has its next turn behind all others, or leaves if it has nothing more to say. */
  again(client: DocumentClient): void {
    if (client.queue.length > 0) this.#turns.push(client);
    else if (this.#leaving.delete(client)) this.leaves.push(client.clientId);
  }

  /** Forgets what waits of a client. */
  drop(client: DocumentClient): void {
    this.#bytes -= client.queuedBytes;
    client.drop();
    this.#turns = this.#turns.filter((other) => other !== client);
    this.again(client);
  }

  /** Nothing gets its place any more. */
  stop(): void {
    this.#stopped = true;
    this.#cancelSweep?.();
    for (const { settle } of [...this.stamped.splice(0), ...this.joins.splice(0)]) settle(ended());
  }

  #unqueue(client: DocumentClient): void {
    const push = client.queue.shift();
    if (push === undefined) return;
    const { ops, bytes } = push.submission;
    client.queuedOps -= ops.length;
    client.queuedBytes -= bytes;
    this.#bytes -= bytes;
  }

  /** Comes back when the oldest of what waits has waited for as long as it may. */
  #sweepLater(): void {
    if (this.#stopped || this.#cancelSweep !== null) return;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { queue } of this.#turns) oldest = Math.min(oldest, queue[0]?.since ?? oldest);
    for (const { since } of [...this.stamped, ...this.joins]) oldest = Math.min(oldest, since);
    if (oldest === Number.POSITIVE_INFINITY) return;
    const wait = Math.max(oldest + MAX_WAIT - this.#host.clock.now(), SWEEP_AGAIN);
    this.#cancelSweep = this.#host.clock.schedule(() => {
      this.#cancelSweep = null;
      if (this.#host.down) this.#sweep();
      this.#sweepLater();
    }, wait);
  }

  /** The log doesn't answer: nobody waits for longer than they may. Pushes that are in flight go on. */
  #sweep(): void {
    const { clock, head } = this.#host;
    const before = clock.now() - MAX_WAIT;
    const refusal = throttled("the log doesn't answer");
    const turns = this.#turns;
    this.#turns = [];
    for (const client of turns) {
      for (let push = client.queue[0]; push !== undefined && push.since <= before; push = client.queue[0]) {
        this.#unqueue(client);
        client.refuse(push.answer, refusal, head);
      }
      this.again(client);
    }
    for (const { settle } of this.joins.filter(({ since }) => since <= before)) settle(unavailable());
    this.joins = this.joins.filter(({ since }) => since > before);
    for (const { settle, client } of this.stamped.filter(({ since }) => since <= before)) {
      settle(unavailable());
      // Its join may still get into the log: then it is gone when it comes.
      this.leaves.push(client.clientId);
    }
    this.stamped = this.stamped.filter(({ since }) => since > before);
  }
}

export function unavailable(): ConnectRefusal {
  const message = "the document's log doesn't answer; try again later";
  return new ConnectRefusal("unavailable", message, { retryAfter: RETRY_AFTER });
}

export function ended(): ConnectRefusal {
  return new ConnectRefusal("unavailable", "the document's session has ended", { retryAfter: 1 });
}

function throttled(message: string): OpRefusal {
  return new OpRefusal("throttled", `${message}; try again in ${RETRY_AFTER} s`, null, RETRY_AFTER);
}

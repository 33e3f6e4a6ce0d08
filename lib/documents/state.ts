import type { Position } from "./log/op-log.ts";

/** Ops of one client whose hashes are kept, to tell a resent op from another with its number. */
const WINDOW = 32;
/** Departed clients whose last numbers are kept, for those that resume. */
const MAX_DEPARTED = 1000;
const VERSION = 1;

/** An op that was sequenced, as a resent one is compared with it. */
export interface SeenOp {
  readonly csn: number;
  readonly sn: number;
  readonly hash: string;
}

/** A connected write client: one whose `join` is sequenced, and whose `leave` is not. */
export interface WriteClient {
  readonly clientId: string;
  /** What the others learn of it: `{user, scopes, mode, timestamp, details…}`. */
  readonly detail: unknown;
  readonly node: string;
  readonly boot: string;
  /** The sequence number of its join. */
  readonly joined: number;
  /** Client and reference sequence number of its latest op. */
  csn: number;
  rsn: number;
  /** The sequence number of its latest op, 0 if there is none. */
  sn: number;
  /** Its latest ops, oldest first. */
  readonly seen: SeenOp[];
}

/** How far a client that has left had come. */
export interface Departed {
  readonly csn: number;
  readonly sn: number;
}

/** The latest summary that was acknowledged. */
export interface Summary {
  readonly handle: string;
  /** The summary covers every op up to this one: the reference sequence number of its `summarize`. */
  readonly sequenceNumber: number;
  /** The sequence number of its `summarize`. */
  readonly proposal: number;
}

/** A `summarize` that the next op answers. */
export interface Proposal {
  readonly handle: string;
  readonly sn: number;
  readonly rsn: number;
}

/** All that a document's sequencer knows: a function of the log alone. */
export class DocumentState {
  /** The end of the latest record. */
  sn = 0;
  id = "";
  /** The minimum sequence number: no connected write client refers to less. */
  msn = 0;
  /** The timestamp of the latest op, milliseconds since the epoch. */
  time = 0;
  readonly clients = new Map<string, WriteClient>();
  /** By client id, the longest gone first. */
  readonly departed = new Map<string, Departed>();
  summary: Summary | null = null;
  proposal: Proposal | null = null;
  /** How many clients hold the MSN where it is; while one does, no scan is needed. */
  #holders = 0;

  get position(): Position {
    return { sn: this.sn, id: this.id };
  }

  addClient(client: WriteClient): void {
    this.clients.set(client.clientId, client);
    if (client.rsn === this.msn) this.#holders++;
  }

  removeClient(clientId: string): void {
    const client = this.clients.get(clientId);
    if (client === undefined) return;
    this.clients.delete(clientId);
    this.departed.set(clientId, { csn: client.csn, sn: client.sn });
    if (this.departed.size > MAX_DEPARTED) {
      for (const oldest of this.departed.keys()) {
        this.departed.delete(oldest);
        break;
      }
    }
    this.#released(client.rsn);
  }

  moveClient(client: WriteClient, rsn: number, csn: number): void {
    const old = client.rsn;
    client.csn = csn;
    client.rsn = rsn;
    if (old === rsn) return;
    if (rsn === this.msn) this.#holders++;
    this.#released(old);
  }

  remember(client: WriteClient, op: SeenOp): void {
    client.sn = op.sn;
    client.seen.push(op);
    if (client.seen.length > WINDOW) client.seen.shift();
  }

  /** Raises the MSN when nobody holds it any more; with nobody connected it stays. */
  #released(rsn: number): void {
    if (rsn !== this.msn || --this.#holders > 0 || this.clients.size === 0) return;
    this.#scan();
  }

  #scan(): void {
    let low = Number.POSITIVE_INFINITY;
    let holders = 0;
    for (const { rsn } of this.clients.values()) {
      if (rsn < low) {
        low = rsn;
        holders = 1;
      } else if (rsn === low) {
        holders++;
      }
    }
    if (low > this.msn && this.clients.size > 0) this.msn = low;
    this.#holders = low === this.msn ? holders : 0;
  }

  /** The MSN that a log says, whatever this version would have made of it. */
  setMinimum(msn: number): void {
    if (msn === this.msn) return;
    this.msn = msn;
    this.#holders = 0;
    for (const { rsn } of this.clients.values()) if (rsn === msn) this.#holders++;
  }

  // ── checkpoints ────────────────────────────────────────────────────────────────────────────────────────────

  encode(): Uint8Array {
    const { sn, id, msn, time, summary } = this;
    const clients = [...this.clients.values()];
    const departed = [...this.departed].map(([clientId, { csn, sn }]) => [clientId, csn, sn]);
    return Buffer.from(JSON.stringify({ v: VERSION, sn, id, msn, time, summary, clients, departed }));
  }

  /** @throws Error if it is no checkpoint of a version that this one reads. */
  static decode(bytes: Uint8Array): DocumentState {
    const stored = JSON.parse(new TextDecoder().decode(bytes)) as StoredState;
    if (stored.v !== VERSION) {
      throw new Error(`the checkpoint has the format ${stored.v}, this version reads ${VERSION}`);
    }
    const state = new DocumentState();
    state.sn = stored.sn;
    state.id = stored.id;
    state.time = stored.time;
    state.summary = stored.summary;
    for (const client of stored.clients) state.clients.set(client.clientId, client);
    for (const [clientId, csn, sn] of stored.departed) state.departed.set(clientId, { csn, sn });
    // From a number that no MSN has, so that the holders are counted.
    state.msn = -1;
    state.setMinimum(stored.msn);
    return state;
  }
}

interface StoredState {
  readonly v: number;
  readonly sn: number;
  readonly id: string;
  readonly msn: number;
  readonly time: number;
  readonly summary: Summary | null;
  readonly clients: readonly WriteClient[];
  readonly departed: readonly (readonly [clientId: string, csn: number, sn: number])[];
}

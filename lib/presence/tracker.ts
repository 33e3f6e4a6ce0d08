import type { Cancel, Clock } from "../clock.ts";

/** One tracked presence. Its ref is unique among all nodes and never used again. */
export interface Entry {
  readonly ref: string;
  readonly topic: string;
  readonly key: string;
  /** Plain data, frozen; with `phx_ref`, and `phx_ref_prev` after an update. */
  readonly meta: Readonly<Record<string, unknown>>;
}

type Op = readonly ["+", Entry] | readonly ["-", string];

/**
 * What trackers tell each other. Versions count a replica's changes: a delta leads from the version before it to
 * the one after it.
 */
export type TrackerMessage =
  /** I have started: tell me your state. */
  | { readonly type: "hello"; readonly replica: string }
  | { readonly type: "heartbeat"; readonly replica: string; readonly version: number }
  | {
      readonly type: "delta";
      readonly replica: string;
      readonly from: number;
      readonly to: number;
      readonly ops: readonly Op[];
    }
  /** Tell me your state: I have missed something. */
  | { readonly type: "request"; readonly replica: string }
  | {
      readonly type: "state";
      readonly replica: string;
      readonly version: number;
      readonly entries: readonly Entry[];
    }
  /** I am going, with all my entries. */
  | { readonly type: "goodbye"; readonly replica: string };

export interface TrackerOptions {
  /** This node's name; a node that starts again takes a new one. */
  readonly replica: string;
  readonly clock: Clock;
  /** Sends to all other trackers, or to one. Messages may be lost, doubled and overtake each other. */
  send(message: TrackerMessage, to?: string): void;
  /** An entry has come or gone, here or on another node. */
  onJoin(entry: Entry): void;
  onLeave(entry: Entry): void;
  /** Milliseconds between signs of life. */
  readonly heartbeatMs: number;
  /** A replica that is silent for so many milliseconds is down: its entries leave. */
  readonly downPeriodMs: number;
}

/** What this node knows of another. */
interface Replica {
  version: number;
  heardAt: number;
  readonly entries: Map<string, Entry>;
  /** A state was asked for at this time. */
  requestedAt: number | null;
}

/**
 * Who is where, on all nodes. Each node is the only writer of its own entries and numbers its changes, so that
 * others see what they have missed; whatever order messages arrive in, all nodes end with the same entries.
 */
export class Tracker {
  readonly #options: TrackerOptions;
  readonly #own = new Map<string, Entry>();
  readonly #replicas = new Map<string, Replica>();
  /** Replicas that have said goodbye, by when: what still arrives of them is late. */
  readonly #gone = new Map<string, number>();
  #version = 0;
  #ops: Op[] = [];
  #cancel: Cancel | null = null;

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  /** Begins to speak with other nodes. A tracker alone doesn't need it. */
  start(): void {
    this.#options.send({ type: "hello", replica: this.#options.replica });
    this.#beat();
  }

  /** Says goodbye. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#options.send({ type: "goodbye", replica: this.#options.replica });
  }

  /** The replicas that are up, besides this one. */
  get replicas(): string[] {
    return [...this.#replicas.keys()];
  }

  add(entry: Entry): void {
    this.#own.set(entry.ref, entry);
    this.#ops.push(["+", entry]);
    this.#options.onJoin(entry);
  }

  remove(ref: string): void {
    const entry = this.#own.get(ref);
    if (entry === undefined) return;
    this.#own.delete(ref);
    this.#ops.push(["-", ref]);
    this.#options.onLeave(entry);
  }

  /** Tells other nodes what has changed since the last time. */
  flush(): void {
    if (this.#ops.length === 0) return;
    const ops = this.#ops;
    this.#ops = [];
    const from = this.#version++;
    if (this.#cancel === null) return;
    this.#options.send({ type: "delta", replica: this.#options.replica, from, to: this.#version, ops });
  }

  receive(message: TrackerMessage): void {
    const name = message.replica;
    if (name === this.#options.replica || this.#gone.has(name)) return;
    if (message.type === "goodbye") {
      this.#gone.set(name, this.#options.clock.now());
      this.#down(name);
      return;
    }
    const replica = this.#heard(name);
    switch (message.type) {
      case "hello":
      case "request":
        this.#tellState(name);
        break;
      case "heartbeat":
        if (message.version > replica.version) this.#request(name, replica);
        break;
      case "delta":
        if (message.to <= replica.version) break;
        if (message.from === replica.version) this.#apply(replica, message.ops, message.to);
        else this.#request(name, replica);
        break;
      case "state":
        if (message.version > replica.version) this.#replace(replica, message.entries, message.version);
        break;
    }
  }

  // ── others ─────────────────────────────────────────────────────────────────────────────────────────────────

  #heard(name: string): Replica {
    const now = this.#options.clock.now();
    let replica = this.#replicas.get(name);
    if (replica === undefined) {
      replica = { version: 0, heardAt: now, entries: new Map(), requestedAt: null };
      this.#replicas.set(name, replica);
    }
    replica.heardAt = now;
    return replica;
  }

  /** Asks for a state, but not again while the answer may be on its way. */
  #request(name: string, replica: Replica): void {
    const now = this.#options.clock.now();
    if (replica.requestedAt !== null && now - replica.requestedAt < this.#options.heartbeatMs) return;
    replica.requestedAt = now;
    this.#options.send({ type: "request", replica: this.#options.replica }, name);
  }

  #apply(replica: Replica, ops: readonly Op[], version: number): void {
    replica.version = version;
    for (const op of ops) {
      if (op[0] === "+") this.#join(replica, op[1]);
      else this.#leave(replica, op[1]);
    }
  }

  #replace(replica: Replica, entries: readonly Entry[], version: number): void {
    replica.version = version;
    replica.requestedAt = null;
    const kept = new Set(entries.map(({ ref }) => ref));
    for (const ref of [...replica.entries.keys()]) if (!kept.has(ref)) this.#leave(replica, ref);
    for (const entry of entries) this.#join(replica, entry);
  }

  #join(replica: Replica, entry: Entry): void {
    if (replica.entries.has(entry.ref)) return;
    replica.entries.set(entry.ref, entry);
    this.#options.onJoin(entry);
  }

  #leave(replica: Replica, ref: string): void {
    const entry = replica.entries.get(ref);
    if (entry === undefined) return;
    replica.entries.delete(ref);
    this.#options.onLeave(entry);
  }

  #down(name: string): void {
    const replica = this.#replicas.get(name);
    if (replica === undefined) return;
    this.#replicas.delete(name);
    for (const ref of [...replica.entries.keys()]) this.#leave(replica, ref);
  }

  // ── oneself ────────────────────────────────────────────────────────────────────────────────────────────────

  #tellState(to: string): void {
    // What hasn't been flushed would be told twice, which does no harm, but under a version that lacks it.
    this.flush();
    const { replica } = this.#options;
    this.#options.send(
      { type: "state", replica, version: this.#version, entries: [...this.#own.values()] },
      to,
    );
  }

  #beat(): void {
    const { clock, replica, heartbeatMs, downPeriodMs } = this.#options;
    this.#cancel = clock.schedule(() => {
      const now = clock.now();
      this.#beat();
      this.#options.send({ type: "heartbeat", replica, version: this.#version });
      for (const [name, { heardAt }] of this.#replicas) if (now - heardAt >= downPeriodMs) this.#down(name);
      for (const [name, since] of this.#gone) if (now - since >= downPeriodMs * 2) this.#gone.delete(name);
    }, heartbeatMs);
  }
}

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

/** What trackers tell each other. A replica's version counts the deltas that it has sent. */
export type TrackerMessage =
  /** I have started: tell me your state. */
  | { readonly type: "hello"; readonly replica: string }
  | { readonly type: "heartbeat"; readonly replica: string; readonly version: number }
  /** These changes lead to this version from the one before it. */
  | {
      readonly type: "delta";
      readonly replica: string;
      readonly version: number;
      readonly ops: readonly Op[];
    }
  /** Tell me your state: I have missed something. */
  | { readonly type: "request"; readonly replica: string }
  /** One of several parts of the state at a version. */
  | {
      readonly type: "state";
      readonly replica: string;
      readonly version: number;
      readonly part: number;
      readonly parts: number;
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

/** So many changes or entries go into one message: brokers have a limit, often of 1 MB. */
const MAX_IN_MESSAGE = 500;
/** So many deltas are kept that came too early. Those beyond are lost, as if on the way. */
const MAX_EARLY = 1000;

/** What this node knows of another. */
interface Replica {
  version: number;
  heardAt: number;
  readonly entries: Map<string, Entry>;
  /** A state was asked for at this time, and hasn't come. */
  requestedAt: number | null;
  /** Deltas that came before one that leads to them, by version. */
  readonly early: Map<number, readonly Op[]>;
  /** A state of which some parts have come, by number. */
  partial: { readonly version: number; readonly parts: Map<number, readonly Entry[]> } | null;
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
  #startedAt: number | null = null;
  #version = 0;
  #ops: Op[] = [];
  #cancel: Cancel | null = null;

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  /** Begins to speak with other nodes. A tracker alone doesn't need it. */
  start(): void {
    this.#startedAt = this.#options.clock.now();
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
    const ops = this.#ops;
    this.#ops = [];
    for (const some of chunks(ops)) {
      this.#version++;
      if (this.#cancel === null) continue;
      this.#options.send({
        type: "delta",
        replica: this.#options.replica,
        version: this.#version,
        ops: some,
      });
    }
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
        if (message.version <= replica.version) break;
        if (replica.early.size < MAX_EARLY) replica.early.set(message.version, message.ops);
        this.#catchUp(name, replica);
        break;
      case "state":
        if (message.version > replica.version) this.#statePart(name, replica, message);
        break;
    }
  }

  // ── others ─────────────────────────────────────────────────────────────────────────────────────────────────

  #heard(name: string): Replica {
    const now = this.#options.clock.now();
    let replica = this.#replicas.get(name);
    if (replica === undefined) {
      replica = {
        version: 0,
        heardAt: now,
        entries: new Map(),
        // The hello has asked everybody.
        requestedAt: this.#startedAt,
        early: new Map(),
        partial: null,
      };
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

  /** Applies the deltas whose turn has come; a gap before the others takes a state. */
  #catchUp(name: string, replica: Replica): void {
    for (;;) {
      const ops = replica.early.get(replica.version + 1);
      if (ops === undefined) break;
      replica.version++;
      replica.early.delete(replica.version);
      for (const op of ops) {
        if (op[0] === "+") this.#join(replica, op[1]);
        else this.#leave(replica, op[1]);
      }
    }
    if (replica.partial !== null && replica.partial.version <= replica.version) replica.partial = null;
    if (replica.early.size > 0) this.#request(name, replica);
  }

  #statePart(
    name: string,
    replica: Replica,
    { version, part, parts, entries }: TrackerMessage & { type: "state" },
  ): void {
    const known = replica.partial?.version ?? 0;
    if (version < known) return;
    if (version > known || replica.partial === null) replica.partial = { version, parts: new Map() };
    replica.partial.parts.set(part, entries);
    if (replica.partial.parts.size === parts) {
      this.#replace(replica, [...replica.partial.parts.values()].flat(), version);
      this.#catchUp(name, replica);
    }
  }

  #replace(replica: Replica, entries: readonly Entry[], version: number): void {
    replica.version = version;
    replica.requestedAt = null;
    for (const early of [...replica.early.keys()]) if (early <= version) replica.early.delete(early);
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
    // All who ask at one version are told the same: they may get parts of several answers.
    this.flush();
    const { replica, send } = this.#options;
    const all = chunks([...this.#own.values()]);
    const parts = Math.max(1, all.length);
    for (let part = 0; part < parts; part++) {
      const entries = all[part] ?? [];
      send({ type: "state", replica, version: this.#version, part, parts, entries }, to);
    }
  }

  #beat(): void {
    const { clock, replica, heartbeatMs, downPeriodMs } = this.#options;
    const due = clock.now() + heartbeatMs;
    this.#cancel = clock.schedule(() => {
      const now = clock.now();
      this.#beat();
      this.#options.send({ type: "heartbeat", replica, version: this.#version });
      for (const [name, other] of this.#replicas) {
        // A node that stood still has heard nobody: what it has missed is no silence of theirs.
        other.heardAt += now - due;
        if (now - other.heardAt >= downPeriodMs) this.#down(name);
      }
      for (const [name, since] of this.#gone) if (now - since >= downPeriodMs * 2) this.#gone.delete(name);
    }, heartbeatMs);
  }
}

function chunks<T>(items: readonly T[]): (readonly T[])[] {
  if (items.length <= MAX_IN_MESSAGE) return items.length === 0 ? [] : [items];
  const parts: (readonly T[])[] = [];
  for (let i = 0; i < items.length; i += MAX_IN_MESSAGE) parts.push(items.slice(i, i + MAX_IN_MESSAGE));
  return parts;
}

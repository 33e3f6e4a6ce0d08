import { expect } from "chai";
import { type Entry, Tracker, type TrackerMessage } from "../../lib/presence/tracker.ts";
import { ManualClock } from "../support/manual-clock.ts";

export const HEARTBEAT = 1_000;
export const DOWN_PERIOD = 10_000;

/** A message on its way from one node to another. */
export interface Parcel {
  readonly from: Node;
  readonly to: Node;
  readonly message: TrackerMessage;
}

/** Which copies of a parcel arrive, and after how many milliseconds. The default: one, at once. */
export type Delivery = (parcel: Parcel) => readonly number[];

/** Trackers that speak to each other through a network of the spec's making, all on one clock. */
export class Cluster {
  readonly clock = new ManualClock();
  /** Those that are up. */
  readonly nodes: Node[] = [];
  /** All that was sent, also to nobody. */
  readonly sent: TrackerMessage[] = [];
  delivery: Delivery = () => [0];

  start(name: string): Node {
    const node = new Node(name, this);
    this.nodes.push(node);
    node.tracker.start();
    return node;
  }

  carry(from: Node, message: TrackerMessage, to: string | undefined): void {
    // As text, as it will be: what is sent must not be shared.
    const text = JSON.stringify(message);
    this.sent.push(JSON.parse(text));
    for (const node of this.nodes) {
      if (node === from || (to !== undefined && node.name !== to)) continue;
      for (const delay of this.delivery({ from, to: node, message })) {
        const arrive = () => {
          if (node.up) node.tracker.receive(JSON.parse(text));
        };
        if (delay === 0) arrive();
        else this.clock.schedule(arrive, delay);
      }
    }
  }

  remove(node: Node): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** The messages of a kind that were sent since it was last asked. */
  take<T extends TrackerMessage["type"]>(type: T): (TrackerMessage & { type: T })[] {
    const all = this.sent.splice(0);
    return all.filter((message): message is TrackerMessage & { type: T } => message.type === type);
  }

  /** Everybody sees the entries of all nodes that are up, and no other. */
  expectAgreement(where = ""): void {
    const present = this.nodes.flatMap((node) => [...node.own.keys()]).sort();
    for (const node of this.nodes) {
      expect([...node.seen.keys()].sort(), `${where}what ${node.name} sees`).to.deep.equal(present);
      const entries = new Map(this.nodes.flatMap(({ own }) => [...own]));
      for (const [ref, entry] of node.seen) {
        expect(JSON.stringify(entry), where).to.equal(JSON.stringify(entries.get(ref)));
      }
    }
  }
}

/** One node: a tracker, what it was told to track, and what it says is there. */
export class Node {
  readonly name: string;
  readonly tracker: Tracker;
  readonly own = new Map<string, Entry>();
  readonly seen = new Map<string, Entry>();
  /** The joins and leaves it has reported, as "+ref" and "-ref". */
  readonly reported: string[] = [];
  /** What is wrong with the joins and leaves that it reported. */
  readonly mistakes: string[] = [];
  up = true;
  readonly #cluster: Cluster;
  #refs = 0;

  constructor(name: string, cluster: Cluster) {
    this.name = name;
    this.#cluster = cluster;
    this.tracker = new Tracker({
      replica: name,
      clock: cluster.clock,
      heartbeatMs: HEARTBEAT,
      downPeriodMs: DOWN_PERIOD,
      send: (message, to) => {
        if (this.up) cluster.carry(this, message, to);
      },
      onJoin: (entry) => {
        this.reported.push(`+${entry.ref}`);
        if (this.seen.has(entry.ref)) this.mistakes.push(`a second join of ${entry.ref}`);
        this.seen.set(entry.ref, entry);
      },
      onLeave: (entry) => {
        this.reported.push(`-${entry.ref}`);
        if (!this.seen.delete(entry.ref)) this.mistakes.push(`a leave of ${entry.ref} without a join`);
      },
    });
  }

  /** Tracks something, and tells others unless they are to hear of it later. */
  add(flush = true): string {
    const ref = `${this.name}${this.#refs++}`;
    const entry: Entry = { ref, topic: "room:a", key: `user of ${ref}`, meta: { phx_ref: ref } };
    this.own.set(ref, entry);
    this.tracker.add(entry);
    if (flush) this.tracker.flush();
    return ref;
  }

  remove(ref: string, flush = true): void {
    this.own.delete(ref);
    this.tracker.remove(ref);
    if (flush) this.tracker.flush();
  }

  /** Ends without a word. */
  die(): void {
    this.up = false;
    this.#cluster.remove(this);
  }

  /** Ends as it should. */
  stop(): void {
    this.tracker.stop();
    this.die();
  }
}

/** Two nodes that know each other, and have stopped waiting for others. */
export function pair(): { cluster: Cluster; a: Node; b: Node } {
  const cluster = new Cluster();
  const a = cluster.start("a");
  const b = cluster.start("b");
  cluster.clock.advance(HEARTBEAT);
  cluster.sent.length = 0;
  return { cluster, a, b };
}

/** Holds back what one node sends, to be delivered as a spec likes. */
export function hold(cluster: Cluster, from: Node): TrackerMessage[] {
  const held: TrackerMessage[] = [];
  cluster.delivery = (parcel) => {
    if (parcel.from !== from) return [0];
    held.push(JSON.parse(JSON.stringify(parcel.message)));
    return [];
  };
  return held;
}

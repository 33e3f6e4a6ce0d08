import { expect } from "chai";
import { Random } from "../../lib/testing/simulation/random.ts";
import { Cluster, DOWN_PERIOD, HEARTBEAT, type Node } from "./cluster.ts";

/** What is tried: each seed is a history of its own. */
const first = Number(process.env.PRESENCE_SEED ?? 1);
const count = Number(process.env.PRESENCE_SEEDS ?? (process.env.PRESENCE_SEED === undefined ? 300 : 1));

const STEPS = 150;
/** No message is longer on its way than so many milliseconds. */
const LATEST = DOWN_PERIOD * 3;

/** What has happened, for who reads the report of a seed that fails. */
type History = string[];

/** A history of nodes that come, change, lose each other and go, over a network that does what it wants. */
class Simulation {
  readonly cluster = new Cluster();
  readonly history: History = [];
  /** Everyone who ever was. */
  readonly #all: Node[] = [];
  readonly #random: Random;
  /** Nodes of two sides don't hear each other. */
  #sides = new Map<Node, number>();
  #started = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    const lost = this.#random.pick([0, 0.05, 0.3]);
    const doubled = this.#random.pick([0, 0.1, 0.5]);
    const delayed = this.#random.pick([0, 0.5, 1]);
    this.history.push(`lost ${lost}, doubled ${doubled}, delayed ${delayed}`);
    this.cluster.delivery = ({ from, to }) => {
      if (this.#side(from) !== this.#side(to) || this.#random.chance(lost)) return [];
      const copies = this.#random.chance(doubled) ? [0, 0] : [0];
      return copies.map(() => (this.#random.chance(delayed) ? this.#delay() : 0));
    };
    const size = 3 + this.#random.below(3);
    for (let i = 0; i < size; i++) this.#start();
  }

  run(): void {
    for (let i = 0; i < STEPS; i++) {
      const time = `${this.cluster.clock.now()}: `;
      const what = this.#step();
      if (what !== null) this.history.push(time + what);
    }
  }

  /** The network is mended, and what was under way has arrived, also at those who must forget it again. */
  settle(): void {
    this.#sides.clear();
    this.cluster.delivery = () => [0];
    for (const { tracker } of this.cluster.nodes) tracker.flush();
    this.cluster.clock.advance(LATEST + DOWN_PERIOD + HEARTBEAT * 3);
  }

  check(): void {
    for (const { name, mistakes } of this.#all) expect(mistakes, name).to.deep.equal([]);
    this.cluster.expectAgreement();
    for (const { name, tracker } of this.cluster.nodes) {
      const others = this.cluster.nodes.map((node) => node.name).filter((other) => other !== name);
      expect(tracker.replicas.sort(), `whom ${name} knows`).to.deep.equal(others.sort());
    }
  }

  #step(): string | null {
    const random = this.#random;
    const node = random.pick(this.cluster.nodes);
    const dice = random.below(100);
    if (dice < 35) return `${node.name} adds ${node.add(random.chance(0.7))}`;
    if (dice < 60) {
      if (node.own.size === 0) return null;
      const ref = random.pick([...node.own.keys()]);
      node.remove(ref, random.chance(0.7));
      return `${node.name} removes ${ref}`;
    }
    if (dice < 85) {
      const ms = random.pick([1, 20, HEARTBEAT, HEARTBEAT * 3]);
      this.cluster.clock.advance(ms);
      return null;
    }
    if (dice < 87) {
      this.cluster.clock.advance(DOWN_PERIOD + HEARTBEAT);
      return "much time passes";
    }
    if (dice < 91) {
      this.#sides = new Map(this.#all.map((each) => [each, random.below(2)]));
      return `two sides: ${[...this.#sides].map(([each, side]) => `${each.name} ${side}`).join(", ")}`;
    }
    if (dice < 94) {
      this.#sides.clear();
      return "all hear each other";
    }
    if (dice < 96) return this.cluster.nodes.length < 6 ? `${this.#start().name} starts` : null;
    if (this.cluster.nodes.length < 2) return null;
    if (dice < 98) node.die();
    else node.stop();
    const how = dice < 98 ? "dies" : "says goodbye";
    return random.chance(0.5) ? `${node.name} ${how}, ${this.#start().name} starts` : `${node.name} ${how}`;
  }

  #start(): Node {
    const node = this.cluster.start(`n${this.#started++}-`);
    this.#all.push(node);
    return node;
  }

  #side(node: Node): number {
    return this.#sides.get(node) ?? 0;
  }

  /** Mostly short: some messages overtake others, and few come when their sender is forgotten. */
  #delay(): number {
    const far = this.#random.pick([10, 10, 10, HEARTBEAT, HEARTBEAT * 2, LATEST]);
    return 1 + this.#random.below(far);
  }
}

describe("trackers, whatever happens to them and their messages", () => {
  it(`agree in the end on who is there (${count} seeds, PRESENCE_SEEDS)`, function () {
    this.timeout(60_000 + count * 200);
    for (let seed = first; seed < first + count; seed++) {
      const simulation = new Simulation(seed);
      try {
        simulation.run();
        simulation.settle();
        simulation.check();
      } catch (error) {
        console.error(`${simulation.history.join("\n")}\nfailed: replay it with PRESENCE_SEED=${seed}`);
        throw error;
      }
    }
  });

  it("live through the same history from the same seed", () => {
    const [one, other] = [1, 2].map(() => {
      const simulation = new Simulation(first);
      simulation.run();
      simulation.settle();
      return [simulation.history, simulation.cluster.sent];
    });
    expect(one).to.deep.equal(other);
  });

  it("live through all that can happen", () => {
    const words = new Set<string>();
    let reported = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const simulation = new Simulation(seed);
      simulation.run();
      for (const line of simulation.history) for (const word of line.split(/[ :,]+/)) words.add(word);
      for (const { type } of simulation.cluster.sent) words.add(type);
      for (const node of simulation.cluster.nodes) reported += node.reported.length;
    }
    const happenings = ["adds", "removes", "time", "sides", "hear", "starts", "dies", "goodbye"];
    const messages = ["hello", "heartbeat", "delta", "request", "state"];
    expect([...words]).to.include.members([...happenings, ...messages]);
    expect(reported).to.be.above(1_000);
  });
});

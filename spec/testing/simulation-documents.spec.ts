import { expect } from "chai";
import { type Simulation, simulateSeeds } from "../../lib/testing/index.ts";
import { Random } from "../../lib/testing/simulation/random.ts";
import { Author, expectConverged, serveDocuments, type World } from "./simulated-documents.ts";
import { SimulatedEngine } from "./simulated-log.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** How long things go wrong. */
const OVER = 5 * MINUTE;

/** All that a run leaves to chance besides faults and latencies: drawn from the seed too. */
function newWorld(seed: number, chance: number): World {
  const random = new Random(seed ^ 0x2545_f491);
  const exclusive = random.chance(0.5);
  const maxRecentBytes = random.pick([0, 1024 * 1024]);
  const engine = new SimulatedEngine(random, { chance, until: OVER, exclusive });
  return { engine, maxRecentBytes, documents: null };
}

/** People who write to one document or two, come late, and leave; while the network, the server and the log fail. */
async function run(simulation: Simulation, world: World, told: string[] = []): Promise<Author[]> {
  const { random, clock } = simulation;
  const documents = random.pick([["notes"], ["notes", "plan"]]);
  const authors: Author[] = [];
  for (const name of ["ada", "bob", "eve", "zoe"]) {
    const client = simulation.client(name);
    const { timers, socket } = client;
    socket.onMessage(({ topic, event, payload }) => {
      told.push(`${clock.now()} ${name} ${topic} ${event} ${JSON.stringify(payload)}`);
    });
    socket.onClose(({ code }) => told.push(`${clock.now()} ${name} closed ${code}`));
    const tokens = random.pick([20 * SECOND, 2 * MINUTE, 60 * MINUTE]);
    const tokenDelay = random.pick([0, 50, 3_000]);
    // The last one is late.
    const begins = name === "zoe" ? random.below(OVER) : random.below(SECOND);
    timers.setTimeout(() => socket.connect(), begins);
    for (const document of documents) {
      const author = new Author(simulation, client, document, { tokens, tokenDelay });
      authors.push(author);
      for (let left = random.between(5, 25); left > 0; left--) {
        const burst = random.pick([1, 1, 1, 4]);
        const at = random.between(begins, OVER);
        timers.setTimeout(() => {
          for (let i = 0; i < burst; i++) author.write();
        }, at);
        // What is lost just when something was sent is what has to be found out about.
        if (random.chance(0.1)) {
          const told = random.pick(["down", "up"] as const);
          simulation.fault({ at: at + random.below(100), kind: "half-open", client: name, told });
        }
      }
    }
  }
  const leaver = random.pick(["bob", null]);
  clock.schedule(
    () => {
      for (const author of authors) if (author.name === leaver) author.leave();
    },
    random.between(OVER / 2, OVER),
  );
  for (let stops = random.below(3); stops > 0; stops--) {
    clock.schedule(() => {
      void world.documents?.registry.stop("acme", "notes");
    }, random.below(OVER));
  }
  simulation.faults({ count: random.between(4, 14), over: OVER });
  // People write, and the log fails, also behind the last fault.
  await simulation.advance(OVER);
  await simulation.calm();
  await settled(simulation, authors);
  for (const document of documents) {
    const its = authors.filter((author) => author.document === document);
    await expectConverged(world, document, its);
  }
  return authors;
}

/**
 * Waits until all are connected and nothing is on its way: who only reads along is taken for dead after 5 minutes, and
 * may be coming back just now.
 */
async function settled(simulation: Simulation, authors: readonly Author[]): Promise<void> {
  for (let patience = 0; patience < 5; patience++) {
    const before = received(authors);
    const away = authors.some((author) => author.isAway);
    await simulation.advance((away ? 10 : 1) * SECOND);
    if (!away && !authors.some((author) => author.isAway) && received(authors) === before) return;
  }
}

function received(authors: readonly Author[]): number {
  return authors.reduce((sum, { ops }) => sum + ops.length, 0);
}

/** A transcript with numbers in place of client ids and keys, which are drawn by the system and not by the seed. */
function named(told: readonly string[]): string[] {
  const names = new Map<string, string>();
  const name = (id: string) => {
    const known = names.get(id) ?? `#${names.size}`;
    names.set(id, known);
    return known;
  };
  return told.map((line) => line.replaceAll(/[\w-]{22,}/g, name));
}

/** All of them; or one that has failed, as by `SEED=17`. */
const { SEED, SEEDS = "5" } = process.env;
const seeds = SEED === undefined ? Number(SEEDS) : [Number(SEED)];

/** Runs all seeds, with so many troubles of the log. */
function runSeeds(chance: number, check: (authors: readonly Author[], world: World) => void): Promise<void> {
  const world = (seed: number) => newWorld(seed, chance);
  return simulateSeeds({ seeds, world, serve: serveDocuments }, async (simulation, its) => {
    check(await run(simulation, its), its);
  });
}

describe("documents in a simulation", function () {
  // What a thousand seeds take.
  this.timeout(3_600_000);

  it("converge, and no acknowledged op is lost or doubled, whatever goes wrong", async () => {
    const counts = { runs: 0, acknowledged: 0, resumed: 0 };
    await runSeeds(0, (authors) => {
      counts.runs++;
      for (const { acknowledged, resumed } of authors) {
        counts.acknowledged += acknowledged.length;
        counts.resumed += resumed;
      }
    });
    // What there was to survive.
    expect(counts.acknowledged).to.be.above(counts.runs * 20);
    expect(counts.resumed).to.be.above(counts.runs * 3);
  });

  it("do so though the log fails, hangs, and loses its answers", async () => {
    const counts = { failed: 0, unanswered: 0, late: 0 };
    await runSeeds(0.15, (_, { engine }) => {
      for (const what of ["failed", "unanswered", "late"] as const) counts[what] += engine.counts[what];
    });
    for (const [what, count] of Object.entries(counts)) expect(count, what).to.be.above(0);
  });

  it("are the same again for the same seed, message by message, though the log fails", async () => {
    const transcript = async (seed: number) => {
      const told: string[] = [];
      const world = () => newWorld(seed, 0.15);
      await simulateSeeds({ seeds: [seed], world, serve: serveDocuments }, async (simulation, its) => {
        await run(simulation, its, told);
      });
      return named(told);
    };
    const [first, second, other] = [await transcript(3), await transcript(3), await transcript(4)];
    expect(first.length).to.be.above(500);
    expect(second).to.deep.equal(first);
    expect(other.slice(0, 50)).not.to.deep.equal(first.slice(0, 50));
  });
});

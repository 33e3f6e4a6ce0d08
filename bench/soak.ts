// A million joins and leaves, after which nothing may be left of them: npx tsx bench/soak.ts --help
import { setTimeout as sleep } from "node:timers/promises";
import { SoakClient } from "./soak/client.ts";
import type { SoakSample } from "./soak/server.ts";
import { parseArgs } from "./support/args.ts";
import { Child } from "./support/child.ts";
import { Random } from "./support/random.ts";
import { median, table, thousands } from "./support/statistics.ts";

const HELP = `Usage: npx tsx bench/soak.ts [--option=value …]

  --joins=1_000_000   joins in all (or SOAK_JOINS in the environment)
  --clients=8         connections, V1 and V2 by turns
  --tolerance=2       MiB that the last samples may be above the first ones
  --seed=…            of what the clients do`;

/** Samples of the memory, besides the one before the first join. */
const SAMPLES = 10;
/** What is compared: the first samples after the warm-up, and the last ones. */
const ENDS = 3;
const MIB = 1024 * 1024;

const args = parseArgs(process.argv.slice(2), ["help", "joins", "clients", "tolerance", "seed"]);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}
const joins = args.number("joins", Number(process.env.SOAK_JOINS ?? 1_000_000));
const count = args.number("clients", 8);
const tolerance = args.number("tolerance", 2) * MIB;
const seed = args.number("seed", Date.now() % 1_000_000);

const problems: string[] = [];
const server = new Child(new URL("./soak/server.ts", import.meta.url), { execArgv: ["--expose-gc"] });
void server.died.then((how) => {
  console.error(`FAILED: ${how} (seed ${seed})`);
  process.exit(1);
});
const port = await server.ask<number>("port");
const clients = Array.from({ length: count }, (_, i) => new SoakClient(port, i, Random.of(seed, i)));
console.log(`${thousands(joins)} joins by ${count} clients, seed ${seed}\n`);

const started = performance.now();
const samples: SoakSample[] = [];
const rows = [["joins sent", "joined ok", "connections opened", "heap MiB", "buffers MiB", "rss MiB"]];
console.log(table(rows));
for (let i = 0; i < SAMPLES; i++) {
  await Promise.all(clients.map((client) => client.run(joins / SAMPLES / count)));
  const sample = await settled(({ joined, terminated, channels }) => channels === 0 && joined === terminated);
  samples.push(sample);
  show(sample);
  check(sample, "channels", 0);
}
await Promise.all(clients.map((client) => client.close()));
const last = await settled(({ connections, topics }) => connections === 0 && topics === 0);
check(last, "connections", 0);
check(last, "channels", 0);
check(last, "topics", 0);
if (last.joined !== last.terminated) {
  problems.push(`${last.joined} joins returned ok, and ${last.terminated} channels were terminated`);
}
flat();
await server.stop();

const seconds = Math.round((performance.now() - started) / 1000);
console.log(`\nat the end: ${JSON.stringify(last)}`);
for (const problem of problems) console.error(`FAILED: ${problem} (seed ${seed})`);
if (problems.length === 0) console.log(`passed in ${seconds} s: nothing is left, and the memory is flat`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** A sample, once what goes on behind the last answers is over. */
async function settled(over: (sample: SoakSample) => boolean): Promise<SoakSample> {
  for (let tries = 0; ; tries++) {
    const sample = await server.ask<SoakSample>("sample");
    if (over(sample) || tries === 50) return sample;
    await sleep(100);
  }
}

function check(sample: SoakSample, key: "connections" | "channels" | "topics", expected: number): void {
  if (sample[key] !== expected)
    problems.push(`${sample[key]} ${key} are left, after ${total("joins")} joins`);
}

/** The memory at the end against that after the warm-up, which the first sample is. */
function flat(): void {
  const size = ({ heap, buffers }: SoakSample) => heap + buffers;
  const early = median(samples.slice(1, 1 + ENDS).map(size));
  const late = median(samples.slice(-ENDS).map(size));
  const between = (joins / SAMPLES) * (SAMPLES - 1 - ENDS);
  const each = (late - early) / between;
  console.log(`\ngrowth: ${((late - early) / MIB).toFixed(2)} MiB, ${each.toFixed(2)} bytes a join`);
  if (late - early > tolerance)
    problems.push(`the memory has grown by ${((late - early) / MIB).toFixed(2)} MiB`);
}

function show(sample: SoakSample): void {
  const mib = (bytes: number) => (bytes / MIB).toFixed(2);
  const cells = [
    thousands(total("joins")),
    thousands(sample.joined),
    thousands(total("connects")),
    mib(sample.heap),
    mib(sample.buffers),
    mib(sample.rss),
  ];
  console.log(
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(10) : cell.padStart(rows[0]?.[i]?.length ?? 0)))
      .join("   "),
  );
}

function total(key: "joins" | "connects"): number {
  return clients.reduce((sum, client) => sum + client[key], 0);
}

// Who is here, told by diffs and told by full lists: npx tsx bench/presence.ts --help
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { GeneratorSample } from "./presence/generator.ts";
import type { ServerSample } from "./presence/server.ts";
import { parseArgs } from "./support/args.ts";
import { Child, type Usage } from "./support/child.ts";
import { staleBuild } from "./support/library.ts";
import { table, thousands } from "./support/statistics.ts";

const HELP = `Usage: npx tsx bench/presence.ts [--option=value …]

  --clients=10_000   in one topic, told by diffs
  --lists=400        in the comparison with full lists, which can't keep up with many more
  --churn=100        joins, and as many leaves, in a second
  --seconds=8        of churn that are measured`;

/** So many join at a time: each gets the whole list, which must not pile up. */
const WAVE = 250;
/** Who hasn't joined by then is left out, lest a slow machine take an hour. */
const JOIN_LIMIT_MS = 50_000;
/** Churn before it is measured. */
const WARM_UP_MS = 1500;

const args = parseArgs(process.argv.slice(2), ["help", "clients", "lists", "churn", "seconds"]);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}

const perSecond = args.number("churn", 100);
const seconds = args.number("seconds", 8);
const stale = await staleBuild();
if (stale !== null) console.log(`warning: ${stale}`);
console.log(
  `node ${process.version}, ${availableParallelism()} cores; ${perSecond} joins and ${perSecond} leaves a second, for ${seconds} s\n`,
);

/** Clients, by how they are told. */
const runs: readonly [how: "diffs" | "lists", clients: number][] = [
  ["diffs", args.number("clients", 10_000)],
  ["diffs", args.number("lists", 400)],
  ["lists", args.number("lists", 400)],
];

const joining = [["joins", "joins/s", "server CPU a join", "bytes a client", "server load"]];
const churning = [
  [
    "churn",
    "changes/s",
    "messages/s to a client",
    "server CPU a change",
    "and client",
    "bytes a change and client",
    "server load",
    "clients' load",
  ],
];
for (const [how, count] of runs) {
  const { joined, joins, churn } = await run(how, count);
  const part = joined < count ? ` (of ${thousands(count)}, in ${JOIN_LIMIT_MS / 1000} s)` : "";
  const name = `  ${thousands(joined)} clients${part}, told by ${how}`;
  joining.push([
    name,
    thousands(joined / joins.seconds),
    micros(joins.cpu / joined),
    thousands(joins.bytes / joined),
    percent(joins.cpu, joins.seconds),
  ]);
  const lost = churn.lost > 0 ? `, of whom ${thousands(churn.lost)} were too slow and closed` : "";
  churning.push([
    name + lost,
    thousands(churn.changes / churn.seconds),
    (churn.observed / churn.seconds).toFixed(1),
    micros(churn.cpu / churn.changes),
    micros(churn.cpu / churn.changes / joined),
    thousands(churn.bytes / churn.changes / joined),
    percent(churn.cpu, churn.seconds),
    percent(churn.clientsCpu, churn.seconds),
  ]);
}
console.log(`${table(joining)}\n\n${table(churning)}`);

interface Joins {
  readonly seconds: number;
  /** Microseconds of the server. */
  readonly cpu: number;
  readonly bytes: number;
}

interface Churn extends Joins {
  readonly changes: number;
  /** Messages to one client that stays. */
  readonly observed: number;
  /** Clients that were closed, since they couldn't read as fast as they were told. */
  readonly lost: number;
  /** Microseconds of all clients together. */
  readonly clientsCpu: number;
}

async function run(
  how: "diffs" | "lists",
  count: number,
): Promise<{ joined: number; joins: Joins; churn: Churn }> {
  const server = new Child(new URL("./presence/server.ts", import.meta.url), { args: [how] });
  const generator = new Child(new URL("./presence/generator.ts", import.meta.url));
  try {
    const sample = async () => ({
      ...(await server.ask<ServerSample>("sample")),
      ...(await server.ask<Usage>("usage")),
    });
    const port = await server.ask<number>("port");
    await generator.ask("open", { port, count });
    const before = await sample();
    const joined = await generator.ask<number>("join", { wave: WAVE, limitMs: JOIN_LIMIT_MS });
    let after = await sample();
    while (after.changes < joined || after.waiting > 0) {
      await sleep(20);
      after = await sample();
    }
    const joins = {
      seconds: (after.at - before.at) / 1000,
      cpu: after.cpu - before.cpu,
      bytes: after.bytesOut - before.bytesOut,
    };

    await generator.ask("churn", { perSecond });
    await sleep(WARM_UP_MS);
    const both = async () => ({
      server: await sample(),
      clients: await generator.ask<GeneratorSample>("sample"),
      used: await generator.ask<Usage>("usage"),
    });
    const from = await both();
    await sleep(seconds * 1000);
    const to = await both();
    await generator.ask("stop");
    return {
      joined,
      joins,
      churn: {
        seconds: (to.server.at - from.server.at) / 1000,
        cpu: to.server.cpu - from.server.cpu,
        bytes: to.server.bytesOut - from.server.bytesOut,
        changes: to.server.changes - from.server.changes,
        observed: to.clients.observed - from.clients.observed,
        lost: to.clients.lost,
        clientsCpu: to.used.cpu - from.used.cpu,
      },
    };
  } finally {
    await Promise.all([generator.stop(), server.stop()]);
  }
}

function micros(value: number): string {
  return value < 100 ? `${value.toFixed(2)} µs` : `${thousands(value)} µs`;
}

/** Of one core. */
function percent(cpu: number, seconds: number): string {
  return `${Math.round(cpu / 1e4 / seconds)} %`;
}

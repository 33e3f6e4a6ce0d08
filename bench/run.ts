// Our server, one written by hand over ws, and socket.io, side by side: npx tsx bench/run.ts --help
import { availableParallelism } from "node:os";
import { type Contender, contest, type Sample } from "./load/contest.ts";
import { parseArgs } from "./support/args.ts";
import { staleBuild } from "./support/library.ts";
import { median, table, thousands } from "./support/statistics.ts";

interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly kind: "echo" | "fanout";
  readonly connections: number;
  readonly inFlight: number;
  /** How many times the hand-written server's rate we want to reach. */
  readonly target: number;
}

const HELP = `Usage: npx tsx bench/run.ts [scenario …] [--option=value …]

Scenarios, by name or group (default: all): echo-1, echo-100, fanout-1, fanout-16

  --rounds=5          windows of each server, which take turns; the printed figures are medians
  --ms=1200           length of a window
  --subscribers=1000  of the fan-out
  --bytes=64          text in each message, besides what goes around it
  --only=a,b          contenders: phoenix, ws, socket.io, base
  --base=path         another build's dist/index.js, compared as "base"
  --profile=dir       keep the servers' CPU profiles there
  --check             exit code 1 if a target is missed`;

const args = parseArgs(process.argv.slice(2), [
  "help",
  "rounds",
  "ms",
  "subscribers",
  "bytes",
  "only",
  "base",
  "profile",
  "check",
]);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}

const subscribers = args.number("subscribers", 1000);
const scenarios: readonly Scenario[] = [
  { name: "echo-1", title: "echo, 1 connection", kind: "echo", connections: 1, inFlight: 1, target: 1 },
  {
    name: "echo-100",
    title: "echo, 100 connections",
    kind: "echo",
    connections: 100,
    inFlight: 1,
    target: 1,
  },
  ...[1, 16].map((inFlight) => ({
    name: `fanout-${inFlight}`,
    title: `fan-out to ${thousands(subscribers)} subscribers, ${inFlight} in flight`,
    kind: "fanout" as const,
    connections: subscribers,
    inFlight,
    target: inFlight === 1 ? 1 : 8,
  })),
];

const base = args.text("base", "");
const everybody: readonly Contender[] = [
  { name: "phoenix", dialect: "phoenix", server: "phoenix.ts" },
  ...(base === "" ? [] : [{ name: "base", dialect: "phoenix", server: "phoenix.ts", args: [base] } as const]),
  { name: "ws", dialect: "ws", server: "ws.ts" },
  { name: "socket.io", dialect: "socket.io", server: "socket-io.ts" },
];

/** Who had to wait longer for a core has a throughput that says more of the others on the machine than of it. */
const BUSY = 0.1;

/** A target that is missed by less than what two runs differ by isn't called missed. */
const NOISE = 0.05;

const chosen = scenarios.filter(
  ({ name }) =>
    args.words.length === 0 || args.words.some((word) => name === word || name.startsWith(`${word}-`)),
);
const only = args.text("only", everybody.map(({ name }) => name).join(",")).split(",");
const contenders = everybody.filter(({ name }) => only.includes(name));
if (chosen.length === 0 || contenders.length === 0) throw new Error(`nothing to run\n\n${HELP}`);

const stale = await staleBuild();
if (stale !== null) console.log(`warning: ${stale}`);
const profiles = args.flag("profile") ? args.text("profile", ".") : null;
const timing = { rounds: args.number("rounds", 5), windowMs: args.number("ms", 1200), settleMs: 200 };
const bytes = args.number("bytes", 64);
console.log(
  `node ${process.version}, ${availableParallelism()} cores; ${timing.rounds} rounds of ${timing.windowMs} ms each in turns, medians`,
);
let missed = false;
for (const scenario of chosen) {
  const { kind, connections, inFlight } = scenario;
  // Two processes that wait for each other by turns are mostly measured by how fast one core wakes the other.
  const setup = { oneCore: kind === "echo" && connections === 1, profiles };
  const samples = await contest(contenders, { kind, connections, inFlight, bytes }, timing, setup);
  report(scenario, samples);
}
process.exitCode = missed && args.flag("check") ? 1 : 0;

function report({ title, kind, connections, target }: Scenario, samples: readonly Sample[][]): void {
  const unit = kind === "echo" ? "replies/s" : "deliveries/s";
  const rows = [[title, unit, "server CPU each", "of it user", "server load", "generator load"]];
  for (const [i, { name }] of contenders.entries()) {
    const mid = (key: keyof Sample) => median((samples[i] ?? []).map((sample) => sample[key]));
    const loads = [mid("serverLoad"), mid("generatorLoad")].map((load) => `${Math.round(load * 100)} %`);
    rows.push([`  ${name}`, thousands(mid("perSecond")), micros(mid("cpu")), micros(mid("user")), ...loads]);
  }
  // On one core, the server and its generator wait for each other.
  const busy = connections > 1 ? median(samples.flat().map(({ waited }) => waited)) : 0;
  const ours = samples[contenders.findIndex(({ name }) => name === "phoenix")];
  if (ours !== undefined) {
    for (const [i, { name }] of contenders.entries()) {
      const theirs = samples[i];
      if (theirs === undefined || theirs === ours) continue;
      const throughput = ours.map((own, r) => own.perSecond / (theirs[r]?.perSecond ?? Number.NaN));
      const cpu = ours.map((own, r) => (theirs[r]?.cpu ?? Number.NaN) / own.cpu);
      rows.push([`  phoenix : ${name}`, `${times(throughput)}`, times(cpu)]);
      if (name === "ws") rows.push([`  target ${target}x: ${verdict(target, throughput, cpu, busy > BUSY)}`]);
    }
  }
  console.log(`\n${table(rows)}`);
  if (busy > BUSY) {
    const percent = Math.round(busy * 100);
    console.log(
      `  (others used the machine: ${percent} % of the time was spent waiting for a core. Read the CPU.)`,
    );
  }
}

function micros(value: number): string {
  return `${value.toFixed(2)} µs`;
}

/** The ratio, from windows of the same round, and between what the rounds varied. */
function times(ratios: readonly number[]): string {
  const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)).join("–");
  return `${median(ratios).toFixed(2)}x (${range})`;
}

function verdict(
  target: number,
  throughput: readonly number[],
  cpu: readonly number[],
  busy: boolean,
): string {
  const byCpu = median(cpu);
  const worst = busy ? byCpu : Math.min(median(throughput), byCpu);
  const by = busy ? "by CPU" : "by throughput and by CPU";
  if (worst >= target) return `holds, ${by}`;
  if (worst >= target * (1 - NOISE)) return `holds within the noise of a run, ${by}`;
  missed = true;
  return `missed by ${worst === byCpu ? "CPU" : "throughput"}`;
}

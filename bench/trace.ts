// What a trace costs: npx tsx bench/trace.ts, with --base=path/to/dist/index.js beside a build without it.
import { type Contender, contest, type Load } from "./load/contest.ts";
import { parseArgs } from "./support/args.ts";
import { staleBuild } from "./support/library.ts";
import { median, table, thousands } from "./support/statistics.ts";

const args = parseArgs(process.argv.slice(2), ["rounds", "ms", "base"]);
const stale = await staleBuild();
if (stale !== null) console.error(stale);

const base = args.text("base", "");
const contenders: readonly Contender[] = [
  { name: "no trace", dialect: "phoenix", server: "phoenix.ts" },
  ...(base === "" ? [] : [{ name: "base", dialect: "phoenix", server: "phoenix.ts", args: [base] } as const]),
  { name: "a trace of another topic", dialect: "phoenix", server: "phoenix-traced.ts", args: ["another"] },
  { name: "a trace of everything", dialect: "phoenix", server: "phoenix-traced.ts", args: ["everything"] },
];
const timing = { rounds: args.number("rounds", 5), windowMs: args.number("ms", 1200), settleMs: 200 };
const loads: readonly [title: string, load: Load][] = [
  ["echo, 100 connections", { kind: "echo", connections: 100, inFlight: 1, bytes: 64 }],
  ["fan-out to 1,000, 16 in flight", { kind: "fanout", connections: 1_000, inFlight: 16, bytes: 64 }],
];
for (const [title, load] of loads) {
  const samples = await contest(contenders, load, timing, { oneCore: false, profiles: null });
  const [untraced = []] = samples;
  const rows = [[title, "messages/s", "server CPU each", "CPU : no trace"]];
  for (const [i, { name }] of contenders.entries()) {
    const own = samples[i] ?? [];
    const ratios = own.map((sample, round) => sample.cpu / (untraced[round]?.cpu ?? Number.NaN));
    const range = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)).join("–");
    rows.push([
      `  ${name}`,
      thousands(median(own.map((s) => s.perSecond))),
      `${median(own.map((s) => s.cpu)).toFixed(2)} µs`,
      `${median(ratios).toFixed(2)}x (${range})`,
    ]);
  }
  console.log(`\n${table(rows)}`);
}

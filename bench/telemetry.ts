// What telemetry costs: echo with nobody listening, and with a listener on every event: npx tsx bench/telemetry.ts
import { contest } from "./load/contest.ts";
import { parseArgs } from "./support/args.ts";
import { staleBuild } from "./support/library.ts";
import { median, table, thousands } from "./support/statistics.ts";

const args = parseArgs(process.argv.slice(2), ["rounds", "ms"]);
const stale = await staleBuild();
if (stale !== null) console.error(stale);

const contenders = [
  { name: "nobody listens", dialect: "phoenix", server: "phoenix.ts" },
  { name: "a listener on every event", dialect: "phoenix", server: "phoenix-listened.ts" },
] as const;
const samples = await contest(
  contenders,
  { kind: "echo", connections: 100, inFlight: 1, bytes: 64 },
  { rounds: args.number("rounds", 5), windowMs: args.number("ms", 1200), settleMs: 200 },
  { oneCore: false, profiles: null },
);
const rows = [["echo, 100 connections", "replies/s", "server CPU each"]];
for (const [i, { name }] of contenders.entries()) {
  const own = samples[i] ?? [];
  rows.push([
    name,
    thousands(median(own.map((s) => s.perSecond))),
    `${median(own.map((s) => s.cpu)).toFixed(2)} µs`,
  ]);
}
const [quiet = [], listened = []] = samples;
const ratio = median(listened.map((sample, round) => sample.cpu / (quiet[round]?.cpu ?? Number.NaN)));
console.log(table(rows));
console.log(`a listener on every event costs ${((ratio - 1) * 100).toFixed(0)} % more CPU for each reply`);

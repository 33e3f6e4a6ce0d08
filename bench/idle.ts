// Many connections with one joined channel each: what they cost to hold, to open and to drain, beside socket.io
// and a bare ws server in the same run: npx tsx bench/idle.ts [--connections=10000]
import type { DialectName } from "./load/dialects.ts";
import { parseArgs } from "./support/args.ts";
import { Child, type Memory, type Usage } from "./support/child.ts";
import { staleBuild } from "./support/library.ts";
import { table, thousands } from "./support/statistics.ts";

const args = parseArgs(process.argv.slice(2), ["connections"]);
const count = args.number("connections", 10_000);
const stale = await staleBuild();
if (stale !== null) console.error(stale);

const contenders: readonly (readonly [DialectName, string])[] = [
  ["phoenix", "phoenix.ts"],
  ["ws", "ws.ts"],
  ["socket.io", "socket-io.ts"],
];
const rows = [["", "heap each", "RSS each", "joins/s", "server CPU each"]];
const rss = new Map<DialectName, number>();
let heap = 0;

for (const [name, file] of contenders) {
  const server = new Child(new URL(`servers/${file}`, import.meta.url), { execArgv: ["--expose-gc"] });
  const load = new Child(new URL("load/idle.ts", import.meta.url));
  try {
    const port = await server.ask<number>("port");
    const before = await server.ask<Memory>("memory");
    const cpu = await server.ask<Usage>("usage");
    const ms = await load.ask<number>("open", { name, port, count });
    const used = await server.ask<Usage>("usage");
    const after = await server.ask<Memory>("memory");
    const each = (value: number) => value / count;
    rss.set(name, each(after.rss - before.rss));
    if (name === "phoenix") heap = each(after.heap - before.heap);
    rows.push([
      name,
      `${(each(after.heap - before.heap) / 1024).toFixed(1)} KiB`,
      `${(each(after.rss - before.rss) / 1024).toFixed(1)} KiB`,
      thousands((count / ms) * 1000),
      `${each(used.cpu - cpu.cpu).toFixed(0)} µs`,
    ]);
    if (name === "phoenix") {
      const started = await server.ask<Usage>("usage");
      const closed = load.ask("closed");
      await server.ask("drain");
      await closed;
      const done = await server.ask<Usage>("usage");
      const cpuEach = ((done.cpu - started.cpu) / count).toFixed(0);
      console.log(
        `drain of ${thousands(count)}: ${thousands(done.at - started.at)} ms, server CPU ${cpuEach} µs each\n`,
      );
    }
  } finally {
    await Promise.all([server.stop(), load.stop()]);
  }
}
console.log(table(rows));
const verdict = (holds: boolean) => (holds ? "holds" : "missed");
console.log(`\ntarget: at most 8 KiB of heap each: ${verdict(heap <= 8192)}`);
const ratio = (rss.get("phoenix") ?? 0) / (rss.get("socket.io") ?? 1);
console.log(`target: not more RSS than socket.io: ${verdict(ratio <= 1)} (${ratio.toFixed(2)} of it)`);

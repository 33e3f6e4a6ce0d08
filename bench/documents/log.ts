// What a log takes: npx tsx bench/documents/log.ts --help
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MemoryOpLog as Memory } from "../../lib/documents/log/memory.ts";
import type { OpLog, Position } from "../../lib/documents/log/op-log.ts";
import { encodeRecord } from "../../lib/documents/record.ts";
import { parseArgs } from "../support/args.ts";
import { staleBuild } from "../support/library.ts";
import { median, table, thousands } from "../support/statistics.ts";

const HELP = `Usage: npx tsx bench/documents/log.ts [memory] [lmdb] [--option=value …]

  --documents=1,100,1000,5000  how many are written at once, each one record after the other
  --ops=1                      in a record
  --bytes=64                   of an op's contents
  --seconds=3                  for each round
  --rounds=3                   of which the median is shown
  --path=…                     where LMDB's directories are made; the system's temporary directory if absent`;

const known = ["help", "documents", "ops", "bytes", "seconds", "rounds", "path"];
const args = parseArgs(process.argv.slice(2), known);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}
const stale = await staleBuild();
if (stale !== null) console.error(stale);

const built = (path: string) =>
  import(new URL(`../../dist/${path}`, import.meta.url).href) as Promise<unknown>;
const { MemoryOpLog } = (await built("documents/log/memory.js")) as { MemoryOpLog: typeof Memory };
const { LmdbOpLog } = (await built("documents/log/lmdb.js")) as {
  LmdbOpLog: new (o: { path: string }) => OpLog;
};

const op = JSON.stringify({
  clientId: "0123456789abcdef",
  type: "op",
  clientSequenceNumber: 1,
  referenceSequenceNumber: 1,
  contents: "x".repeat(args.number("bytes", 64)),
  timestamp: Date.now(),
});
const ops = new Array<string>(args.number("ops", 1)).fill(op);
const milliseconds = args.number("seconds", 3) * 1000;
const rows: string[][] = [["log", "documents", "appends/s", "ops/s"]];

for (const kind of args.words.length > 0 ? args.words : ["memory", "lmdb"]) {
  for (const text of args.text("documents", "1,100,1000,5000").split(",")) {
    const rates: number[] = [];
    for (let i = 0; i < args.number("rounds", 3); i++) rates.push(await round(kind, Number(text)));
    const rate = median(rates);
    rows.push([kind, thousands(Number(text)), thousands(rate), thousands(rate * ops.length)]);
  }
}
console.log(table(rows));

/** Appends a second. */
async function round(kind: string, documents: number): Promise<number> {
  const directory = await mkdtemp(join(args.text("path", tmpdir()), "bench-log-"));
  const log = kind === "memory" ? new MemoryOpLog() : new LmdbOpLog({ path: directory });
  await log.state({ tenant: "acme", document: "none" });
  let appends = 0;
  const start = performance.now();
  const write = async (document: string) => {
    let after: Position = { sn: 0, id: "" };
    while (performance.now() - start < milliseconds) {
      const record = encodeRecord(after.id, { first: after.sn + 1, node: "n", boot: "b", rsns: [] }, ops);
      const { outcome } = await log.append({ tenant: "acme", document }, after, record);
      if (outcome !== "committed") throw new Error(`${document}: ${outcome}`);
      after = { sn: record.last, id: record.id };
      appends++;
      // Memory answers within the turn, in which the clock would be all that ends this.
      if (kind === "memory" && appends % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: documents }, (_, i) => write(`document ${i}`)));
  const seconds = (performance.now() - start) / 1000;
  await log.close();
  await rm(directory, { recursive: true });
  return appends / seconds;
}

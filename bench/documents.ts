// Documents: ordering, durability and fan-out. npx tsx bench/documents.ts --help
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "./support/args.ts";
import { Child, type Memory, type Usage } from "./support/child.ts";
import { staleBuild } from "./support/library.ts";
import { median, table, thousands } from "./support/statistics.ts";

const HELP = `Usage: npx tsx bench/documents.ts [scenario …] [--option=value …]

  throughput   ops/s through one document, beside a server that stores and sends each op by itself
  latency      from submit to another client's receipt, at an offered rate
  many         ops/s through many documents at once
  open         heap of open documents that nobody uses
  load         time until a client has a long document, with and without a summary
  (all of them, without a word)

  --rounds=3       of each throughput; the median counts
  --seconds=3      of each measurement
  --rate=2_000     ops/s offered for latency
  --documents=1_000   for many
  --sessions=10_000   for open
  --ops=100_000    for load`;

const args = parseArgs(process.argv.slice(2), [
  "help",
  "rounds",
  "seconds",
  "rate",
  "documents",
  "sessions",
  "ops",
]);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}

type Log = "memory" | "lmdb";
type Kind = "server" | "naive";

interface Sample extends Usage {
  readonly ops: number;
}

interface GeneratorSample {
  readonly replies: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
}

const seconds = args.number("seconds", 3);
const LOGS: readonly Log[] = ["memory", "lmdb"];
const CLIENTS = [1, 10, 200];
const WARM_UP_MS = 1000;
/** Pushes that each client has on their way, by their number: a client has at most 256 ops waiting. */
const IN_FLIGHT = new Map([
  [1, 64],
  [10, 32],
  [200, 8],
]);

/** A server with its own directory, and a process of clients. */
class Rig {
  readonly server: Child;
  readonly generator: Child;
  readonly port: number;
  readonly #directory: string;

  private constructor(server: Child, generator: Child, port: number, directory: string) {
    this.server = server;
    this.generator = generator;
    this.port = port;
    this.#directory = directory;
  }

  static async start(kind: Kind, log: Log, execArgv: readonly string[] = []): Promise<Rig> {
    const directory = await mkdtemp(join(tmpdir(), "pcs-bench-"));
    const file = new URL(`./documents/${kind}.ts`, import.meta.url);
    const server = new Child(file, { args: [log, directory], execArgv });
    const generator = new Child(new URL("./documents/generator.ts", import.meta.url));
    return new Rig(server, generator, await server.ask<number>("port"), directory);
  }

  async token(document: string): Promise<[string, string]> {
    return [document, await this.server.ask<string>("token", { document })];
  }

  async open(count: number, documents: readonly string[]): Promise<void> {
    const tokens = await Promise.all(documents.map((document) => this.token(document)));
    await this.generator.ask("open", { port: this.port, count, documents: tokens });
  }

  /** What happens in a window: of the server, and of the clients. */
  async measure(): Promise<{
    ops: number;
    cpu: number;
    errors: number;
    p50: number;
    p99: number;
  }> {
    await sleep(WARM_UP_MS);
    // What was measured until now is left out.
    await this.generator.ask("sample");
    const from = await this.server.ask<Sample>("sample");
    await sleep(seconds * 1000);
    const to = await this.server.ask<Sample>("sample");
    const last = await this.generator.ask<GeneratorSample>("sample");
    await this.generator.ask("stop");
    const elapsed = (to.at - from.at) / 1000;
    return {
      ops: (to.ops - from.ops) / elapsed,
      cpu: (to.cpu - from.cpu) / Math.max(1, to.ops - from.ops),
      errors: last.errors,
      p50: last.p50,
      p99: last.p99,
    };
  }

  async stop(): Promise<void> {
    await this.generator.stop();
    await this.server.ask("close").catch(() => {});
    await this.server.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function withRig<T>(
  kind: Kind,
  log: Log,
  run: (rig: Rig) => Promise<T>,
  execArgv?: string[],
): Promise<T> {
  const rig = await Rig.start(kind, log, execArgv);
  try {
    return await run(rig);
  } finally {
    await rig.stop();
  }
}

function saturated(kind: Kind, log: Log, clients: number, batch: number) {
  return withRig(kind, log, async (rig) => {
    await rig.open(clients + 1, ["bench"]);
    const most = Math.max(1, Math.floor(256 / batch));
    const inFlight = Math.min(most, IN_FLIGHT.get(clients) ?? 8);
    await rig.generator.ask("saturate", { inFlight, batch, measure: true });
    return rig.measure();
  });
}

async function throughput(): Promise<void> {
  const rounds = args.number("rounds", 3);
  const rows = [
    ["one document", "ops/s", "CPU an op", "p50", "p99", "by hand: ops/s", "CPU an op", "ratio by CPU"],
  ];
  for (const log of LOGS) {
    for (const clients of CLIENTS) {
      for (const batch of [1, 10]) {
        const own: Awaited<ReturnType<typeof saturated>>[] = [];
        const peer: Awaited<ReturnType<typeof saturated>>[] = [];
        for (let i = 0; i < rounds; i++) {
          own.push(await saturated("server", log, clients, batch));
          peer.push(await saturated("naive", log, clients, batch));
        }
        const errors = own.reduce((sum, { errors }) => sum + errors, 0);
        const of = (runs: typeof own, key: "ops" | "cpu" | "p50" | "p99") =>
          median(runs.map((run) => run[key]));
        rows.push([
          `  ${log}, ${clients} client(s), ${batch} op(s) a push${errors > 0 ? `, ${errors} errors` : ""}`,
          thousands(of(own, "ops")),
          micros(of(own, "cpu")),
          `${of(own, "p50").toFixed(1)} ms`,
          `${of(own, "p99").toFixed(1)} ms`,
          thousands(of(peer, "ops")),
          micros(of(peer, "cpu")),
          `${(of(peer, "cpu") / of(own, "cpu")).toFixed(1)}x`,
        ]);
        console.log(rows.at(-1)?.join("  "));
      }
    }
  }
  console.log(`\n${table(rows)}\n`);
}

async function latency(): Promise<void> {
  const perSecond = args.number("rate", 2000);
  const rows = [[`${thousands(perSecond)} ops/s offered`, "ops/s", "p50", "p99", "CPU an op"]];
  for (const log of LOGS) {
    for (const clients of CLIENTS) {
      const { ops, cpu, p50, p99, errors } = await withRig("server", log, async (rig) => {
        await rig.open(clients + 1, ["bench"]);
        await rig.generator.ask("offer", { perSecond });
        return rig.measure();
      });
      const failed = errors > 0 ? `, ${errors} errors` : "";
      rows.push([
        `  ${log}, ${clients} writer(s) and one that measures${failed}`,
        thousands(ops),
        `${p50.toFixed(1)} ms`,
        `${p99.toFixed(1)} ms`,
        micros(cpu),
      ]);
    }
  }
  console.log(`${table(rows)}\n`);
}

async function many(): Promise<void> {
  const count = args.number("documents", 1000);
  const rows = [[`${thousands(count)} documents, one client each`, "ops/s", "CPU an op"]];
  for (const log of LOGS) {
    const { ops, cpu, errors } = await withRig("server", log, async (rig) => {
      await rig.open(
        1,
        Array.from({ length: count }, (_, i) => `doc-${i}`),
      );
      await rig.generator.ask("saturate", { inFlight: 4, batch: 1, measure: false });
      return rig.measure();
    });
    rows.push([`  ${log}${errors > 0 ? `, ${errors} errors` : ""}`, thousands(ops), micros(cpu)]);
  }
  console.log(`${table(rows)}\n`);
}

async function openDocuments(): Promise<void> {
  const count = args.number("sessions", 10_000);
  await withRig(
    "server",
    "lmdb",
    async ({ server }) => {
      await server.ask("open", { count: 100 });
      const before = await server.ask<Memory>("memory");
      await server.ask("open", { count: count + 100 });
      const after = await server.ask<Memory>("memory");
      const each = (key: keyof Memory) => `${((after[key] - before[key]) / count / 1024).toFixed(1)} KiB`;
      console.log(`${thousands(count)} open documents: heap ${each("heap")}, RSS ${each("rss")} each\n`);
    },
    ["--expose-gc"],
  );
}

async function load(): Promise<void> {
  const count = args.number("ops", 100_000);
  await withRig("server", "lmdb", async (rig) => {
    const { server, generator, port } = rig;
    const [document, token] = await rig.token("long");
    await generator.ask("open", { port, count: 1, documents: [[document, token]] });
    const contents = JSON.stringify("x".repeat(62));
    for (let i = 0; i < count / 100; i++) {
      await generator.ask("submit", { ops: Array.from({ length: 100 }, () => contents) });
    }
    const time = async () => {
      const { ops: head } = await server.ask<Sample>("sample");
      return generator.ask<{ ms: number; bytes: number; ops: number }>("load", {
        port,
        document,
        token,
        head,
      });
    };
    const rows = [[`a document of ${thousands(count)} ops, LMDB`, "time", "bytes", "ops"]];
    const row = (name: string, { ms, bytes, ops }: { ms: number; bytes: number; ops: number }) =>
      rows.push([`  ${name}`, `${ms.toFixed(0)} ms`, thousands(bytes), thousands(ops)]);
    row("the whole log", await time());
    await generator.ask("summarize");
    row("with a summary of it", await time());
    console.log(`${table(rows)}\n`);
  });
}

function micros(value: number): string {
  return `${value.toFixed(1)} µs`;
}

const SCENARIOS = new Map([
  ["throughput", throughput],
  ["latency", latency],
  ["many", many],
  ["open", openDocuments],
  ["load", load],
]);
const stale = await staleBuild();
if (stale !== null) console.log(`warning: ${stale}`);
console.log(`node ${process.version}, ${availableParallelism()} cores, contents of 64 bytes\n`);
for (const word of args.words.length > 0 ? args.words : SCENARIOS.keys()) {
  const scenario = SCENARIOS.get(word);
  if (scenario === undefined)
    throw new Error(`there is no scenario ${word}; there are ${[...SCENARIOS.keys()].join(", ")}`);
  await scenario();
}

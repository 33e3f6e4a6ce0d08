// Frames that nobody should send, into the decoders and into a server: npx tsx bench/fuzz.ts --help
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import { type DecoderCounts, fuzzDecoders } from "./fuzz/decoders.ts";
import type { FuzzReport } from "./fuzz/server.ts";
import { fuzzSession, type SessionCounts } from "./fuzz/session.ts";
import { parseArgs } from "./support/args.ts";
import { Child } from "./support/child.ts";
import { thousands } from "./support/statistics.ts";

const HELP = `Usage: npx tsx bench/fuzz.ts [decoders] [sessions] [--option=value …]

  --frames=1_000_000  for each of the decoders
  --sessions=4_000    connections, of some 30 frames each
  --seed=…            makes the same frames again
  --frame=n           only the n-th frame of the seed
  --session=n         only the n-th session of the seed`;

const AT_ONCE = 20;

const args = parseArgs(process.argv.slice(2), ["help", "frames", "sessions", "seed", "frame", "session"]);
if (args.flag("help")) {
  console.log(HELP);
  process.exit();
}
const seed = args.number("seed", Date.now() % 1_000_000);
const wants = (word: string) => args.words.length === 0 || args.words.includes(word);
const problems: string[] = [];

console.log(`seed ${seed}`);
if (wants("decoders") && !args.flag("session")) await decoders();
if (wants("sessions") && !args.flag("frame")) await sessions();
for (const problem of problems) console.error(`FAILED: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
if (problems.length === 0) console.log("passed");

/** The numbers to go through: all of them, or the one to be seen again. */
function range(one: string, count: number): [from: number, to: number] {
  if (!args.flag(one)) return [0, count];
  const n = args.number(one, 0);
  return [n, n + 1];
}

async function decoders(): Promise<void> {
  const [from, to] = range("frame", args.number("frames", 1_000_000));
  const counts: DecoderCounts = { messages: 0, refused: 0 };
  for (let n = from; n < to; n++) {
    const problem = fuzzDecoders(seed, n, counts);
    if (problem !== null) {
      problems.push(`${problem}\n  again: npx tsx bench/fuzz.ts decoders --seed=${seed} --frame=${n}`);
      break;
    }
    // So that an interrupt gets through.
    if (n % 10_000 === 0) await immediate();
  }
  console.log(
    `decoders: ${thousands(counts.messages)} frames decoded, ${thousands(counts.refused)} refused with DecodeError`,
  );
}

async function sessions(): Promise<void> {
  const [from, to] = range("session", args.number("sessions", 4_000));
  const server = new Child(new URL("./fuzz/server.ts", import.meta.url));
  const port = await server.ask<number>("port");
  const counts: SessionCounts = { frames: 0, closes: new Map() };
  let next = from;
  let died: string | null = null;
  void server.died.then((how) => {
    died = how;
  });
  const again = (n: number | string) =>
    `\n  again: npx tsx bench/fuzz.ts sessions --seed=${seed} --session=${n}`;
  const worker = async () => {
    while (next < to && died === null && problems.length === 0) {
      const n = next++;
      const problem = await fuzzSession(port, seed, n, counts);
      if (problem !== null) problems.push(problem + again(n));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (died !== null) {
    problems.push(`${died}, in one of the sessions before ${next}${again("…")}`);
  } else {
    const report = await settled(server);
    if (report.connections + report.channels + report.topics > 0 || report.joined !== report.terminated) {
      problems.push(`something is left: ${JSON.stringify(report)}`);
    }
    for (const error of report.errors) problems.push(`the server logged: ${error}`);
    console.log(
      `sessions: ${thousands(next - from)} with ${thousands(counts.frames)} frames, ${thousands(report.joined)} joins; closed with ${closes(counts)}`,
    );
  }
  await server.stop();
}

/** The server's report, once the last connections are gone. */
async function settled(server: Child): Promise<FuzzReport> {
  for (let tries = 0; ; tries++) {
    const report = await server.ask<FuzzReport>("report");
    if ((report.connections === 0 && report.joined === report.terminated) || tries === 100) return report;
    await sleep(100);
  }
}

function closes({ closes }: SessionCounts): string {
  return [...closes]
    .toSorted((a, b) => b[1] - a[1])
    .map(([code, count]) => `${code === "none" ? "no close frame" : code}: ${thousands(count)}`)
    .join(", ");
}

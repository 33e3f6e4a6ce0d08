import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Child, type Usage } from "../support/child.ts";
import type { DialectName } from "./dialects.ts";
import type { LoadOptions } from "./generator.ts";

/** A server in the comparison. */
export interface Contender {
  readonly name: string;
  readonly dialect: DialectName;
  /** The script, in servers/. */
  readonly server: string;
  readonly args?: readonly string[];
}

export type Load = Pick<LoadOptions, "kind" | "connections" | "inFlight" | "bytes">;

/** One window of one server. */
export interface Sample {
  /** Messages received by clients, in a second. */
  readonly perSecond: number;
  /** Microseconds of the server's CPU for each of them, and the part that wasn't the kernel's. */
  readonly cpu: number;
  readonly user: number;
  /** Which part of one core the server and the generator had. */
  readonly serverLoad: number;
  readonly generatorLoad: number;
  /** The part of the time that one of the two was ready to run, and others had the cores. */
  readonly waited: number;
}

export interface Setup {
  /** Puts a server and its generator on one core, where the system has `taskset`. */
  readonly oneCore: boolean;
  /** Where the servers' CPU profiles go, or null. */
  readonly profiles: string | null;
}

export interface Timing {
  readonly rounds: number;
  /** Milliseconds of each window, and before it, while the flow settles. */
  readonly windowMs: number;
  readonly settleMs: number;
}

interface Pair {
  readonly server: Child;
  readonly generator: Child;
}

/** Stop on the way out, also after a failure. */
async function stopAll(pairs: readonly Pair[]): Promise<void> {
  await Promise.all(pairs.flatMap(({ server, generator }) => [generator.stop(), server.stop()]));
}

/**
 * Measures servers in turns: each has a window in each round, so that what else the machine does meets all of
 * them. Everybody's processes are new, and only one pair of them is at work at a time.
 *
 * @returns For each contender its windows, one a round.
 */
export async function contest(
  contenders: readonly Contender[],
  load: Load,
  timing: Timing,
  { oneCore, profiles }: Setup,
): Promise<Sample[][]> {
  const pairs: Pair[] = [];
  try {
    for (const { server, args, dialect } of contenders) {
      const execArgv = profiles === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
      const pair: Pair = {
        server: new Child(new URL(`../servers/${server}`, import.meta.url), { args, execArgv }),
        generator: new Child(new URL("./generator.ts", import.meta.url)),
      };
      pairs.push(pair);
      if (oneCore) pin([pair.server.pid, pair.generator.pid]);
      const port = await pair.server.ask<number>("port");
      await pair.generator.ask("open", { ...load, dialect, port } satisfies LoadOptions);
    }
    const samples: Sample[][] = contenders.map(() => []);
    // A round that doesn't count: the servers' hot paths get compiled.
    for (const pair of pairs) await measure(pair, timing);
    for (let round = 0; round < timing.rounds; round++) {
      for (let i = 0; i < pairs.length; i++) {
        // Each round begins with another one, lest somebody always follow the noisiest.
        const turn = (i + round) % pairs.length;
        const pair = pairs[turn];
        if (pair !== undefined) samples[turn]?.push(await measure(pair, timing));
      }
    }
    return samples;
  } finally {
    await stopAll(pairs);
  }
}

async function measure({ server, generator }: Pair, { windowMs, settleMs }: Timing): Promise<Sample> {
  const sample = () =>
    Promise.all([server.ask<Usage>("usage"), generator.ask<Usage & { received: number }>("sample")]);
  await generator.ask("start");
  await sleep(settleMs);
  const [serverBefore, before] = await sample();
  await sleep(windowMs);
  const [serverAfter, after] = await sample();
  await generator.ask("stop");
  const serverLoad = share(serverBefore, serverAfter);
  const generatorLoad = share(before, after);
  // Rates, each on its own process's clock: a busy process answers late, and one earlier than the other.
  const perMs = (after.received - before.received) / (after.at - before.at);
  const user = (serverAfter.user - serverBefore.user) / (serverAfter.at - serverBefore.at);
  return {
    perSecond: perMs * 1000,
    cpu: (serverLoad * 1000) / perMs,
    user: user / perMs,
    serverLoad,
    generatorLoad,
    waited: Math.max(
      (serverAfter.waited - serverBefore.waited) / (serverAfter.at - serverBefore.at),
      (after.waited - before.waited) / (after.at - before.at),
    ),
  };
}

function pin(pids: readonly number[]): void {
  try {
    for (const pid of pids)
      execFileSync("taskset", ["-a", "-p", "-c", "0", String(pid)], { stdio: "ignore" });
  } catch {
    // Another system: the figures are good there too, only less steady.
  }
}

function share(before: Usage, after: Usage): number {
  return (after.cpu - before.cpu) / 1000 / (after.at - before.at);
}

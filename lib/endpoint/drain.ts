import type { Cancel, Clock } from "../clock.ts";
import { CLOSE } from "../connection/close-codes.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Logger } from "../logger.ts";
import type { Mount } from "../mount.ts";
import { checkOptions, integer } from "../options.ts";
import { telemetry } from "../telemetry.ts";

export interface DrainOptions {
  /** Connections told to go at once. @default 10_000 */
  readonly batchSize?: number;
  /** Milliseconds between batches. @default 2_000 */
  readonly intervalMs?: number;
  /** Milliseconds after which connections that aren't done are closed anyway. @default 30_000 */
  readonly timeoutMs?: number;
}

const DRAIN_OPTIONS = {
  batchSize: integer(1, "connections"),
  intervalMs: integer(0, "milliseconds"),
  timeoutMs: integer(0, "milliseconds"),
};

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkDrainOptions(options: DrainOptions | undefined, call: string): DrainOptions {
  return checkOptions<DrainOptions>(options, DRAIN_OPTIONS, call);
}

export interface DrainHost {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Empties an endpoint's mounts, batch by batch. Resolves when all is closed, or the time is up. */
export async function drain(
  mounts: readonly Mount[],
  host: DrainHost,
  { batchSize = 10_000, intervalMs = 2_000, timeoutMs = 30_000 }: DrainOptions,
): Promise<void> {
  for (const mount of mounts) mount.drain();
  const connections = mounts.flatMap((mount) => [...mount.lingering, ...mount.connections]);
  const timers: Cancel[] = [];
  const after = (ms: number) => new Promise<void>((resolve) => timers.push(host.clock.schedule(resolve, ms)));
  let over = false;
  const expired = after(timeoutMs).then(() => {
    over = true;
    for (const connection of connections) connection.close(CLOSE.drain);
  });
  const inBatches = async () => {
    const drained: Promise<void>[] = [];
    for (let i = 0; i < connections.length; i += batchSize) {
      if (i > 0) await after(intervalMs);
      if (over) return;
      tellOfBatch(host, i, connections.length, batchSize, intervalMs);
      for (const connection of connections.slice(i, i + batchSize)) drained.push(connection.drain());
    }
    await Promise.all(drained);
  };
  await Promise.race([inBatches(), expired]);
  for (const cancel of timers) cancel();
}

function tellOfBatch(
  { endpoint, logger }: DrainHost,
  offset: number,
  total: number,
  batchSize: number,
  intervalMs: number,
): void {
  const count = Math.min(batchSize, total - offset);
  const index = offset / batchSize + 1;
  const rounds = Math.ceil(total / batchSize);
  logger.info(
    { count, total, index, rounds, intervalMs },
    `DRAINING ${count} of ${total} total connection(s) every ${intervalMs}ms - round ${index} of ${rounds}`,
  );
  if (telemetry.socketDrained.hasSubscribers) {
    telemetry.socketDrained.publish({ endpoint, count, total, index, rounds, intervalMs });
  }
}

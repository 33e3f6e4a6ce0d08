import type { Clock, MountOptions } from "../../lib/index.ts";
import { serve } from "../support/server.ts";
import { mountOptions, RecordedSocket } from "./channels.ts";
import { readScenarios, type Scenario } from "./scenario.ts";

/**
 * Defines a test for each scenario of a file, played against a server such as the recorded one. Its clock is the
 * system's, unless `makeClock` makes another.
 */
export function replay<C extends Clock | undefined>(
  file: string,
  options: MountOptions,
  play: (scenario: Scenario, port: number, clock: C) => Promise<void>,
  makeClock: () => C = () => undefined as C,
): void {
  for (const scenario of readScenarios(file)) {
    const missing = unserved(scenario);
    if (missing !== null) {
      it.skip(`${scenario.name} (skipped: no channel takes ${missing} yet)`);
      continue;
    }
    it(scenario.name, async () => {
      const clock = makeClock();
      const { port } = await serve(RecordedSocket, { ...mountOptions, ...options }, { clock });
      await play(scenario, port, clock);
    });
  }
}

/** The topics of a scenario that would need a channel which isn't there. */
function unserved({ steps }: Scenario): string | null {
  const served = Object.hasOwn(RecordedSocket.channels, "presence:*");
  return !served && JSON.stringify(steps).includes("presence:") ? "presence:*" : null;
}

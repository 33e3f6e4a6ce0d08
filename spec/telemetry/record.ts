import type { Endpoint } from "../../lib/index.ts";
import { telemetry } from "../../lib/index.ts";
import { Journal } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";

export type EventName = keyof typeof telemetry;

/**
 * A message of one of the channels, without the endpoint it came from, and the id of a failure: of those there is a
 * spec of its own.
 */
export type Told = Readonly<Record<string, unknown>>;

/** Keeps what an endpoint tells of some events, or of all, until the test is over. */
export class Telemetry {
  readonly #journals = new Map<EventName, Journal<Told>>();

  constructor(endpoint: Endpoint, events: readonly EventName[] = Object.keys(telemetry) as EventName[]) {
    for (const event of events) {
      const journal = new Journal<Told>();
      this.#journals.set(event, journal);
      const listener = (message: unknown) => {
        const { endpoint: from, id: _, ...told } = message as Told & { readonly endpoint: Endpoint };
        if (from === endpoint) journal.add(told);
      };
      telemetry[event].subscribe(listener);
      afterTest(() => telemetry[event].unsubscribe(listener));
    }
  }

  /** What was told so far. */
  all(event: EventName): Told[] {
    return this.#journals.get(event)?.entries ?? [];
  }

  /** Resolves when so many messages have come. */
  reaches(event: EventName, count: number): Promise<Told[]> {
    return this.#journals.get(event)?.reaches(count) ?? Promise.resolve([]);
  }
}

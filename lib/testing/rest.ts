import { realNow, turn } from "./turns.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Nothing moves for so many turns of the event loop: all is at rest, or waits for what the kit can't see. */
const QUIET_TURNS = 2;
const STILL_TURNS = 5;

export interface Wait {
  /** Real milliseconds. */
  readonly timeout: number;
  /** Ends the waiting at once. */
  readonly look?: () => boolean;
  /** What may still come though all is at rest, in words. */
  readonly more?: () => string[];
  /** A standstill will do: handlers may wait for something outside. */
  readonly busy?: boolean;
}

/** Finds out when everything that a test has set off has come to rest. */
export class Rest {
  readonly #inFlight: () => string[];
  readonly #moves: () => number;
  readonly #clock: VirtualClock | null;

  /**
   * @param inFlight What is at work, in words.
   * @param moves Grows with each message.
   * @param clock What it has due is called.
   */
  constructor(inFlight: () => string[], moves: () => number, clock: VirtualClock | null) {
    this.#inFlight = inFlight;
    this.#moves = moves;
    this.#clock = clock;
  }

  /**
   * Waits until `look` says so, all is at rest, or the time is over.
   *
   * @returns Null if `look` said so; else what is still in flight, in words: nothing if all is at rest.
   */
  async wait({ timeout, look = () => false, more = () => [], busy = false }: Wait): Promise<string[] | null> {
    const since = realNow();
    let quiet = 0;
    let seen = "";
    for (let count = 0; ; count++) {
      if (look()) return null;
      await turn(count);
      this.#clock?.runDue();
      const flight = this.#inFlight();
      const atRest = flight.length === 0;
      if (atRest) flight.push(...more());
      const state = `${this.#moves()} ${flight.join()}`;
      quiet = state === seen ? quiet + 1 : 0;
      seen = state;
      if (look()) return null;
      if (flight.length === 0 ? quiet >= QUIET_TURNS : busy && quiet >= STILL_TURNS) return flight;
      if (realNow() - since >= timeout) return flight;
    }
  }
}

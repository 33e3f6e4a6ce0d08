import type { Clock } from "../../clock.ts";

/** Which way bytes go. */
export type Direction = "up" | "down";

/** Bytes that may be on their way in one direction; more wait at the sender, as with TCP. */
const WINDOW = 65_536;

/** One end of a link. */
export interface LinkEnd {
  onBytes(bytes: Buffer): void;
  /** The other side will send nothing more. */
  onEnd(): void;
  /** The connection is lost. */
  onLost(): void;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly taken: () => void;
}

interface Way {
  /** What has been sent and hasn't arrived. */
  inFlight: number;
  /** When the latest will arrive: nothing overtakes. */
  lastAt: number;
  /** What doesn't fit into the window. */
  readonly waiting: Waiting[];
  /** What is on its way, in order. */
  readonly steps: (() => void)[];
  /** How much of it has had its time, and is held back by a partition. */
  owed: number;
  /** How many more bytes pass before the link is cut; null for no such fault. */
  budget: number | null;
}

const WAYS: readonly Direction[] = ["up", "down"];

/** The bytes between a client and a server, in order, with latency; until it is cut. */
export class Link {
  readonly #clock: Clock;
  readonly #ends: { readonly [way in Direction]: LinkEnd };
  readonly #latency: () => number;
  readonly #ways: { readonly [way in Direction]: Way };
  /** Called for each step, so that a simulation knows that something moves. */
  readonly #moved: () => void;
  #partitioned = false;
  #cut = false;

  /**
   * @param ends Who gets what goes up (the server) and down (the client).
   * @param latency Milliseconds that the next bytes take.
   */
  constructor(
    clock: Clock,
    ends: { readonly [way in Direction]: LinkEnd },
    latency: () => number,
    moved: () => void,
  ) {
    this.#clock = clock;
    this.#ends = ends;
    this.#latency = latency;
    this.#moved = moved;
    const way = (): Way => ({ inFlight: 0, lastAt: 0, waiting: [], steps: [], owed: 0, budget: null });
    this.#ways = { up: way(), down: way() };
  }

  get isCut(): boolean {
    return this.#cut;
  }

  /** Sends bytes; `taken` is called when there is room for more. */
  send(direction: Direction, bytes: Buffer, taken: () => void = () => {}): void {
    if (this.#cut) {
      // Who doesn't know of it sends into the void.
      taken();
      return;
    }
    const way = this.#ways[direction];
    if (way.inFlight + bytes.length > WINDOW && way.inFlight > 0) {
      way.waiting.push({ bytes, taken });
      return;
    }
    way.inFlight += bytes.length;
    this.#arrange(direction, () => this.#arrive(direction, bytes));
    taken();
  }

  /** Says, behind what has been sent, that nothing more comes. */
  end(direction: Direction): void {
    if (this.#cut) return;
    const way = this.#ways[direction];
    if (way.waiting.length > 0)
      way.waiting.push({ bytes: Buffer.alloc(0), taken: () => this.end(direction) });
    else this.#arrange(direction, () => this.#ends[direction].onEnd());
  }

  /** Lets so many more bytes pass in a direction, and then cuts the link. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#ways[direction].budget = bytes;
  }

  /**
   * Cuts it, with all that is on its way.
   *
   * @param told Who learns of it at once; the other finds out by itself.
   */
  cut(told: Direction | "both"): void {
    if (this.#cut) return;
    this.#cut = true;
    this.#moved();
    for (const way of WAYS) {
      if (told === "both" || told === way) this.#ends[way].onLost();
      for (const { taken } of this.#ways[way].waiting.splice(0)) taken();
    }
  }

  /** Holds back all that is on its way, until it heals. */
  partition(): void {
    this.#partitioned = true;
  }

  heal(): void {
    if (!this.#partitioned) return;
    this.#partitioned = false;
    for (const direction of WAYS) {
      const way = this.#ways[direction];
      for (; way.owed > 0; way.owed--) this.#scheduleNext(direction);
    }
  }

  /** Takes a step when the latency has passed, behind all earlier ones. */
  #arrange(direction: Direction, step: () => void): void {
    this.#ways[direction].steps.push(step);
    this.#scheduleNext(direction);
  }

  #scheduleNext(direction: Direction): void {
    const way = this.#ways[direction];
    const now = this.#clock.now();
    way.lastAt = Math.max(way.lastAt, now + this.#latency());
    this.#clock.schedule(() => {
      if (this.#cut) return;
      this.#moved();
      if (this.#partitioned) way.owed++;
      else way.steps.shift()?.();
    }, way.lastAt - now);
  }

  #arrive(direction: Direction, bytes: Buffer): void {
    const way = this.#ways[direction];
    way.inFlight -= bytes.length;
    const { budget } = way;
    if (budget !== null && bytes.length >= budget) {
      if (budget > 0) this.#ends[direction].onBytes(bytes.subarray(0, budget));
      this.cut("both");
      return;
    }
    if (budget !== null) way.budget = budget - bytes.length;
    this.#ends[direction].onBytes(bytes);
    while (way.waiting[0] !== undefined && way.inFlight + way.waiting[0].bytes.length <= WINDOW) {
      const { bytes: next, taken } = way.waiting.shift() as Waiting;
      if (next.length === 0) taken();
      else this.send(direction, next, taken);
    }
  }
}

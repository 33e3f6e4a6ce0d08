import type { Clock } from "../../clock.ts";
import type { Foreign, Message } from "./frames.ts";

/** A frame that went over one of the connections. */
export interface TracedFrame {
  /** Milliseconds since the trace began. */
  readonly at: number;
  /** Which connection, by its name. */
  readonly connection: string;
  readonly direction: "in" | "out";
  readonly frame: Message | Foreign;
}

/** The latest are kept. */
const MAX_FRAMES = 200;

/** What was sent and received, in order. */
export class Trace {
  readonly #clock: Clock;
  readonly #since: number;
  readonly #listener: ((traced: TracedFrame) => void) | null;
  readonly frames: TracedFrame[] = [];

  constructor(clock: Clock, listener: ((traced: TracedFrame) => void) | null = null) {
    this.#clock = clock;
    this.#since = clock.now();
    this.#listener = listener;
  }

  add(connection: string, direction: "in" | "out", frame: Message | Foreign): void {
    const traced: TracedFrame = { at: this.#clock.now() - this.#since, connection, direction, frame };
    if (this.frames.length === MAX_FRAMES) this.frames.shift();
    this.frames.push(traced);
    this.#listener?.(traced);
  }
}

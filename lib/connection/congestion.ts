import type { Transport } from "../transport/transport.ts";

/** Stops reading from a client while too much of what it has sent waits for one of its channels. */
export class Congestion {
  readonly #transport: Transport;
  readonly #maxQueued: number;
  #congested: Set<object> | null = null;

  constructor(transport: Transport, maxQueued: number) {
    this.#transport = transport;
    this.#maxQueued = maxQueued;
  }

  /** So many messages wait for a channel. Reading goes on when each that had too many has done half of them. */
  check(channel: object, waiting: number): void {
    if (waiting > this.#maxQueued) {
      this.#congested ??= new Set();
      if (this.#congested.size === 0) this.#transport.pause();
      this.#congested.add(channel);
    } else if (waiting <= this.#maxQueued / 2 && this.#congested?.delete(channel)) {
      if (this.#congested.size === 0) this.#transport.resume();
    }
  }
}

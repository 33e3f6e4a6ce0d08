import type { Duplex } from "node:stream";
import { atTurnEnd } from "../turn.ts";

/**
 * Batches writes: a stream is corked at its first write of a turn of the event loop, and uncorked when the turn
 * has read what was there to read. All that was written meanwhile leaves in one system call.
 */
class Outbox {
  #corked: Duplex[] = [];
  #spare: Duplex[] = [];
  readonly #flush = () => {
    const streams = this.#corked;
    this.#corked = this.#spare;
    for (const stream of streams) stream.uncork();
    streams.length = 0;
    this.#spare = streams;
  };

  /** Corks a stream until the end of the turn, unless it is corked already. */
  cork(stream: Duplex): void {
    if (stream.writableCorked > 0) return;
    stream.cork();
    if (this.#corked.push(stream) === 1) atTurnEnd(this.#flush);
  }
}

/** One for the process: the event loop is one too. */
export const outbox = new Outbox();

import type { Cancel, Clock } from "../clock.ts";
import { type Moved, movedMinimum } from "./sequencer.ts";
import type { DocumentState, WriteClient } from "./state.ts";

/** Milliseconds after an append, in which a moved MSN waits for an op to carry it; and between two noops. */
const AFTER = 250;
const INTERVAL = 2000;

/** What the noops of clients have moved, until a record carries it: if no op comes, a noop of the server's does. */
export class Noops {
  readonly moved: Moved = new Map();
  readonly #state: DocumentState;
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #appendedAt = 0;
  #noopAt = Number.NEGATIVE_INFINITY;
  #cancel: Cancel | null = null;
  #stopped = false;

  /** @param onDue An op has to carry the MSN now. */
  constructor(state: DocumentState, clock: Clock, onDue: () => void) {
    this.#state = state;
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** The client sequence number of a client's latest op, noops included. */
  csn(writer: WriteClient): number {
    return this.moved.get(writer.clientId)?.csn ?? writer.csn;
  }

  /** What a client has seen it goes on having seen: its reference sequence number doesn't fall by a noop. */
  move(writer: WriteClient, rsn: number, csn: number): void {
    const before = this.moved.get(writer.clientId)?.rsn ?? writer.rsn;
    this.moved.set(writer.clientId, { rsn: Math.max(rsn, before), csn });
    this.#later();
  }

  /** A record is durable. */
  appended(): void {
    this.#appendedAt = this.#clock.now();
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }

  #later(): void {
    if (this.moved.size === 0 || this.#cancel !== null || this.#stopped) return;
    const now = this.#clock.now();
    const at = Math.max(this.#appendedAt + AFTER, this.#noopAt + INTERVAL, now);
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = null;
      if (this.#clock.now() < this.#appendedAt + AFTER) {
        this.#later();
      } else if (movedMinimum(this.#state, this.moved) > this.#state.msn) {
        this.#noopAt = this.#clock.now();
        this.#onDue();
      }
    }, at - now);
  }
}

import type { Cancel, Clock } from "../../clock.ts";

/** What a program finds as `setTimeout` and its like. */
export interface Timers {
  setTimeout(callback: () => void, ms?: number): number;
  clearTimeout(id: number | undefined): void;
  setInterval(callback: () => void, ms?: number): number;
  clearInterval(id: number | undefined): void;
}

/** One client's part of the virtual time: its timers, which stop while it is asleep. */
export class ClientTimers implements Timers {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Cancel>();
  #ids = 0;
  /** What fell due while the client was asleep; null while it is awake. */
  #overdue: Map<number, () => void> | null = null;
  /** What a wake has yet to call. */
  #waking: Map<number, () => void> | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get asleep(): boolean {
    return this.#overdue !== null;
  }

  readonly setTimeout = (callback: () => void, ms = 0): number => this.#start(callback, ms, false);

  readonly setInterval = (callback: () => void, ms = 0): number => this.#start(callback, ms, true);

  readonly clearTimeout = (id: number | undefined): void => {
    if (id === undefined) return;
    this.#pending.get(id)?.();
    this.#pending.delete(id);
    this.#overdue?.delete(id);
    this.#waking?.delete(id);
  };

  readonly clearInterval = this.clearTimeout;

  /** Calls back at once, or when the client wakes. */
  whenAwake(callback: () => void): void {
    if (this.#overdue === null) callback();
    else this.#overdue.set(++this.#ids, callback);
  }

  sleep(): void {
    this.#overdue ??= new Map();
  }

  /** What fell due meanwhile is called now, in its order: timers once, however often they were due. */
  wake(): void {
    const waking = this.#overdue;
    if (waking === null) return;
    this.#overdue = null;
    this.#waking = waking;
    for (const [id, callback] of waking) {
      waking.delete(id);
      // One of the others may have sent the client to sleep again.
      this.whenAwake(callback);
    }
    this.#waking = null;
  }

  /** The client is gone: none of its timers is called any more. */
  stop(): void {
    for (const cancel of this.#pending.values()) cancel();
    this.#pending.clear();
    this.#overdue = null;
  }

  #start(callback: () => void, ms: number, repeats: boolean): number {
    const id = ++this.#ids;
    const delay = Number.isFinite(ms) ? Math.max(repeats ? 1 : 0, ms) : 0;
    const arm = () => {
      const cancel = this.#clock.schedule(() => {
        if (repeats) arm();
        else this.#pending.delete(id);
        if (this.#overdue === null) callback();
        else this.#overdue.set(id, callback);
      }, delay);
      this.#pending.set(id, cancel);
    };
    arm();
    return id;
  }
}

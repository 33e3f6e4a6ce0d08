/**
 * Where the library's time comes from. Tests inject their own; the default is the system's.
 */
export interface Clock {
  /** Milliseconds since the epoch, never falling, also when the system's time is set back. */
  now(): number;
  /** Calls `callback` once, `ms` milliseconds from now, and returns what cancels that. */
  schedule(callback: () => void, ms: number): Cancel;
}

/** Cancels what it was returned for. Calling it twice, or too late, does nothing. */
export type Cancel = () => void;

/** Node's timers fire at once for a longer delay. */
const MAX_DELAY = 2 ** 31 - 1;

const ORIGIN = performance.timeOrigin;

/** The system's monotonic clock. Its timers don't keep the process alive. */
export const systemClock: Clock = Object.freeze({
  now: () => ORIGIN + performance.now(),

  schedule(callback: () => void, ms: number): Cancel {
    if (ms <= MAX_DELAY) {
      const timer = setTimeout(callback, ms).unref();
      return () => clearTimeout(timer);
    }
    let cancel = this.schedule(() => {
      cancel = this.schedule(callback, ms - MAX_DELAY);
    }, MAX_DELAY);
    return () => cancel();
  },
});

// Not the globals: a runner's fake timers must not stop the kit.
import { setImmediate, setTimeout } from "node:timers";

const clock = performance.now.bind(performance);

/** So many turns of the event loop pass at full speed; then each waits for a millisecond. */
const EAGER_TURNS = 50;

/** Real milliseconds, for timeouts. */
export function realNow(): number {
  return clock();
}

/** Lets the event loop turn once. All that is due at once, promises too, has happened then. */
export function turn(count = 0): Promise<void> {
  return new Promise((resolve) => {
    if (count < EAGER_TURNS) setImmediate(resolve);
    else setTimeout(resolve, 1);
  });
}

/*
 * The turns of the event loop. A turn ends in the check phase, right after the poll phase has read what there was
 * to read: I/O has had its chance then, and all that was read together has been handled.
 */

let current = 0;
let armed = false;
let endings: (() => void)[] = [];

function end(): void {
  armed = false;
  current++;
  const due = endings;
  if (due.length === 0) return;
  endings = [];
  for (const ending of due) ending();
}

function arm(): void {
  if (armed) return;
  armed = true;
  setImmediate(end);
}

/** The number of the current turn. It doesn't rise between promises. */
export function currentTurn(): number {
  arm();
  return current;
}

/** Calls back when the turn ends. */
export function atTurnEnd(ending: () => void): void {
  arm();
  endings.push(ending);
}

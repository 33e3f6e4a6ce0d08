let turn = 0;
let armed = false;

/**
 * The number of the event loop's current turn: it rises once the loop has gone through its check phase, that is
 * after I/O has had its chance, and not between promises.
 */
export function currentTurn(): number {
  if (!armed) {
    armed = true;
    setImmediate(() => {
      armed = false;
      turn++;
    });
  }
  return turn;
}

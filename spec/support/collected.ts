import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { turn } from "./gate.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Resolves when nobody holds any of these any more; rejects if somebody does. */
export async function collected(refs: readonly WeakRef<object>[]): Promise<void> {
  // What has been looked at by a WeakRef stays until the end of the turn.
  for (let i = 0; refs.some((ref) => ref.deref() !== undefined); i++) {
    if (i === 50)
      throw new Error(
        `somebody holds ${refs.map((ref) => (ref.deref() === undefined ? "-" : "one")).join()}`,
      );
    await turn();
    collect();
  }
}

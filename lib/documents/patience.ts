import type { Cancel, Clock } from "../clock.ts";
import { OpLogError } from "./log/op-log.ts";

/** Milliseconds that anybody waits for a log which doesn't answer. */
export const MAX_WAIT = 5000;

/**
 * Waits for a log's answer to a question that may be asked again, such as a read.
 *
 * @throws OpLogError (`log_failed`) by rejection, if none comes in time.
 */
export async function answerOf<T>(clock: Clock, asked: Promise<T>): Promise<T> {
  let cancel: Cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.schedule(
      () => reject(new OpLogError("log_failed", `the log hasn't answered for ${MAX_WAIT / 1000} s`)),
      MAX_WAIT,
    );
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    cancel();
  }
}

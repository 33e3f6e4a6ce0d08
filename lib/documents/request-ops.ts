import { describe } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { error, Reply } from "../reply.ts";
import { LogTruncated } from "./log/op-log.ts";
import { documentTopic } from "./names.ts";
import type { Session } from "./session.ts";

/** Ops, and characters of them, in one answer. */
const MAX_REQUESTED = 1000;
const MAX_REQUESTED_SIZE = 256 * 1024;

/** The answer to a `requestOps`: the reply, and the list of ops in it as JSON, if there are any. */
export interface RequestedOps {
  readonly reply: Reply<"ok"> | Reply<"error">;
  readonly list: string | null;
}

/** Reads what a `requestOps {from, to?}` asks for. */
export async function requestedOps(
  session: Session,
  payload: unknown,
  logger: Logger,
): Promise<RequestedOps> {
  const { from, to } = (payload ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries({ from, to: to ?? 0 })) {
    if (Number.isSafeInteger(value) && (value as number) >= 0) continue;
    const message = `requestOps needs whole numbers {from, to?}, got ${describe(value)} as ${name}`;
    return { reply: error({ reason: "malformed", message }), list: null };
  }
  const { head } = session;
  const last = Math.min(typeof to === "number" ? to : head, head);
  try {
    const page = await session.read(from as number, last, MAX_REQUESTED_SIZE);
    const ops = page.slice(0, MAX_REQUESTED);
    const more = (from as number) + ops.length < last;
    const list = `[${ops.join(",")}]`;
    const reply = new Reply("ok", undefined, `{"ops":${list},"head":${head},"more":${more}}`);
    return { reply, list: ops.length === 0 ? null : list };
  } catch (err) {
    return { reply: failed(session, err, logger), list: null };
  }
}

function failed(session: Session, err: unknown, logger: Logger): Reply<"error"> {
  if (err instanceof LogTruncated) {
    const { message, floor } = err;
    return error({ reason: "resync", message, floor, summaryContext: session.summaryContext });
  }
  logger.error({ err, topic: documentTopic(session) }, "requestOps: the log can't be read");
  return error({ reason: "unavailable", message: "the log can't be read at the moment", retryAfter: 2 });
}

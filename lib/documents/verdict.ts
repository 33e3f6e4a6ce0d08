import { describe, ReturnError } from "../errors.ts";
import { NoReply, Reply } from "../reply.ts";

/** What a hook that may refuse returns: nothing or `ok()` to go on, `error(reason?)` to refuse. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook without a return statement has this type
export type Verdict = Reply<"ok"> | Reply<"error"> | void;

/** Why a hook refuses: its error's payload, and the message in that. */
export interface HookRefusal {
  readonly message: string | undefined;
  readonly details: unknown;
}

/** Null if the hook lets it pass. @throws ReturnError (`invalid_return`) for what no hook may return. */
export function checkVerdict(channel: object, hook: string, verdict: unknown): HookRefusal | null {
  if (verdict === undefined || verdict instanceof NoReply) return null;
  if (verdict instanceof Reply && verdict.status === "ok") return null;
  if (verdict instanceof Reply && verdict.status === "error") {
    const details: unknown = verdict.payload;
    const message: unknown = (details as { readonly message?: unknown } | null | undefined)?.message;
    return { message: typeof message === "string" ? message : undefined, details };
  }
  throw new ReturnError(
    "invalid_return",
    `${channel.constructor.name}.${hook} returned ${describe(verdict)}; expected nothing, ok() or error(reason?)`,
  );
}

import { describe, ReturnError } from "../errors.ts";
import { NoReply, Reply, Stop } from "../reply.ts";
import { isPromise, type Schema, type Validated, validate } from "../schema.ts";

/**
 * Calls the app, and goes on in the same stack unless it returns a promise. The promise returned never rejects.
 * What the app returns may be an object that throws when it is looked at: that fails as a throw does.
 */
export function settle(
  call: () => unknown,
  done: (result: unknown) => void,
  failed: (error: unknown) => void,
): Promise<void> | undefined {
  const finish = (result: unknown) => {
    try {
      done(result);
    } catch (error) {
      failed(error);
    }
  };
  let result: unknown;
  try {
    result = call();
    if (isPromise(result)) return Promise.resolve(result).then(finish, failed);
  } catch (error) {
    failed(error);
    return undefined;
  }
  finish(result);
  return undefined;
}

/** Checks a value with a schema, if there is one, and goes on with what it gives; `invalid` takes what is wrong. */
export function validated(
  schema: Schema | undefined,
  value: unknown,
  next: (value: unknown) => unknown,
  invalid: (reply: Reply) => unknown = (reply) => reply,
): unknown {
  if (schema === undefined) return next(value);
  const check = (result: Validated) =>
    "issues" in result
      ? invalid(new Reply("error", { reason: "invalid payload", issues: result.issues }))
      : next(result.value);
  const result = validate(schema, value);
  return isPromise(result) ? Promise.resolve(result).then(check) : check(result);
}

/** What a callback may return, for the error that says it didn't. */
const EXPECTED = {
  join: "ok(payload?) or error(payload?)",
  handleIn: "nothing, noreply(), ok(), error(), reply(status) or stop()",
  handleOut: "nothing, noreply() or stop() without a reply",
  handleInfo: "nothing, noreply() or stop() without a reply",
  deferReply: "a promise of ok(), error() or reply(status)",
};

export type Callback = keyof typeof EXPECTED;

/** @param where The callback, with the event for `handleIn`. */
export function invalidReturn(
  className: string,
  method: Callback,
  where: string,
  value: unknown,
): ReturnError {
  const got = describe(value);
  return new ReturnError(
    "invalid_return",
    `${className}.${where} returned ${got}; expected ${EXPECTED[method]}`,
  );
}

/** What a callback has thrown, as it is told of: a reply that was thrown instead of returned is the app's mistake. */
export function thrownBy(className: string, where: string, thrown: unknown): unknown {
  if (!(thrown instanceof Reply || thrown instanceof NoReply || thrown instanceof Stop)) return thrown;
  const got = describe(thrown);
  return new ReturnError("invalid_return", `${className}.${where} threw ${got}: return it instead`);
}

import { ConfigError, describe } from "../errors.ts";

/** Keys that begin with it are the library's own: no client can join one, no app can broadcast to one. */
export const RESERVED = "\0";

/** @throws ConfigError (`invalid_argument`) */
export function assertEvent(method: string, event: unknown): asserts event is string {
  if (typeof event === "string") return;
  throw new ConfigError("invalid_argument", `${method} needs an event, a string, got ${describe(event)}`);
}

/** @throws ConfigError (`invalid_argument`) */
export function assertTopic(method: string, topic: unknown): asserts topic is string {
  if (typeof topic === "string" && !topic.startsWith(RESERVED)) return;
  throw new ConfigError(
    "invalid_argument",
    `${method} needs a topic, a string that doesn't begin with a NUL character, got ${describe(topic)}`,
  );
}

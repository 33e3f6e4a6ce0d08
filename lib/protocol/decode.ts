import { DecodeError, describe } from "../errors.ts";
import type { Message, Ref } from "./message.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws DecodeError if the bytes aren't UTF-8. */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new DecodeError(`${what} isn't valid UTF-8`, { cause });
  }
}

/** @throws DecodeError if the text isn't JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the parser's error as a cause: it quotes the frame, which may hold a secret.
    throw new DecodeError("the frame isn't valid JSON");
  }
}

/** Checks the five parts of a message. @throws DecodeError naming the part that is wrong. */
export function message(
  joinRef: unknown,
  ref: unknown,
  topic: unknown,
  event: unknown,
  payload: unknown,
): Message {
  if (typeof topic !== "string") throw wrong("topic", "a string", topic);
  if (typeof event !== "string") throw wrong("event", "a string", event);
  if (!isRef(joinRef)) throw wrong("join_ref", "a string, number, boolean or null", joinRef);
  if (!isRef(ref)) throw wrong("ref", "a string, number, boolean or null", ref);
  return { joinRef, ref, topic, event, payload };
}

function isRef(value: unknown): value is Ref {
  return value === null || (typeof value !== "object" && value !== undefined);
}

function wrong(part: string, expected: string, got: unknown): DecodeError {
  const shown = got === undefined ? "nothing" : describe(got);
  return new DecodeError(`the ${part} of a message must be ${expected}, got ${shown}`);
}

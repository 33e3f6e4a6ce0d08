import { ConfigError, describe } from "../errors.ts";
import type { Encoded } from "../protocol/serializer.ts";

/** A message on its way between a test's client and the server. */
export interface ClientMessage {
  readonly joinRef: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

const PUSH = 0;
const REPLY = 1;
const MAX_NAME = 255;

/**
 * A client's message as the official client writes it: version 2.0.0, bytes in a frame of their own.
 *
 * @throws ConfigError (`invalid_argument`) for bytes with a name that their frame can't carry.
 */
export function encodeMessage({ joinRef, ref, topic, event, payload }: ClientMessage): Encoded {
  if (!(payload instanceof Uint8Array)) return JSON.stringify([joinRef, ref, topic, event, payload]);
  const names = [joinRef ?? "", ref ?? "", topic, event].map((name) => {
    const bytes = Buffer.from(name);
    if (bytes.length <= MAX_NAME) return bytes;
    throw new ConfigError(
      "invalid_argument",
      `a binary push carries names of at most ${MAX_NAME} bytes, ${describe(name)} has ${bytes.length}`,
    );
  });
  return Buffer.concat([Buffer.from([PUSH, ...names.map((name) => name.length)]), ...names, payload]);
}

/** A server's message, read as the official client reads it. A reply's payload is `{status, response}`. */
export function decodeMessage(frame: Encoded): ClientMessage {
  if (typeof frame === "string") {
    const [joinRef, ref, topic, event, payload] = JSON.parse(frame) as [
      never,
      never,
      string,
      string,
      unknown,
    ];
    return { joinRef, ref, topic, event, payload };
  }
  const kind = frame[0];
  const count = kind === PUSH ? 3 : kind === REPLY ? 4 : 2;
  let offset = 1 + count;
  const names = Array.from({ length: count }, (_, i) => {
    const end = offset + (frame[1 + i] ?? 0);
    const name = Buffer.from(frame.subarray(offset, end)).toString();
    offset = end;
    return name;
  });
  const bytes = new Uint8Array(frame.subarray(offset));
  if (kind === PUSH) {
    const [joinRef = "", topic = "", event = ""] = names;
    return { joinRef, ref: null, topic, event, payload: bytes };
  }
  if (kind === REPLY) {
    const [joinRef = "", ref = "", topic = "", status] = names;
    // A reply to nobody's join has none.
    return { joinRef: joinRef || null, ref, topic, event: "phx_reply", payload: { status, response: bytes } };
  }
  const [topic = "", event = ""] = names;
  return { joinRef: null, ref: null, topic, event, payload: bytes };
}

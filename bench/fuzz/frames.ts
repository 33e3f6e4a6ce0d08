import type { Random } from "../support/random.ts";
import { jsonObject, jsonText, jsonValue } from "./json.ts";

export type Frame = string | Uint8Array;
export type Version = "1.0.0" | "2.0.0";

/** A frame for a decoder: a good one, one that was good before it was changed, or nonsense. */
export function anyFrame(random: Random, version: Version): Frame {
  const kind = random.below(10);
  if (kind < 2) return goodFrame(random, version);
  if (kind < 5) return changed(random, goodFrame(random, version));
  if (kind < 6) return jsonValue(random);
  if (kind < 7) return random.bytes(random.below(40)).toString("latin1");
  if (kind < 8) return random.bytes(random.below(64));
  return oddMessage(random, version);
}

/** A frame that a decoder must take. What it says may still be odd. */
export function goodFrame(random: Random, version: Version): Frame {
  if (version === "2.0.0" && random.chance(0.3)) return binaryPush(random);
  const ref = () => random.pick(["null", "1", '"1"', '"2"', "true", jsonText(random)]);
  const topic = random.pick(['"room:a"', '"room:b"', '"phoenix"', jsonText(random)]);
  const event = random.pick([
    '"phx_join"',
    '"phx_leave"',
    '"heartbeat"',
    '"echo"',
    '"shout"',
    '"slow"',
    jsonText(random),
  ]);
  const text = message(version, [ref(), ref(), topic, event, jsonValue(random)]);
  // V1 takes JSON from binary frames too.
  return version === "1.0.0" && random.chance(0.1) ? Buffer.from(text) : text;
}

/** The right shape with anything in it, or nearly the right shape. */
function oddMessage(random: Random, version: Version): string {
  const parts = Array.from({ length: 5 }, () => jsonValue(random, 2));
  if (random.chance(0.3)) parts.splice(random.below(5), 1, ...(random.chance(0.5) ? [] : ["1", "2"]));
  return message(version, parts);
}

function message(version: Version, parts: readonly string[]): string {
  if (version === "2.0.0") return `[${parts.join(",")}]`;
  const keys = ['"join_ref"', '"ref"', '"topic"', '"event"', '"payload"'];
  return jsonObject(parts.map((part, i) => [keys[i] ?? '"topic"', part]));
}

function binaryPush(random: Random): Uint8Array {
  const names = [
    "1",
    random.pick(["", "2"]),
    random.pick(["room:a", "room:b"]),
    random.pick(["echo", "shout"]),
  ];
  if (random.chance(0.2)) names[random.below(4)] = "ü".repeat(random.below(128));
  const bytes = names.map((name) => Buffer.from(name));
  const header = Buffer.from([0, ...bytes.map(({ length }) => length)]);
  return Buffer.concat([header, ...bytes, random.bytes(random.below(100))]);
}

/** Takes something away from a frame, adds something, or turns a bit of it. */
function changed(random: Random, frame: Frame): Frame {
  const bytes = Buffer.from(frame as Uint8Array);
  const changedBytes = changedAt(random, bytes);
  // Half of a character would be replaced on the way to a string: then nothing is left to find.
  return typeof frame === "string" ? changedBytes.toString("latin1") : changedBytes;
}

export function changedAt(random: Random, bytes: Buffer): Buffer {
  if (bytes.length === 0) return random.bytes(1);
  const at = random.below(bytes.length);
  switch (random.below(5)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.between(1, 4))]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.between(1, 4)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length))]);
    default: {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    }
  }
}

import { DecodeError, type Serializer, V1JSONSerializer, V2JSONSerializer } from "../../lib/index.ts";
import { Random } from "../support/random.ts";
import { anyFrame, type Frame, type Version } from "./frames.ts";
import { difference, expected } from "./oracle.ts";

export interface DecoderCounts {
  messages: number;
  refused: number;
}

const SERIALIZERS: readonly (readonly [Version, Serializer])[] = [
  ["1.0.0", V1JSONSerializer],
  ["2.0.0", V2JSONSerializer],
];

/**
 * Gives the n-th frame of a seed to both decoders.
 *
 * @returns What is wrong, or null.
 */
export function fuzzDecoders(seed: number, n: number, counts: DecoderCounts): string | null {
  for (const [version, serializer] of SERIALIZERS) {
    const frame = anyFrame(Random.of(seed, n), version);
    const problem = decode(version, serializer, frame, counts);
    if (problem !== null) return `${serializer.name}, frame ${n}: ${problem}\n  ${printed(frame)}`;
  }
  return null;
}

function decode(
  version: Version,
  serializer: Serializer,
  frame: Frame,
  counts: DecoderCounts,
): string | null {
  const wanted = expected(version, frame);
  try {
    const message = serializer.decode(frame);
    counts.messages++;
    return wanted === null ? "decoded, though it isn't a message" : difference(message, wanted);
  } catch (error) {
    counts.refused++;
    if (!(error instanceof DecodeError))
      return `threw ${error instanceof Error ? error.stack : String(error)}`;
    return wanted === null ? null : `refused, though it is a message: ${error.message}`;
  }
}

export function printed(frame: Frame): string {
  return typeof frame === "string" ? JSON.stringify(frame) : `<${Buffer.from(frame).toString("hex")}>`;
}

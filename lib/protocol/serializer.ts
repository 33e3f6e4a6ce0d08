import type { Message, Ref } from "./message.ts";
import type { EncodedPayload } from "./payload.ts";

/** One frame: a string travels as text, bytes as binary. */
export type Encoded = string | Uint8Array;

/**
 * One version of the wire format (`Phoenix.Socket.Serializer`). Pure: no I/O, no logging, no state.
 *
 * Payloads arrive encoded (JSON text, or bytes), so that one encoding serves every serializer. A method that has
 * no form for what it is given throws a `PayloadError` with the code `uncarried_payload`.
 */
export interface Serializer {
  /** Shown in logs and telemetry. */
  readonly name: string;
  /** The version it speaks; a client's `vsn` matches if major and minor are the same and the patch isn't lower. */
  readonly version: string;
  /** Its frames are all binary: it isn't offered to long-polling clients, to whom only text travels. */
  readonly binaryOnly?: boolean;
  /** @throws DecodeError if the frame isn't a message. */
  decode(frame: Encoded): Message;
  /** A message to one client. phx_close and phx_error carry a ref, pushes have null. */
  encodePush(joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): Encoded;
  encodeReply(joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): Encoded;
  /** A message to all subscribers of a topic (`fastlane!`): it carries no refs, so that all get the same bytes. */
  encodeBroadcast(topic: string, event: string, payload: EncodedPayload): Encoded;
}

// The grammar of semver.org, as Elixir's Version reads it: three numbers, a pre-release and a build part.
const VERSION =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

/**
 * Picks the serializer for a client's `vsn`: the first one it satisfies as `~> version` (Phoenix's requirement
 * for both of its own). Undefined if there is none, or if `vsn` isn't a version.
 */
export function negotiate(serializers: readonly Serializer[], vsn: unknown): Serializer | undefined {
  const wanted = typeof vsn === "string" ? VERSION.exec(vsn) : null;
  if (wanted === null) return undefined;
  return serializers.find((serializer) => {
    const own = VERSION.exec(serializer.version);
    if (own === null || wanted[1] !== own[1] || wanted[2] !== own[2]) return false;
    const patch = BigInt(wanted[3] ?? 0) - BigInt(own[3] ?? 0);
    // A pre-release comes before its release: 2.0.0-rc.1 isn't ~> 2.0.0, 2.0.1-rc.1 is.
    return patch > 0n || (patch === 0n && wanted[4] === undefined);
  });
}

import { DecodeError, describe, PayloadError } from "../errors.ts";
import { decodeUtf8, message, parseJson } from "./decode.ts";
import { type Message, PHX_REPLY, type Ref } from "./message.ts";
import type { EncodedPayload } from "./payload.ts";
import type { Encoded, Serializer } from "./serializer.ts";

const KIND_PUSH = 0;
const KIND_REPLY = 1;
const KIND_BROADCAST = 2;
const MAX_NAME = 255;

/**
 * `Phoenix.Socket.V2.JSONSerializer`: text frames are `[join_ref, ref, topic, event, payload]`; binary payloads
 * travel in frames of their own, whose names have lengths of one byte.
 */
export const V2JSONSerializer: Serializer = Object.freeze({
  name: "V2.JSONSerializer",
  version: "2.0.0",

  decode(frame: Encoded): Message {
    if (typeof frame !== "string") return decodeBinary(frame);
    const value = parseJson(frame);
    if (!Array.isArray(value)) throw new DecodeError(`a V2 message is a JSON array, got ${describe(value)}`);
    if (value.length < 5) {
      throw new DecodeError(
        `a V2 message is [join_ref, ref, topic, event, payload], got ${value.length} elements`,
      );
    }
    return message(value[0], value[1], value[2], value[3], value[4]);
  },

  encodePush(joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): Encoded {
    if (typeof payload !== "string") {
      return encodeBinary(KIND_PUSH, [refName(joinRef), topic, event], payload);
    }
    return `[${JSON.stringify(joinRef)},${JSON.stringify(ref)},${JSON.stringify(topic)},${JSON.stringify(event)},${payload}]`;
  },

  encodeReply(joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): Encoded {
    if (typeof payload !== "string") {
      return encodeBinary(KIND_REPLY, [refName(joinRef), refName(ref), topic, status], payload);
    }
    return `[${JSON.stringify(joinRef)},${JSON.stringify(ref)},${JSON.stringify(topic)},"${PHX_REPLY}",{"status":${JSON.stringify(status)},"response":${payload}}]`;
  },

  encodeBroadcast(topic: string, event: string, payload: EncodedPayload): Encoded {
    if (typeof payload !== "string") return encodeBinary(KIND_BROADCAST, [topic, event], payload);
    return `[null,null,${JSON.stringify(topic)},${JSON.stringify(event)},${payload}]`;
  },
});

/** A client's binary frame: kind 0, four lengths, join_ref, ref, topic, event, and the payload to the end. */
function decodeBinary(frame: Uint8Array): Message {
  const kind = frame[0];
  if (kind !== KIND_PUSH) {
    throw new DecodeError(
      `a client's binary frame begins with ${KIND_PUSH} (push), got ${kind ?? "nothing"}`,
    );
  }
  if (frame.length < 5) throw new DecodeError("the binary frame ends inside its header");
  let offset = 5;
  const names = ["join_ref", "ref", "topic", "event"].map((what, i) => {
    const end = offset + (frame[1 + i] ?? 0);
    if (end > frame.length) throw new DecodeError(`the binary frame ends inside its ${what}`);
    const name = decodeUtf8(frame.subarray(offset, end), `the ${what} of the binary frame`);
    offset = end;
    return name;
  });
  // A copy of its own: the frame is a view of a larger read, which a handler that keeps the payload would keep.
  const payload = new Uint8Array(frame.subarray(offset));
  return message(names[0], names[1], names[2], names[3], payload);
}

function encodeBinary(kind: number, names: readonly string[], payload: Uint8Array): Uint8Array {
  const lengths = names.map((name) => {
    const length = Buffer.byteLength(name);
    if (length > MAX_NAME) {
      throw new PayloadError(
        "uncarried_payload",
        `a binary message carries names of at most ${MAX_NAME} bytes, ${describe(name)} has ${length}`,
      );
    }
    return length;
  });
  const header = 1 + names.length;
  const frame = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, header) + payload.length);
  frame[0] = kind;
  let offset = header;
  names.forEach((name, i) => {
    frame[1 + i] = lengths[i] ?? 0;
    offset += frame.write(name, offset);
  });
  frame.set(payload, offset);
  return frame;
}

function refName(ref: Ref): string {
  return ref === null ? "" : String(ref);
}

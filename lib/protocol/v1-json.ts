import { DecodeError, describe, PayloadError } from "../errors.ts";
import { decodeUtf8, message, parseJson } from "./decode.ts";
import { type Message, PHX_REPLY, type Ref } from "./message.ts";
import type { EncodedPayload } from "./payload.ts";
import type { Encoded, Serializer } from "./serializer.ts";

/**
 * `Phoenix.Socket.V1.JSONSerializer`: an object of topic, event, payload and ref. It has no join_ref on the way
 * out, and no binary form.
 */
export const V1JSONSerializer: Serializer = Object.freeze({
  name: "V1.JSONSerializer",
  version: "1.0.0",

  decode(frame: Encoded): Message {
    // Like Phoenix's, V1 reads JSON from binary frames too: it never looks at the opcode.
    const text = typeof frame === "string" ? frame : decodeUtf8(frame, "the frame");
    const value = parseJson(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new DecodeError(`a V1 message is a JSON object, got ${describe(value)}`);
    }
    for (const key of ["topic", "event", "payload", "ref"]) {
      if (!Object.hasOwn(value, key)) throw new DecodeError(`a V1 message needs "${key}"`);
    }
    const map = value as Record<string, unknown>;
    const joinRef = Object.hasOwn(value, "join_ref") ? map.join_ref : null;
    return message(joinRef, map.ref, map.topic, map.event, map.payload);
  },

  encodePush(_joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): string {
    return encode(ref, topic, event, json(payload));
  },

  encodeReply(_joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): string {
    return encode(ref, topic, PHX_REPLY, `{"status":${JSON.stringify(status)},"response":${json(payload)}}`);
  },

  encodeBroadcast(topic: string, event: string, payload: EncodedPayload): string {
    return encode(null, topic, event, json(payload));
  },
});

function encode(ref: Ref, topic: string, event: string, payload: string): string {
  return `{"topic":${JSON.stringify(topic)},"event":${JSON.stringify(event)},"payload":${payload},"ref":${JSON.stringify(ref)}}`;
}

function json(payload: EncodedPayload): string {
  if (typeof payload === "string") return payload;
  throw new PayloadError(
    "uncarried_payload",
    "the V1 serializer has no binary messages: the client must connect with vsn=2.0.0",
  );
}

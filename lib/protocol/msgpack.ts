import { Packr } from "msgpackr";
import { DecodeError, PayloadError } from "../errors.ts";
import { message } from "./decode.ts";
import { type Message, PHX_REPLY, type Ref } from "./message.ts";
import { MsgpackReader } from "./msgpack-reader.ts";
import type { EncodedPayload } from "./payload.ts";
import type { Encoded, Serializer } from "./serializer.ts";

// Plain MessagePack, the shortest form of each value, and no key that is taken for a method. Reading is our own: the
// package's reader makes instances and records of extension types, which can't be turned off.
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });

/**
 * Version 3.0.0, ours: each message is one binary frame, the MessagePack of `[join_ref, ref, topic, event, payload]`.
 * Binary payloads are `bin`, all others what they are in JSON. A mount takes it by
 * `serializers: [V1JSONSerializer, V2JSONSerializer, MsgpackSerializer]`. Needs the package `msgpackr`.
 */
export const MsgpackSerializer: Serializer = Object.freeze({
  name: "MsgpackSerializer",
  version: "3.0.0",
  binaryOnly: true,

  decode(frame: Encoded): Message {
    if (typeof frame === "string")
      throw new DecodeError("a msgpack message is a binary frame, got a text frame");
    const parts = new MsgpackReader(frame).message();
    if (parts.length < 5) {
      throw new DecodeError(
        `a msgpack message is [join_ref, ref, topic, event, payload], got ${parts.length} elements`,
      );
    }
    return message(parts[0], parts[1], parts[2], parts[3], parts[4]);
  },

  encodePush(joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): Uint8Array {
    return pack([joinRef, ref, topic, event, plain(payload)]);
  },

  encodeReply(joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): Uint8Array {
    return pack([joinRef, ref, topic, PHX_REPLY, { status, response: plain(payload) }]);
  },

  encodeBroadcast(topic: string, event: string, payload: EncodedPayload): Uint8Array {
    return pack([null, null, topic, event, plain(payload)]);
  },
});

function pack(parts: readonly unknown[]): Uint8Array {
  try {
    return packr.pack(parts);
  } catch (cause) {
    // Nested deeper than the stack; nothing else can go wrong with what JSON has expressed.
    throw new PayloadError("uncarried_payload", "the payload can't be written as MessagePack", { cause });
  }
}

function plain(payload: EncodedPayload): unknown {
  return typeof payload === "string" ? JSON.parse(payload) : payload;
}

import { isUtf8 } from "node:buffer";
import type { Message } from "../../lib/index.ts";
import type { Frame, Version } from "./frames.ts";

/**
 * What a frame says, by the rules of the wire, written down a second time and without the library. Null if it
 * isn't a message.
 */
export function expected(version: Version, frame: Frame): Message | null {
  if (version === "1.0.0") {
    if (typeof frame !== "string" && !isUtf8(frame)) return null;
    const value = parsed(typeof frame === "string" ? frame : Buffer.from(frame).toString());
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const map = new Map(Object.entries(value));
    if (!["ref", "topic", "event", "payload"].every((key) => map.has(key))) return null;
    const joinRef = map.has("join_ref") ? map.get("join_ref") : null;
    return checked([joinRef, map.get("ref"), map.get("topic"), map.get("event"), map.get("payload")]);
  }
  if (typeof frame !== "string") return binary(Buffer.from(frame));
  const value = parsed(frame);
  return Array.isArray(value) && value.length >= 5 ? checked(value) : null;
}

/** The first difference between what was decoded and what should have been, or null. */
export function difference(got: Message, wanted: Message): string | null {
  for (const key of ["joinRef", "ref", "topic", "event"] as const) {
    if (!Object.is(got[key], wanted[key])) return `${key} is ${String(got[key])}, not ${String(wanted[key])}`;
  }
  if (Object.keys(got).toSorted().join() !== "event,joinRef,payload,ref,topic") {
    return `it has the keys ${Object.keys(got).join()}`;
  }
  if (wanted.payload instanceof Uint8Array) {
    const same = got.payload instanceof Uint8Array && Buffer.compare(got.payload, wanted.payload) === 0;
    return same ? null : "the bytes of the payload differ";
  }
  return shown(got.payload) === shown(wanted.payload) ? null : "the payload differs";
}

function shown(payload: unknown): string {
  try {
    return JSON.stringify(payload);
  } catch {
    return "nested too deeply to be written";
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checked([joinRef, ref, topic, event, payload]: readonly unknown[]): Message | null {
  const scalar = (value: unknown) => value === null || ["string", "number", "boolean"].includes(typeof value);
  if (!scalar(joinRef) || !scalar(ref) || typeof topic !== "string" || typeof event !== "string") return null;
  return { joinRef, ref, topic, event, payload } as Message;
}

/** Kind 0, the lengths of four names, the names, and the payload to the end. */
function binary(frame: Buffer): Message | null {
  if (frame.length < 5 || frame[0] !== 0) return null;
  const names: string[] = [];
  let rest = frame.subarray(5);
  for (const length of frame.subarray(1, 5)) {
    const name = rest.subarray(0, length);
    if (name.length < length || !isUtf8(name)) return null;
    names.push(name.toString());
    rest = rest.subarray(length);
  }
  return checked([...names, rest]);
}

import { describe, PayloadError } from "../errors.ts";

/** What `push` and `broadcast` take: a plain object (no list, Map or Set), or bytes for a binary message. */
export type Payload =
  | Uint8Array
  // biome-ignore lint/suspicious/noExplicitAny: with `unknown` no interface would do, they have no index signature
  | { readonly [key: string]: any; readonly [Symbol.iterator]?: never };

/** A payload after encoding: JSON text, or the bytes of a binary payload. */
export type EncodedPayload = string | Uint8Array;

/** The encoding of an absent payload. */
export const EMPTY_PAYLOAD = "{}";

/**
 * Encodes the payload of a push or broadcast: a plain object (or one whose `toJSON` gives one) or a
 * `Uint8Array`; absent means `{}`.
 *
 * @throws PayloadError (`invalid_payload`) for anything else, and for what JSON can't express.
 */
export function encodePayload(payload: unknown): EncodedPayload {
  if (payload === undefined) return EMPTY_PAYLOAD;
  // Not slice(), which makes a view of a Buffer.
  if (payload instanceof Uint8Array) return new Uint8Array(payload);
  if (!isPlainObject(payload) && !hasToJSON(payload)) throw notAnObject(payload);
  const json = encodeJson(payload);
  if (json.charCodeAt(0) !== 0x7b) throw notAnObject(payload);
  return json;
}

/**
 * Encodes the payload of a reply: any JSON value or a `Uint8Array`; absent means `{}`.
 *
 * @throws PayloadError (`invalid_payload`) for what JSON can't express.
 */
export function encodeReplyPayload(payload: unknown): EncodedPayload {
  if (payload === undefined) return EMPTY_PAYLOAD;
  // Not slice(), which makes a view of a Buffer.
  if (payload instanceof Uint8Array) return new Uint8Array(payload);
  return encodeJson(payload);
}

/** Decodes an encoded payload into a value that nobody can change (bytes stay a shared `Uint8Array`). */
export function decodeFrozen(payload: EncodedPayload): unknown {
  return typeof payload === "string" ? deepFreeze(JSON.parse(payload)) : payload;
}

/** What keeping one costs besides its bytes, roughly. */
const OVERHEAD = 100;

/** The bytes that a waiting payload costs, near enough for accounting (a string counts its UTF-16 units). */
export function payloadSize(payload: EncodedPayload): number {
  return payload.length + OVERHEAD;
}

const SHARED = Symbol("encoding shared");

/** Where the encoding of a shared payload is kept. */
interface Shared {
  json: string | null;
}

/** Marks a payload that many will send: it is encoded once, so it may not change any more. */
export function shareEncoding<T extends object>(payload: T): T {
  return Object.defineProperty(payload, SHARED, { value: { json: null } satisfies Shared });
}

function encodeJson(value: unknown): string {
  const shared = (value as { [SHARED]?: Shared } | null)?.[SHARED];
  if (shared === undefined) return stringify(value);
  shared.json ??= stringify(value);
  return shared.json;
}

function stringify(value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
    // JSON drops functions and symbols without a word; a payload that loses a field is a bug at the caller.
    assertNoFunctions(value, "payload");
  } catch (cause) {
    if (cause instanceof PayloadError) throw cause;
    throw unencodable(cause);
  }
  if (json === undefined) throw unencodable(`${describe(value)} has no JSON form`);
  return json;
}

function assertNoFunctions(value: unknown, path: string): void {
  if (typeof value === "function" || typeof value === "symbol") {
    throw unencodable(`${path} is ${describe(value)}`);
  }
  if (typeof value !== "object" || value === null || hasToJSON(value)) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === "object" || typeof item === "function" || typeof item === "symbol") {
        assertNoFunctions(item, `${path}[${i}]`);
      }
    }
    return;
  }
  if (value instanceof Map || value instanceof Set || value instanceof Promise) {
    throw unencodable(`${path} is ${describe(value)}, which JSON writes as {}`);
  }
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object" || typeof item === "function" || typeof item === "symbol") {
      assertNoFunctions(item, `${path}.${key}`);
    }
  }
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // An object literal of another realm (a vm context, a worker) has a prototype of its own.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function hasToJSON(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { toJSON?: unknown }).toJSON === "function"
  );
}

function deepFreeze(root: unknown): unknown {
  // Not recursive: a payload may be nested deeper than the stack.
  const stack = [root];
  while (stack.length > 0) {
    const value = stack.pop();
    if (typeof value !== "object" || value === null) continue;
    Object.freeze(value);
    for (const key of Object.keys(value)) stack.push((value as Record<string, unknown>)[key]);
  }
  return root;
}

function notAnObject(payload: unknown): PayloadError {
  return new PayloadError(
    "invalid_payload",
    `a payload is a plain object or a Uint8Array, got ${describe(payload)}; wrap it, as in {value: …}`,
  );
}

function unencodable(cause: unknown): PayloadError {
  const detail = cause instanceof Error ? cause.message.split("\n", 1)[0] : cause;
  return new PayloadError(
    "invalid_payload",
    `the payload can't be written as JSON: ${detail}; send plain data (numbers, strings, arrays, objects)`,
    cause instanceof Error ? { cause } : undefined,
  );
}

import { DecodeError } from "../errors.ts";
import { decodeUtf8 } from "./decode.ts";

/** Deeper than any payload of sense, and far from the end of the stack. */
const MAX_DEPTH = 500;

/** Longer strings go to the decoder at once: looking for a byte above 0x7f costs more than it saves. */
const MAX_SCANNED = 256;

/**
 * Reads MessagePack as strictly as JSON is read: null, booleans, numbers, strings, lists and maps with strings as
 * keys. Bytes are a message's payload and nothing else, as in version 2. Extension types are refused, since in
 * most libraries they make instances of classes, and so is what JSON can't express or would change: NaN, infinity,
 * integers beyond 2^53.
 */
export class MsgpackReader {
  readonly #bytes: Buffer;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /**
   * The elements of a list, which must be all there is; the fifth may be bytes.
   *
   * @throws DecodeError saying what is wrong, without a part of what was read.
   */
  message(): unknown[] {
    const token = this.#bytes[this.#at++];
    let length: number;
    if (token !== undefined && token >> 4 === 0x9) length = token & 0x0f;
    else if (token === 0xdc) length = this.#uint16();
    else if (token === 0xdd) length = this.#uint32();
    else throw malformed(token === undefined ? "is empty" : "isn't a list");
    // Lists grow as they are read: a length that isn't true allocates nothing.
    const parts: unknown[] = [];
    for (let i = 0; i < length; i++)
      parts.push(i === 4 && this.#atBytes() ? this.#binary() : (this.#value() ?? null));
    const rest = this.#bytes.length - this.#at;
    if (rest > 0) throw malformed(`has ${rest} bytes behind its message`);
    return parts;
  }

  #value(): unknown {
    const token = this.#bytes[this.#at++];
    if (token === undefined) throw cut();
    if (token < 0x80) return token;
    if (token < 0x90) return this.#map(token & 0x0f);
    if (token < 0xa0) return this.#list(token & 0x0f);
    if (token < 0xc0) return this.#string(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        throw malformed("has bytes inside of a value: bytes are a whole payload, or text in base64");
      case 0xca:
        return finite(this.#bytes.readFloatBE(this.#skip(4)));
      case 0xcb:
        return finite(this.#bytes.readDoubleBE(this.#skip(8)));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return safe(this.#bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#skip(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#skip(4));
      case 0xd3:
        return safe(this.#bytes.readBigInt64BE(this.#skip(8)));
      case 0xd9:
        return this.#string(this.#uint8());
      case 0xda:
        return this.#string(this.#uint16());
      case 0xdb:
        return this.#string(this.#uint32());
      case 0xdc:
        return this.#list(this.#uint16());
      case 0xdd:
        return this.#list(this.#uint32());
      case 0xde:
        return this.#map(this.#uint16());
      case 0xdf:
        return this.#map(this.#uint32());
      case 0xd4:
        // As JavaScript's encoders write undefined.
        if (this.#bytes[this.#at] !== 0 || this.#bytes[this.#at + 1] !== 0) throw extension();
        this.#at += 2;
        return undefined;
      case 0xc1:
        throw malformed("has the byte 0xc1, which MessagePack never uses");
      default:
        throw extension();
    }
  }

  #list(length: number): unknown[] {
    this.#enter();
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.#value() ?? null);
    this.#depth--;
    return list;
  }

  #map(length: number): object {
    this.#enter();
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.#key();
      const value = this.#value();
      if (value === undefined) continue;
      // Assigned, this one would become the prototype; JSON.parse makes a property of it, too.
      if (key === "__proto__") {
        Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
      } else {
        map[key] = value;
      }
    }
    this.#depth--;
    return map;
  }

  #key(): string {
    const key = this.#value();
    if (typeof key === "string") return key;
    throw malformed("has a map whose keys aren't all strings");
  }

  #string(length: number): string {
    const start = this.#skip(length);
    const end = this.#at;
    if (length <= MAX_SCANNED) {
      let i = start;
      while (i < end && (this.#bytes[i] as number) < 0x80) i++;
      if (i === end) return this.#bytes.toString("latin1", start, end);
    }
    return decodeUtf8(this.#bytes.subarray(start, end), "a string of the frame");
  }

  #atBytes(): boolean {
    const token = this.#bytes[this.#at];
    return token === 0xc4 || token === 0xc5 || token === 0xc6;
  }

  /** A copy: the frame is a view of a larger read, which a handler that keeps the payload would keep. */
  #binary(): Uint8Array {
    const token = this.#bytes[this.#at++];
    const length = token === 0xc4 ? this.#uint8() : token === 0xc5 ? this.#uint16() : this.#uint32();
    const start = this.#skip(length);
    return new Uint8Array(this.#bytes.subarray(start, this.#at));
  }

  #uint8(): number {
    return this.#bytes.readUInt8(this.#skip(1));
  }

  #uint16(): number {
    return this.#bytes.readUInt16BE(this.#skip(2));
  }

  #uint32(): number {
    return this.#bytes.readUInt32BE(this.#skip(4));
  }

  /** Goes on by so many bytes, which must be there, and returns where they begin. */
  #skip(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw cut();
    this.#at = start + length;
    return start;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw malformed(`is nested deeper than ${MAX_DEPTH} levels`);
  }
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw malformed("has a number that isn't finite");
}

function safe(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw malformed("has an integer beyond 2^53, which would lose digits: send it as text");
}

function extension(): DecodeError {
  return malformed("has an extension type (a date, a set, a record): send plain data");
}

function cut(): DecodeError {
  return malformed("ends inside a value");
}

function malformed(what: string): DecodeError {
  return new DecodeError(`the msgpack frame ${what}`);
}

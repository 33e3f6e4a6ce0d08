const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** What a client gets in a frame. */
export type ServerFrame =
  | { readonly kind: "text"; readonly data: string }
  | { readonly kind: "binary"; readonly data: Buffer }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  | { readonly kind: "ping"; readonly data: Buffer };

/** A client's frame by RFC 6455, masked as it must be; by zeros, so that the same seed gives the same bytes. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const offset = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.alloc(offset + 4 + length);
  bytes[0] = 0x80 | opcode;
  if (offset === 2) {
    bytes[1] = 0x80 | length;
  } else if (offset === 4) {
    bytes[1] = 0x80 | 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 0x80 | 127;
    bytes.writeUIntBE(length, 4, 6);
  }
  payload.copy(bytes, offset + 4);
  return bytes;
}

export function dataFrame(data: string | Uint8Array): Buffer {
  return typeof data === "string" ? frame(TEXT, Buffer.from(data)) : frame(BINARY, Buffer.from(data));
}

export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return frame(CLOSE, payload);
}

export function pongFrame(data: Buffer): Buffer {
  return frame(PONG, data);
}

/** Reads a server's frames out of bytes that arrive in pieces. The server neither masks nor splits them. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): ServerFrame[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const frames: ServerFrame[] = [];
    for (let next = this.#next(); next !== null; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): ServerFrame | null {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    const short = (bytes[1] as number) & 0x7f;
    const offset = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < offset) return null;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : bytes.readUIntBE(4, 6);
    if (bytes.length < offset + length) return null;
    const payload = bytes.subarray(offset, offset + length);
    this.#bytes = bytes.subarray(offset + length);
    return decode((bytes[0] as number) & 0x0f, payload);
  }
}

function decode(opcode: number, payload: Buffer): ServerFrame {
  switch (opcode) {
    case TEXT:
      return { kind: "text", data: payload.toString() };
    case BINARY:
      return { kind: "binary", data: Buffer.from(payload) };
    case CLOSE:
      return payload.length < 2
        ? { kind: "close", code: 1005, reason: "" }
        : { kind: "close", code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
    case PING:
      return { kind: "ping", data: Buffer.from(payload) };
    default:
      throw new Error(`the server sent a frame with the opcode ${opcode}`);
  }
}

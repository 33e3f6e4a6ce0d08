import { randomBytes } from "node:crypto";

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A client must mask. Any key will do here, and the same one always costs the same. */
const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** A client's frame by RFC 6455, whole and masked. */
export function clientFrame(payload: string | Uint8Array, opcode?: number): Buffer {
  const data = Buffer.from(payload as Uint8Array);
  const kind = opcode ?? (typeof payload === "string" ? TEXT : BINARY);
  const header = data.length < 126 ? 2 : data.length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + 4 + data.length);
  frame[0] = 0x80 | kind;
  if (header === 2) {
    frame[1] = 0x80 | data.length;
  } else if (header === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(data.length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(data.length), 2);
  }
  frame.set(MASK, header);
  for (const [i, byte] of data.entries()) frame[header + 4 + i] = byte ^ (MASK[i & 3] ?? 0);
  return frame;
}

/** The request that opens a WebSocket. */
export function upgradeRequest(path: string): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "\r\n",
  ].join("\r\n");
}

/** Counts a server's frames without looking into them, however the network cuts them. */
export class FrameCounter {
  /** Bytes of the header that have come, and that it has. */
  #have = 0;
  #need = 2;
  #length = 0;
  /** Bytes of the payload that are still to come. */
  #left = 0;

  /** The number of frames that end within these bytes. */
  count(bytes: Uint8Array, from: number, to: number): number {
    let frames = 0;
    let offset = from;
    while (offset < to) {
      if (this.#left > 0) {
        const take = Math.min(this.#left, to - offset);
        offset += take;
        this.#left -= take;
        if (this.#left > 0) break;
        frames++;
        continue;
      }
      const byte = bytes[offset++] ?? 0;
      const index = this.#have++;
      if (index === 1) {
        this.#length = byte < 126 ? byte : 0;
        this.#need = byte < 126 ? 2 : byte === 126 ? 4 : 10;
      } else if (index > 1) {
        this.#length = this.#length * 256 + byte;
      }
      if (this.#have === this.#need) {
        this.#have = 0;
        this.#need = 2;
        this.#left = this.#length;
        if (this.#left === 0) frames++;
      }
    }
    return frames;
  }
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Takes a server's frames apart. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): ServerFrame[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const frames: ServerFrame[] = [];
    for (let frame = this.#next(); frame !== null; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): ServerFrame | null {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    let length = (bytes[1] ?? 0) & 0x7f;
    const header = length < 126 ? 2 : length === 126 ? 4 : 10;
    if (bytes.length < header) return null;
    if (header === 4) length = bytes.readUInt16BE(2);
    else if (header === 10) length = Number(bytes.readBigUInt64BE(2));
    if (bytes.length < header + length) return null;
    const frame = { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(header, header + length) };
    this.#bytes = bytes.subarray(header + length);
    return frame;
  }
}

import { type Item, parts } from "./scenario.ts";

/** Opcodes by RFC 6455, section 11.8. */
const OPCODES: { readonly [op: string]: number } = {
  cont: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
};
const PARTS = ["op", "fin", "rsv", "masked", "mask", "frame", "text", "base64", "fill", "code", "reason"];
const MASK = [0x37, 0xfa, 0x21, 0x3d];

/** A client's frame, right or wrong, as a transcript describes it. */
export function encodeFrame(description: unknown): Buffer {
  const { op, fin = true, rsv = 0, masked = true, ...rest } = parts(description, PARTS, "a frame");
  const payload = payloadOf(rest);
  const head = [(fin === true ? 0x80 : 0) | (Number(rsv) << 4) | opcode(op)];
  const maskBit = masked === true ? 0x80 : 0;
  if (payload.length < 126) head.push(maskBit | payload.length);
  else if (payload.length < 65_536) head.push(maskBit | 126, ...bigEndian(payload.length, 2));
  else head.push(maskBit | 127, ...bigEndian(payload.length, 8));
  if (masked !== true) return Buffer.concat([Buffer.from(head), payload]);
  const mask = rest.mask === undefined ? MASK : (rest.mask as number[]);
  return Buffer.concat([
    Buffer.from([...head, ...mask]),
    payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)),
  ]);
}

function opcode(op: unknown): number {
  if (typeof op === "number") return op;
  const code = typeof op === "string" && Object.hasOwn(OPCODES, op) ? OPCODES[op] : undefined;
  if (code === undefined) throw new Error(`no frame has the op ${op}`);
  return code;
}

function payloadOf({ frame, text, base64, fill, code, reason }: Record<string, unknown>): Buffer {
  const pieces: Buffer[] = [];
  if (code !== undefined) pieces.push(Buffer.from(bigEndian(Number(code), 2)));
  if (reason !== undefined) pieces.push(Buffer.from(String(reason)));
  if (frame !== undefined) pieces.push(Buffer.from(JSON.stringify(frame)));
  if (text !== undefined) pieces.push(Buffer.from(String(text)));
  if (base64 !== undefined) pieces.push(Buffer.from(String(base64), "base64"));
  if (fill !== undefined) {
    const { pre = "", char = "", n = 0, post = "" } = parts(fill, ["pre", "char", "n", "post"], "fill");
    pieces.push(Buffer.from(`${pre}${String(char).repeat(Number(n))}${post}`));
  }
  return Buffer.concat(pieces);
}

function bigEndian(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** (size - 1 - i)) % 256);
}

/** A server's frame. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly item: Item;
  /** Bytes behind it. */
  readonly rest: Buffer;
}

/** Reads a server's frame from the beginning of what has arrived; null if there isn't all of it yet. */
export function readFrame(bytes: Buffer): RawFrame | null {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return null;
  let start = 2;
  let length = second & 0x7f;
  if (length >= 126) {
    const size = length === 126 ? 2 : 8;
    start += size;
    if (bytes.length < start) return null;
    length = size === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  }
  const masked = (second & 0x80) !== 0;
  // A server must not mask; the item will say that it did.
  if (masked) start += 4;
  if (bytes.length < start + length) return null;
  const payload = bytes.subarray(start, start + length);
  const opcode = first & 0x0f;
  const item = {
    ...itemOf(opcode, payload),
    ...((first & 0x80) === 0 && { fin: false }),
    ...((first & 0x70) !== 0 && { rsv: (first & 0x70) >> 4 }),
    ...(masked && { masked }),
  };
  return { opcode, payload, item, rest: bytes.subarray(start + length) };
}

function itemOf(opcode: number, payload: Buffer): Item {
  switch (opcode) {
    case OPCODES.text:
      return textItem(payload.toString());
    case OPCODES.binary:
      return { binary: payload.toString("base64") };
    case OPCODES.close: {
      const code = payload.length < 2 ? null : payload.readUInt16BE(0);
      return { close: { code, reason: payload.toString("utf8", 2) } };
    }
    case OPCODES.ping:
      return { ping: payload.toString("base64") };
    case OPCODES.pong:
      return { pong: payload.toString("base64") };
    default:
      return { op: opcode, base64: payload.toString("base64") };
  }
}

/** A text frame: its JSON parsed, or as it stands if it isn't JSON. */
export function textItem(text: string): Item {
  try {
    return { frame: JSON.parse(text) };
  } catch {
    return { text };
  }
}

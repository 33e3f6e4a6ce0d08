import { once } from "node:events";
import { connect as connectTcp, type Socket as TcpSocket } from "node:net";
import { afterTest } from "../support/teardown.ts";

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** A WebSocket frame from the server. */
export interface WireFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The answer to an HTTP request. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
}

/** A client that decides about every byte: what a client library would never send, or would read at once. */
export class TcpClient {
  readonly socket: TcpSocket;
  /** Resolves when the connection is gone, in whatever way. */
  readonly closed: Promise<void>;
  /** What came, as the system handed it over. */
  readonly chunks: Buffer[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(socket: TcpSocket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      this.chunks.push(chunk);
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#wake?.();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#ended = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  static async connect(port: number): Promise<TcpClient> {
    const socket = connectTcp({ port, host: "127.0.0.1", noDelay: true });
    const client = new TcpClient(socket);
    afterTest(() => socket.destroy());
    await once(socket, "connect");
    return client;
  }

  /** Connects and upgrades. */
  static async open(port: number, path = "/socket/websocket?vsn=2.0.0"): Promise<TcpClient> {
    const client = await TcpClient.connect(port);
    client.socket.write(upgradeRequest(path));
    const { status } = await client.answer();
    if (status !== 101) throw new Error(`refused with ${status}`);
    return client;
  }

  /** Reads the head of an HTTP response. */
  async answer(): Promise<Answer> {
    while (!this.#unread.includes("\r\n\r\n")) await this.#more();
    const end = this.#unread.indexOf("\r\n\r\n");
    const [first = "", ...lines] = this.#unread.subarray(0, end).toString("latin1").split("\r\n");
    this.#unread = this.#unread.subarray(end + 4);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    return { status: Number(first.split(" ")[1]), headers };
  }

  /** Everything until the end of the connection. */
  async rest(): Promise<string> {
    await this.closed;
    return this.#unread.toString();
  }

  /** The next WebSocket frame. */
  async frame(): Promise<WireFrame> {
    for (;;) {
      const frame = this.#parse();
      if (frame !== null) return frame;
      await this.#more();
    }
  }

  /** The next frame, a text frame of JSON. */
  async message(): Promise<unknown> {
    const { opcode, payload } = await this.frame();
    if (opcode !== TEXT) throw new Error(`a frame of opcode ${opcode}`);
    return JSON.parse(payload.toString());
  }

  /** The next frame, a close frame. */
  async close(): Promise<number> {
    const { opcode, payload } = await this.frame();
    if (opcode !== CLOSE) throw new Error(`a frame of opcode ${opcode}: ${payload.toString()}`);
    return payload.readUInt16BE();
  }

  #parse(): WireFrame | null {
    const bytes = this.#unread;
    if (bytes.length < 2) return null;
    let length = (bytes[1] ?? 0) & 0x7f;
    let offset = 2;
    if (length === 126) {
      if (bytes.length < 4) return null;
      length = bytes.readUInt16BE(2);
      offset = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return null;
      length = Number(bytes.readBigUInt64BE(2));
      offset = 10;
    }
    if (bytes.length < offset + length) return null;
    this.#unread = bytes.subarray(offset + length);
    return { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(offset, offset + length) };
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`the connection ended, with ${this.#unread.length} bytes unread`);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
  }
}

/** An upgrade request; `headers` replace those it has, `undefined` leaves one out. */
export function upgradeRequest(
  path = "/socket/websocket?vsn=2.0.0",
  headers: Record<string, string | undefined> = {},
): string {
  const all: Record<string, string | undefined> = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  return [`GET ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
}

/** The bytes of a client's frame (RFC 6455, section 5.2), masked. */
export function clientFrame(data: unknown, opcode = TEXT, fin = true): Buffer {
  const payload = Buffer.from(
    typeof data === "string" || data instanceof Uint8Array ? data : JSON.stringify(data),
  );
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | opcode;
  if (header.length === 2) {
    header[1] = 0x80 | length;
  } else if (header.length === 4) {
    header[1] = 0x80 | 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 0x80 | 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i % 4] ?? 0);
  return Buffer.concat([header, mask, payload]);
}

/** Sends an upgrade request, and reads the answer's head. */
export async function rawUpgrade(
  port: number,
  path?: string,
  headers: Record<string, string | undefined> = {},
): Promise<Answer> {
  const client = await TcpClient.connect(port);
  client.socket.write(upgradeRequest(path, headers));
  return client.answer();
}

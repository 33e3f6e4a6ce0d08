import { connect, type Socket } from "node:net";
import { FrameReader, upgradeRequest } from "../support/frames.ts";

/** Frames below this are replies: the op with the shortest contents here makes a longer one. */
const MAX_REPLY = 280;
const END_OF_HEAD = Buffer.from("\r\n\r\n");
const SEQUENCE_NUMBER = '"sequenceNumber":';
const readBuffer = Buffer.allocUnsafe(1024 * 1024);

/** A frame with a mask of zeros, which costs nothing to apply. */
export function unmaskedFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(header + 4 + length);
  frame[0] = 0x81;
  if (header === 2) frame[1] = 0x80 | length;
  else if (header === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header + 4);
  return frame;
}

/**
 * A client of a document that reads as little as it can: replies, which are short frames, and how many bytes came.
 * One that observes reads all frames.
 */
export class DocumentLoad {
  readonly #socket: Socket;
  readonly #topic: string;
  readonly #document: string;
  #head: Buffer | null = Buffer.alloc(0);
  #reader: FrameReader | null = null;
  /** Of the frame that is being read: its header as far as it has come, and what is left of its payload. */
  #header = Buffer.alloc(10);
  #have = 0;
  #need = 2;
  #left = 0;
  #reply: Buffer | null = null;
  #replied = 0;
  #ref = 0;
  #csn = 0;
  #rsn = 0;
  #opened = () => {};
  onReply: (text: string) => void = () => {};
  /** Gets each whole frame, once `observe` was called. */
  onFrame: (text: string) => void = () => {};
  bytes = 0;

  constructor(port: number, document: string) {
    this.#document = document;
    this.#topic = `document:bench:${document}`;
    this.#socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length: number) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.#socket.on("error", () => {});
  }

  /** The frames of ops are read too, from now on. */
  observe(onFrame: (text: string) => void): void {
    this.#reader = new FrameReader();
    this.onFrame = onFrame;
  }

  async open(token: string, request: object = {}): Promise<string> {
    this.#socket.write(upgradeRequest("/socket/websocket?vsn=2.0.0"));
    await new Promise<void>((resolve) => {
      this.#opened = resolve;
    });
    await this.#ask("phx_join", {});
    const reply = await this.#ask("connect_document", {
      tenantId: "bench",
      id: this.#document,
      token,
      client: {},
      mode: "write",
      ...request,
    });
    this.#rsn = Number(/"checkpointSequenceNumber":(\d+)/.exec(reply)?.[1] ?? 0);
    return reply;
  }

  #ask(event: string, payload: object): Promise<string> {
    const answered = new Promise<string>((resolve) => {
      this.onReply = resolve;
    });
    this.#send(event, JSON.stringify(payload));
    return answered;
  }

  /** One push of ops, whose contents are JSON. */
  submit(contents: readonly string[], type = "op"): void {
    const ops = contents.map(
      (content) =>
        `{"type":"${type}","clientSequenceNumber":${++this.#csn},"referenceSequenceNumber":${this.#rsn},"contents":${content}}`,
    );
    this.#send("submitOp", `{"clientId":${this.clientId},"messageBatches":[[${ops.join(",")}]]}`);
  }

  clientId = "null";

  #send(event: string, payload: string): void {
    this.#socket.write(unmaskedFrame(`["1","${++this.#ref}","${this.#topic}","${event}",${payload}]`));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(length: number): void {
    this.bytes += length;
    if (this.#head === null) {
      this.#frames(readBuffer, 0, length);
      return;
    }
    this.#head = Buffer.concat([this.#head, readBuffer.subarray(0, length)]);
    const end = this.#head.indexOf(END_OF_HEAD);
    if (end < 0) return;
    const bytes = this.#head;
    this.#head = null;
    this.#opened();
    this.#frames(bytes, end + END_OF_HEAD.length, bytes.length);
  }

  #frames(bytes: Buffer, from: number, to: number): void {
    if (this.#reader !== null) {
      for (const { payload } of this.#reader.read(Buffer.from(bytes.subarray(from, to)))) {
        if (payload.length < MAX_REPLY) this.#takeReply(payload.toString());
        else this.onFrame(payload.toString());
      }
      return;
    }
    let offset = from;
    while (offset < to) {
      if (this.#left > 0) {
        const take = Math.min(this.#left, to - offset);
        if (this.#reply !== null) {
          bytes.copy(this.#reply, this.#replied, offset, offset + take);
          this.#replied += take;
        }
        offset += take;
        this.#left -= take;
        if (this.#left === 0 && this.#reply !== null) {
          const reply = this.#reply.toString();
          this.#reply = null;
          this.#takeReply(reply);
        }
        continue;
      }
      const byte = bytes[offset++] ?? 0;
      this.#header[this.#have++] = byte;
      if (this.#have === 2) this.#need = byte < 126 ? 2 : byte === 126 ? 4 : 10;
      if (this.#have < this.#need) continue;
      this.#left =
        this.#need === 2
          ? byte
          : this.#need === 4
            ? this.#header.readUInt16BE(2)
            : Number(this.#header.readBigUInt64BE(2));
      this.#have = 0;
      this.#need = 2;
      if (this.#left < MAX_REPLY) {
        this.#reply = Buffer.allocUnsafe(this.#left);
        this.#replied = 0;
      }
    }
  }

  #takeReply(text: string): void {
    if (!text.includes('"phx_reply"')) return;
    const at = text.indexOf(SEQUENCE_NUMBER);
    if (at >= 0) this.#rsn = Number.parseInt(text.slice(at + SEQUENCE_NUMBER.length), 10);
    const id = /"clientId":("[^"]+")/.exec(text)?.[1];
    if (id !== undefined) this.clientId = id;
    this.onReply(text);
  }
}

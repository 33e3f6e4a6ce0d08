import { connect, type Socket } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  clientFrame,
  FrameReader,
  PING,
  type ServerFrame,
  TEXT,
  upgradeRequest,
} from "../support/frames.ts";
import { Random } from "../support/random.ts";
import { anyFrame, changedAt, type Frame, goodFrame, type Version } from "./frames.ts";

export interface SessionCounts {
  frames: number;
  /** How sessions ended, by close code; "none" for those that we cut off. */
  readonly closes: Map<number | "none", number>;
}

const ALLOWED_CODES = [1002, 1007, 1009, 1011];
const PROBE_REF = "the probe";
const TIMEOUT = 20_000;
const MAX_FRAMES = 60;

/**
 * One connection, which sends good frames, then perhaps a bad one, or bytes that are no WebSocket frames at all.
 * At the end the server must have closed with a code that it documents, or still answer.
 *
 * @returns What is wrong, or null.
 */
export async function fuzzSession(
  port: number,
  seed: number,
  n: number,
  counts: SessionCounts,
): Promise<string | null> {
  const random = Random.of(seed, n);
  const version: Version = random.chance(0.5) ? "1.0.0" : "2.0.0";
  const client = new FuzzClient(port, version);
  try {
    await client.within(client.opened, "the handshake");
    const broken = await play(client, random, version, counts);
    const code = await finish(client, broken);
    counts.closes.set(code ?? "none", (counts.closes.get(code ?? "none") ?? 0) + 1);
    const fine = code === null ? broken : ALLOWED_CODES.includes(code) || code === client.sentClose;
    return fine ? null : `session ${n} ended with ${code ?? "no close frame"}`;
  } catch (error) {
    return `session ${n}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    client.destroy();
  }
}

/** Sends the session's frames. True if the bytes may have left the server in the middle of a frame. */
async function play(
  client: FuzzClient,
  random: Random,
  version: Version,
  counts: SessionCounts,
): Promise<boolean> {
  const join = (topic: string) =>
    version === "2.0.0"
      ? JSON.stringify(["1", "1", topic, "phx_join", {}])
      : JSON.stringify({ topic, event: "phx_join", payload: {}, ref: "1", join_ref: "1" });
  const batch = [framed(random, join("room:a")), framed(random, join("room:b"))];
  for (let left = random.below(MAX_FRAMES); left > 0; left--) {
    batch.push(framed(random, goodFrame(random, version)));
    if (random.chance(0.1)) await client.send(batch.splice(0), random);
  }
  const last = random.below(4);
  const broken = last === 3;
  if (broken) batch.push(brokenBytes(client, random, version));
  else if (last > 0) batch.push(framed(random, anyFrame(random, version)));
  counts.frames += client.sent + batch.length;
  await client.send(batch, random);
  return broken;
}

/** The frame of a WebSocket, in one or several parts. */
function framed(random: Random, frame: Frame): Buffer {
  if (!random.chance(0.05)) return clientFrame(frame);
  const bytes = Buffer.from(frame as Uint8Array);
  const at = random.below(bytes.length + 1);
  const first = clientFrame(bytes.subarray(0, at), typeof frame === "string" ? TEXT : BINARY);
  first[0] = (first[0] ?? 0) & 0x7f;
  const ping = random.chance(0.3) ? clientFrame(random.bytes(random.below(126)), PING) : Buffer.alloc(0);
  return Buffer.concat([first, ping, clientFrame(bytes.subarray(at), CONTINUATION)]);
}

/** What no well-behaved WebSocket sends. */
function brokenBytes(client: FuzzClient, random: Random, version: Version): Buffer {
  const good = framed(random, goodFrame(random, version));
  switch (random.below(5)) {
    case 0: {
      const bytes = random.bytes(random.between(1, 200));
      // Not a close frame, which the server would echo with a code that we don't know of.
      if (((bytes[0] ?? 0) & 0x0f) === CLOSE) bytes[0] = 0xff;
      return bytes;
    }
    case 1: {
      const opcode = random.below(16);
      const payload = random.bytes(random.below(130));
      if (opcode === CLOSE) client.sentClose = closeCode(payload);
      return clientFrame(payload, opcode);
    }
    case 2:
      return clientFrame(random.bytes(20), TEXT);
    case 3:
      return clientFrame("x".repeat(70_000));
    default:
      return Buffer.concat([changedAt(random, good), good]);
  }
}

/** What a close frame says; 1005 stands for nothing. */
function closeCode(payload: Buffer): number {
  return payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
}

/** The server's close code; null if it closed without one. */
async function finish(client: FuzzClient, broken: boolean): Promise<number | null> {
  if (broken) {
    // It may wait for the rest of a frame: the end of our side tells it that there is none.
    client.end();
    await client.within(client.gone, "the end of the connection");
    return client.closeCode;
  }
  const alive = await client.within(Promise.race([client.probe(), client.gone]), "the answer to a heartbeat");
  if (alive === true) client.close(1000);
  await client.within(client.gone, "the end of the connection");
  return client.closeCode;
}

class FuzzClient {
  readonly opened: Promise<void>;
  /** Resolves when the TCP connection is over. */
  readonly gone: Promise<false>;
  readonly #socket: Socket;
  readonly #version: Version;
  readonly #reader = new FrameReader();
  #head: Buffer | null = Buffer.alloc(0);
  #onOpen = () => {};
  #onProbe: ((alive: true) => void) | null = null;
  closeCode: number | null = null;
  sentClose: number | null = null;
  /** Frames sent. */
  sent = 0;

  constructor(port: number, version: Version) {
    this.#version = version;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.opened = new Promise((resolve) => {
      this.#onOpen = resolve;
    });
    this.gone = new Promise((resolve) => this.#socket.on("close", () => resolve(false)));
    // The server may close while we write: that is one of the ways to end.
    this.#socket.on("error", () => {});
    this.#socket.on("data", (chunk) => this.#read(chunk));
    this.#socket.write(upgradeRequest(`/socket/websocket?vsn=${version}`));
  }

  /** Writes frames, cut by the network where it likes. */
  async send(frames: readonly Buffer[], random: Random): Promise<void> {
    this.sent += frames.length;
    const bytes = Buffer.concat(frames);
    const cut = random.chance(0.3) ? random.below(bytes.length + 1) : bytes.length;
    this.#socket.write(bytes.subarray(0, cut));
    if (cut === bytes.length) return;
    await immediate();
    this.#socket.write(bytes.subarray(cut));
  }

  /** Resolves when a heartbeat has been answered. */
  probe(): Promise<true> {
    const answered = new Promise<true>((resolve) => {
      this.#onProbe = resolve;
    });
    const beat = { topic: "phoenix", event: "heartbeat", payload: {}, ref: PROBE_REF };
    const frame = this.#version === "2.0.0" ? [null, PROBE_REF, "phoenix", "heartbeat", {}] : beat;
    this.#socket.write(clientFrame(JSON.stringify(frame)));
    return answered;
  }

  close(code: number): void {
    this.sentClose = code;
    this.#socket.write(clientFrame(Buffer.from([code >> 8, code & 0xff]), CLOSE));
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), TIMEOUT);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#head !== null) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      bytes = this.#head.subarray(end + 4);
      this.#head = null;
      this.#onOpen();
    }
    for (const frame of this.#reader.read(bytes)) this.#take(frame);
  }

  #take({ opcode, payload }: ServerFrame): void {
    // Some sessions send close frames by chance: the first one that the server sends is what counts.
    if (opcode === CLOSE) this.closeCode ??= closeCode(payload);
    else if (this.#onProbe !== null && payload.includes(PROBE_REF)) this.#onProbe(true);
  }
}

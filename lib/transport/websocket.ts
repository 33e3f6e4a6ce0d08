import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { Cancel, Clock } from "../clock.ts";
import type { Encoded } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
import { atTurnEnd } from "../turn.ts";
import { outbox } from "./outbox.ts";
import type { Counters, Transport, TransportListener } from "./transport.ts";

const OPEN = 1;
const NO_CLOSE_FRAME = 1006;

export interface WebSocketTransportOptions {
  readonly clock: Clock;
  readonly maxBufferedBytes: number;
  readonly idleTimeout: number;
  /**
   * Milliseconds between pings to a client that sends nothing else: they find connections whose other end is gone.
   * Less if half of the idle timeout is.
   */
  readonly pingInterval: number;
  readonly counters: Counters;
}

/**
 * A client on a WebSocket. `ws` reads, and answers pings and closes; frames to the client are written to the
 * stream below it, so that all that leaves in one turn, `ws`'s own frames too, leaves together and in order.
 */
export class WebSocketTransport implements Transport {
  readonly kind = "websocket";
  readonly carriesBinary = true;
  readonly #ws: WebSocket;
  readonly #stream: Duplex;
  readonly #maxBufferedBytes: number;
  readonly #clock: Clock;
  readonly #idleTimeout: number;
  readonly #pingInterval: number;
  #listener: TransportListener | null = null;
  #overflowed = false;
  #paused = false;
  readonly #counters: Counters;
  /** When the latest byte came, and the latest that wasn't a pong. */
  #heardAt: number;
  #activeAt: number;
  /** What the bytes that are being read have brought. */
  #ponged = false;
  #spoke = false;
  #pinged = false;
  #cancelIdle: Cancel | null = null;

  constructor(ws: WebSocket, stream: Duplex, options: WebSocketTransportOptions) {
    this.#ws = ws;
    this.#stream = stream;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.#clock = options.clock;
    this.#idleTimeout = options.idleTimeout;
    this.#pingInterval = Math.min(options.pingInterval, options.idleTimeout / 2);
    this.#counters = options.counters;
    this.#heardAt = options.clock.now();
    this.#activeAt = this.#heardAt;
  }

  /** Begins to pass on what comes. */
  start(listener: TransportListener): void {
    this.#listener = listener;
    this.#ws.on("message", (data: Buffer, isBinary: boolean) => {
      this.#counters.framesIn++;
      this.#counters.bytesIn += data.length;
      this.#spoke = true;
      listener.onFrame(isBinary ? data : data.toString());
    });
    this.#ws.on("error", (error) => this.#ended(closeCode(error), ""));
    this.#ws.on("close", (code, reason) => this.#ended(code, reason.toString()));
    this.#ws.on("pong", () => {
      this.#ponged = true;
    });
    // Any byte is a sign of life, also a ping, or a part of a large message; but what answers our own pings
    // doesn't keep an idle connection.
    this.#stream.on("data", () => {
      this.#heardAt = this.#clock.now();
      this.#pinged = false;
      if (this.#spoke || !this.#ponged) this.#activeAt = this.#heardAt;
      this.#spoke = this.#ponged = false;
    });
    this.#watch();
  }

  get bufferedBytes(): number {
    return this.#stream.writableLength;
  }

  send(frame: Encoded): boolean {
    return this.#writable() && this.#write(frameBytes(frame));
  }

  sendShared(frame: SharedFrame): boolean {
    if (!this.#writable()) return false;
    frame.wire ??= frameBytes(frame.data);
    return this.#write(frame.wire);
  }

  close(code: number, reason: string): void {
    this.#cancelIdle?.();
    if (this.#ws.readyState !== OPEN) return;
    this.#ws.close(code, reason);
    // The end of our side follows the close frame, so that a client that doesn't answer it sees the end too.
    this.#stream.end();
    // A paused client's answer must be read, and what else it sends goes nowhere.
    if (this.#paused) this.resume();
  }

  pause(): void {
    this.#paused = true;
    this.#ws.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#heardAt = this.#activeAt = this.#clock.now();
    this.#pinged = false;
    this.#ws.resume();
  }

  isBehind(bytes: number): boolean {
    if (this.#stream.writableLength <= bytes) return false;
    // It may only be this turn's own writes: what the system takes at once doesn't wait for the client.
    this.#stream.uncork();
    return this.#stream.writableLength > bytes;
  }

  onceDrained(callback: () => void): void {
    // Without that the stream says nothing when it has drained.
    if (this.#stream.writableNeedDrain) this.#stream.once("drain", callback);
    else atTurnEnd(callback);
  }

  #writable(): boolean {
    if (this.#ws.readyState !== OPEN || this.#overflowed) return false;
    if (!this.isBehind(this.#maxBufferedBytes)) return true;
    this.#overflowed = true;
    this.#listener?.onOverflow();
    return false;
  }

  #write(bytes: Buffer): true {
    outbox.cork(this.#stream);
    this.#stream.write(bytes);
    this.#counters.framesOut++;
    this.#counters.bytesOut += bytes.length;
    return true;
  }

  #ended(code: number, reason: string): void {
    this.#cancelIdle?.();
    const listener = this.#listener;
    this.#listener = null;
    listener?.onClose(code, reason);
  }

  /** Closes what is idle, and pings what is silent: a ping that nothing follows finds a half-open connection. */
  #watch(): void {
    const pingInterval = this.#pingInterval;
    const now = this.#clock.now();
    const idleIn = this.#activeAt + this.#idleTimeout - now;
    const silentIn = this.#heardAt + pingInterval * (this.#pinged ? 2 : 1) - now;
    if (this.#paused) {
      this.#next(pingInterval);
    } else if (idleIn <= 0) {
      this.#listener?.onIdle();
    } else if (silentIn <= 0 && this.#pinged) {
      this.#ws.terminate();
    } else {
      if (silentIn <= 0) {
        this.#pinged = true;
        this.#ws.ping();
      }
      this.#next(Math.min(idleIn, silentIn <= 0 ? pingInterval : silentIn));
    }
  }

  #next(ms: number): void {
    this.#cancelIdle = this.#clock.schedule(() => this.#watch(), ms);
  }
}

/**
 * A server's frame by RFC 6455, section 5.2: whole, unmasked, header and payload in one buffer, which is one
 * allocation and one write where `ws`'s sender makes two of each.
 */
export function frameBytes(frame: Encoded): Buffer {
  const text = typeof frame === "string";
  const length = text ? Buffer.byteLength(frame) : frame.length;
  const offset = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const bytes = Buffer.allocUnsafe(offset + length);
  bytes[0] = text ? 0x81 : 0x82;
  if (offset === 2) {
    bytes[1] = length;
  } else if (offset === 4) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeUInt16BE(0, 2);
    bytes.writeUIntBE(length, 4, 6);
  }
  if (text) bytes.write(frame, offset);
  else bytes.set(frame, offset);
  return bytes;
}

/** The code that `ws` closes with for an error of its own. */
function closeCode(error: Error): number {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return 1009;
  if (code === "WS_ERR_INVALID_UTF8") return 1007;
  return code.startsWith("WS_ERR_") ? 1002 : NO_CLOSE_FRAME;
}

import type { Cancel, Clock } from "../clock.ts";
import type { Encoded } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
import type { Counters, Transport, TransportListener } from "../transport/transport.ts";
import { atTurnEnd } from "../turn.ts";

const TOO_LARGE = 1009;

/** The client at the other end. */
export interface TestClient {
  onFrame(frame: Encoded): void;
  onClose(code: number, reason: string): void;
}

export interface TestTransportOptions {
  readonly kind: Transport["kind"];
  readonly clock: Clock;
  readonly idleTimeout: number;
  readonly maxPayload: number;
  readonly counters: Counters;
}

/**
 * A transport without a network: frames are handed from the client to the connection and back, in the caller's
 * stack. It keeps what a network's transport keeps to: frames in order, none after the close, reading that pauses,
 * the idle timeout and the largest frame.
 */
export class TestTransport implements Transport {
  readonly kind: Transport["kind"];
  readonly carriesBinary: boolean;
  readonly bufferedBytes = 0;
  readonly #options: TestTransportOptions;
  readonly #client: TestClient;
  #listener: TransportListener | null = null;
  /** The server closes, or has closed: nothing that comes in is passed on. */
  #closing = false;
  #paused = false;
  #reading = false;
  readonly #unread: Encoded[] = [];
  #heardAt: number;
  #cancelIdle: Cancel | null = null;

  constructor(client: TestClient, options: TestTransportOptions) {
    this.#client = client;
    this.#options = options;
    this.kind = options.kind;
    this.carriesBinary = options.kind === "websocket";
    this.#heardAt = options.clock.now();
  }

  start(listener: TransportListener): void {
    this.#listener = listener;
    this.#watch(this.#options.idleTimeout);
  }

  // ── the connection's side ──────────────────────────────────────────────────────────────────────────────────

  send(frame: Encoded): boolean {
    if (this.#closing || this.#listener === null) return false;
    this.#options.counters.framesOut++;
    this.#options.counters.bytesOut += size(frame);
    this.#client.onFrame(frame);
    return true;
  }

  sendShared(frame: SharedFrame): boolean {
    return this.send(frame.data);
  }

  close(code: number, reason: string): void {
    if (this.#closing || this.#listener === null) return;
    this.#closing = true;
    this.#cancelIdle?.();
    this.#client.onClose(code, reason);
    // The client's answer takes its way, as on a network.
    queueMicrotask(() => this.#ended(code, reason));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#heardAt = this.#options.clock.now();
    this.#readAll();
  }

  isBehind(): boolean {
    return false;
  }

  onceDrained(callback: () => void): void {
    atTurnEnd(() => {
      if (this.#listener !== null) callback();
    });
  }

  // ── the client's side ──────────────────────────────────────────────────────────────────────────────────────

  /** A frame from the client. */
  receive(frame: Encoded): void {
    if (this.#closing || this.#listener === null) return;
    this.#heardAt = this.#options.clock.now();
    this.#unread.push(frame);
    this.#readAll();
  }

  /** The client ends the connection. */
  hangUp(code: number, reason: string): void {
    this.#closing = true;
    this.#ended(code, reason);
  }

  /** One after another, also when taking one sends the next. */
  #readAll(): void {
    if (this.#reading) return;
    this.#reading = true;
    while (!this.#paused && !this.#closing && this.#unread.length > 0)
      this.#read(this.#unread.shift() as Encoded);
    this.#reading = false;
  }

  #read(frame: Encoded): void {
    const bytes = size(frame);
    if (bytes > this.#options.maxPayload) {
      this.#client.onClose(TOO_LARGE, "");
      this.hangUp(TOO_LARGE, "");
      return;
    }
    this.#options.counters.framesIn++;
    this.#options.counters.bytesIn += bytes;
    this.#listener?.onFrame(frame);
  }

  #ended(code: number, reason: string): void {
    this.#cancelIdle?.();
    const listener = this.#listener;
    this.#listener = null;
    listener?.onClose(code, reason);
  }

  #watch(ms: number): void {
    const { clock, idleTimeout } = this.#options;
    this.#cancelIdle = clock.schedule(() => {
      const left = this.#paused ? idleTimeout : this.#heardAt + idleTimeout - clock.now();
      if (left <= 0) this.#listener?.onIdle();
      else this.#watch(left);
    }, ms);
  }
}

function size(frame: Encoded): number {
  return typeof frame === "string" ? Buffer.byteLength(frame) : frame.length;
}

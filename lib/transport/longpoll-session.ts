import type { IncomingMessage, ServerResponse } from "node:http";
import type { Cancel, Clock } from "../clock.ts";
import type { Encoded } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
import { atTurnEnd } from "../turn.ts";
import { Poll } from "./longpoll-poll.ts";
import type { Counters, Transport, TransportListener } from "./transport.ts";

export interface LongPollSessionOptions {
  readonly clock: Clock;
  readonly maxBufferedBytes: number;
  /** Milliseconds that a poll waits for messages. */
  readonly windowMs: number;
  /** Milliseconds that messages of a closed session wait to be polled for. */
  readonly closeTimeout: number;
  readonly counters: Counters;
}

/** A session that isn't polled for so many windows is over. */
const SILENT_WINDOWS = 2;

/** The codes that a session is closed with for what the client has sent. */
const CLIENTS_FAULT: readonly number[] = [1008, 1009, 1011];

/** Messages that have left, and may come back. */
interface Delivery {
  readonly poll: Poll;
  readonly messages: readonly string[];
  readonly bytes: number;
}

/**
 * A client that long-polls. Messages wait here until a poll takes them; they leave in order, each once, also
 * when a poll is aborted on its way.
 */
export class LongPollSession implements Transport {
  readonly kind = "longpoll";
  /** An answer is JSON, and the client has no way to tell a text from bytes in base64. */
  readonly carriesBinary = false;
  /** What a poll is answered with, besides its messages. */
  readonly token: string;
  readonly #options: LongPollSessionOptions;
  readonly #onEnd: () => void;
  #listener: TransportListener | null = null;
  #queue: string[] = [];
  #queuedBytes = 0;
  /** The newest poll, while it waits. */
  #poll: Poll | null = null;
  /** The latest answer with messages, until the client is known to have it. */
  #delivery: Delivery | null = null;
  /** The poll that is answered when this turn of the event loop, and the next, are over. */
  #flushing: Poll | null = null;
  #closed: { readonly code: number; readonly reason: string } | null = null;
  #ended = false;
  #heardAt: number;
  #cancelExpiry: Cancel;
  #drained: (() => void)[] = [];
  #resumed: Promise<void> | null = null;
  #resume: (() => void) | null = null;

  /** @param onEnd Called when nothing is left to poll for. */
  constructor(token: string, options: LongPollSessionOptions, onEnd: () => void) {
    this.token = token;
    this.#options = options;
    this.#onEnd = onEnd;
    this.#heardAt = options.clock.now();
    this.#cancelExpiry = this.#watch(options.windowMs * SILENT_WINDOWS);
  }

  start(listener: TransportListener): void {
    this.#listener = listener;
  }

  // ── from the client ────────────────────────────────────────────────────────────────────────────────────────

  /** A frame of a POST. False if it was wrong, and the session is closed for it. */
  receive(frame: Encoded): boolean {
    this.#options.counters.framesIn++;
    this.#options.counters.bytesIn += Buffer.byteLength(frame);
    this.#listener?.onFrame(frame);
    return this.#closed === null || !CLIENTS_FAULT.includes(this.#closed.code);
  }

  /** Waits while the connection is paused. False if no frame is taken any more. */
  async ready(): Promise<boolean> {
    while (this.#resumed !== null) await this.#resumed;
    return this.takesFrames;
  }

  get paused(): boolean {
    return this.#resumed !== null;
  }

  get takesFrames(): boolean {
    return this.#closed === null && !this.#ended;
  }

  /** Answers a poll with what waits, or lets it wait. A newer poll takes over from an older one. */
  poll(request: IncomingMessage, response: ServerResponse): void {
    const { clock, windowMs } = this.#options;
    this.#settleDelivery();
    const poll = new Poll(request, response, () => {
      cancelWindow();
      this.#heard();
      if (this.#poll !== poll) return;
      this.#poll = null;
      this.#endIfDone();
    });
    const cancelWindow = clock.schedule(() => {
      if (this.#poll === poll) this.#poll = null;
      poll.answer({ status: 204, token: this.token, messages: [] });
    }, windowMs);
    this.#poll = poll;
    if (this.#queue.length > 0 || this.#closed !== null) this.#flushSoon();
  }

  // ── from the connection ────────────────────────────────────────────────────────────────────────────────────

  get bufferedBytes(): number {
    return this.#queuedBytes + (this.#delivery?.poll.unsentBytes ?? 0);
  }

  send(frame: Encoded): boolean {
    if (!this.takesFrames || typeof frame !== "string") return false;
    if (this.isBehind(this.#options.maxBufferedBytes)) {
      this.#listener?.onOverflow();
      return false;
    }
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    this.#options.counters.framesOut++;
    this.#options.counters.bytesOut += Buffer.byteLength(frame);
    this.#flushSoon();
    return true;
  }

  sendShared(frame: SharedFrame): boolean {
    return this.send(frame.data);
  }

  isBehind(bytes: number): boolean {
    if (this.bufferedBytes <= bytes) return false;
    // It may only be this turn's own messages: those that a waiting poll takes don't wait for the client.
    this.#flush();
    return this.bufferedBytes > bytes;
  }

  onceDrained(callback: () => void): void {
    if (this.#queue.length === 0) atTurnEnd(callback);
    else this.#drained.push(callback);
  }

  close(code: number, reason: string): void {
    if (!this.takesFrames) return;
    this.#closed = { code, reason };
    this.#cancelExpiry();
    // What waits may still be polled for.
    this.#cancelExpiry = this.#options.clock.schedule(() => this.#end(), this.#options.closeTimeout);
    this.#flushSoon();
    if (this.#poll === null) this.#endIfDone();
  }

  pause(): void {
    if (!this.takesFrames) return;
    this.#resumed ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resumed = null;
    this.#resume?.();
    this.#resume = null;
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * All that a turn of the event loop writes leaves in one answer. And a whole turn passes, which shows whether the
   * client has hung up already: a message would be lost with it.
   */
  #flushSoon(): void {
    const poll = this.#poll;
    if (poll === null || poll === this.#flushing) return;
    this.#flushing = poll;
    setImmediate(() => {
      setImmediate(() => {
        if (this.#flushing === poll) this.#flush();
      });
    });
  }

  #flush(): void {
    const poll = this.#poll;
    this.#flushing = null;
    if (poll === null) return;
    if (this.#queue.length === 0) {
      if (this.#closed !== null) this.#end();
      return;
    }
    const delivery: Delivery = { poll, messages: this.#queue, bytes: this.#queuedBytes };
    this.#poll = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#delivery = delivery;
    const body = { status: 200, token: this.token, messages: delivery.messages };
    poll.answer(body, () => this.#takeBack(delivery));
    const drained = this.#drained;
    this.#drained = [];
    for (const callback of drained) atTurnEnd(callback);
  }

  /** The client polls again: it has what was sent, and what is still on its way it has given up. */
  #settleDelivery(): void {
    const delivery = this.#delivery;
    if (delivery === null) return;
    if (delivery.poll.sent) {
      delivery.poll.release();
      this.#delivery = null;
    } else {
      delivery.poll.cut();
      this.#takeBack(delivery);
    }
  }

  #takeBack({ messages, bytes }: Delivery): void {
    this.#delivery = null;
    this.#queue = [...messages, ...this.#queue];
    this.#queuedBytes += bytes;
    this.#flushSoon();
  }

  #heard(): void {
    this.#heardAt = this.#options.clock.now();
  }

  #watch(ms: number): Cancel {
    return this.#options.clock.schedule(() => {
      const delivery = this.#delivery;
      // A large answer may take a slow client longer than the windows.
      if (this.#poll !== null || (delivery !== null && !delivery.poll.sent)) this.#heard();
      const left = this.#heardAt + this.#options.windowMs * SILENT_WINDOWS - this.#options.clock.now();
      if (left > 0) this.#cancelExpiry = this.#watch(left);
      else this.#end();
    }, ms);
  }

  #endIfDone(): void {
    if (this.#closed !== null && this.#queue.length === 0 && this.#delivery?.poll.sent !== false) this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelExpiry();
    this.resume();
    this.#poll?.answer({ status: 410, token: this.token, messages: [] });
    this.#poll = null;
    this.#delivery?.poll.release();
    this.#delivery = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#onEnd();
    const { code, reason } = this.#closed ?? { code: 1006, reason: "session expired" };
    this.#listener?.onClose(code, reason);
  }
}

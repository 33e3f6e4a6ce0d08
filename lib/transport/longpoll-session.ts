import type { ServerResponse } from "node:http";
import type { Cancel, Clock } from "../clock.ts";
import type { Encoded } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
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

/** A poll that waits for messages. */
interface Poll {
  readonly response: ServerResponse;
  cancelWindow: Cancel;
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
  #messages: string[] = [];
  #bytes = 0;
  #poll: Poll | null = null;
  /** Messages of the latest answered poll, until it has left, or a newer poll has come. */
  #answered: string[] = [];
  #flushing = false;
  #closed: { code: number; reason: string } | null = null;
  #ended = false;
  #heardAt: number;
  #cancelExpiry: Cancel;
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

  /** A frame of a POST. False if the session takes none any more. */
  receive(frame: Encoded): boolean {
    if (this.#closed !== null || this.#ended) return false;
    this.#options.counters.framesIn++;
    this.#options.counters.bytesIn += Buffer.byteLength(frame);
    this.#listener?.onFrame(frame);
    return this.#closed === null;
  }

  /** Resolves when the session may be sent more: what `pause` holds back. */
  async ready(): Promise<void> {
    await this.#resumed;
  }

  /** Answers a poll with what waits, or lets it wait. A newer poll takes over from an older one. */
  poll(response: ServerResponse): void {
    this.#heardAt = this.#options.clock.now();
    this.#answered = [];
    const poll: Poll = {
      response,
      cancelWindow: this.#options.clock.schedule(() => {
        if (this.#poll === poll) this.#poll = null;
        this.#heardAt = this.#options.clock.now();
        respond(response, { status: 204, token: this.token, messages: [] });
      }, this.#options.windowMs),
    };
    this.#poll = poll;
    response.once("close", () => {
      poll.cancelWindow();
      if (this.#poll === poll) this.#poll = null;
    });
    if (this.#messages.length > 0 || this.#closed !== null) this.#flushSoon();
  }

  // ── from the connection ────────────────────────────────────────────────────────────────────────────────────

  get bufferedBytes(): number {
    return this.#bytes;
  }

  send(frame: Encoded): boolean {
    if (this.#closed !== null || this.#ended || typeof frame !== "string") return false;
    if (this.#bytes > this.#options.maxBufferedBytes) {
      this.#listener?.onOverflow();
      return false;
    }
    this.#messages.push(frame);
    this.#bytes += frame.length;
    this.#options.counters.framesOut++;
    this.#options.counters.bytesOut += Buffer.byteLength(frame);
    if (this.#poll !== null) this.#flushSoon();
    return true;
  }

  sendShared(frame: SharedFrame): boolean {
    return this.send(frame.data);
  }

  isBehind(bytes: number): boolean {
    return this.#bytes > bytes;
  }

  close(code: number, reason: string): void {
    if (this.#closed !== null || this.#ended) return;
    this.#closed = { code, reason };
    this.#resumeNow();
    if (this.#poll !== null) {
      this.#flushSoon();
    } else if (this.#messages.length === 0) {
      this.#end(code, reason);
      return;
    }
    // What waits may still be polled for.
    this.#cancelExpiry();
    this.#cancelExpiry = this.#options.clock.schedule(
      () => this.#end(code, reason),
      this.#options.closeTimeout,
    );
  }

  pause(): void {
    this.#resumed ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resumeNow();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * At the end of the turn: all that it wrote leaves in one answer, and a poll whose client has gone by then is
   * known to have gone.
   */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const poll = this.#poll;
    if (poll === null || poll.response.destroyed) return;
    const messages = this.#messages;
    const { token } = this;
    if (messages.length === 0) {
      if (this.#closed === null) return;
      this.#poll = null;
      respond(poll.response, { status: 410, token, messages });
      this.#end(this.#closed.code, this.#closed.reason);
      return;
    }
    this.#poll = null;
    this.#messages = [];
    this.#bytes = 0;
    this.#answered = messages;
    this.#heardAt = this.#options.clock.now();
    this.#returnIfLost(poll.response, messages);
    respond(poll.response, { status: 200, token, messages });
  }

  /** Takes messages back if their answer is cut off, unless a newer poll has come since. */
  #returnIfLost(response: ServerResponse, messages: string[]): void {
    response.once("close", () => {
      if (response.writableFinished || this.#answered !== messages || this.#ended) return;
      this.#answered = [];
      this.#messages = [...messages, ...this.#messages];
      this.#bytes = this.#messages.reduce((sum, message) => sum + message.length, 0);
      if (this.#poll !== null) this.#flushSoon();
    });
  }

  #watch(ms: number): Cancel {
    return this.#options.clock.schedule(() => {
      const silent = this.#options.windowMs * SILENT_WINDOWS;
      const left = this.#poll === null ? this.#heardAt + silent - this.#options.clock.now() : silent;
      if (left > 0) this.#cancelExpiry = this.#watch(left);
      else this.#end(1006, "session expired");
    }, ms);
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelExpiry();
    this.#resumeNow();
    this.#messages = [];
    this.#bytes = 0;
    this.#onEnd();
    this.#listener?.onClose(code, reason);
  }

  #resumeNow(): void {
    this.#resumed = null;
    this.#resume?.();
    this.#resume = null;
  }
}

/** Every answer is HTTP 200: the client reads the status in its body. */
export function respond(
  response: ServerResponse,
  body: { readonly status: number; readonly token?: string; readonly messages?: readonly string[] },
): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(200, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}

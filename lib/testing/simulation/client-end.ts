import { closeFrame, dataFrame, FrameReader, pongFrame, type ServerFrame } from "./client-frames.ts";
import type { ClientTimers } from "./client-timers.ts";
import type { Link, LinkEnd } from "./link.ts";

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

const LOST = 1006;

/** Milliseconds after which a browser gives up on a server that doesn't answer the upgrade. */
const HANDSHAKE_TIMEOUT = 20_000;

export interface MessageEvent {
  readonly data: string | ArrayBuffer;
}

export interface CloseEvent {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** What a client's WebSocket needs of the network. */
export interface Dialer {
  readonly timers: ClientTimers;
  /** Connects, now or never; bytes come to the end that is given. */
  dial(end: ClientEnd, path: string): void;
}

/** A browser's WebSocket, on a simulated network. It answers by itself what a browser answers: pings and closes. */
export class ClientEnd implements LinkEnd {
  readonly url: string;
  binaryType = "arraybuffer";
  bufferedAmount = 0;
  readyState = CONNECTING;
  onopen: (() => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly #dialer: Dialer;
  readonly #reader = new FrameReader();
  #link: Link | null = null;
  /** The head of the server's answer to the upgrade, as far as it has come. */
  #head: Buffer | null = Buffer.alloc(0);
  #sentClose = false;
  /** The close frame that came. */
  #close: { readonly code: number; readonly reason: string } | null = null;

  constructor(dialer: Dialer, url: string) {
    this.url = url;
    this.#dialer = dialer;
    const { pathname, search } = new URL(url);
    dialer.timers.setTimeout(() => {
      if (this.readyState === CONNECTING) this.#ended(LOST, "", false);
    }, HANDSHAKE_TIMEOUT);
    dialer.dial(this, `${pathname}${search}`);
  }

  /** The link is there; the request is on its way. */
  attach(link: Link): void {
    this.#link = link;
  }

  send(data: string | ArrayBuffer): void {
    if (this.readyState !== OPEN) return;
    this.#link?.send("up", dataFrame(typeof data === "string" ? data : new Uint8Array(data)));
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState === CLOSED || this.readyState === CLOSING) return;
    const wasOpen = this.readyState === OPEN;
    this.readyState = CLOSING;
    if (wasOpen) this.#sendClose(code, reason);
    else this.#dialer.timers.setTimeout(() => this.#ended(LOST, "", false), 0);
  }

  // ── from the network ───────────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer): void {
    this.#dialer.timers.whenAwake(() => this.#take(bytes));
  }

  onEnd(): void {
    this.#dialer.timers.whenAwake(() => {
      const close = this.#close;
      this.#ended(close?.code ?? LOST, close?.reason ?? "", close !== null);
    });
  }

  onLost(): void {
    this.#dialer.timers.whenAwake(() => this.#ended(LOST, "", false));
  }

  #take(bytes: Buffer): void {
    if (this.readyState === CLOSED) return;
    let rest = bytes;
    if (this.#head !== null) {
      const head = Buffer.concat([this.#head, bytes]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#head = head;
        return;
      }
      this.#head = null;
      rest = head.subarray(end + 4);
      if (!head.toString("latin1").startsWith("HTTP/1.1 101 ")) {
        this.#ended(LOST, "", false);
        return;
      }
      if (this.readyState === CONNECTING) {
        this.readyState = OPEN;
        this.onopen?.();
      }
    }
    for (const frame of this.#reader.push(rest)) this.#frame(frame);
  }

  #frame(frame: ServerFrame): void {
    if (this.readyState === CLOSED || this.#close !== null) return;
    switch (frame.kind) {
      case "text":
        this.onmessage?.({ data: frame.data });
        break;
      case "binary": {
        const { buffer, byteOffset, length } = frame.data;
        this.onmessage?.({ data: buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer });
        break;
      }
      case "ping":
        this.#link?.send("up", pongFrame(frame.data));
        break;
      case "close":
        this.#close = frame;
        this.readyState = CLOSING;
        this.#sendClose(frame.code, "");
        this.#link?.end("up");
        break;
    }
  }

  #sendClose(code: number, reason: string): void {
    if (this.#sentClose) return;
    this.#sentClose = true;
    this.#link?.send("up", closeFrame(code === 1005 ? 1000 : code, reason));
  }

  #ended(code: number, reason: string, wasClean: boolean): void {
    if (this.readyState === CLOSED) return;
    const failed = this.readyState === CONNECTING || !wasClean;
    this.readyState = CLOSED;
    this.#link?.end("up");
    if (failed) this.onerror?.({ type: "error" });
    this.onclose?.({ code, reason, wasClean });
  }
}

import { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import type { Cancel, Clock } from "../../clock.ts";
import type { Endpoint } from "../../endpoint.ts";
import type { Link, LinkEnd } from "./link.ts";

/** The default of a mount's `closeTimeout`. */
const CLOSE_TIMEOUT = 5_000;

/** The server's end of a link: the stream that an upgrade would bring. */
export class ServerEnd extends Duplex implements LinkEnd {
  readonly remoteAddress = "127.0.0.1";
  readonly #clock: Clock;
  #link: Link | null = null;
  #cancel: Cancel = () => {};

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** Hands the client's request to the endpoint, as an HTTP server would. */
  accept(link: Link, endpoint: Endpoint, path: string): void {
    this.#link = link;
    const request = new IncomingMessage(this as never);
    Object.assign(request, {
      method: "GET",
      url: path,
      headers: {
        host: "localhost",
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        // Any will do: nobody checks the answer to it.
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      },
    });
    this.on("error", () => this.destroy());
    if (!endpoint.handleUpgrade(request, this, Buffer.alloc(0))) this.end("HTTP/1.1 404 Not Found\r\n\r\n");
  }

  /** Closes with a code behind the server's back, as a proxy does that goes away. */
  closeWith(code: number): void {
    if (this.destroyed) return;
    this.#link?.send("down", Buffer.from([0x88, 2, code >> 8, code & 0xff]));
    this.destroy();
  }

  onBytes(bytes: Buffer): void {
    this.push(bytes);
  }

  onEnd(): void {
    this.push(null);
  }

  onLost(): void {
    this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: string, taken: () => void): void {
    this.#link?.send("down", Buffer.from(chunk as Buffer), taken);
  }

  override _final(done: () => void): void {
    this.#link?.end("down");
    // The server has said its last word, and gives the client so long to say its own. It does so by a timer of the
    // system's, which would stand still here.
    this.#cancel = this.#clock.schedule(() => this.destroy(), CLOSE_TIMEOUT);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#cancel();
    // The client learns of it by the network, if that is whole.
    this.#link?.end("down");
    done(error);
  }
}

import { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import type { Endpoint } from "../../endpoint.ts";
import type { Link, LinkEnd } from "./link.ts";

/** The server's end of a link: the stream that an upgrade would bring. */
export class ServerEnd extends Duplex implements LinkEnd {
  readonly remoteAddress = "127.0.0.1";
  #link: Link | null = null;

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
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // The client learns of it by the network, if that is whole.
    this.#link?.end("down");
    done(error);
  }
}

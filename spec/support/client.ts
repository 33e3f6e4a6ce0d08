import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";
import { FrameClient } from "./frame-client.ts";
import { connectInMemory, type MemoryClient, type MemoryUrl, refusedInMemory } from "./memory.ts";
import { afterTest } from "./teardown.ts";

export type { Frame } from "./frame-client.ts";

/** A client on a WebSocket. */
export class RawClient extends FrameClient {
  readonly ws: WebSocket;

  constructor(ws: WebSocket) {
    super(ws.url.includes("vsn=2.0.0") ? "2.0.0" : "1.0.0");
    this.ws = ws;
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      this.received(isBinary ? data : data.toString());
    });
    ws.on("error", () => {});
    ws.once("close", (code, reason) => this.ended(code, reason.toString()));
  }

  override transmit(data: string | Uint8Array): void {
    this.ws.send(data);
  }

  override together(send: () => void): void {
    const socket = (this.ws as unknown as { _socket: { cork(): void; uncork(): void } })._socket;
    socket.cork();
    send();
    socket.uncork();
  }

  override cut(): void {
    this.ws.terminate();
  }

  override async close(code = 1000): Promise<void> {
    this.ws.close(code);
    await this.closed;
  }
}

/** Connects, with `vsn=2.0.0` unless the query says otherwise. Closed after the test. */
export async function connect(url: MemoryUrl, query?: string): Promise<MemoryClient>;
export async function connect(url: string, query?: string, options?: ClientOptions): Promise<RawClient>;
export async function connect(
  url: string,
  query = "vsn=2.0.0",
  options: ClientOptions = {},
): Promise<FrameClient> {
  if (url.startsWith("memory:")) return connectInMemory(url, query);
  const ws = new WebSocket(`${url}${query === "" ? "" : `?${query}`}`, options);
  const client = new RawClient(ws);
  afterTest(() => ws.terminate());
  await once(ws, "open");
  return client;
}

/** Connects and expects to be refused. */
export async function refused(
  url: string,
  query = "vsn=2.0.0",
  options: ClientOptions = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  if (url.startsWith("memory:")) return refusedInMemory(url, query);
  const ws = new WebSocket(`${url}?${query}`, options);
  afterTest(() => ws.terminate());
  ws.on("error", () => {});
  const [, response] = await once(ws, "unexpected-response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, body: Buffer.concat(chunks).toString(), headers: response.headers };
}

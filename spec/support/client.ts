import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";
import { afterTest } from "./teardown.ts";

/** A V2 frame, or a V1 object, parsed; or the bytes of a binary frame. */
// biome-ignore lint/suspicious/noExplicitAny: a frame is any JSON, and specs look into it
export type Frame = any;

/** A client that speaks frames, and keeps all it receives until it is asked for. */
export class RawClient {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #received: Frame[] = [];
  readonly #waiting: ((frame: Frame) => void)[] = [];
  #probe = 0;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      const frame: Frame = isBinary ? data : JSON.parse(data.toString());
      const taker = this.#waiting.shift();
      if (taker === undefined) this.#received.push(frame);
      else taker(frame);
    });
    ws.on("error", () => {});
    this.closed = new Promise((resolve) => {
      ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  get vsn(): "1.0.0" | "2.0.0" {
    return this.ws.url.includes("vsn=2.0.0") ? "2.0.0" : "1.0.0";
  }

  /** Sends a frame: an array or object as JSON, a string or bytes as they are. */
  send(frame: Frame): void {
    this.ws.send(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame));
  }

  /** The next frame, whether it has arrived or not. Rejects if the connection ends first. */
  next(): Promise<Frame> {
    if (this.#received.length > 0) return Promise.resolve(this.#received.shift());
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      void this.closed.then(({ code }) => reject(new Error(`closed with ${code} while waiting for a frame`)));
    });
  }

  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let i = 0; i < count; i++) frames.push(await this.next());
    return frames;
  }

  /** Sends a V2 message and takes the next frame. */
  async ask(
    joinRef: unknown,
    ref: unknown,
    topic: string,
    event: string,
    payload: unknown = {},
  ): Promise<Frame> {
    this.send([joinRef, ref, topic, event, payload]);
    return this.next();
  }

  /** Joins a topic over V2, with join_ref "1" unless given, and takes the reply. */
  join(topic: string, payload: unknown = {}, joinRef: unknown = "1"): Promise<Frame> {
    return this.ask(joinRef, joinRef, topic, "phx_join", payload);
  }

  /**
   * Everything that arrives before the answer to a heartbeat sent now: proof that nothing else was sent, without
   * waiting for time to pass.
   */
  async settle(): Promise<Frame[]> {
    const ref = `probe-${++this.#probe}`;
    const v2 = this.vsn === "2.0.0";
    this.send(
      v2
        ? [null, ref, "phoenix", "heartbeat", {}]
        : { topic: "phoenix", event: "heartbeat", payload: {}, ref },
    );
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      if ((v2 ? frame[1] : frame.ref) === ref) return frames;
      frames.push(frame);
    }
  }

  async close(code = 1000): Promise<void> {
    this.ws.close(code);
    await this.closed;
  }
}

/** Connects, with `vsn=2.0.0` unless the query says otherwise. Closed after the test. */
export async function connect(
  url: string,
  query = "vsn=2.0.0",
  options: ClientOptions = {},
): Promise<RawClient> {
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
  const ws = new WebSocket(`${url}?${query}`, options);
  afterTest(() => ws.terminate());
  ws.on("error", () => {});
  const [, response] = await once(ws, "unexpected-response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, body: Buffer.concat(chunks).toString(), headers: response.headers };
}

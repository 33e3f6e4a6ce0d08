/** A V2 frame, or a V1 object, parsed; or the bytes of a binary frame. */
// biome-ignore lint/suspicious/noExplicitAny: a frame is any JSON, and specs look into it
export type Frame = any;

/** A client that speaks frames, and keeps all it receives until it is asked for. */
export abstract class FrameClient {
  readonly vsn: "1.0.0" | "2.0.0";
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #received: Frame[] = [];
  readonly #waiting: ((frame: Frame) => void)[] = [];
  #close: (end: { code: number; reason: string }) => void = () => {};
  #probe = 0;

  constructor(vsn: "1.0.0" | "2.0.0") {
    this.vsn = vsn;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  abstract transmit(data: string | Uint8Array): void;
  /** Lets what is sent meanwhile arrive together, so that the server reads it in one turn. */
  abstract together(send: () => void): void;
  /** Ends the connection without a word. */
  abstract cut(): void;
  abstract close(code?: number): Promise<void>;

  /** What has come and nobody has asked for. */
  get unread(): readonly Frame[] {
    return this.#received;
  }

  received(data: string | Uint8Array): void {
    const frame: Frame = typeof data === "string" ? JSON.parse(data) : data;
    const taker = this.#waiting.shift();
    if (taker === undefined) this.#received.push(frame);
    else taker(frame);
  }

  ended(code: number, reason: string): void {
    this.#close({ code, reason });
  }

  /** Sends a frame: an array or object as JSON, a string or bytes as they are. */
  send(frame: Frame): void {
    this.transmit(typeof frame === "string" || frame instanceof Uint8Array ? frame : JSON.stringify(frame));
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
}

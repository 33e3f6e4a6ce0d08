import { once } from "node:events";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";
import type { SequencedOp } from "../../lib/documents/index.ts";
import type { Endpoint } from "../../lib/index.ts";
import { turn } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";
import { MemoryWire, type Wire } from "./memory-wire.ts";

export type PeerVsn = "1.0.0" | "2.0.0" | "3.0.0";

const packr = new Packr({ useRecords: false });

// biome-ignore lint/suspicious/noExplicitAny: a payload is any JSON, and specs look into it
export type Json = any;

/** A message as it came, in one shape for all versions. */
export interface Incoming {
  readonly ref: unknown;
  readonly event: string;
  readonly payload: Json;
}

export interface AnswerOf {
  readonly status: string;
  readonly response: Json;
}

/** A client of one document that speaks frames, in any version, and keeps all it gets. */
export class DocumentPeer<W extends Wire = Wire> {
  readonly topic: string;
  readonly vsn: PeerVsn;
  readonly ws: W;
  /** Everything that has come, in order, taken or not. */
  readonly all: Incoming[] = [];
  readonly closed: Promise<number>;
  /** What `connect_document_success` said. */
  success: Json = null;
  /** The reply to `connect_document`. */
  connected: Json = null;
  /** What the last `connect_document` was asked with. */
  asked: Json = null;
  #untaken: Incoming[] = [];
  readonly #listeners: ((message: Incoming) => void)[] = [];
  #waiting: { matches: (message: Incoming) => boolean; resolve: (message: Incoming) => void }[] = [];
  #refs = 0;
  #joinRef = "";
  #csn = 0;

  constructor(ws: W, vsn: PeerVsn, topic: string) {
    this.ws = ws;
    this.vsn = vsn;
    this.topic = topic;
    ws.on("message", (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    ws.on("error", () => {});
    this.closed = new Promise((resolve) => ws.once("close", resolve));
  }

  static async open(url: string, vsn: PeerVsn, topic: string): Promise<DocumentPeer<WebSocket>> {
    const ws = new WebSocket(`${url}?vsn=${vsn}`);
    const peer = new DocumentPeer(ws, vsn, topic);
    afterTest(() => ws.terminate());
    await once(ws, "open");
    return peer;
  }

  /** By the test kit's transport, without a network. */
  static async inMemory(endpoint: Endpoint, vsn: PeerVsn, topic: string): Promise<DocumentPeer<Wire>> {
    const wire = await MemoryWire.to(endpoint, vsn);
    afterTest(() => wire.terminate());
    return new DocumentPeer(wire, vsn, topic);
  }

  /** Tells of each message when it comes, and of those at once that have come. */
  onMessage(listener: (message: Incoming) => void): void {
    for (const message of this.all) listener(message);
    this.#listeners.push(listener);
  }

  get clientId(): string {
    return this.connected.clientId;
  }

  /** The ops that have come by now, in initialMessages and `op` events. */
  get ops(): SequencedOp[] {
    const ops: SequencedOp[] = [...(this.success?.initialMessages ?? [])];
    for (const { event, payload } of this.all) if (event === "op") ops.push(...payload.op);
    return ops;
  }

  async join(): Promise<AnswerOf> {
    this.#joinRef = `j${++this.#refs}`;
    const joined = this.reply(this.#joinRef);
    this.#write(this.#joinRef, "phx_join", {});
    return joined;
  }

  /** Sends an event, and returns its ref. */
  send(event: string, payload: unknown = {}): string {
    const ref = `${++this.#refs}`;
    this.#write(ref, event, payload);
    return ref;
  }

  /** Several events in one write, so that the server reads them in one turn. */
  burst(events: readonly (readonly [event: string, payload: unknown])[]): string[] {
    const { _socket: socket } = this.ws as { _socket?: { cork(): void; uncork(): void } };
    socket?.cork();
    const refs = events.map(([event, payload]) => this.send(event, payload));
    socket?.uncork();
    return refs;
  }

  /** Sends an event and takes its answer. */
  ask(event: string, payload: unknown = {}): Promise<AnswerOf> {
    return this.reply(this.send(event, payload));
  }

  async reply(ref: string): Promise<AnswerOf> {
    const { payload } = await this.#take((message) => message.event === "phx_reply" && message.ref === ref);
    return payload;
  }

  /** The payload of the next message with this event, whether it has come or not; others stay. */
  async next(event: string): Promise<Json> {
    return (await this.#take((message) => message.event === event)).payload;
  }

  /** All that has come and wasn't taken, up to the answer of a heartbeat sent now. */
  async settle(): Promise<Incoming[]> {
    // A network takes its time, in which the server has done what is due at once.
    if (this.ws instanceof MemoryWire) for (let turns = 0; turns < 4; turns++) await turn();
    const ref = `probe-${++this.#refs}`;
    this.#frame(null, ref, "phoenix", "heartbeat", {});
    const probe = await this.#take((message) => message.ref === ref);
    const untaken = this.#untaken;
    this.#untaken = [];
    return untaken.filter((message) => message !== probe);
  }

  /** The ops up to this sequence number have come. Returns all of them. */
  async caughtUp(sn: number): Promise<SequencedOp[]> {
    while ((this.ops.at(-1)?.sequenceNumber ?? 0) < sn) await this.next("op");
    return this.ops;
  }

  /** Pushes `connect_document` and takes the reply and the event behind it. */
  async tryConnect(payload: object): Promise<{ reply: AnswerOf; event: Json }> {
    const [, tenantId, ...id] = this.topic.split(":");
    this.asked = { tenantId, id: id.join(":"), ...payload };
    const reply = await this.ask("connect_document", this.asked);
    const event = await this.next(
      reply.status === "ok" ? "connect_document_success" : "connect_document_error",
    );
    return { reply, event };
  }

  /** The same, for one that must be accepted. */
  async connectDocument(payload: object): Promise<this> {
    const { reply, event } = await this.tryConnect(payload);
    if (reply.status !== "ok") throw new Error(`connect_document was refused: ${JSON.stringify(reply)}`);
    this.connected = reply.response;
    this.success = event;
    this.#csn = 0;
    return this;
  }

  /** The next op of this client, numbered. */
  op(contents: unknown, fields: object = {}): Json {
    const referenceSequenceNumber = this.ops.at(-1)?.sequenceNumber ?? this.success.checkpointSequenceNumber;
    return { type: "op", contents, clientSequenceNumber: ++this.#csn, referenceSequenceNumber, ...fields };
  }

  /** The payload of a submitOp with these ops. */
  submission(...ops: Json[]): Json {
    return { clientId: this.clientId, messageBatches: [ops] };
  }

  /** Submits ops of these contents in one push, and takes the answer. */
  submit(...contents: unknown[]): Promise<AnswerOf> {
    return this.ask("submitOp", this.submission(...contents.map((one) => this.op(one))));
  }

  #write(ref: string, event: string, payload: unknown): void {
    this.#frame(this.#joinRef, ref, this.topic, event, payload);
  }

  #frame(joinRef: string | null, ref: string, topic: string, event: string, payload: unknown): void {
    if (this.vsn === "3.0.0") this.ws.send(packr.pack([joinRef, ref, topic, event, payload]));
    else if (this.vsn === "2.0.0") this.ws.send(JSON.stringify([joinRef, ref, topic, event, payload]));
    else this.ws.send(JSON.stringify({ topic, event, payload, ref }));
  }

  #receive(data: Buffer, isBinary: boolean): void {
    const frame = isBinary ? packr.unpack(data) : JSON.parse(data.toString());
    const message: Incoming = Array.isArray(frame)
      ? { ref: frame[1], event: frame[3], payload: frame[4] }
      : { ref: frame.ref, event: frame.event, payload: frame.payload };
    this.all.push(message);
    for (const listener of this.#listeners) listener(message);
    const waiter = this.#waiting.findIndex(({ matches }) => matches(message));
    if (waiter < 0) this.#untaken.push(message);
    else this.#waiting.splice(waiter, 1)[0]?.resolve(message);
  }

  #take(matches: (message: Incoming) => boolean): Promise<Incoming> {
    const found = this.#untaken.findIndex(matches);
    if (found >= 0) return Promise.resolve(this.#untaken.splice(found, 1)[0] as Incoming);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ matches, resolve });
      void this.closed.then((code) => reject(new Error(`closed with ${code} while waiting`)));
    });
  }
}

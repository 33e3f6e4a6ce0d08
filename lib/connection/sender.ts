import { printable } from "../errors.ts";
import type { Ref } from "../protocol/message.ts";
import type { EncodedPayload } from "../protocol/payload.ts";
import type { Encoded, Serializer } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";
import type { Delivery, FrameOutStep, Tracer, Whom } from "../tracing.ts";
import type { Transport } from "../transport/transport.ts";
import type { Counters } from "./counters.ts";
import type { Reporter } from "./reporter.ts";

export interface SenderHost {
  readonly report: Reporter;
  readonly tracer: Tracer;
  readonly counters: Counters;
  readonly maxBufferedBytes: number;
}

/** What a connection writes to its client, and what it can't. */
export abstract class Sender<Host extends SenderHost> implements Whom {
  readonly host: Host;
  /** From 1, in the order in which an endpoint's clients connect. */
  readonly number: number;
  readonly id: string | null;
  readonly serializer: Serializer;
  protected readonly transport: Transport;
  /** No frame is taken or sent any more. */
  protected closed = false;
  /** Warnings that would come with each message, and are given once. */
  #said: Set<string> | null = null;

  constructor(host: Host, id: string | null, serializer: Serializer, transport: Transport) {
    this.host = host;
    this.number = host.tracer.nextConnection();
    this.id = id;
    this.serializer = serializer;
    this.transport = transport;
  }

  get transportKind(): Transport["kind"] {
    return this.transport.kind;
  }

  get bufferedBytes(): number {
    return this.transport.bufferedBytes;
  }

  push(joinRef: Ref, ref: Ref, topic: string, event: string, payload: EncodedPayload): boolean {
    const { tracer } = this.host;
    if (tracer.active) {
      const shown = tracer.shownEncoded(payload);
      tracer.step({ step: "push", topic, joinRef, ref, event, ...shown }, this);
    }
    if (this.closed) return this.#lost("closed", topic);
    try {
      return this.#send("push", topic, this.serializer.encodePush(joinRef, ref, topic, event, payload));
    } catch (error) {
      return this.#uncarried(error, "push", topic, event);
    }
  }

  reply(joinRef: Ref, ref: Ref, topic: string, status: string, payload: EncodedPayload): boolean {
    const { tracer } = this.host;
    if (tracer.active) {
      const shown = tracer.shownEncoded(payload);
      tracer.step({ step: "reply", topic, joinRef, ref, status, ...shown }, this);
    }
    if (this.closed) return this.#lost("closed", topic);
    try {
      return this.#send("reply", topic, this.serializer.encodeReply(joinRef, ref, topic, status, payload));
    } catch (error) {
      return this.#uncarried(error, "reply", topic);
    }
  }

  /**
   * Queues a frame that many clients get. One that may be dropped is, while the client is behind: it takes no more
   * than half of what may wait.
   */
  sendShared(frame: SharedFrame, droppable: boolean): Delivery {
    if (this.closed) return "closed";
    if (droppable && this.transport.isBehind(this.host.maxBufferedBytes / 2)) {
      this.#dropped();
      return "slow";
    }
    if (typeof frame.data !== "string" && !this.transport.carriesBinary) {
      this.#warnOfBinary();
      return "uncarried";
    }
    return this.transport.sendShared(frame) ? "sent" : "closed";
  }

  isBehind(bytes: number): boolean {
    return this.transport.isBehind(bytes);
  }

  onceDrained(callback: () => void): void {
    this.transport.onceDrained(callback);
  }

  /** Whether a push that may be dropped has to be. */
  drops(topic: string): boolean {
    if (!this.transport.isBehind(this.host.maxBufferedBytes / 2)) return false;
    this.#dropped();
    this.#lost("slow", topic);
    return true;
  }

  protected warn(message: string, details: object = {}): void {
    this.host.report.logger.warn({ ...details, socketId: this.id, transport: this.transport.kind }, message);
  }

  protected warnOnce(what: string, message: string, details: object = {}): void {
    this.#said ??= new Set();
    if (this.#said.has(what)) return;
    this.#said.add(what);
    this.warn(message, details);
  }

  #send(of: FrameOutStep["of"], topic: string, frame: Encoded): boolean {
    if (typeof frame !== "string" && !this.transport.carriesBinary) {
      this.#warnOfBinary();
      return this.#lost("uncarried", topic);
    }
    if (!this.transport.send(frame)) return this.#lost("closed", topic);
    const { tracer } = this.host;
    if (tracer.active) {
      const facts = { of, topic, size: frame.length, binary: typeof frame !== "string" };
      tracer.step({ step: "frame_out", ...facts }, this);
    }
    return true;
  }

  #lost(why: "slow" | "uncarried" | "closed", topic: string): false {
    const { tracer } = this.host;
    if (tracer.active) tracer.step({ step: "lost", topic, why }, this);
    return false;
  }

  #dropped(): void {
    this.host.counters.dropped++;
    this.warnOnce("dropped", "dropped messages for a client that reads too slowly");
  }

  #uncarried(error: unknown, what: "push" | "reply", topic: string, event = ""): false {
    const message = what === "push" ? `push of ${printable(event)} on` : "reply on";
    this.warn(`${message} ${printable(topic)} lost: ${this.serializer.name} can't carry it`, { err: error });
    return this.#lost("uncarried", topic);
  }

  #warnOfBinary(): void {
    this.warnOnce("binary", "binary messages lost: long-polling can't carry them to the client");
  }
}

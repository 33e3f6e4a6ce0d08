import type { ChannelContext } from "../channel/context.ts";
import type { Cancel } from "../clock.ts";
import type { Endpoint } from "../endpoint.ts";
import { ConfigError, describe, printable, StateError } from "../errors.ts";
import type { LogLevel } from "../logger.ts";
import type { Ref } from "../protocol/message.ts";
import { type EncodedPayload, encodePayload } from "../protocol/payload.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import { Reply } from "../reply.ts";
import { isPromise } from "../schema.ts";
import type { Socket } from "../socket.ts";
import type { Tracer, Whom } from "../tracing.ts";
import { answer, failureId } from "./answering.ts";
import { assertEvent } from "./arguments.ts";
import type { ChannelProcess } from "./channel-process.ts";
import { misreturned } from "./handling.ts";
import type { Info } from "./items.ts";
import { tellDelivery } from "./steps.ts";

/** What an app's channel holds: its way to the process that runs it. */
export class ChannelHandle implements ChannelContext {
  assigns: object = {};
  readonly #process: ChannelProcess;
  #timers: Set<Cancel> | null = null;
  #onEnd: Set<() => void> | null = null;

  constructor(process: ChannelProcess) {
    this.#process = process;
  }

  get topic(): string {
    return this.#process.topic;
  }

  get joinRef(): Ref {
    return this.#process.joinRef;
  }

  get ref(): Ref {
    return this.#process.inHand?.ref ?? null;
  }

  get socket(): Socket<object> {
    return this.#process.connection.socket;
  }

  get endpoint(): Endpoint {
    return this.#process.connection.host.report.endpoint;
  }

  get tracer(): Tracer {
    return this.#process.connection.host.tracer;
  }

  get whom(): Whom {
    return this.#process.whom;
  }

  get signal(): AbortSignal {
    return this.#process.abort.signal;
  }

  push(event: string, payload: unknown): boolean {
    this.#assertJoined("push");
    if (!this.#process.mayPush) return false;
    assertEvent("push", event);
    return this.#process.push(event, encodePayload(payload));
  }

  broadcast(event: string, payload: unknown): void {
    this.#assertJoined("broadcast");
    assertEvent("broadcast", event);
    this.#process.connection.host.pubsub.broadcast(this.topic, event, encodePayload(payload));
  }

  broadcastFrom(event: string, payload: unknown): void {
    this.#assertJoined("broadcastFrom");
    assertEvent("broadcastFrom", event);
    this.#process.connection.host.pubsub.broadcast(this.topic, event, encodePayload(payload), this);
  }

  deferReply(promise: PromiseLike<Reply> | undefined): (reply: Reply) => boolean {
    this.#assertJoined("deferReply");
    if (promise !== undefined && !isPromise(promise)) {
      throw new ConfigError(
        "invalid_argument",
        `deferReply takes a promise or nothing, got ${describe(promise)}`,
      );
    }
    const process = this.#process;
    const { inHand } = process;
    if (inHand === null && process.state !== "ended") {
      throw new StateError(
        "no_message",
        "deferReply needs a message to answer: call it in handleIn, before the handler has returned",
      );
    }
    const { tracer } = process.connection.host;
    if (tracer.active && inHand !== null) {
      const { topic, joinRef } = process;
      const { ref, event } = inHand;
      tracer.step({ step: "deferred", topic, joinRef, ref, event }, process.whom);
    }
    if (promise !== undefined) {
      process.awaited++;
      Promise.resolve(promise).then(
        (result: unknown) => {
          process.awaited--;
          if (!(result instanceof Reply))
            misreturned(process, "deferReply", "deferReply", result, inHand?.event);
          else if (inHand !== null) answer(process, inHand, result);
        },
        (error: unknown) => {
          process.awaited--;
          process.crash("deferReply", error, inHand?.event);
        },
      );
    } else if (inHand !== null && !inHand.answered && !inHand.deferred) {
      inHand.deferred = true;
      process.deferred++;
    }
    return (reply) => {
      if (!(reply instanceof Reply)) {
        throw new ConfigError(
          "invalid_argument",
          `a deferred reply is ok(), error() or reply(status), got ${describe(reply)}`,
        );
      }
      return inHand !== null && answer(process, inHand, reply);
    };
  }

  sendSelf(message: unknown, after: number | undefined): Cancel | false {
    const process = this.#process;
    if (process.state === "ended") return false;
    const info: Info = { kind: "info", message, cancelled: false };
    const { tracer, clock } = process.connection.host;
    if (tracer.active) tracer.follow(info);
    if (after === undefined) {
      process.post(info);
      return () => {
        info.cancelled = true;
      };
    }
    const stop = clock.schedule(() => {
      this.#timers?.delete(cancel);
      process.post(info);
    }, after);
    const cancel = () => {
      info.cancelled = true;
      this.#timers?.delete(cancel);
      stop();
    };
    this.#timers ??= new Set();
    this.#timers.add(cancel);
    return cancel;
  }

  subscribe(key: string, fastlane: boolean): void {
    const process = this.#process;
    if (key === this.topic && process.route.subscribesAtJoin) {
      throw new StateError(
        "own_topic",
        `the channel has its own topic's broadcasts already: ${describe(key)}`,
      );
    }
    if (process.state !== "ended") process.subscriptions.add(key, fastlane);
  }

  unsubscribe(key: string): void {
    if (typeof key !== "string") {
      throw new ConfigError("invalid_argument", `unsubscribe(topic) needs a string, got ${describe(key)}`);
    }
    this.#process.subscriptions.remove(key);
  }

  get maxPayload(): number {
    return this.#process.connection.host.maxPayload;
  }

  get maxBufferedBytes(): number {
    return this.#process.connection.host.maxBufferedBytes;
  }

  get bufferedBytes(): number {
    return this.#process.connection.bufferedBytes;
  }

  overflow(): void {
    this.#process.overflow();
  }

  pushEncoded(event: string, payload: EncodedPayload): boolean {
    return this.#process.mayPush && this.#process.push(event, payload);
  }

  send(envelope: Envelope): boolean {
    const process = this.#process;
    const delivery = process.mayPush ? process.fastlane(envelope) : "closed";
    const { tracer } = process.connection.host;
    if (tracer.active) {
      const { topic, joinRef, whom } = process;
      const { event, payload } = envelope;
      // There is no step before it that shows what is sent.
      const shown = tracer.shownEncoded(payload);
      tellDelivery(tracer, whom, delivery, { topic, joinRef, event }, payload, shown);
    }
    return delivery === "sent";
  }

  isBehind(bytes: number): boolean {
    return this.#process.connection.isBehind(bytes);
  }

  onceDrained(callback: () => void): void {
    this.#process.connection.onceDrained(callback);
  }

  stop(reason: string | Error, level: LogLevel | false = "error"): void {
    this.#process.stop(reason, level);
  }

  /** Messages to oneself that wait for their time. */
  get timers(): number {
    return this.#timers?.size ?? 0;
  }

  get ended(): boolean {
    return this.#process.state === "ended";
  }

  onEnd(callback: () => void): Cancel {
    this.#onEnd ??= new Set();
    this.#onEnd.add(callback);
    return () => {
      this.#onEnd?.delete(callback);
    };
  }

  /** The channel has ended: its timers go, and the parts of the library that stand beside it are told. */
  end(): void {
    for (const cancel of this.#timers ?? []) cancel();
    this.#timers = null;
    const callbacks = this.#onEnd;
    this.#onEnd = null;
    for (const callback of callbacks ?? []) callback();
  }

  unhandled(kind: "event" | "message", what: string): void {
    const { route, connection, inHand } = this.#process;
    const topic = printable(this.topic);
    const id = kind === "event" && inHand !== null ? { id: failureId(this.#process, inHand) } : {};
    connection.host.report.logger.warn(
      { ...id, topic: this.topic, channel: route.name },
      kind === "event"
        ? `no handler for the event ${describe(what)} on ${topic} (${route.name})`
        : `handleInfo got ${what} on ${topic}, which ${route.name} doesn't handle`,
    );
  }

  #assertJoined(method: string): void {
    if (this.#process.state !== "joining") return;
    throw new StateError(
      "not_joined",
      `${method} in join comes before the client is joined: call sendSelf(message) there, and ${method} from handleInfo`,
    );
  }
}

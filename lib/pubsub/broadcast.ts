import { decodeFrozen, type EncodedPayload } from "../protocol/payload.ts";
import type { Serializer } from "../protocol/serializer.ts";
import { SharedFrame } from "../protocol/shared-frame.ts";

/**
 * A broadcast as `handleInfo` and the listeners of `endpoint.subscribe` get it
 * (`Phoenix.Socket.Broadcast`). All on a node share one instance, so it is frozen.
 */
export class Broadcast {
  /** What was broadcast to: the topic, or a subscription's key. */
  readonly topic: string;
  readonly event: string;
  /** A frozen plain object, or the `Uint8Array` of a binary broadcast, which nobody may write to. */
  readonly payload: unknown;

  constructor(topic: string, event: string, payload: unknown) {
    this.topic = topic;
    this.event = event;
    this.payload = payload;
    Object.freeze(this);
  }
}

/**
 * One broadcast on its way through a node: its payload is encoded once, each serializer's frame is made once,
 * and the decoded value is made once, when the first one asks.
 */
export class Envelope {
  readonly key: string;
  readonly event: string;
  readonly payload: EncodedPayload;
  /** The channel that is left out (`broadcastFrom`), or null. */
  readonly from: object | null;
  readonly #report: (error: unknown, envelope: Envelope) => void;
  #decoded: Broadcast | undefined;
  // Nearly always there is one wire topic and one or two serializers: the latest is kept apart from the list.
  #serializer: Serializer | undefined;
  #topic = "";
  #frame: SharedFrame | null = null;
  #others: { serializer: Serializer; topic: string; frame: SharedFrame | null }[] | undefined;

  constructor(
    key: string,
    event: string,
    payload: EncodedPayload,
    from: object | null,
    report: (error: unknown, envelope: Envelope) => void,
  ) {
    this.key = key;
    this.event = event;
    this.payload = payload;
    this.from = from;
    this.#report = report;
  }

  /** The frame for a serializer and wire topic; null if the serializer can't carry the payload (reported once). */
  frame(serializer: Serializer, topic: string): SharedFrame | null {
    if (this.#serializer === serializer && this.#topic === topic) return this.#frame;
    if (this.#serializer !== undefined) {
      this.#others ??= [];
      this.#others.push({ serializer: this.#serializer, topic: this.#topic, frame: this.#frame });
    }
    const made = this.#others?.findIndex((o) => o.serializer === serializer && o.topic === topic) ?? -1;
    this.#frame =
      made < 0 ? this.#encode(serializer, topic) : (this.#others?.splice(made, 1)[0]?.frame ?? null);
    this.#serializer = serializer;
    this.#topic = topic;
    return this.#frame;
  }

  /** The decoded, frozen form. */
  get broadcast(): Broadcast {
    this.#decoded ??= new Broadcast(this.key, this.event, decodeFrozen(this.payload));
    return this.#decoded;
  }

  #encode(serializer: Serializer, topic: string): SharedFrame | null {
    try {
      return new SharedFrame(serializer.encodeBroadcast(topic, this.event, this.payload));
    } catch (error) {
      this.#report(error, this);
      return null;
    }
  }
}

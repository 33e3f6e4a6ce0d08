import type { Envelope } from "../pubsub/broadcast.ts";
import type { PubSub, Subscriber } from "../pubsub/pubsub.ts";
import type { TestChannel } from "./test-channel.ts";
import type { Transcript } from "./transcript.ts";

/** Listens to the topics of a kit's channels: once each, so that a broadcast is recorded once. */
export class TopicListeners {
  readonly #pubsub: PubSub;
  readonly #transcript: Transcript;
  readonly #topics = new Map<string, { readonly subscriber: Subscriber; readonly rooms: Set<TestChannel> }>();

  constructor(pubsub: PubSub, transcript: Transcript) {
    this.#pubsub = pubsub;
    this.#transcript = transcript;
  }

  /** Returns what ends it. */
  add(topic: string, room: TestChannel): () => void {
    let listened = this.#topics.get(topic);
    if (listened === undefined) {
      const rooms = new Set<TestChannel>();
      const receive = (envelope: Envelope) => this.#heard(envelope, rooms);
      listened = { rooms, subscriber: { owner: null, receive } };
      this.#topics.set(topic, listened);
      void this.#pubsub.subscribe(topic, listened.subscriber);
    }
    const { rooms, subscriber } = listened;
    rooms.add(room);
    return () => {
      rooms.delete(room);
      if (rooms.size > 0 || !this.#topics.delete(topic)) return;
      this.#pubsub.unsubscribe(topic, subscriber);
    };
  }

  close(): void {
    for (const [topic, { subscriber }] of this.#topics) this.#pubsub.unsubscribe(topic, subscriber);
    this.#topics.clear();
  }

  #heard({ broadcast, from }: Envelope, rooms: ReadonlySet<TestChannel>): void {
    const { topic, event, payload } = broadcast;
    const entry = this.#transcript.add({
      kind: "broadcast" as const,
      client: "",
      topic,
      event,
      payload,
      taken: false,
    });
    for (const room of rooms) room.broadcasted({ event, payload, entry, from });
  }
}

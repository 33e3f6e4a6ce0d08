import type { EncodedPayload } from "../protocol/payload.ts";

/** What an adapter hands to other nodes, and gets from them. */
export interface PubSubMessage {
  readonly key: string;
  readonly event: string;
  /** JSON text, or the bytes of a binary payload. */
  readonly payload: EncodedPayload;
}

/**
 * Carries broadcasts between nodes (Phoenix.PubSub's adapter). The local registry stays in the library: local
 * subscribers never wait for the adapter, and it only hears of a key's first and last local subscriber.
 */
export interface PubSubAdapter {
  /** Shown in `stats()` and logs. */
  readonly name: string;
  /**
   * Called once, by the endpoint's constructor. `deliver` takes each message of another node, never this node's
   * own.
   */
  start(deliver: (message: PubSubMessage) => void): void;
  /**
   * A key has its first local subscriber. A promise says that the broker has to confirm: a join waits for it
   * at most 2 s. A rejection is logged and the subscription stands, so the adapter must keep trying.
   */
  subscribe(key: string): void | Promise<void>;
  /** A key has lost its last local subscriber. */
  unsubscribe(key: string): void;
  /** Hands a broadcast of this node to the others. Mustn't throw, and mustn't wait. */
  publish(message: PubSubMessage): void;
  /** Called once, at the end of `endpoint.close()`. */
  close(): void | Promise<void>;
}

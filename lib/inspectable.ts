/*
 * What parts of the library show of themselves: to `endpoint.stats()`, and to the inspector. Nothing is built or kept
 * for it until somebody asks.
 */

/** All that one key has on a topic. */
export interface PresenceView {
  readonly topic: string;
  readonly key: string;
  /** The app's data, as clients see it. */
  readonly metas: readonly object[];
}

/** A document's session. */
export interface DocumentView {
  readonly tenant: string;
  readonly document: string;
  /** The last durable op. */
  readonly head: number;
  readonly minimumSequenceNumber: number;
  /** The op that the latest checkpoint in the log stands at. */
  readonly checkpoint: number;
  /** The op that the latest summary covers. */
  readonly summary: { readonly sequenceNumber: number } | null;
  /** Pushes that wait for a record. */
  readonly queued: number;
  readonly clients: readonly { readonly clientId: string; readonly mode: string; readonly detail: unknown }[];
}

/** A part that can be looked at; each method if it has such things. */
export interface Inspectable {
  presences?(): Iterable<PresenceView>;
  documents?(): Iterable<DocumentView>;
}

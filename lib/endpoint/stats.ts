import type { Counters } from "../connection/counters.ts";
import type { Inspectable } from "../inspectable.ts";
import type { Mount } from "../mount.ts";
import type { PubSub } from "../pubsub/pubsub.ts";

/** What an endpoint holds at the moment. */
export interface EndpointStats {
  /** Open connections. */
  readonly connections: number;
  /** Channels joined or joining. */
  readonly channels: number;
  /** Topics (and other keys) with a subscriber on this node. */
  readonly topics: number;
  /** Bytes that wait for clients. */
  readonly bufferedBytes: number;
  /** Messages that wait in mailboxes, behind slow handlers. */
  readonly queued: number;
  /** Sessions of documents that run on this node. */
  readonly documents: number;
  /** Pushes of ops that wait for the documents' log. */
  readonly queuedOps: number;
  readonly draining: boolean;
  /** Since the endpoint was made: frames from and to clients, and their bytes. */
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Messages that slow clients missed, by `static overflow`. */
  readonly dropped: number;
  /** Messages refused for their rate. */
  readonly rateLimited: number;
}

/** What is counted, and where. */
export interface Counted {
  readonly mounts: readonly Mount[];
  readonly parts: Iterable<Inspectable>;
  readonly pubsub: PubSub;
  readonly counters: Counters;
  readonly draining: boolean;
}

export function takeStats({ mounts, parts, pubsub, counters, draining }: Counted): EndpointStats {
  let channels = 0;
  let connections = 0;
  let bufferedBytes = 0;
  let queued = 0;
  for (const mount of mounts) {
    for (const connection of mount.connections) {
      connections++;
      channels += connection.channels;
      bufferedBytes += connection.bufferedBytes;
      queued += connection.queued;
    }
  }
  let documents = 0;
  let queuedOps = 0;
  for (const part of parts) {
    for (const document of part.documents?.() ?? []) {
      documents++;
      queuedOps += document.queued;
    }
  }
  return {
    connections,
    channels,
    topics: pubsub.size,
    bufferedBytes,
    queued,
    documents,
    queuedOps,
    draining,
    ...counters,
  };
}

import type { Clock } from "../clock.ts";
import type { DocumentClient } from "./client.ts";
import { ConnectRate } from "./connect-rate.ts";
import type { Delivery } from "./delivery.ts";
import { LogTruncated } from "./log/op-log.ts";
import type { OpReader } from "./op-reader.ts";
import type { Ordering } from "./ordering.ts";
import { ConnectRefusal } from "./refusal.ts";
import type { Session } from "./session.ts";
import type { Summary } from "./state.ts";
import { type Joined, type Resumed, unavailable } from "./waiting.ts";

/** Bytes of ops in `initialMessages`. */
const MAX_INITIAL = 512 * 1024;

/** What a client asks for that connects. */
export interface ConnectRequest {
  /** It has every op up to here. Null: it begins at the latest summary, or at the beginning. */
  readonly lastSeen: number | null;
  /** The client id that it goes on from. */
  readonly resume: string | null;
  /** Called when it is connected, before it gets any op. */
  admitted(admission: Admission): void;
}

/** What a client gets when it is connected. */
export interface Admission {
  /** In their wire form, contiguous. */
  readonly initialMessages: readonly string[];
  readonly checkpointSequenceNumber: number;
  readonly initialClients: readonly { readonly clientId: string; readonly client: unknown }[];
  readonly existing: boolean;
  readonly summary: Summary | null;
  readonly resumed: Resumed | null;
}

/** What letting clients in needs of a session. */
export interface AdmissionsHost {
  readonly clock: Clock;
  readonly maxClients: number;
  /** The session's clients by their id, those that are connecting too. */
  readonly clients: ReadonlyMap<string, DocumentClient>;
  readonly order: Ordering;
  readonly reader: OpReader;
  readonly delivery: Delivery;
  readonly session: Pick<Session, "running" | "head" | "summary" | "summaryContext">;
  /** The client, or the session, has ended. */
  isGone(client: DocumentClient): boolean;
  /** The client's join isn't in the log, so that no leave has to be. */
  forget(client: DocumentClient): void;
  /** Tells the others of a reader. */
  announce(client: DocumentClient): void;
}

/** Lets clients into a session, or says why not. */
export class Admissions {
  readonly #host: AdmissionsHost;
  readonly #rate = new ConnectRate();

  constructor(host: AdmissionsHost) {
    this.#host = host;
  }

  /** Why a client isn't let in, as far as that is known before anything is read or written for it. */
  refusal(client: DocumentClient, { resume, lastSeen }: ConnectRequest): ConnectRefusal | null {
    const { session, order, clients, maxClients, clock } = this.#host;
    if (!session.running) return unavailable();
    // Who only reads needs nothing of a log that takes no ops.
    if (client.mode === "write" && order.down) return unavailable();
    // What it goes on from leaves as it comes.
    const others = clients.size - (resume !== null && clients.has(resume) ? 1 : 0);
    if (others >= maxClients) {
      const message = `the document has ${others} clients, as many as maxClients allows`;
      return new ConnectRefusal("too_many_clients", message, { retryAfter: 10 });
    }
    const throttled = this.#rate.add(client.userId, clock.now());
    if (throttled !== null) return throttled;
    // Before its own join raises the head.
    const { head } = session;
    if (lastSeen === null || lastSeen <= head) return null;
    return this.#resync(
      `lastSeenSequenceNumber ${lastSeen} is above the head ${head}: the document was set back`,
      {},
    );
  }

  /** Lets in a client that `refusal` has nothing against; a writer joins first. Null once it is in. */
  async admit(client: DocumentClient, request: ConnectRequest): Promise<ConnectRefusal | null> {
    const existing = this.#host.session.head > 0;
    if (client.mode === "read") return this.#open(client, request, null, existing);
    const joined = await this.#host.order.join(client, request.resume);
    if (!(joined instanceof ConnectRefusal)) return this.#open(client, request, joined, existing);
    this.#host.forget(client);
    return joined;
  }

  /**
   * Reads what the client lacks, then lets it in: in one turn, so that no op comes twice or not at all.
   *
   * @param joined Its own join; null for a reader, who is let in at the head.
   */
  async #open(
    client: DocumentClient,
    { lastSeen, admitted }: ConnectRequest,
    joined: Joined | null,
    existing: boolean,
  ): Promise<ConnectRefusal | null> {
    const { session, reader, delivery, clock } = this.#host;
    const target = joined?.sequenceNumber ?? null;
    const isGone = () => this.#host.isGone(client);
    const from = lastSeen ?? session.summary?.sequenceNumber ?? 0;
    let initial: Awaited<ReturnType<typeof readInitial>>;
    try {
      initial = await readInitial(from, () => target ?? session.head, reader, delivery, isGone);
    } catch (error) {
      if (error instanceof LogTruncated) return this.#resync(error.message, { floor: error.floor });
      throw error;
    }
    if (initial === null || isGone()) return unavailable();
    // The order and the log may have taken their time.
    if (clock.now() >= client.until) {
      return new ConnectRefusal("token_expired", "the token has expired while the client was connecting");
    }
    const initialClients = this.#clientsAt(session.head, client);
    // What has come since is not for this client to miss: it is pulled from here.
    client.cursor = initial.cursor;
    admitted({
      initialMessages: initial.messages,
      checkpointSequenceNumber: session.head,
      initialClients,
      existing,
      summary: session.summary,
      resumed: joined?.resumed ?? null,
    });
    if (client.mode === "read") this.#host.announce(client);
    delivery.connect(client);
    return null;
  }

  /** Who is connected at an op, the checkpoint: a client whose join comes later is told of then. */
  #clientsAt(sn: number, self: DocumentClient): Admission["initialClients"] {
    const { order, delivery } = this.#host;
    const clients: { clientId: string; client: unknown }[] = [];
    for (const { clientId, detail, joined } of order.state.clients.values()) {
      if (joined <= sn) clients.push({ clientId, client: detail });
    }
    for (const { clientId, mode, detail } of [...delivery.clients, self]) {
      if (mode === "read") clients.push({ clientId, client: detail });
    }
    return clients;
  }

  #resync(message: string, details: object): ConnectRefusal {
    const { summaryContext } = this.#host.session;
    return new ConnectRefusal("resync", message, { ...details, summaryContext });
  }
}

/**
 * Reads the ops above `from` that a client is connected with. What comes behind them it is caught up on.
 *
 * @param end Up to where; asked again after each read, during which more may have come.
 * @param isGone Nobody waits for it any more.
 * @returns What fits, and the last of it; null if nobody waits.
 * @throws LogTruncated, OpLogError, StateError by rejection.
 */
async function readInitial(
  from: number,
  end: () => number,
  reader: OpReader,
  delivery: Delivery,
  isGone: () => boolean,
): Promise<{ readonly messages: string[]; readonly cursor: number } | null> {
  const messages: string[] = [];
  let left = MAX_INITIAL;
  let cursor = from;
  for (;;) {
    delivery.flush();
    const to = end();
    if (cursor >= to || left <= 0) return { messages, cursor };
    const read = reader.page(cursor, to, left);
    const page = Array.isArray(read) ? read : await read;
    if (isGone()) return null;
    for (const op of page) {
      left -= Buffer.byteLength(op);
      if (left < 0) break;
      messages.push(op);
      cursor++;
    }
  }
}

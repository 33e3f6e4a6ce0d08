import { expect } from "chai";
import type { SequencedOp } from "../../lib/documents/index.ts";
import type { Random } from "../../lib/testing/simulation/random.ts";
import type { Journal } from "../support/gate.ts";
import { DocumentPeer, type PeerVsn } from "./document-peer.ts";

/** A push that isn't known to be sequenced. */
interface Pending {
  readonly contents: readonly string[];
  /** Of its first op, under the present client id; 0 before it is sent. */
  csn: number;
}

export interface AuthorOptions {
  readonly name: string;
  readonly topic: string;
  readonly token: string;
  readonly random: Random;
  readonly vsn?: PeerVsn;
  /** Told of each push that is acknowledged. */
  readonly acknowledgements: Journal<unknown>;
}

/** Pushes under way at a time. */
const MAX_PENDING = 6;

/** A client that writes on and on, as a careful app does: what it doesn't know to be sequenced it sends again. */
export class Author {
  readonly name: string;
  /** All that it has ever written, in order. */
  readonly contents: string[] = [];
  /** The sequence numbers that were acknowledged. */
  readonly acknowledged = new Map<string, number>();
  /** Every op that it has got, over all its connections. */
  readonly received: SequencedOp[] = [];
  /** The client ids that it has had. */
  readonly clientIds: string[] = [];
  readonly #options: AuthorOptions;
  #pending: Pending[] = [];
  #resume: { readonly clientId: string; readonly key: string } | null = null;

  constructor(options: AuthorOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /**
   * Connects, sends what it has to send again, and writes new things until the connection ends.
   *
   * @param limit Stops when it has written so much, and all of that is acknowledged.
   */
  async run(url: string, limit = Number.POSITIVE_INFINITY): Promise<void> {
    const { vsn = "2.0.0", topic, token } = this.#options;
    let peer: DocumentPeer;
    try {
      peer = await DocumentPeer.open(url, vsn, topic);
    } catch {
      return;
    }
    const isNext = (message: { event: string; payload: { op: SequencedOp[] } }) => {
      if (message.event === "op") this.#receive(message.payload.op);
    };
    try {
      await peer.join();
      const resume = this.#resume;
      const lastSeenSequenceNumber = this.received.at(-1)?.sequenceNumber;
      await peer.connectDocument({ token, ...(resume && { resume }), lastSeenSequenceNumber });
      this.#begin(peer, resume?.clientId ?? null);
      this.#receive(peer.success.initialMessages);
      peer.onMessage(isNext);
      await this.#write(peer, limit);
      peer.ws.close();
    } catch (error) {
      // The connection may end at any moment; nothing else may go wrong.
      if (!(error instanceof Error && error.message.startsWith("closed with"))) throw error;
    }
    await peer.closed;
  }

  #begin({ connected }: DocumentPeer, resumes: string | null): void {
    const { clientId, key, resumed } = connected;
    this.clientIds.push(clientId);
    this.#resume = { clientId, key };
    if (resumes === null) return;
    expect(resumed, "what is known of the client that it resumes").to.include({ clientId: resumes });
    // What was sequenced, though its answer was lost.
    this.#pending = this.#pending.filter(({ contents, csn }) => {
      const last = csn + contents.length - 1;
      const isThere = csn > 0 && last <= resumed.lastClientSequenceNumber;
      if (!isThere)
        expect(csn === 0 || csn > resumed.lastClientSequenceNumber, "a push in part").to.equal(true);
      return !isThere;
    });
    for (const push of this.#pending) push.csn = 0;
  }

  #receive(ops: readonly SequencedOp[]): void {
    for (const op of ops) {
      const last = this.received.at(-1);
      if (last !== undefined) expect(op.sequenceNumber, "the next op").to.equal(last.sequenceNumber + 1);
      this.received.push(op);
    }
  }

  async #write(peer: DocumentPeer, limit: number): Promise<void> {
    const { random, acknowledgements } = this.#options;
    let csn = 1;
    const send = async (push: Pending) => {
      push.csn = csn;
      csn += push.contents.length;
      const { status, response } = await peer.ask(
        "submitOp",
        peer.submission(
          ...push.contents.map((contents, i) => peer.op(contents, { clientSequenceNumber: push.csn + i })),
        ),
      );
      expect([status, response]).to.have.nested.property("[0]", "ok");
      // After its ops.
      expect(this.received.at(-1)?.sequenceNumber ?? 0).to.be.at.least(response.sequenceNumber);
      for (const [i, contents] of push.contents.entries()) {
        this.acknowledged.set(contents, response.first + i);
      }
      this.#pending = this.#pending.filter((other) => other !== push);
      acknowledgements.add(push);
    };
    const sending = new Set<Promise<void>>();
    const track = (push: Pending) => {
      const sent = send(push).finally(() => sending.delete(sent));
      sending.add(sent);
    };
    for (const push of this.#pending) track(push);
    while (this.contents.length < limit || sending.size > 0) {
      while (this.contents.length < limit && sending.size < MAX_PENDING) {
        const contents = Array.from({ length: 1 + random.below(3) }, (_, i) => {
          return `${this.name}-${this.contents.length + i + 1}${random.chance(0.1) ? "x".repeat(2000) : ""}`;
        });
        this.contents.push(...contents);
        const push: Pending = { contents, csn: 0 };
        this.#pending.push(push);
        track(push);
      }
      await Promise.race(sending);
    }
  }
}

/** What all authors wrote is in the log once, each one's in its order, and where it was acknowledged. */
export function expectKept(ops: readonly SequencedOp[], authors: readonly Author[]): void {
  const at = new Map<unknown, number>();
  for (const { type, contents, sequenceNumber } of ops) {
    if (type !== "op") continue;
    expect(at.has(contents), `${String(contents).slice(0, 20)} twice`).to.equal(false);
    at.set(contents, sequenceNumber);
  }
  for (const { name, contents, acknowledged, received } of authors) {
    for (const [one, sn] of acknowledged)
      expect(at.get(one), `${one.slice(0, 20)} was acknowledged`).to.equal(sn);
    const own = ops
      .filter(({ type, contents }) => type === "op" && String(contents).startsWith(`${name}-`))
      .map((op) => op.contents);
    expect(own).to.deep.equal(contents.filter((one) => at.has(one)));
    // And what it got is what the log has.
    const first = received[0]?.sequenceNumber ?? 1;
    expect(received).to.deep.equal(ops.slice(first - 1, first - 1 + received.length));
  }
}

import { expect } from "chai";
import type { ChannelContext } from "../../lib/channel/context.ts";
import { type ClientPort, DocumentClient } from "../../lib/documents/client.ts";
import { Delivery } from "../../lib/documents/delivery.ts";
import { pageOf } from "../../lib/documents/recent.ts";
import { ManualClock } from "../support/manual-clock.ts";

const KIB = 1024;

/** What stands between a client and its connection: as a stream does, it tells of a write when all of it has left. */
class SlowPort {
  readonly topic = "document:acme:doc-1";
  readonly joinRef = "1";
  readonly maxBufferedBytes = 8 * KIB * KIB;
  readonly tracer = { active: false };
  readonly whom = {};
  /** The bytes of each write. */
  readonly writes: number[] = [];
  closed = false;
  bufferedBytes = 0;
  #drained: (() => void)[] = [];

  send(envelope: { readonly payload: unknown }): boolean {
    this.bufferedBytes += (envelope.payload as string).length;
    return true;
  }

  isBehind(bytes: number): boolean {
    return this.bufferedBytes > bytes;
  }

  onceDrained(callback: () => void): void {
    this.#drained.push(callback);
  }

  overflow(): void {
    this.closed = true;
  }

  /** All that waits has left. */
  async drain(): Promise<void> {
    this.writes.push(this.bufferedBytes);
    this.bufferedBytes = 0;
    for (const drained of this.#drained.splice(0)) drained();
    await new Promise(setImmediate);
  }
}

/** A client that has nothing yet of a document with these ops. */
function behind(ops: readonly string[]) {
  const clock = new ManualClock();
  const port = new SlowPort();
  const client = new DocumentClient({
    clientId: "ada",
    mode: "read",
    detail: {},
    port: port as unknown as ClientPort & ChannelContext,
    claims: {} as DocumentClient["claims"],
    until: Number.POSITIVE_INFINITY,
    now: 0,
    onSequenced: null,
  });
  const pages: number[] = [];
  const host = {
    clock,
    page: (after: number, to: number, max: number) => {
      pages.push(after);
      return pageOf(ops, after, to, max);
    },
    unreadable: (_: unknown, error: unknown) => expect.fail(String(error)),
    uncarried: (error: unknown) => expect.fail(String(error)),
  };
  const delivery = new Delivery(host, "doc-1", ops.length);
  return { clock, port, client, delivery, pages };
}

describe("a client that is caught up", () => {
  const ops = Array.from({ length: 160 }, (_, i) => JSON.stringify(`${i} ${"x".repeat(8 * KIB)}`));

  it("isn't closed while it takes 64 KiB in 30 s", async () => {
    const { clock, port, client, delivery } = behind(ops);
    delivery.connect(client);
    while (!client.live && !port.closed) {
      clock.advance(29_000);
      await port.drain();
    }
    expect([port.closed, client.cursor]).to.deep.equal([false, ops.length]);
    expect(Math.max(...port.writes)).to.be.below(65 * KIB);
  });

  it("is closed when it takes none of that", async () => {
    const { clock, port, client, delivery } = behind(ops);
    delivery.connect(client);
    clock.advance(29_000);
    await port.drain();
    clock.advance(31_000);
    await new Promise(setImmediate);
    expect([port.closed, client.live]).to.deep.equal([true, false]);
  });

  it("has 256 KiB read for it at once, however it takes them", async () => {
    const { port, client, delivery, pages } = behind(ops);
    delivery.connect(client);
    while (!client.live) await port.drain();
    expect(pages.length).to.be.within(5, 6);
  });
});

import { expect } from "chai";
import { MemoryOpLog, type SequencedOp } from "../../lib/documents/index.ts";
import type { DocumentPeer, PeerVsn } from "./document-peer.ts";
import { FaultyLog } from "./faulty-log.ts";
import { opsIn } from "./log-contents.ts";
import { type DocumentSetup, READ, type ServedDocuments, serveDocuments } from "./served.ts";

const KIB = 1024;

/** Ops of 100 KiB each: three of them are more than a session keeps in memory. */
async function writeMuch(peer: DocumentPeer, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { status } = await peer.submit(`${i} ${"x".repeat(100 * KIB)}`);
    expect(status).to.equal("ok");
  }
}

function numbers(ops: readonly SequencedOp[]): number[] {
  return ops.map(({ sequenceNumber }) => sequenceNumber);
}

/** The whole numbers from one to another, both included. */
function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Stores a summary of all that the client has, and returns what it covers. */
async function summarize(peer: DocumentPeer, handle: string, parent: string | null = null): Promise<number> {
  const op = peer.op({ handle, head: parent }, { type: "summarize" });
  expect((await peer.ask("submitOp", peer.submission(op))).status).to.equal("ok");
  return op.referenceSequenceNumber;
}

async function serveLogged(
  setup: DocumentSetup = {},
): Promise<ServedDocuments & { readonly log: FaultyLog }> {
  const log = new FaultyLog(new MemoryOpLog());
  return { ...(await serveDocuments({ ...setup, documents: { log, ...setup.documents } })), log };
}

for (const vsn of ["1.0.0", "2.0.0"] satisfies PeerVsn[]) {
  describe(`a client that comes late (vsn ${vsn})`, () => {
    it("gets what memory holds without a read of the log", async () => {
      const served = await serveLogged();
      const ada = await served.enter();
      await ada.submit(1, 2, 3);
      const { reads } = served.log;
      const bob = await served.enter({ user: "bob", vsn, connect: { lastSeenSequenceNumber: 2 } });
      expect(numbers(bob.success.initialMessages)).to.deep.equal([3, 4, 5]);
      expect(bob.success.checkpointSequenceNumber).to.equal(5);
      expect(served.log.reads).to.equal(reads);
    });

    it("gets the first 512 KiB with its connection, and the rest behind that, each op once", async () => {
      const served = await serveLogged();
      const ada = await served.enter();
      await writeMuch(ada, 15);
      for (const mode of ["write", "read"]) {
        const bob = await served.lurk({ user: "bob", vsn });
        const connecting = bob.connectDocument({ token: served.token({ user: "bob" }), mode });
        // Ops that come meanwhile.
        const writing = writeMuch(ada, 5);
        await Promise.all([connecting, writing]);
        const { initialMessages, checkpointSequenceNumber } = bob.success;
        expect(JSON.stringify(initialMessages).length).to.be.within(400 * KIB, 512 * KIB);
        expect(checkpointSequenceNumber).to.be.above(initialMessages.at(-1).sequenceNumber);
        const head = (await opsIn(served.log)).length;
        expect(numbers(await bob.caughtUp(head))).to.deep.equal(range(1, head));
      }
    });

    it("begins at the latest summary, from memory and from the log", async () => {
      const served = await serveLogged();
      const ada = await served.enter();
      await ada.submit(1, 2, 3);
      await ada.caughtUp(4);
      const covered = await summarize(ada, "one");
      expect(covered).to.equal(4);
      for (const many of [0, 5]) {
        await writeMuch(ada, many);
        const bob = await served.enter({ user: "bob", vsn });
        expect(bob.success.summaryContext).to.deep.equal({ handle: "one", sequenceNumber: 4 });
        expect(bob.success.initialMessages[0]).to.include({ sequenceNumber: 5, type: "summarize" });
        const { head } = served.documents.registry.lookup("acme", "doc-1") ?? { head: 0 };
        expect(numbers(await bob.caughtUp(head))).to.deep.equal(range(5, head));
      }
      expect(served.log.reads).to.be.above(0);
    });

    it("is told to resync when what it lacks is truncated, and with which summary to begin", async () => {
      const served = await serveLogged();
      const ada = await served.enter();
      await writeMuch(ada, 5);
      await ada.caughtUp(6);
      await summarize(ada, "one");
      await writeMuch(ada, 3);
      const session = await served.documents.registry.startOrGet("acme", "doc-1");
      expect(await session.truncate()).to.equal(6);
      const summaryContext = { handle: "one", sequenceNumber: 6 };

      const bob = await served.lurk({ user: "bob", vsn });
      const { reply, event } = await bob.tryConnect({
        token: served.token({ user: "bob" }),
        lastSeenSequenceNumber: 2,
      });
      expect(reply.response).to.include({ reason: "resync", code: 410, floor: 6 });
      expect(reply.response.summaryContext).to.deep.equal(summaryContext);
      expect(event.summaryContext).to.deep.equal(summaryContext);
      // The one that asks for it begins above the floor.
      await bob.connectDocument({ token: served.token({ user: "bob" }) });
      expect(bob.success.initialMessages[0].sequenceNumber).to.equal(7);
      const asked = await bob.ask("requestOps", { from: 2 });
      expect(asked.response).to.include({ reason: "resync", floor: 6 });
      expect(asked.response.summaryContext).to.deep.equal(summaryContext);
      const { response } = await bob.ask("requestOps", { from: 6 });
      expect(response.ops[0].sequenceNumber).to.equal(7);
    });
  });

  describe(`a client that reads slowly (vsn ${vsn})`, function () {
    this.timeout(20_000);

    /** More than the system takes for a client that doesn't read. */
    const MUCH = 200;
    const mount = { maxBufferedBytes: 2 * KIB * KIB };

    it("isn't closed, though more waits than its buffer takes: it gets each op once, in order", async () => {
      const served = await serveLogged({ mount });
      const ada = await served.enter();
      const bob = await served.enter({ user: "bob", vsn });
      bob.ws.pause();
      await writeMuch(ada, MUCH);
      await served.enter({ user: "eve" });
      bob.ws.resume();
      const ops = await bob.caughtUp(MUCH + 3);
      expect(numbers(ops)).to.deep.equal(range(1, MUCH + 3));
      // And is live again.
      await ada.submit("last");
      expect((await bob.caughtUp(MUCH + 4)).at(-1)?.contents).to.equal("last");
    });

    it("gets the answers to its pushes behind their ops", async () => {
      const served = await serveLogged({ mount });
      const ada = await served.enter();
      const bob = await served.enter({ user: "bob", vsn });
      await bob.caughtUp(2);
      bob.ws.pause();
      const ref = bob.send("submitOp", bob.submission(bob.op("mine")));
      await writeMuch(ada, MUCH);
      bob.ws.resume();
      const { response } = await bob.reply(ref);
      const before = bob.all.slice(
        0,
        bob.all.findIndex((message) => message.event === "phx_reply" && message.ref === ref),
      );
      const seen = before.flatMap(({ event, payload }) => (event === "op" ? payload.op : []));
      expect(numbers(seen)).to.include(response.sequenceNumber);
      expect(numbers(await bob.caughtUp(MUCH + 3))).to.deep.equal(range(1, MUCH + 3));
    });

    it("is closed after 30 s without progress, and leaves", async () => {
      const served = await serveLogged({ mount });
      const ada = await served.enter();
      const bob = await served.enter({ user: "bob", vsn });
      bob.ws.pause();
      await writeMuch(ada, MUCH);
      served.clock.skip(20_000);
      await ada.submit("still here");
      expect(served.documents.registry.lookup("acme", "doc-1")?.clients).to.have.length(2);
      served.clock.skip(31_000);
      const ops = await ada.caughtUp(MUCH + 4);
      expect(ops.at(-1)).to.include({ type: "leave", contents: bob.clientId });
      expect(served.lines.map(({ message }) => message)).to.include(
        "closed a connection whose client doesn't read",
      );
    });

    it("is told to resync when what it lacks is truncated meanwhile", async () => {
      const served = await serveLogged({ mount });
      const ada = await served.enter();
      const bob = await served.enter({ user: "bob", vsn, scopes: READ, connect: { mode: "read" } });
      bob.ws.pause();
      await writeMuch(ada, MUCH);
      await ada.caughtUp(MUCH + 1);
      await summarize(ada, "one");
      await (await served.documents.registry.startOrGet("acme", "doc-1")).truncate();
      bob.ws.resume();
      const resync = await bob.next("resync");
      expect(resync.summaryContext).to.deep.equal({ handle: "one", sequenceNumber: MUCH + 1 });
      expect(resync.floor).to.equal(MUCH + 1);
      await bob.next("phx_error");
      // All before it without a gap.
      expect(numbers(bob.ops)).to.deep.equal(range(1, bob.ops.length));
    });
  });
}

describe("a large record", () => {
  it("is read once for a client that needs several pages of it, and for others behind that", async () => {
    const served = await serveLogged();
    const ada = await served.enter();
    const { status } = await ada.submit(
      ...Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(50 * KIB)}`),
    );
    expect(status).to.equal("ok");
    const { reads } = served.log;
    for (const user of ["bob", "eve"]) {
      const late = await served.enter({ user, connect: { mode: "read", lastSeenSequenceNumber: 1 } });
      expect(numbers(await late.caughtUp(31))).to.deep.equal(range(2, 31));
    }
    expect(served.log.reads).to.equal(reads + 1);
    // What is kept of it isn't given out any more when it is truncated.
    const op = ada.op({ handle: "one", head: null }, { type: "summarize", referenceSequenceNumber: 31 });
    expect((await ada.ask("submitOp", ada.submission(op))).status).to.equal("ok");
    await (await served.documents.registry.startOrGet("acme", "doc-1")).truncate();
    const { response } = await ada.ask("requestOps", { from: 1 });
    expect(response).to.include({ reason: "resync", floor: 31 });
  });

  it("isn't kept where maxRecentBytes leave no room for it", async () => {
    const served = await serveLogged({ documents: { maxRecentBytes: 0 } });
    const ada = await served.enter();
    await ada.submit(...Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(50 * KIB)}`));
    const { reads } = served.log;
    const late = await served.enter({ user: "bob", connect: { mode: "read", lastSeenSequenceNumber: 1 } });
    expect(numbers(await late.caughtUp(31))).to.deep.equal(range(2, 31));
    expect(served.log.reads).to.be.above(reads + 2);
  });
});

describe("clients that come and go while others write", () => {
  it("get every op once, in order, from wherever they begin", async () => {
    const served = await serveLogged();
    const ada = await served.enter();
    const head = () => served.documents.registry.lookup("acme", "doc-1")?.head ?? 0;
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await ada.submit("x".repeat(3 * KIB));
    })();
    for (let round = 0; round < 40; round++) {
      const from = Math.max(0, head() - round * 5);
      const mode = round % 2 === 0 ? "write" : "read";
      const bob = await served.enter({ user: "bob", connect: { mode, lastSeenSequenceNumber: from } });
      const until = head() + 5;
      expect(numbers(await bob.caughtUp(until)).slice(0, until - from)).to.deep.equal(range(from + 1, until));
      bob.ws.close();
    }
    isOver = true;
    await writing;
  });
});

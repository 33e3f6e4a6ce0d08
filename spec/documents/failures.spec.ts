import { expect } from "chai";
import { LogCorrupt, OpLogError } from "../../lib/documents/index.ts";
import type { DocumentPeer } from "./document-peer.ts";
import { FaultyLog } from "./faulty-log.ts";
import { opsIn, story, written } from "./log-contents.ts";
import { type DocumentSetup, READ, type ServedDocuments, serveDocuments } from "./served.ts";

interface Faulty extends ServedDocuments {
  readonly log: FaultyLog;
}

async function serveFaulty(setup: DocumentSetup["documents"] = {}): Promise<Faulty> {
  const log = new FaultyLog();
  return { ...(await serveDocuments({ documents: { log, ...setup } })), log };
}

/** Sends an op, and waits until the log is asked to take it. */
async function inFlight({ log }: Faulty, peer: DocumentPeer, contents: unknown): Promise<string> {
  const before = log.appends.entries.length;
  const ref = peer.send("submitOp", peer.submission(peer.op(contents)));
  await log.appends.reaches(before + 1);
  return ref;
}

/** Sends an op that waits for its place. */
async function waiting(peer: DocumentPeer, contents: unknown): Promise<string> {
  const ref = peer.send("submitOp", peer.submission(peer.op(contents)));
  await peer.settle();
  return ref;
}

function connecting(peer: DocumentPeer, token: string, fields: object = {}) {
  return peer.tryConnect({ token, ...fields });
}

describe("a document whose log", () => {
  for (const fault of ["fails", "hangs"] as const) {
    describe(`${fault} at each append`, () => {
      it("keeps what is in flight, lets the rest wait for 5 s, and goes on when the log does", async () => {
        const served = await serveFaulty();
        const { log, clock } = served;
        const ada = await served.enter();
        const bob = await served.enter({ user: "bob" });
        await ada.caughtUp(2);
        log.always = fault;
        const first = await inFlight(served, ada, "first");
        const second = await waiting(ada, "second");
        expect((await bob.settle()).filter(({ event }) => event === "nack")).to.deep.equal([]);
        clock.skip(4000);
        const third = await waiting(bob, "third");
        expect((await ada.settle()).map(({ event }) => event)).to.deep.equal([]);

        clock.skip(1000);
        const refused = await ada.reply(second);
        expect(refused.status).to.equal("error");
        expect(refused.response).to.include({ reason: "throttled", retryAfter: 2 });
        const nack = await ada.next("nack");
        expect(nack.content).to.include({ code: 429, type: "ThrottlingError", retryAfter: 2 });
        expect(nack.nacks[0].content).to.deep.equal(nack.content);
        // One that came later waits longer, though not for 5 s more.
        expect(await bob.settle()).to.deep.equal([]);
        clock.skip(4000);
        expect((await bob.reply(third)).response).to.include({ reason: "throttled" });

        const writer = await served.lurk({ user: "eve" });
        const { reply, event } = await connecting(writer, served.token({ user: "eve" }));
        expect(reply.response).to.include({ reason: "unavailable", code: 503, retryAfter: 2 });
        expect(event).to.include({ code: 503 });

        log.recover();
        clock.skip(2000);
        expect((await ada.reply(first)).response).to.deep.equal({ sequenceNumber: 3, first: 3 });
        expect(written(await bob.caughtUp(3))).to.deep.equal(["first"]);
        const again = ada.op("second", { clientSequenceNumber: 2 });
        expect((await ada.ask("submitOp", ada.submission(again))).status).to.equal("ok");
        expect(written(await opsIn(log))).to.deep.equal(["first", "second"]);
        expect((await connecting(writer, served.token({ user: "eve" }))).reply.status).to.equal("ok");
      });

      it("refuses a connect that is in flight after 5 s, and its leave follows its join", async () => {
        const served = await serveFaulty();
        const { log, clock } = served;
        const ada = await served.enter();
        const bob = await served.lurk({ user: "bob" });
        log.always = fault;
        const resume = { clientId: ada.clientId, key: ada.connected.key };
        const asked = connecting(bob, served.token(), { resume });
        await log.appends.reaches(2);
        clock.skip(4000);
        expect(await bob.settle()).to.deep.equal([]);
        clock.skip(1000);
        expect((await asked).reply.response).to.include({ reason: "unavailable", code: 503, retryAfter: 2 });
        log.recover();
        clock.skip(2000);
        const { reply } = await connecting(bob, served.token(), { resume });
        // It goes on from the client that it wanted to go on from, though that left with the one nobody heard of.
        expect(reply.response.resumed).to.include({ clientId: ada.clientId, lastClientSequenceNumber: 0 });
        const ops = await opsIn(log);
        const joins = ops.filter(({ type }) => type === "join");
        const [, unheard = ""] = joins.map((op) => (op.contents as { readonly clientId: string }).clientId);
        const names = { [ada.clientId]: "ada", [unheard]: "unheard", [reply.response.clientId]: "bob" };
        expect(story(ops, names)).to.deep.equal([
          "join ada",
          "leave ada",
          "join unheard",
          "leave unheard",
          "join bob",
        ]);
      });

      it("goes on with reads: readers connect, and requestOps is answered", async () => {
        const served = await serveFaulty();
        const ada = await served.enter();
        await ada.submit("before");
        served.log.always = fault;
        await inFlight(served, ada, "in flight");
        served.clock.skip(6000);
        const reader = await served.enter({ user: "rita", scopes: READ, connect: { mode: "read" } });
        expect(written(reader.ops)).to.deep.equal(["before"]);
        const { status, response } = await reader.ask("requestOps", { from: 0 });
        expect([status, written(response.ops), response.head]).to.deep.equal(["ok", ["before"], 2]);
        served.log.recover();
        served.clock.skip(2000);
        expect(written(await reader.caughtUp(3))).to.deep.equal(["before", "in flight"]);
      });

      it("lets leaves wait for as long as it takes, and writes them first", async () => {
        const served = await serveFaulty();
        const { log, clock } = served;
        const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
        const names = { [ada.clientId]: "ada", [bob.clientId]: "bob" };
        log.always = fault;
        const first = await inFlight(served, ada, 1);
        const session = served.documents.registry.lookup("acme", "doc-1");
        bob.ws.close();
        await bob.closed;
        clock.skip(20_000);
        await waiting(ada, 2);
        const eve = await served.lurk({ user: "eve" });
        expect((await connecting(eve, served.token({ user: "eve" }))).reply.response.code).to.equal(503);
        log.recover();
        clock.skip(2000);
        await ada.reply(first);
        await ada.caughtUp(5);
        expect(story(await opsIn(log), names)).to.deep.equal([
          "join ada",
          "join bob",
          "op 1 of ada",
          "leave bob",
          "op 2 of ada",
        ]);
        expect(served.documents.registry.lookup("acme", "doc-1")).to.equal(session);
      });
    });
  }

  it("commits and loses the answer, has each op once all the same", async () => {
    const served = await serveFaulty();
    const { log, clock } = served;
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    log.next.push("committed, unanswered", "committed, unanswered", "fails");
    const ref = await inFlight(served, ada, "once");
    for (let attempts = 4; attempts <= 6; attempts++) {
      await log.appends.reaches(attempts);
      clock.skip(1000);
    }
    expect((await ada.reply(ref)).response).to.deep.equal({ sequenceNumber: 3, first: 3 });
    expect((await ada.submit("next")).response).to.deep.equal({ sequenceNumber: 4, first: 4 });
    expect(written(await opsIn(log))).to.deep.equal(["once", "next"]);
    expect(written(await bob.caughtUp(4))).to.deep.equal(["once", "next"]);
    // The same record each time: another one could have come second to it.
    expect(log.appends.entries.slice(2, 6)).to.deep.equal(new Array(4).fill(["doc-1", 3, 3]));
  });

  it("doesn't answer, takes 256 ops and 1 MiB of a client into memory, and no more", async () => {
    const served = await serveFaulty();
    const ada = await served.enter();
    served.log.always = "hangs";
    await inFlight(served, ada, "in flight");
    const many = (count: number) => ada.submission(...Array.from({ length: count }, (_, i) => ada.op(i)));
    const refs = [100, 100, 56].map((count) => ada.send("submitOp", many(count)));
    const over = await ada.ask("submitOp", many(1));
    expect(over.response).to.include({ reason: "throttled", retryAfter: 2 });

    const bob = await served.lurk({ user: "bob" });
    // Its join waits behind what is in flight.
    const joining = bob.tryConnect({ token: served.token({ user: "bob" }) });
    served.log.recover();
    await joining;
    for (const ref of refs) expect((await ada.reply(ref)).status).to.equal("ok");
    expect(written(await opsIn(served.log))).to.have.length(257);
  });

  it("is down, takes 1 MiB of all clients together into memory, and no more", async () => {
    const served = await serveFaulty();
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    served.log.always = "hangs";
    const first = await inFlight(served, ada, "in flight");
    served.clock.skip(5000);
    const large = "x".repeat(600 * 1024);
    const second = await waiting(ada, large);
    const refused = await bob.submit(large);
    expect(refused.response).to.include({ reason: "throttled", retryAfter: 2 });
    const third = await waiting(bob, "small");
    served.log.recover();
    await ada.reply(first);
    expect((await ada.reply(second)).status).to.equal("ok");
    // Its number is above one that it still owes.
    expect((await bob.reply(third)).response).to.include({ reason: "invalid_csn" });
  });

  it("has a record of somebody else's, ends the session: clients get resync, and begin anew", async () => {
    const served = await serveFaulty();
    const { log } = served;
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    await ada.submit(1);
    log.next.push("beaten");
    ada.send("submitOp", ada.submission(ada.op(2)));
    for (const peer of [ada, bob]) {
      expect(await peer.next("resync")).to.deep.equal({ summaryContext: null });
      await peer.next("phx_error");
    }
    expect(served.logged()).to.include("the log has a record behind op 3 that isn't this session's");
    expect(written(await opsIn(log))).to.deep.equal([1]);

    const again = await served.lurk();
    const resume = { clientId: ada.clientId, key: ada.connected.key };
    await again.connectDocument({ token: served.token(), resume });
    expect(again.connected.resumed).to.deep.equal({
      clientId: ada.clientId,
      lastClientSequenceNumber: 1,
      lastSequenceNumber: 3,
    });
    expect((await again.submit(2)).status).to.equal("ok");
    expect(written(await opsIn(log))).to.deep.equal([1, 2]);
  });

  it("was set back, and doesn't have what was delivered, ends the session", async () => {
    const served = await serveFaulty();
    const ada = await served.enter();
    // More than is kept in memory.
    for (let i = 0; i < 3; i++) await ada.submit("x".repeat(150 * 1024));
    served.log.end = 2;
    const bob = await served.lurk({ user: "bob" });
    const { reply } = await connecting(bob, served.token({ user: "bob" }));
    expect(reply.response).to.include({ reason: "unavailable", code: 503 });
    expect(await ada.next("resync")).to.deep.equal({ summaryContext: null });
    await ada.next("phx_error");
    expect(served.logged()).to.include("it was set back");
  });

  for (const mode of ["read", "write"] as const) {
    it(`ends below what a client has seen, refuses it with resync (mode ${mode})`, async () => {
      const served = await serveFaulty();
      const ada = await served.enter();
      await ada.submit(1);
      const bob = await served.lurk({ user: "bob" });
      const fields = { mode, lastSeenSequenceNumber: 3 };
      const { reply } = await connecting(bob, served.token({ user: "bob" }), fields);
      expect(reply.response).to.include({ reason: "resync", code: 410 });
      // Nobody has heard of it.
      expect((await ada.settle()).map(({ event }) => event)).not.to.include("signal");
      expect(await opsIn(served.log)).to.have.length(2);
    });
  }

  it("has a damaged record, refuses connects to that document with a clear error, and serves others", async () => {
    const served = await serveFaulty();
    const ada = await served.enter();
    await ada.submit(1);
    await served.documents.registry.stop("acme", "doc-1");
    const { log } = served;
    // Without its checkpoint nothing but the records is left.
    const state = log.state.bind(log);
    log.state = async (name) => ({ ...(await state(name)), checkpoint: null });
    log.damaged.add("doc-1");
    const bob = await served.lurk({ user: "bob" });
    for (let i = 0; i < 2; i++) {
      const { reply, event } = await connecting(bob, served.token({ user: "bob" }));
      expect(reply.response).to.include({ reason: "internal_error", code: 500 });
      expect(event).to.include({ code: 500 });
    }
    expect(served.logged()).to.match(/record of op 1 doesn't match its checksum/);
    const failed = await served.documents.registry.startOrGet("acme", "doc-1").catch((error) => error);
    expect(failed).to.be.instanceOf(LogCorrupt);
    const other = await served.enter({ document: "doc-2" });
    expect((await other.submit("here")).status).to.equal("ok");
    log.damaged.clear();
    expect((await connecting(bob, served.token({ user: "bob" }))).reply.status).to.equal("ok");
  });

  it("has a damaged record below what a session knows, refuses who needs it, and goes on for others", async () => {
    const served = await serveFaulty();
    const ada = await served.enter();
    for (let i = 0; i < 3; i++) await ada.submit("x".repeat(150 * 1024));
    served.log.damaged.add("doc-1");
    const bob = await served.lurk({ user: "bob" });
    const { reply } = await connecting(bob, served.token({ user: "bob" }));
    expect(reply.response).to.include({ reason: "internal_error", code: 500 });
    expect(served.logged()).to.match(/doesn't match its checksum/);
    // Who needs only the latest is served from memory; and who had joined already has left.
    const { reply: late } = await connecting(bob, served.token({ user: "bob" }), {
      lastSeenSequenceNumber: 4,
    });
    expect(late.status).to.equal("ok");
    expect((await ada.submit("goes on")).status).to.equal("ok");
    expect(served.documents.registry.lookup("acme", "doc-1")?.clients).to.have.length(2);
  });

  it("can't be read, refuses connects until it can", async () => {
    const served = await serveFaulty();
    served.log.readFailure = new OpLogError("log_failed", "the spec unplugged the disk");
    const ada = await served.lurk();
    const { reply } = await connecting(ada, served.token());
    expect(reply.response).to.include({ reason: "unavailable", code: 503, retryAfter: 2 });
    expect(served.logged()).to.include("the spec unplugged the disk");
    served.log.readFailure = null;
    expect((await connecting(ada, served.token())).reply.status).to.equal("ok");
  });

  it("doesn't answer when it is read, refuses connects after 5 s", async () => {
    const served = await serveFaulty();
    const release = served.log.holdReads();
    const ada = await served.lurk();
    const asked = connecting(ada, served.token());
    while (served.log.reads === 0) await ada.settle();
    served.clock.skip(5000);
    expect((await asked).reply.response).to.include({ reason: "unavailable", code: 503 });
    release();
    expect((await connecting(ada, served.token())).reply.status).to.equal("ok");
  });

  it("can't store checkpoints, loses nothing by it", async () => {
    const served = await serveFaulty();
    const ada = await served.enter();
    await ada.submit(1);
    served.log.saveCheckpoint = async () => {
      throw new OpLogError("log_full", "the spec left no space for a checkpoint");
    };
    expect(await served.documents.registry.stop("acme", "doc-1")).to.equal(true);
    expect(served.logged()).to.include("a document's checkpoint couldn't be stored");
    const again = await served.enter();
    expect(written(again.ops)).to.deep.equal([1]);
  });
});

import { expect } from "chai";
import type { SequencedOp } from "../../lib/documents/index.ts";
import { turn } from "../support/gate.ts";
import type { DocumentPeer } from "./document-peer.ts";
import { FaultyLog } from "./faulty-log.ts";
import { opsIn, story, written } from "./log-contents.ts";
import { type DocumentsInMemory, documentsInMemory } from "./served.ts";

interface Logged extends DocumentsInMemory {
  readonly log: FaultyLog;
}

async function serveLogged(): Promise<Logged> {
  const log = new FaultyLog();
  return { ...(await documentsInMemory({ documents: { log } })), log };
}

/** So that what was sent has been handled, and what that schedules at once has happened. */
async function handled(...peers: DocumentPeer[]): Promise<void> {
  for (const peer of peers) await peer.settle();
  await turn();
  await turn();
}

describe("the order of a document", () => {
  describe("the minimum sequence number", () => {
    async function two(): Promise<{ served: Logged; ada: DocumentPeer; bob: DocumentPeer }> {
      const served = await serveLogged();
      const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
      await ada.submit(1);
      for (const peer of [ada, bob]) await peer.caughtUp(3);
      return { served, ada, bob };
    }

    const noop = (peer: DocumentPeer, rsn: number) => peer.ask("noop", { referenceSequenceNumber: rsn });
    const noops = (ops: readonly SequencedOp[]) => ops.filter(({ type }) => type === "noop");

    it("that noops raise is carried by a noop of the server's, if no op comes for 250 ms", async () => {
      const { served, ada, bob } = await two();
      for (const peer of [ada, bob]) expect((await noop(peer, 3)).status).to.equal("ok");
      expect(served.log.appends.entries).to.have.length(3);
      served.clock.skip(250);
      const [op] = noops(await ada.caughtUp(4));
      expect(op).to.deep.include({
        clientId: null,
        sequenceNumber: 4,
        minimumSequenceNumber: 3,
        clientSequenceNumber: -1,
        referenceSequenceNumber: -1,
        contents: null,
      });
      // And a replay of the log comes to the same.
      await served.documents.registry.stop("acme", "doc-1");
      expect((await served.documents.registry.startOrGet("acme", "doc-1")).minimumSequenceNumber).to.equal(3);
    });

    it("is carried by the next op, if one comes before", async () => {
      const { served, ada, bob } = await two();
      for (const peer of [ada, bob]) await noop(peer, 3);
      served.clock.skip(200);
      await ada.submit(2);
      expect((await bob.caughtUp(4)).at(-1)).to.include({ type: "op", minimumSequenceNumber: 3 });
      served.clock.skip(10_000);
      await handled(ada, bob);
      expect(noops(await opsIn(served.log))).to.have.length(0);
    });

    it("isn't carried by anything while one client still refers to less", async () => {
      const { served, ada, bob } = await two();
      await noop(ada, 3);
      served.clock.skip(10_000);
      await handled(ada, bob);
      expect(await opsIn(served.log)).to.have.length(3);
      await noop(bob, 2);
      served.clock.skip(10_000);
      expect((await ada.caughtUp(4)).at(-1)).to.include({ type: "noop", minimumSequenceNumber: 2 });
    });

    it("is carried by one noop within 2 s", async () => {
      const { served, ada, bob } = await two();
      const both = async (rsn: number) => {
        for (const peer of [ada, bob]) await noop(peer, rsn);
      };
      await both(2);
      served.clock.skip(250);
      await ada.caughtUp(4);
      await both(3);
      served.clock.skip(1000);
      await handled(ada);
      await both(4);
      expect(await opsIn(served.log)).to.have.length(4);
      served.clock.skip(1000);
      expect((await ada.caughtUp(5)).at(-1)).to.include({ type: "noop", minimumSequenceNumber: 4 });
    });

    it("never falls behind what a client has said that it has seen, whatever it says later", async () => {
      const { served, ada, bob } = await two();
      await noop(ada, 3);
      await noop(ada, 1);
      await noop(bob, 3);
      served.clock.skip(250);
      expect((await ada.caughtUp(4)).at(-1)).to.include({ type: "noop", minimumSequenceNumber: 3 });
    });

    it("doesn't let an op refer below it that comes into the record which raises it", async () => {
      const { ada, bob } = await two();
      for (const peer of [ada, bob]) await noop(peer, 3);
      const late = await ada.ask("submitOp", ada.submission(ada.op("late", { referenceSequenceNumber: 2 })));
      expect(late.response).to.include({ reason: "invalid_rsn" });
    });

    it("isn't held back by a client that is silent for 5 minutes: it is sequenced out", async () => {
      const { served, ada, bob } = await two();
      served.clock.skip(4 * 60_000);
      await ada.submit(2);
      await bob.caughtUp(4);
      expect(bob.ops.at(-1)?.minimumSequenceNumber).to.be.below(4);
      served.clock.skip(2 * 60_000);
      await bob.next("phx_error");
      const ops = await ada.caughtUp(5);
      expect(ops.at(-1)).to.include({ type: "leave", contents: bob.clientId });
      // Who has spoken stays, however long ago, if nobody waits for him.
      await noop(ada, 5);
      served.clock.skip(20 * 60_000);
      await handled(ada);
      expect((await noop(ada, 5)).status).to.equal("ok");
    });
  });

  it("answers a noop in submitOp behind the ops that it has seen", async () => {
    const served = await serveLogged();
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    await bob.caughtUp(2);
    for (let i = 1; i <= 20; i++) {
      const pushes = [ada.op(i), ada.op(null, { type: "noop" })].map((op) => ada.submission(op));
      const refs = ada.burst(pushes.map((push) => ["submitOp", push] as const));
      for (const ref of refs) {
        const { status, response } = await ada.reply(ref);
        expect(status).to.equal("ok");
        const at = ada.all.findIndex((message) => message.event === "phx_reply" && message.ref === ref);
        const seen = ada.all.slice(0, at).flatMap(({ event, payload }) => (event === "op" ? payload.op : []));
        expect(seen.at(-1)?.sequenceNumber).to.be.at.least(response.sequenceNumber);
      }
    }
  });

  it("takes all that waits into one record, the clients taking turns", async () => {
    const served = await serveLogged();
    const peers = [
      await served.enter(),
      await served.enter({ user: "bob" }),
      await served.enter({ user: "eve" }),
    ];
    const [ada, bob, eve] = peers as [DocumentPeer, DocumentPeer, DocumentPeer];
    const names = { [ada.clientId]: "ada", [bob.clientId]: "bob", [eve.clientId]: "eve" };
    for (const peer of peers) await peer.caughtUp(3);
    const release = served.log.hold("doc-1");
    ada.send("submitOp", ada.submission(ada.op(0)));
    await served.log.appends.reaches(4);
    for (let i = 1; i <= 4; i++) ada.send("submitOp", ada.submission(ada.op(i)));
    await handled(ada);
    for (let i = 1; i <= 2; i++) bob.send("submitOp", bob.submission(bob.op(i)));
    await handled(bob);
    eve.send("submitOp", eve.submission(eve.op(1)));
    await handled(eve);
    release();
    await ada.caughtUp(11);
    expect(served.log.appends.entries.slice(3)).to.deep.equal([
      ["doc-1", 4, 4],
      ["doc-1", 5, 11],
    ]);
    expect(story((await opsIn(served.log)).slice(4), names)).to.deep.equal([
      "op 1 of ada",
      "op 1 of bob",
      "op 1 of eve",
      "op 2 of ada",
      "op 2 of bob",
      "op 3 of ada",
      "op 4 of ada",
    ]);
  });

  it("cuts records at 1 MiB, and leaves no push to the side", async () => {
    const served = await serveLogged();
    const ada = await served.enter();
    const release = served.log.hold("doc-1");
    ada.send("submitOp", ada.submission(ada.op(0)));
    await served.log.appends.reaches(2);
    const large = "x".repeat(240 * 1024);
    const peers = [ada];
    const refs: [DocumentPeer, string][] = [];
    for (let i = 0; i < 4; i++)
      refs.push([ada, ada.send("submitOp", ada.submission(ada.op(`${i}${large}`)))]);
    await handled(...peers);
    const bob = await served.lurk({ user: "bob" });
    const joining = bob.connectDocument({ token: served.token({ user: "bob" }) });
    await handled(ada);
    release();
    await joining;
    for (const [peer, ref] of refs) expect((await peer.reply(ref)).status).to.equal("ok");
    expect(written(await opsIn(served.log))).to.have.length(5);
    for (const record of await served.log.inner.read({ tenant: "acme", document: "doc-1" }, 0, 1e9)) {
      expect(record.bytes.length).to.be.at.most(1024 * 1024);
    }
  });

  it("of one document doesn't wait for another's", async () => {
    const served = await serveLogged();
    const one = await served.enter({ document: "doc-1" });
    const two = await served.enter({ document: "doc-2" });
    const release = served.log.hold("doc-1");
    const ref = one.send("submitOp", one.submission(one.op("waits")));
    await served.log.appends.reaches(3);
    for (let i = 0; i < 10; i++) expect((await two.submit(i)).status).to.equal("ok");
    expect(one.all.some(({ ref: other }) => other === ref)).to.equal(false);
    release();
    expect((await one.reply(ref)).status).to.equal("ok");
  });
});

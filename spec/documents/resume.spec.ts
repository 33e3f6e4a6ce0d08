import { expect } from "chai";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { numbers } from "./numbers.ts";
import { type DocumentsInMemory, documentsInMemory, type EnterOptions, WRITE } from "./served.ts";

/** Cuts a client's connection, and comes back as the same user, going on from it. */
async function resumed(
  served: DocumentsInMemory,
  old: DocumentPeer,
  of: EnterOptions = {},
): Promise<DocumentPeer> {
  const peer = await served.lurk(of);
  const resume = { clientId: old.clientId, key: old.connected.key };
  const lastSeenSequenceNumber = old.ops.at(-1)?.sequenceNumber ?? 0;
  await peer.connectDocument({ token: served.token(of), lastSeenSequenceNumber, resume, ...of.connect });
  return peer;
}

describe("resume", () => {
  it("says how far the old client had come, and sequences its leave and the new join in one record", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    await ada.submit("a", "b");
    const before = log.calls.filter((call) => call.startsWith("append")).length;
    const again = await resumed(served, ada);
    expect(log.calls.filter((call) => call.startsWith("append"))).to.have.length(before + 1);
    expect(again.connected.resumed).to.deep.equal({
      clientId: ada.clientId,
      lastClientSequenceNumber: 2,
      lastSequenceNumber: 4,
    });
    expect(again.success.initialMessages.map(({ type }: Json) => type)).to.deep.equal(["leave", "join"]);
    expect(again.clientId).to.not.equal(ada.clientId);
    await ada.next("phx_error");
    expect((await bob.caughtUp(6)).slice(4).map(({ type }) => type)).to.deep.equal(["leave", "join"]);
    expect((await again.submit("c")).response.sequenceNumber).to.equal(7);
  });

  it("works when the old client has left long since, and after the session was stopped", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    await ada.ask("phx_leave");
    const again = await resumed(served, ada);
    expect(again.connected.resumed).to.deep.include({ lastClientSequenceNumber: 1, lastSequenceNumber: 2 });
    await served.documents.registry.stop("acme", "doc-1");
    const third = await resumed(served, again);
    expect(third.connected.resumed).to.deep.equal({
      clientId: again.clientId,
      lastClientSequenceNumber: 0,
      lastSequenceNumber: 0,
    });
    expect(third.success.initialMessages.map(({ type }: Json) => type)).to.deep.equal(["leave", "join"]);
  });

  it("leaves nothing of the old client's that is sequenced later: what waited never is", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    ada.send("submitOp", ada.submission(ada.op("in flight")));
    await ada.settle();
    const lost = ada.op("waits");
    ada.send("submitOp", ada.submission(lost));
    await ada.settle();
    const resuming = resumed(served, ada);
    await ada.settle();
    const later = await served.lurk();
    release();
    const again = await resuming;
    await later.connectDocument({ token: served.token({ user: "bob" }) });
    expect(again.connected.resumed.lastClientSequenceNumber).to.equal(1);
    const contents = later.ops.filter(({ type }) => type === "op").map((op) => op.contents);
    expect(contents).to.deep.equal(["in flight"]);
    expect((await again.submit(lost.contents)).status, "sent again under the new id").to.equal("ok");
  });

  const WRONG: readonly [what: string, resume: (old: DocumentPeer, bob: DocumentPeer) => object][] = [
    ["a key that was made up", ({ clientId }) => ({ clientId, key: "x".repeat(43) })],
    ["an empty key", ({ clientId }) => ({ clientId, key: "" })],
    [
      "the key of another user's client, of that client",
      (_old, bob) => ({ clientId: bob.clientId, key: bob.connected.key }),
    ],
    ["the key of another client", ({ clientId }, bob) => ({ clientId, key: bob.connected.key })],
    ["an id that isn't well-formed", ({ connected }) => ({ clientId: "\ud800", key: connected.key })],
  ];
  for (const [what, resume] of WRONG) {
    it(`without a right key is a plain connect: ${what}`, async () => {
      const served = await documentsInMemory();
      const ada = await served.enter();
      const bob = await served.enter({ user: "bob" });
      await ada.submit("a");
      const peer = await served.enter({ connect: { resume: resume(ada, bob) } });
      expect(peer.connected).to.not.have.property("resumed");
      expect((await ada.submit("still here")).status).to.equal("ok");
      expect((await bob.submit("me too")).status).to.equal("ok");
    });
  }

  it("has a key for this document, tenant and user alone, even where tenants have one secret", async () => {
    const served = await documentsInMemory();
    served.tenants.register("twin", "the-secret-of-acme-with-32-bytes");
    const ada = await served.enter();
    for (const of of [{ document: "doc-2" }, { tenant: "twin" }]) {
      const key = (await served.enter(of)).connected.key;
      expect(key).to.not.equal(ada.connected.key);
    }
    const { tenants } = served;
    const parts = ["resume", "acme", "doc-1", ada.clientId, "ada"];
    expect(tenants.verifyMac("acme", parts, ada.connected.key)).to.equal(true);
    expect(tenants.verifyMac("twin", ["resume", "twin", ...parts.slice(2)], ada.connected.key)).to.equal(
      false,
    );
  });

  it("still knows a key made before the tenant's secret was rotated", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    served.tenants.rotate("acme", "the-next-secret-of-acme-32-bytes");
    expect((await resumed(served, ada)).connected.resumed.clientId).to.equal(ada.clientId);
  });

  it("answers for the latest 1,000 that have left, and not for older ones", async () => {
    const served = await documentsInMemory();
    const first = await served.enter({ user: "first" });
    await first.submit("x");
    await first.ask("phx_leave");
    const second = await served.enter({ user: "second" });
    await second.ask("phx_leave");
    const crowd = await Promise.all(Array.from({ length: 9 }, () => served.lurk()));
    for (let i = 0; i < 111; i++) {
      await Promise.all(
        crowd.map(async (peer, j) => {
          // From the head, so that nobody reads what all the others have done.
          const lastSeenSequenceNumber = served.documents.registry.lookup("acme", "doc-1")?.head ?? 0;
          const token = served.token({ user: `u${j}`, scopes: WRITE });
          await peer.connectDocument({ token, lastSeenSequenceNumber });
          await peer.ask("phx_leave");
          await peer.join();
        }),
      );
    }
    const known = await resumed(served, second, { user: "second" });
    expect(known.connected.resumed).to.deep.include({ clientId: second.clientId });
    const { success, connected } = await resumed(served, first, { user: "first" });
    expect(connected).to.not.have.property("resumed");
    // Whoever is caught up sees what was sequenced of the old id: nothing can follow its leave.
    expect(success.initialMessages[0]).to.include({
      sequenceNumber: 3,
      type: "leave",
      contents: first.clientId,
    });
  });
});

describe("a resync of one that is connected", () => {
  it("is told when the log was set back under the session, and the channel ends", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    // Another writer, that this one doesn't know of.
    const name = { tenant: "acme", document: "doc-1" };
    const { head } = await log.inner.state(name);
    const { encodeRecord } = await import("../../lib/documents/record.ts");
    const op = { ...(ada.ops[0] as object), sequenceNumber: 2, type: "noop", contents: null };
    const record = encodeRecord(head.id, { first: 2, node: "n", boot: "b", rsns: [] }, [JSON.stringify(op)]);
    await log.inner.append(name, head, record);
    ada.send("submitOp", ada.submission(ada.op("x")));
    expect(await ada.next("resync")).to.deep.equal({ summaryContext: null });
    await ada.next("phx_error");
    expect(
      ada.all.filter(({ event }) => event === "nack"),
      "never nacked",
    ).to.deep.equal([]);
    const again = await resumed(served, ada);
    expect(again.connected.resumed).to.deep.include({ lastClientSequenceNumber: 0 });
    expect(numbers(again.success.initialMessages)).to.deep.equal([2, 3, 4]);
  });
});

import { expect } from "chai";
import { type DocumentsInMemory, documentsInMemory, READ } from "./served.ts";

describe("the minimum sequence number", () => {
  const msn = (served: DocumentsInMemory) =>
    served.documents.registry.lookup("acme", "doc-1")?.minimumSequenceNumber;

  it("is the least that a write client has seen, and stays when nobody is there", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    await served.enter({ user: "cyd", scopes: READ });
    await ada.caughtUp(2);
    await ada.submit("a");
    expect(msn(served), "bob has said nothing yet").to.equal(0);
    await bob.caughtUp(3);
    await bob.submit("b");
    expect(msn(served)).to.equal(2);
    await ada.ask("phx_leave");
    await bob.caughtUp(5);
    expect(msn(served)).to.equal(3);
    await bob.ask("phx_leave");
    const again = await served.enter();
    expect(msn(served)).to.equal(3);
    expect(again.ops.map(({ minimumSequenceNumber }) => minimumSequenceNumber)).to.deep.equal([
      0, 0, 0, 2, 3, 3, 3,
    ]);
  });

  it("is moved by noops, and by a noop of the system if nothing else carries it within 250 ms, every 2 s at most", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    expect(await ada.ask("noop", { clientId: ada.clientId, referenceSequenceNumber: 2 })).to.deep.equal({
      status: "ok",
      response: {},
    });
    expect(msn(served)).to.equal(1);
    served.clock.skip(251);
    const [, , noop] = await ada.caughtUp(3);
    expect(noop).to.include({
      type: "noop",
      clientId: null,
      clientSequenceNumber: -1,
      minimumSequenceNumber: 2,
      contents: null,
    });
    await ada.ask("noop", { referenceSequenceNumber: 3 });
    served.clock.skip(1500);
    expect((await ada.settle()).filter(({ event }) => event === "op")).to.deep.equal([]);
    served.clock.skip(600);
    expect((await ada.caughtUp(4)).at(-1)).to.include({ type: "noop", minimumSequenceNumber: 3 });
    await ada.ask("noop", { referenceSequenceNumber: 3 });
    served.clock.skip(10_000);
    expect(
      (await ada.settle()).filter(({ event }) => event === "op"),
      "nothing to move",
    ).to.deep.equal([]);
  });

  it("is carried by the next op after a noop, and no noop of the system follows", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    await ada.ask("noop", { referenceSequenceNumber: 2 });
    const bob = await served.enter({ user: "bob" });
    expect(bob.ops.at(-1)).to.include({ type: "join", minimumSequenceNumber: 2 });
    served.clock.skip(10_000);
    expect((await bob.settle()).map(({ event }) => event)).to.deep.equal([]);
  });

  it("refuses noops that name what isn't there, or what is below it", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    for (const [rsn, reason] of [
      [3, "invalid_rsn"],
      [0, "invalid_rsn"],
      [-1, "malformed"],
      ["2", "malformed"],
      [undefined, "malformed"],
    ]) {
      const { status, response } = await ada.ask("noop", { referenceSequenceNumber: rsn });
      expect([status, response.reason]).to.deep.equal(["error", reason]);
    }
    expect((await ada.ask("noop", null)).response.reason).to.equal("malformed");
  });

  it("counts noops inside of submitOp as ops of their client, which aren't sequenced", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const noop = () => ada.op(null, { type: "noop" });
    expect((await ada.ask("submitOp", ada.submission(noop()))).response).to.deep.equal({
      sequenceNumber: 1,
      first: 1,
    });
    expect((await ada.submit("x")).response).to.deep.equal({ sequenceNumber: 2, first: 2 });
    const mixed = ada.submission(noop(), ada.op("y"), noop());
    expect((await ada.ask("submitOp", mixed)).response).to.deep.equal({ sequenceNumber: 3, first: 3 });
    expect((await ada.submit("z")).response).to.deep.equal({ sequenceNumber: 4, first: 4 });
    expect(ada.ops.map(({ clientSequenceNumber }) => clientSequenceNumber)).to.deep.equal([-1, 2, 4, 6]);
  });

  it("and an answer come for a push of a seen op and noops", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const seen = ada.op("x");
    const next = ada.op("y");
    await ada.ask("submitOp", ada.submission(seen));
    await served.enter({ user: "bob" });
    const push = ada.submission(seen, { ...next, type: "noop", contents: null });
    expect((await ada.ask("submitOp", push)).response).to.deep.equal({ sequenceNumber: 2, first: 2 });
    expect((await ada.submit("z")).response.sequenceNumber).to.equal(4);
    expect(ada.ops.at(-1)).to.include({ clientSequenceNumber: 3 });
  });

  it("is above no op that comes with a noop in one turn", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    await ada.submit("b");
    const [noop, op] = ada.burst([
      ["noop", { referenceSequenceNumber: 3 }],
      ["submitOp", ada.submission(ada.op("c", { referenceSequenceNumber: 2 }))],
    ]) as [string, string];
    expect((await ada.reply(noop)).status).to.equal("ok");
    expect((await ada.reply(op)).response.reason).to.equal("invalid_rsn");
    await served.enter({ user: "bob" });
    for (const { referenceSequenceNumber: rsn, minimumSequenceNumber: least } of await ada.caughtUp(4)) {
      if (rsn >= 0) expect(rsn).to.be.at.least(least);
    }
  });

  it("isn't held back by a client that says nothing for 5 minutes: it is sequenced out", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const silent = await served.enter({ user: "silent" });
    await ada.caughtUp(2);
    for (let i = 0; i < 11; i++) {
      await ada.submit(i);
      served.clock.skip(30_000);
      if (i < 9) expect((await silent.settle()).map(({ event }) => event)).to.not.include("phx_error");
    }
    await silent.next("phx_error");
    await ada.submit("last");
    const leave = ada.ops.find(({ type }) => type === "leave");
    expect(leave?.contents).to.equal(silent.clientId);
    expect(msn(served)).to.be.above(10);
  });
});

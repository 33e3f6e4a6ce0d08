import { expect } from "chai";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { type EnterOptions, READ, type ServedDocuments, serveDocuments, WRITE } from "./served.ts";

const KB = 1024;

const numbers = (ops: readonly { readonly sequenceNumber: number }[]) =>
  ops.map(({ sequenceNumber }) => sequenceNumber);
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Cuts a client's connection, and comes back as the same user, going on from it. */
async function resumed(
  served: ServedDocuments,
  old: DocumentPeer,
  of: EnterOptions = {},
): Promise<DocumentPeer> {
  const peer = await served.lurk(of);
  const resume = { clientId: old.clientId, key: old.connected.key };
  const lastSeenSequenceNumber = old.ops.at(-1)?.sequenceNumber ?? 0;
  await peer.connectDocument({ token: served.token(of), lastSeenSequenceNumber, resume, ...of.connect });
  return peer;
}

describe("requestOps", () => {
  /** A document of one client with so many ops, sequence numbers from 2. */
  async function written(
    count: number,
    contents: (i: number) => unknown,
    setup: Parameters<typeof serveDocuments>[0] = {},
  ) {
    const served = await serveDocuments(setup);
    const ada = await served.enter();
    const all = Array.from({ length: count }, (_, i) => contents(i));
    for (let i = 0; i < count; i += 100) await ada.submit(...all.slice(i, i + 100));
    return { served, ada };
  }

  it("answers the ops above from and up to to, the head, and whether there are more", async () => {
    const { ada } = await written(5, (i) => i);
    const all = ada.ops;
    const ask = async (payload: object) => (await ada.ask("requestOps", payload)).response;
    expect(await ask({ from: 0 })).to.deep.equal({ ops: all, head: 6, more: false });
    expect(await ask({ from: 2, to: 4 })).to.deep.equal({ ops: all.slice(2, 4), head: 6, more: false });
    for (const payload of [{ from: 6 }, { from: 99 }, { from: 4, to: 4 }, { from: 4, to: 2 }]) {
      expect(await ask(payload)).to.deep.equal({ ops: [], head: 6, more: false });
    }
    expect(numbers((await ask({ from: 4, to: 99 })).ops)).to.deep.equal([5, 6]);
    expect(
      (await ada.settle()).filter(({ event }) => event !== "op"),
      "no event besides",
    ).to.deep.equal([]);
  });

  it("sends an op event besides only if it is asked to", async () => {
    const { ada } = await written(2, (i) => i);
    await ada.settle();
    const { response } = await ada.ask("requestOps", { from: 1, event: true });
    const [message, ...rest] = await ada.settle();
    expect([message?.event, message?.payload, rest]).to.deep.equal([
      "op",
      { documentId: "doc-1", op: response.ops },
      [],
    ]);
    await ada.ask("requestOps", { from: 1, event: "yes" });
    await ada.ask("requestOps", { from: 99, event: true });
    expect(await ada.settle()).to.deep.equal([]);
  });

  for (const maxRecentBytes of [0, 1e9]) {
    it(`answers 1,000 ops or 256 KiB at once, ${maxRecentBytes === 0 ? "from the log" : "from memory"}`, async () => {
      const { ada } = await written(1500, (i) => i, { documents: { maxRecentBytes } });
      const { ops, more, head } = (await ada.ask("requestOps", { from: 100 })).response;
      expect([numbers(ops), more, head]).to.deep.equal([range(101, 1100), true, 1501]);
      const large = await written(6, () => "x".repeat(100 * KB), { documents: { maxRecentBytes } });
      const page = (await large.ada.ask("requestOps", { from: 1 })).response;
      expect([numbers(page.ops), page.more]).to.deep.equal([[2, 3], true]);
    });
  }

  it("refuses what are no numbers", async () => {
    const { ada } = await written(1, (i) => i);
    for (const payload of [
      null,
      "x",
      {},
      { from: -1 },
      { from: "1" },
      { from: 1.5 },
      { from: 0, to: "x" },
      { from: 0, to: -1 },
    ]) {
      const { status, response } = await ada.ask("requestOps", payload);
      expect([status, response.reason]).to.deep.equal(["error", "malformed"]);
    }
  });

  it("is answered one at a time, in the order of asking", async () => {
    const log = new GatedLog();
    const { ada } = await written(3, (i) => i, { documents: { log, maxRecentBytes: 0 } });
    await ada.settle();
    const release = log.holdReads();
    const before = log.calls.length;
    const refs = [1, 2, 3].map((from) => ada.send("requestOps", { from }));
    expect(await ada.settle()).to.deep.equal([]);
    expect(log.calls.slice(before)).to.deep.equal(["read acme/doc-1"]);
    release();
    const answers = await Promise.all(refs.map((ref) => ada.reply(ref)));
    expect(answers.map(({ response }) => response.ops.length)).to.deep.equal([3, 2, 1]);
  });

  it("is refused once the token has expired, also while the log is read", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log, maxRecentBytes: 0 } });
    const ada = await served.enter({ expiresIn: 3 });
    await ada.submit("x");
    const release = log.holdReads();
    const ref = ada.send("requestOps", { from: 0 });
    await ada.settle();
    served.clock.skip(4000);
    release();
    expect((await ada.reply(ref)).response.reason).to.equal("token_expired");
  });
});

describe("resume", () => {
  it("says how far the old client had come, and sequences its leave and the new join in one record", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
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
    const served = await serveDocuments();
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
    const served = await serveDocuments({ documents: { log } });
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
      const served = await serveDocuments();
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
    const served = await serveDocuments();
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
    const served = await serveDocuments();
    const ada = await served.enter();
    served.tenants.rotate("acme", "the-next-secret-of-acme-32-bytes");
    expect((await resumed(served, ada)).connected.resumed.clientId).to.equal(ada.clientId);
  });

  it("answers for the latest 1,000 that have left, and not for older ones", async () => {
    const served = await serveDocuments();
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

describe("the minimum sequence number", () => {
  const msn = (served: ServedDocuments) =>
    served.documents.registry.lookup("acme", "doc-1")?.minimumSequenceNumber;

  it("is the least that a write client has seen, and stays when nobody is there", async () => {
    const served = await serveDocuments();
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
    const served = await serveDocuments();
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
    const served = await serveDocuments();
    const ada = await served.enter();
    await ada.submit("a");
    await ada.ask("noop", { referenceSequenceNumber: 2 });
    const bob = await served.enter({ user: "bob" });
    expect(bob.ops.at(-1)).to.include({ type: "join", minimumSequenceNumber: 2 });
    served.clock.skip(10_000);
    expect((await bob.settle()).map(({ event }) => event)).to.deep.equal([]);
  });

  it("refuses noops that name what isn't there, or what is below it", async () => {
    const served = await serveDocuments();
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
    const served = await serveDocuments();
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
    const served = await serveDocuments();
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
    const served = await serveDocuments();
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
    const served = await serveDocuments();
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

describe("summaries", () => {
  const summarize = (peer: DocumentPeer, handle: string, head: string | null, rsn?: number) =>
    peer.op(
      { handle, head, message: "", parents: [] },
      { type: "summarize", ...(rsn === undefined ? {} : { referenceSequenceNumber: rsn }) },
    );

  it("are acknowledged in the same record, as an op and an event, and cover up to their own RSN", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    await ada.submit("a", "b", "c");
    const appends = log.calls.filter((call) => call.startsWith("append")).length;
    const { response } = await ada.ask("submitOp", ada.submission(summarize(ada, "s1", "", 3)));
    expect(response).to.deep.equal({ sequenceNumber: 5, first: 5 });
    expect(log.calls.filter((call) => call.startsWith("append"))).to.have.length(appends + 1);
    const contents = { handle: "s1", summaryProposal: { summarySequenceNumber: 5 } };
    const ack = (await ada.caughtUp(6)).at(-1);
    expect(ack).to.deep.include({ type: "summaryAck", clientId: null, clientSequenceNumber: -1, contents });
    expect(JSON.parse((ack as Json).data)).to.deep.equal(contents);
    expect(await ada.next("summaryAck")).to.deep.equal(contents);
    const events = ada.all.slice(-3).map(({ event }) => event);
    expect(events).to.deep.equal(["op", "summaryAck", "phx_reply"]);
    expect(served.documents.registry.lookup("acme", "doc-1")?.summary).to.deep.equal({
      handle: "s1",
      sequenceNumber: 3,
      proposal: 5,
    });

    const bob = await served.enter({ user: "bob" });
    expect(bob.success.summaryContext).to.deep.equal({ handle: "s1", sequenceNumber: 3 });
    expect(numbers(bob.success.initialMessages), "from behind the summary").to.deep.equal([4, 5, 6, 7]);
  });

  it("get a summaryNack with a wrong parent, with no higher RSN, and with a handle that the app doesn't know", async () => {
    const served = await serveDocuments({
      channel: (base) =>
        class extends base {
          override async resolveSummary(handle: string) {
            return handle.startsWith("s");
          }
        },
    });
    const ada = await served.enter();
    // Says nothing, and so keeps the MSN where it is.
    await served.enter({ user: "holder" });
    await ada.submit("a", "b", "c");
    const cases: readonly [handle: string, head: string | null, rsn: number, outcome: string][] = [
      ["s1", "s0", 3, "summaryNack"],
      ["unknown", null, 3, "summaryNack"],
      ["s1", null, 3, "summaryAck"],
      ["s2", null, 4, "summaryNack"],
      ["s2", "s1", 3, "summaryNack"],
      ["s2", "s1", 4, "summaryAck"],
      ["s1", "s1", 4, "summaryNack"],
    ];
    for (const [i, [handle, head, rsn, outcome]] of cases.entries()) {
      const { response } = await ada.ask("submitOp", ada.submission(summarize(ada, handle, head, rsn)));
      const answer = (await ada.caughtUp(response.sequenceNumber + 1)).at(-1) as Json;
      expect([i, answer.type]).to.deep.equal([i, outcome]);
      expect(answer.contents.summaryProposal).to.deep.equal({
        summarySequenceNumber: response.sequenceNumber,
      });
      expect(await ada.next(outcome)).to.deep.equal(answer.contents);
      if (outcome === "summaryNack") expect(answer.contents.message).to.be.a("string").with.length.above(10);
    }
    expect(served.documents.registry.lookup("acme", "doc-1")?.summary).to.include({
      handle: "s2",
      sequenceNumber: 4,
    });
    await served.documents.registry.stop("acme", "doc-1");
    expect(
      (await served.documents.registry.startOrGet("acme", "doc-1")).summary,
      "read from the log",
    ).to.include({ handle: "s2", sequenceNumber: 4 });
  });

  it("may be proposed as JSON in text", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    const contents = JSON.stringify({ handle: "s1", head: "" });
    await ada.ask("submitOp", ada.submission(ada.op(contents, { type: "summarize" })));
    expect(await ada.next("summaryAck")).to.deep.include({ handle: "s1" });
  });

  it("let old ops be truncated: who lacks those is told to begin with the summary", async () => {
    const served = await serveDocuments({ documents: { maxRecentBytes: 0 } });
    const ada = await served.enter();
    const holder = await served.enter({ user: "holder" });
    for (const i of range(1, 5)) await ada.submit(i);
    await ada.ask("submitOp", ada.submission(summarize(ada, "s1", "", 5)));
    const session = await served.documents.registry.startOrGet("acme", "doc-1");
    await holder.ask("phx_leave");
    await ada.caughtUp(10);
    expect(await session.truncate(3)).to.equal(3);
    expect(await session.truncate(), "no further than the summary").to.equal(5);
    expect(await session.truncate(99)).to.equal(5);
    const summaryContext = { handle: "s1", sequenceNumber: 5 };

    const { response } = await ada.ask("requestOps", { from: 4 });
    expect(response).to.deep.include({ reason: "resync", floor: 5, summaryContext });
    expect(numbers((await ada.ask("requestOps", { from: 5 })).response.ops)).to.deep.equal(range(6, 10));

    const late = await served.lurk();
    const { reply, event } = await late.tryConnect({
      token: served.token({ scopes: READ }),
      lastSeenSequenceNumber: 2,
    });
    expect(reply.response).to.deep.include({ reason: "resync", code: 410, floor: 5, summaryContext });
    expect(event).to.deep.include({ code: 410, summaryContext });
    await late.connectDocument({ token: served.token({ scopes: READ }) });
    expect(numbers(late.success.initialMessages)).to.deep.equal(range(6, 10));
    expect(late.success.summaryContext).to.deep.equal(summaryContext);
  });

  it("are the only thing that lets ops go: truncate keeps all where there is none, and takes numbers only", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    await ada.submit("x");
    const session = await served.documents.registry.startOrGet("acme", "doc-1");
    expect(await session.truncate(2)).to.equal(0);
    const failed = await session.truncate(Number.NaN).then(
      () => null,
      (error: { readonly code: string }) => error.code,
    );
    expect(failed).to.equal("invalid_argument");
  });
});

describe("a resync of one that is connected", () => {
  it("is told when the log was set back under the session, and the channel ends", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
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

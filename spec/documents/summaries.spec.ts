import { expect } from "chai";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { numbers, range } from "./numbers.ts";
import { documentsInMemory, READ } from "./served.ts";

describe("summaries", () => {
  const summarize = (peer: DocumentPeer, handle: string, head: string | null, rsn?: number) =>
    peer.op(
      { handle, head, message: "", parents: [] },
      { type: "summarize", ...(rsn === undefined ? {} : { referenceSequenceNumber: rsn }) },
    );

  it("are acknowledged in the same record, as an op and an event, and cover up to their own RSN", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
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
    const served = await documentsInMemory({
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
    const served = await documentsInMemory();
    const ada = await served.enter();
    const contents = JSON.stringify({ handle: "s1", head: "" });
    await ada.ask("submitOp", ada.submission(ada.op(contents, { type: "summarize" })));
    expect(await ada.next("summaryAck")).to.deep.include({ handle: "s1" });
  });

  it("let old ops be truncated: who lacks those is told to begin with the summary", async () => {
    const served = await documentsInMemory({ documents: { maxRecentBytes: 0 } });
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
    const served = await documentsInMemory();
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

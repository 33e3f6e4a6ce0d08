import { AsyncLocalStorage } from "node:async_hooks";
import { expect } from "chai";
import type { TraceStep } from "../../../lib/index.ts";
import { turn } from "../../support/gate.ts";
import { afterTest } from "../../support/teardown.ts";
import { connectDocument, type Looker, serveInspected } from "./looking.ts";

/** Reads what is followed until a step of a kind has come. */
async function until(looker: Looker, kind: TraceStep["step"]): Promise<TraceStep[]> {
  const steps: TraceStep[] = [];
  while (!steps.some(({ step }) => step === kind)) steps.push(...(await looker.told("steps")).steps);
  return steps;
}

describe("following messages in the inspector", () => {
  it("gives the steps of a topic's messages, and of no other", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada", "room:a", "room:b");
    const looker = await look();
    expect((await looker.ask("follow", { topic: "room:a" })).response).to.deep.equal({ following: 1 });
    for (const topic of ["room:b", "room:a"]) await ada.ask("1", "2", topic, "shout", { text: topic });
    const steps = await until(looker, "reply");
    expect(new Set(steps.map(({ topic }) => topic ?? "room:a"))).to.deep.equal(new Set(["room:a"]));
    expect(steps.map(({ step }) => step)).to.include.members([
      "decoded",
      "broadcast",
      "frame_out",
      "handled",
    ]);
  });

  it("takes what is followed next in place of it, and says which it is", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada", "room:a");
    const ben = await client("ben", "room:a");
    const looker = await look();
    await looker.ask("follow", {});
    expect((await looker.ask("follow", { connection: 2 })).response.following).to.equal(2);
    await ada.ask("1", "2", "room:a", "whistle");
    await ben.ask("1", "2", "room:a", "whistle");
    const { following, steps } = await looker.told("steps");
    expect(following).to.equal(2);
    expect(new Set(steps.map(({ connection }: TraceStep) => connection))).to.deep.equal(new Set([2]));
  });

  it("tells of a document's ops: when they are stored, and to whom they went", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada");
    const clientId = await connectDocument(ada, "doc");
    const looker = await look();
    await looker.ask("follow", { topic: "document:acme:doc" });
    const op = { type: "op", contents: 1, clientSequenceNumber: 1, referenceSequenceNumber: 1 };
    ada.send(["1", "9", "document:acme:doc", "submitOp", { clientId, messageBatches: [[op]] }]);
    const steps = await until(looker, "frame_out");
    const note = steps.find((step) => step.step === "note" && step.name === "record_committed");
    expect(note).to.include({ part: "documents", topic: "document:acme:doc" });
    expect(note).to.deep.include({ facts: { first: 2, last: 2, pushes: 1 } });
    expect(steps.filter((step) => step.step === "frame_out" && step.of === "broadcast")).to.have.length(1);
  });

  it("keeps what becomes of each push of ops with that push, also of pushes that are stored together", async () => {
    const { client, look } = await serveInspected();
    const clients = [await client("ada"), await client("ben")];
    const ids = [];
    for (const one of clients) ids.push(await connectDocument(one, "doc"));
    const looker = await look();
    await looker.ask("follow", { topic: "document:acme:doc" });
    for (const [i, one] of clients.entries()) {
      const op = { type: "op", contents: i, clientSequenceNumber: 1, referenceSequenceNumber: 2 };
      const payload = { clientId: ids[i], messageBatches: [[op]] };
      one.send(["1", "9", "document:acme:doc", "submitOp", payload]);
    }
    const steps: TraceStep[] = [];
    const replies = () => steps.filter(({ step }) => step === "reply");
    while (replies().length < 2) steps.push(...(await looker.told("steps")).steps);
    const of = (kind: string) =>
      steps.filter(({ step }) => step === kind).map(({ connection, id }) => [connection, id]);
    expect(of("reply")).to.have.deep.members(of("decoded"));
    const pushes = new Set(steps.filter(({ step }) => step === "decoded").map(({ id }) => id));
    for (const { step, id } of steps.filter(({ step }) => step === "note" || step === "frame_out")) {
      expect([...pushes], step).to.include(id);
    }
  });

  it("hides what filterParameters name, and tokens", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada", "room:a");
    const looker = await look();
    await looker.ask("follow", {});
    await ada.ask("1", "2", "room:a", "shout", { token: "s3cret", password: "s3cret", text: "hi" });
    const text = JSON.stringify(await until(looker, "reply"));
    expect(text).to.include("[FILTERED]").and.include('"text":"hi"').and.not.include("s3cret");
  });

  it("refuses what can't be followed", async () => {
    const looker = await (await serveInspected()).look();
    for (const criteria of [
      { topic: 7 },
      { topic: "" },
      { connection: 0 },
      { connection: "1" },
      { event: "x".repeat(2000) },
    ]) {
      expect((await looker.ask("follow", criteria)).status, JSON.stringify(criteria)).to.equal("error");
    }
  });

  it("ends with the page, and costs nothing before and after", async () => {
    let contexts = 0;
    const { run } = AsyncLocalStorage.prototype;
    AsyncLocalStorage.prototype.run = function (this: never, ...args: never[]) {
      contexts++;
      return Reflect.apply(run, this, args);
    } as typeof run;
    afterTest(() => {
      AsyncLocalStorage.prototype.run = run;
    });
    const { client, look } = await serveInspected();
    const ada = await client("ada", "room:a");
    const looker = await look();
    await looker.table("sockets");
    await ada.ask("1", "2", "room:a", "whistle");
    expect(contexts).to.equal(0);
    await looker.ask("follow", {});
    await ada.ask("1", "3", "room:a", "whistle");
    expect(contexts).to.be.above(0);
    await looker.client.close();
    // The server hears of it a turn or more later.
    for (let quiet = false; !quiet; ) {
      const before = contexts;
      await ada.ask("1", "4", "room:a", "whistle");
      await turn();
      quiet = contexts === before;
    }
  });
});

describe("what the inspector sends itself", () => {
  it("is in no trace, table, number or log line, also when it is refused", async () => {
    const { client, look, endpoint, lines } = await serveInspected();
    const ada = await client("ada", "room:a");
    const before = endpoint.stats();
    const trace = endpoint.trace();
    const looker = await look();
    await looker.ask("follow", {});
    await looker.ask("explain", { id: "unknown" });
    expect((await looker.table("sockets")).total).to.equal(1);
    expect((await looker.table("channels")).total).to.equal(1);
    expect((await looker.table("errors")).total).to.equal(0);
    expect((await looker.table("topics", "inspector")).found).to.equal(0);
    await looker.told("look");
    expect(trace.take()).to.deep.equal([]);
    expect(endpoint.stats()).to.deep.equal(before);
    // A probe: what isn't the inspector's is there.
    await ada.ask("1", "2", "room:a", "whistle");
    expect(trace.take()).to.have.length.above(0);
    expect(lines.filter(({ message }) => message.includes("Inspector"))).to.deep.equal([]);
  });

  it("ends when the endpoint closes, with a code upon which the page comes back", async () => {
    const { look, endpoint } = await serveInspected();
    const looker = await look();
    await endpoint.close();
    expect((await looker.client.closed).code).to.equal(1012);
  });
});

import { expect } from "chai";
import type { TraceStep } from "../../lib/index.ts";
import type { Json } from "../documents/document-peer.ts";
import { GatedLog } from "../documents/gated-log.ts";
import { serveDocuments, WRITE } from "../documents/served.ts";

type NoteStep = Extract<TraceStep, { step: "note" }>;

/** The notes of documents among steps. */
function notes(steps: readonly TraceStep[]): NoteStep[] {
  return steps.filter((step): step is NoteStep => step.step === "note" && step.part === "documents");
}

function names(steps: readonly TraceStep[]): string[] {
  return notes(steps).map(({ name }) => name);
}

function factsOf(steps: readonly TraceStep[], name: string): Json {
  return notes(steps).find((note) => note.name === name)?.facts;
}

/** The steps of the message that a client's `submitOp` with this ref began. */
function submission(steps: readonly TraceStep[], ref: string): TraceStep[] {
  const decoded = steps.find((step) => step.step === "decoded" && step.ref === ref);
  return steps.filter(({ id }) => id === decoded?.id);
}

describe("a trace of documents", () => {
  it("follows an op from its frame to every client's, under one id", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    await ada.caughtUp(2);
    const trace = served.endpoint.trace();
    const release = log.holdAppends();
    const ref = ada.send("submitOp", ada.submission(ada.op("a"), ada.op("b")));
    await ada.settle();
    // Another message in the meantime must not lend it its id.
    await bob.ask("noop", { referenceSequenceNumber: 2 });
    release();
    await ada.reply(ref);
    await bob.caughtUp(4);
    const steps = submission(trace.take(), ref);
    expect(
      steps.map((step) => (step.step === "note" ? step.name : `${step.step} ${step.connection}`)),
    ).to.deep.equal([
      "frame_in 1",
      "decoded 1",
      "routed 1",
      "handling 1",
      "deferred 1",
      "op_queued",
      "handled 1",
      "op_stamped",
      "record_committed",
      "frame_out 1",
      "reply 1",
      "frame_out 1",
      "frame_out 2",
      "ops_delivered",
    ]);
    const topic = "document:acme:doc-1";
    expect(notes(steps).map((note) => note.topic)).to.deep.equal([topic, topic, topic, topic]);
    const { clientId } = ada;
    expect(factsOf(steps, "op_queued")).to.deep.include({ clientId, ops: 2, waiting: 0 });
    expect(factsOf(steps, "op_stamped")).to.deep.equal({
      clientId,
      first: 3,
      last: 4,
      msn: ada.ops.at(-1)?.minimumSequenceNumber,
    });
    expect(factsOf(steps, "record_committed")).to.deep.equal({ first: 3, last: 4, pushes: 1 });
    const { id } = steps[0] as TraceStep;
    expect(factsOf(steps, "ops_delivered")).to.deep.equal({
      first: 3,
      last: 4,
      sent: 2,
      missed: 0,
      skipped: [],
      frame: { first: 3, last: 4, by: id },
    });
    const sent = steps.find((step) => step.step === "frame_out" && step.connection === 2) as Json;
    expect(sent).to.include({ of: "broadcast", event: "op", topic });
    expect(sent.payload.op.map((op: Json) => op.contents)).to.deep.equal(["a", "b"]);
  });

  it("keeps the ids of pushes apart that share a record, and says whose frame they went in", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    await ada.caughtUp(2);
    const trace = served.endpoint.trace();
    const release = log.holdAppends();
    // This one is in flight; the next two wait together.
    const first = ada.send("submitOp", ada.submission(ada.op("0")));
    await ada.settle();
    const refs = [
      ada.send("submitOp", ada.submission(ada.op("1"))),
      ada.send("submitOp", ada.submission(ada.op("2"))),
    ];
    await ada.settle();
    release();
    await Promise.all([first, ...refs].map((ref) => ada.reply(ref)));
    await bob.caughtUp(5);
    const steps = trace.take();
    const [one, two] = refs.map((ref) => submission(steps, ref)) as [TraceStep[], TraceStep[]];
    expect(factsOf(one, "record_committed")).to.deep.equal({ first: 4, last: 5, pushes: 2 });
    expect(factsOf(two, "record_committed")).to.deep.equal({ first: 4, last: 5, pushes: 2 });
    expect(factsOf(one, "op_stamped")).to.include({ first: 4, last: 4 });
    expect(factsOf(two, "op_stamped")).to.include({ first: 5, last: 5 });
    const by = one[0]?.id;
    expect(factsOf(one, "ops_delivered")).to.deep.include({ first: 4, frame: { first: 4, last: 5, by } });
    expect(factsOf(two, "ops_delivered")).to.deep.include({ first: 5, frame: { first: 4, last: 5, by } });
    // Each is answered in its own course.
    for (const [i, own] of [one, two].entries()) {
      const replies = own.flatMap((step) => (step.step === "reply" ? [step.ref] : []));
      expect(replies).to.deep.equal([refs[i]]);
    }
  });

  it("gives what no push has caused an id of its own", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const bob = await served.lurk({ user: "bob" });
    const trace = served.endpoint.trace();
    const release = log.holdAppends();
    const ref = ada.send("submitOp", ada.submission(ada.op("a")));
    await ada.settle();
    // His join goes into the record behind that one.
    const token = served.token({ user: "bob" });
    const connected = bob.connectDocument({ tenantId: "acme", id: "doc-1", token });
    await bob.settle();
    release();
    await connected;
    await ada.caughtUp(3);
    const steps = trace.take();
    const records = notes(steps).filter(({ name }) => name === "record_committed");
    expect(records.map(({ facts }) => facts)).to.deep.equal([
      { first: 2, last: 2, pushes: 1 },
      { first: 3, last: 3, pushes: 0 },
    ]);
    const own = submission(steps, ref);
    expect(own).to.include(records[0]).and.not.include(records[1]);
    const joined = steps.filter(({ id }) => id === records[1]?.id);
    expect(joined.map(({ step }) => step)).to.deep.equal(["note", "frame_out"]);
  });

  it("names who doesn't get ops at once, and why", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob", expiresIn: 60 });
    served.clock.skip(61_000);
    await bob.settle();
    const trace = served.endpoint.trace();
    const ref = ada.send("submitOp", ada.submission(ada.op("a")));
    await ada.reply(ref);
    await bob.settle();
    const steps = submission(trace.take(), ref);
    expect(factsOf(steps, "ops_delivered")).to.deep.include({
      sent: 1,
      missed: 1,
      skipped: [{ connection: 2, socketId: null, why: "paused" }],
    });
    const token = served.token({ user: "bob" });
    await bob.ask("access_token", { token });
    await bob.caughtUp(3);
    const later = trace.take();
    expect(names(later)).to.deep.equal(["resumed", "caught_up"]);
    expect(factsOf(later, "caught_up")).to.deep.equal({ clientId: bob.clientId, first: 3, last: 3 });
  });

  it("tells of a client from connect_document to its end, and of the session", async () => {
    const served = await serveDocuments({ documents: { idleTimeout: 1_000 } });
    const trace = served.endpoint.trace();
    const ada = await served.enter();
    await ada.settle();
    expect(names(trace.take())).to.deep.equal(["session_started", "record_committed", "attached"]);
    served.clock.skip(3_600_000);
    await ada.settle();
    served.clock.skip(10_000);
    await ada.next("phx_error");
    await ada.settle();
    const steps = trace.take();
    expect(names(steps)).to.deep.equal(["paused", "expelled", "left", "record_committed"]);
    expect(factsOf(steps, "expelled")).to.deep.include({ clientId: ada.clientId, reason: "token_expired" });
    served.clock.skip(1_000);
    await ada.settle();
    const [stopped] = notes(trace.take());
    expect(stopped).to.deep.include({
      name: "session_stopped",
      topic: "document:acme:doc-1",
      connection: null,
    });
    expect(stopped?.facts).to.deep.include({ head: 2, clients: 0 });
  });

  it("tells why a session has failed", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const trace = served.endpoint.trace();
    log.failure = "log_corrupt";
    ada.send("submitOp", ada.submission(ada.op("a")));
    await ada.next("phx_error");
    const failed = factsOf(trace.take(), "session_failed");
    expect(failed).to.include({ head: 1 }).and.have.property("error");
  });

  it("doesn't begin before it is open, nor go on when it is closed", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    const ref = ada.send("submitOp", ada.submission(ada.op("a")));
    await ada.settle();
    const trace = served.endpoint.trace();
    release();
    await ada.reply(ref);
    expect(names(trace.take())).to.deep.equal(["record_committed"]);
    const held = log.holdAppends();
    const next = ada.send("submitOp", ada.submission(ada.op("b")));
    await ada.settle();
    trace.take();
    trace.close();
    held();
    await ada.reply(next);
    expect(trace.take()).to.deep.equal([]);
  });
});

describe("endpoint.explain", () => {
  it("knows a nack by the id of its error reply, without a trace and with one", async () => {
    const served = await serveDocuments();
    const ada = await served.enter({ scopes: WRITE });
    const submit = () => ada.ask("submitOp", ada.submission({ ...ada.op("a"), clientSequenceNumber: 7 }));
    const trace = served.endpoint.trace();
    expect((await submit()).response.reason).to.equal("invalid_csn");
    const steps = trace.take();
    const denied = steps.find(({ step }) => step === "denied") as TraceStep;
    expect(denied).to.include({ code: "invalid_csn", event: "submitOp", topic: "document:acme:doc-1" });
    const explained = served.endpoint.explain(denied.id);
    expect(explained?.failure).to.include({ step: "denied", code: "invalid_csn" });
    expect(names(explained?.steps ?? [])).to.deep.equal(["op_queued", "nacked"]);
    expect(factsOf(explained?.steps ?? [], "nacked")).to.include({
      reason: "invalid_csn",
      code: 400,
      head: 1,
    });
    trace.close();
    expect(served.endpoint.explain(denied.id)?.failure).to.include({ code: "invalid_csn" });
  });

  it("knows a connect_document that was refused", async () => {
    const served = await serveDocuments();
    const trace = served.endpoint.trace();
    const peer = await served.lurk();
    await peer.tryConnect({ token: "none" });
    const steps = trace.take();
    const { id } = steps.find(({ step }) => step === "denied") as TraceStep;
    const explained = served.endpoint.explain(id);
    expect(explained?.failure).to.include({ code: "malformed_token", event: "connect_document" });
    const facts = factsOf(explained?.steps ?? [], "connect_refused");
    expect(facts).to.include({ reason: "malformed_token", code: 401 });
  });

  it("knows why a client was put out, by the id in the log", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    served.clock.skip(3_600_000);
    await ada.settle();
    served.clock.skip(10_000);
    await ada.next("nack");
    const line = served.lines.find(({ message }) =>
      message.startsWith("a client is put out of its document"),
    );
    expect(line?.details).to.include({ reason: "token_expired", tenant: "acme", document: "doc-1" });
    const { failure } = served.endpoint.explain(String(line?.details.id)) ?? {};
    expect(failure).to.include({ step: "denied", code: "token_expired", event: "nack", connection: 1 });
  });
});

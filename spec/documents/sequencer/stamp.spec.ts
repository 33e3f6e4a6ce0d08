import { expect } from "chai";
import { NOOP } from "../../../lib/documents/op.ts";
import { StoredRecord } from "../../../lib/documents/record.ts";
import { apply } from "../../../lib/documents/sequencer.ts";
import { DocumentState } from "../../../lib/documents/state.ts";
import { draft, summarize } from "./drafts.ts";
import { Stamped } from "./stamped.ts";
import { equal, replay } from "./world.ts";

const op = (csn: number, rsn = 0) => draft({ csn, rsn, contents: { n: csn } });

describe("Stamp: an op's wire form", () => {
  it("has all fields in their order, contents and metadata verbatim", () => {
    const document = new Stamped();
    document.join("a");
    const contents: unknown = JSON.parse('{"b":1,"a":[1.5e300,"\u2028\\ud800é",{"__proto__":null}]}');
    document.now = 1234.9;
    document.push("a", draft({ csn: 1, rsn: 1, contents, metadata: { batch: true }, compression: "lz4" }));
    const [text] = new StoredRecord(document.records[1] as never).wire(0);
    expect(text).to.equal(
      '{"clientId":"a","sequenceNumber":2,"minimumSequenceNumber":1,"clientSequenceNumber":1,' +
        `"referenceSequenceNumber":1,"type":"op","contents":${JSON.stringify(contents)},` +
        '"metadata":{"batch":true},"compression":"lz4","timestamp":1234}',
    );
  });

  it("of join and leave is the system's: CSN and RSN -1, and data as text beside the contents", () => {
    const document = new Stamped();
    const [join] = document.join("a");
    const contents = { clientId: "a", detail: { user: { id: "a" } } };
    expect(join).to.deep.equal({
      clientId: null,
      sequenceNumber: 1,
      minimumSequenceNumber: 0,
      clientSequenceNumber: -1,
      referenceSequenceNumber: -1,
      type: "join",
      contents,
      data: JSON.stringify(contents),
      timestamp: 1000,
    });
    const [leave] = document.leave("a");
    expect(leave).to.deep.include({
      clientId: null,
      type: "leave",
      contents: "a",
      data: '"a"',
      sequenceNumber: 2,
    });
  });

  it("has a timestamp that doesn't fall, though the clock is set back", () => {
    const document = new Stamped();
    document.join("a");
    document.now = 500;
    expect(document.push("a", op(1))[0]).to.include({ timestamp: 1000 });
    document.now = 1001;
    expect(document.push("a", op(2))[0]).to.include({ timestamp: 1001 });
  });
});

describe("Stamp: the minimum sequence number", () => {
  it("is the least that connected write clients refer to, counted with the op's own", () => {
    const document = new Stamped();
    document.join("a", "b");
    expect(document.push("a", op(1, 2))[0]).to.include({ minimumSequenceNumber: 0 });
    expect(document.push("b", op(1, 1))[0]).to.include({ minimumSequenceNumber: 1 });
    expect(document.push("b", op(2, 3))[0]).to.include({ minimumSequenceNumber: 2 });
  });

  it("rises when the one that holds it leaves, in the leave itself", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("a", op(1, 2));
    expect(document.leave("b")[0]).to.include({ minimumSequenceNumber: 2 });
  });

  it("stays when nobody is connected, and the next client begins there", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1, 1));
    document.push("a", op(2, 2));
    expect(document.leave("a")[0]).to.include({ sequenceNumber: 4, minimumSequenceNumber: 2 });
    expect(document.join("b")[0]).to.include({ sequenceNumber: 5, minimumSequenceNumber: 2 });
    expect(document.client("b").rsn).to.equal(2);
    expect(document.push("b", op(1, 2))[0]).to.include({ minimumSequenceNumber: 2 });
  });

  it("doesn't fall when a client joins", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1, 1));
    document.join("b");
    expect(document.state.msn).to.equal(1);
    expect(document.push("a", op(2, 3))[0]).to.include({ minimumSequenceNumber: 1 });
  });
});

describe("Stamp: noops", () => {
  it("have no place in the order; the next record carries what they have moved", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("a", op(1, 2));
    document.moved.set("b", { rsn: 3, csn: 0 });
    const [sequenced] = document.record((stamp) => stamp.noop());
    expect(document.moved.size).to.equal(0);
    expect(sequenced).to.include({ clientId: null, type: NOOP, sequenceNumber: 4, minimumSequenceNumber: 2 });
    const { header } = new StoredRecord(document.records.at(-1) as never);
    expect(header.rsns).to.deep.equal([["b", 3, 0]]);
  });

  it("inside of a push take a CSN each; those at its end are for the next record", () => {
    const document = new Stamped();
    document.join("a");
    const noop = (csn: number, rsn: number) => draft({ csn, rsn, type: NOOP });
    const ops = document.push("a", noop(1, 1), op(2, 1), noop(3, 1), op(4, 1), noop(5, 1));
    expect(ops.map((each) => each.clientSequenceNumber)).to.deep.equal([2, 4]);
    expect(document.moved.get("a")).to.deep.equal({ rsn: 1, csn: 5 });
    expect(document.judge("a", op(5, 1)).kind).to.equal("refuse");
    document.push("a", op(6, 1));
    expect(document.client("a")).to.include({ csn: 6, sn: 4 });
    // A gap in the log's CSNs is where a noop was.
    expect(equal(replay(new DocumentState(), document.records), document.state)).to.equal(true);
  });

  it("only move forward: another one may have raised the minimum to what the client had seen", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("b", op(1, 2));
    document.moved.set("a", { rsn: 3, csn: 0 });
    document.moved.set("b", { rsn: 1, csn: 1 });
    document.record((stamp) => stamp.noop());
    expect(document.client("b").rsn).to.equal(2);
    expect(document.state.msn).to.equal(2);
  });

  it("of a client that has left move nothing", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.leave("a");
    document.moved.set("a", { rsn: 3, csn: 7 });
    document.record((stamp) => stamp.noop());
    expect(document.state.departed.get("a")).to.deep.equal({ csn: 0, sn: 0 });
    expect(new StoredRecord(document.records.at(-1) as never).header.rsns).to.deep.equal([]);
  });
});

describe("Stamp: summaries", () => {
  const setUp = () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1, 1), op(2, 1));
    return document;
  };

  it("cover what their client had seen, and are acknowledged in the same record", () => {
    const document = setUp();
    const [summary, ack, ...rest] = document.push("a", summarize("s1", null, { csn: 3, rsn: 2 }));
    expect(rest).to.deep.equal([]);
    expect(summary).to.include({ type: "summarize", sequenceNumber: 4, referenceSequenceNumber: 2 });
    expect(ack).to.deep.include({
      clientId: null,
      type: "summaryAck",
      sequenceNumber: 5,
      contents: { handle: "s1", summaryProposal: { summarySequenceNumber: 4 } },
    });
    // Its reference, not its place.
    expect(document.state.summary).to.deep.equal({ handle: "s1", sequenceNumber: 2, proposal: 4 });
  });

  it("are refused if the handle names nothing, the parent isn't the latest, or they cover no more", () => {
    const document = setUp();
    document.push("a", summarize("s1", null, { csn: 3, rsn: 2 }));
    const before = document.state.summary;
    const cases = [
      [summarize("s2", "s1", { csn: 4, rsn: 5, resolves: false }), "names no summary"],
      [summarize("s2", null, { csn: 5, rsn: 5 }), "parent"],
      [summarize("s2", "s0", { csn: 6, rsn: 5 }), "parent"],
    ] as const;
    for (const [proposal, message] of cases) {
      const [, nack] = document.push("a", proposal);
      expect(nack).to.include({ type: "summaryNack" });
      expect((nack?.contents as { message: string } | undefined)?.message).to.include(message);
      expect(document.state.summary).to.equal(before);
    }
    const [, ack] = document.push("a", summarize("s2", "s1", { csn: 7, rsn: 6 }));
    expect(ack).to.include({ type: "summaryAck" });
    const [, again] = document.push("a", summarize("s3", "s2", { csn: 8, rsn: 6 }));
    expect((again?.contents as { message: string } | undefined)?.message).to.include("covers no more");
  });

  it("are the same for who reads the log", () => {
    const document = setUp();
    document.push(
      "a",
      summarize("s1", null, { csn: 3, rsn: 2 }),
      op(4, 2),
      summarize("s2", "s1", { csn: 5, rsn: 3 }),
    );
    document.push("a", summarize("s3", "s1", { csn: 6, rsn: 6 }));
    const read = replay(new DocumentState(), document.records);
    expect(read.summary).to.deep.equal({ handle: "s2", sequenceNumber: 3, proposal: 7 });
    expect(equal(read, document.state)).to.equal(true);
  });
});

describe("apply", () => {
  it("takes whatever is in the log: a client that never joined, a leave of nobody, numbers that don't fit", () => {
    const document = new Stamped();
    document.record((stamp) => stamp.leave("nobody"));
    document.join("a");
    document.push("a", op(1, 1));
    const stranger = { ...document.client("a"), clientId: "stranger" };
    document.record((stamp) => {
      stamp.push(stranger, [op(90, 3), summarize("s", null, { csn: 2, rsn: 0 })], 0);
    });
    const state = replay(new DocumentState(), document.records);
    expect(state).to.include({ sn: 6, msn: document.state.msn });
    expect([...state.clients.keys()]).to.deep.equal(["a"]);
  });

  it("refuses only bytes that aren't those of the record's id", () => {
    const document = new Stamped();
    document.join("a");
    const [record] = document.records;
    if (record === undefined) throw new Error("no record");
    for (let at = 0; at < record.bytes.length; at += 7) {
      const bytes = Uint8Array.from(record.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(() => apply(new DocumentState(), { ...record, bytes }))
        .to.throw("checksum")
        .with.property("code", "log_corrupt");
    }
  });
});

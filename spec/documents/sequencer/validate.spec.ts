import { expect } from "chai";
import { NOOP, opHash } from "../../../lib/documents/op.ts";
import { type Verdict, validateNoop } from "../../../lib/documents/sequencer.ts";
import { draft } from "./drafts.ts";
import { Stamped } from "./stamped.ts";

const refused = (reason: "invalid_csn" | "invalid_rsn", index: number, verdict: Verdict) => {
  expect(verdict).to.deep.include({ kind: "refuse", reason, index });
  return (verdict as { message: string }).message;
};

/** Numbered ops `{n}`, each having seen the document's head of the moment. */
const op = (csn: number, rsn = 0, contents: unknown = { n: csn }) => draft({ csn, rsn, contents });

describe("validate: client sequence numbers", () => {
  it("are 1, 2, 3 … of each client by itself", () => {
    const document = new Stamped();
    document.join("a", "b");
    expect(document.judge("a", op(1), op(2), op(3))).to.deep.equal({
      kind: "sequence",
      skip: 0,
      first: 0,
      last: 0,
    });
    document.push("a", op(1), op(2));
    expect(document.judge("a", op(3))).to.deep.equal({ kind: "sequence", skip: 0, first: 0, last: 0 });
    expect(document.judge("b", op(1))).to.deep.equal({ kind: "sequence", skip: 0, first: 0, last: 0 });
  });

  it("may not leave a gap, and the client still owes the one it owed", () => {
    const document = new Stamped();
    document.join("a");
    const message = refused("invalid_csn", 0, document.judge("a", op(2)));
    expect(message).to.include("2").and.include("the next one is 1");
    refused("invalid_csn", 1, document.judge("a", op(1), op(3)));
    refused("invalid_csn", 1, document.judge("a", op(1), op(1)));
    expect(document.judge("a", op(1)).kind).to.equal("sequence");
  });

  it("of an op that names none are the next", () => {
    const document = new Stamped();
    document.join("a");
    const [first] = document.push("a", draft({ contents: 1 }));
    expect(first).to.include({ clientSequenceNumber: 1, referenceSequenceNumber: 1 });
    const [second, third] = document.push("a", draft({ contents: 2 }), op(3, 2));
    expect(second).to.include({ clientSequenceNumber: 2, referenceSequenceNumber: 2 });
    expect(third).to.include({ clientSequenceNumber: 3, referenceSequenceNumber: 2 });
  });
});

describe("validate: what comes again", () => {
  it("is answered with its first number", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1), op(2), op(3));
    expect(document.judge("a", op(1), op(2), op(3))).to.deep.equal({ kind: "duplicate", first: 2, last: 4 });
    expect(document.judge("a", op(2))).to.deep.equal({ kind: "duplicate", first: 3, last: 3 });
    // Whatever it says now of what it had seen.
    expect(document.judge("a", op(2, 4_000))).to.deep.equal({ kind: "duplicate", first: 3, last: 3 });
  });

  it("with more behind it: only that is new", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1), op(2));
    expect(document.judge("a", op(2), op(3))).to.deep.equal({ kind: "sequence", skip: 1, first: 3, last: 3 });
    const [third, ...rest] = document.push("a", op(1), op(2), op(3));
    expect(third).to.include({ clientSequenceNumber: 3, sequenceNumber: 4 });
    expect(rest).to.deep.equal([]);
  });

  it("with another type, contents or metadata is wrong", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", draft({ csn: 1, rsn: 0, contents: "x", metadata: { m: 1 } }), op(2));
    for (const other of [
      { contents: "y", metadata: { m: 1 } },
      { contents: "x", metadata: { m: 2 } },
      { contents: "x" },
      { contents: "x", metadata: null },
      { contents: "x", metadata: { m: 1 }, type: "another" },
      { type: NOOP },
    ]) {
      const message = refused("invalid_csn", 0, document.judge("a", draft({ csn: 1, rsn: 0, ...other })));
      expect(message).to.include("other contents").and.include("the next one is 3");
    }
    refused("invalid_csn", 1, document.judge("a", op(3), op(1)));
  });

  it("is known among the latest 32 ops, also by who reads the log", () => {
    const document = new Stamped();
    document.join("a");
    for (let n = 1; n <= 40; n++) document.push("a", op(n));
    expect(document.judge("a", op(9))).to.deep.equal({ kind: "duplicate", first: 10, last: 10 });
    refused("invalid_csn", 0, document.judge("a", op(8)));
    const all = Array.from({ length: 32 }, (_, i) => op(9 + i));
    expect(document.judge("a", ...all)).to.deep.equal({ kind: "duplicate", first: 10, last: 41 });
  });

  it("may have noops among it, which nothing is known of", () => {
    const document = new Stamped();
    document.join("a");
    const noop = (csn: number) => draft({ csn, rsn: 1, type: NOOP });
    document.push("a", op(1), noop(2), op(3, 1), noop(4));
    expect(document.judge("a", op(1), noop(2), op(3, 1), noop(4))).to.deep.equal({
      kind: "duplicate",
      first: 2,
      last: 3,
    });
    expect(document.judge("a", noop(4))).to.deep.equal({ kind: "duplicate", first: 3, last: 3 });
    expect(document.judge("a", noop(4), op(5, 1))).to.include({ kind: "sequence", skip: 1 });
    refused("invalid_csn", 0, document.judge("a", op(2)));
  });
});

describe("validate: reference sequence numbers", () => {
  it("are at most the head", () => {
    const document = new Stamped();
    document.join("a");
    expect(document.judge("a", op(1, 1)).kind).to.equal("sequence");
    expect(refused("invalid_rsn", 0, document.judge("a", op(1, 2)))).to.include("above the head 1");
  });

  it("are at least the minimum", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("a", op(1, 2));
    document.push("b", op(1, 2));
    expect(document.state.msn).to.equal(2);
    expect(refused("invalid_rsn", 0, document.judge("a", op(2, 1)))).to.include("minimum sequence number 2");
    expect(document.judge("a", op(2, 2)).kind).to.equal("sequence");
  });

  it("don't fall within a push, though they may from one to the next, down to the minimum", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("a", op(1, 2));
    expect(refused("invalid_rsn", 1, document.judge("a", op(2, 3), op(3, 2)))).to.include("the op before it");
    expect(document.judge("a", op(2, 0)).kind).to.equal("sequence");
    document.push("a", op(2, 0));
    expect(document.state.msn).to.equal(0);
  });

  it("are judged by the minimum that waiting noops will make, since they go into the record first", () => {
    const document = new Stamped();
    document.join("a", "b");
    document.push("b", op(1, 2));
    document.moved.set("a", { rsn: 3, csn: 0 });
    // With a at 3, nobody is below b's 2.
    expect(refused("invalid_rsn", 0, document.judge("b", op(2, 1)))).to.include("minimum sequence number 2");
    const [sequenced] = document.push("b", op(2, 2));
    expect(sequenced).to.include({ minimumSequenceNumber: 2, referenceSequenceNumber: 2 });
    document.moved.set("a", { rsn: 4, csn: 0 });
    refused("invalid_rsn", 0, document.judge("a", op(1, 1)));
    expect(document.judge("a", op(1, 3)).kind).to.equal("sequence");
  });

  it("of noops are within minimum and head, too", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1, 1));
    expect(validateNoop(document.state, 0)).to.include("minimum sequence number 1");
    expect(validateNoop(document.state, 1)).to.equal(null);
    expect(validateNoop(document.state, 2)).to.equal(null);
    expect(validateNoop(document.state, 3)).to.include("above the head 2");
  });
});

describe("opHash", () => {
  it("is one for each type, contents and metadata", () => {
    const hashes = [
      opHash("a", "1", null),
      opHash("b", "1", null),
      opHash("a", "2", null),
      opHash("a", "1", "1"),
      opHash("a", "1", "null"),
      opHash('a",1', "1", null),
      opHash("a", '"1"', null),
      opHash("a", "[1,1]", null),
    ];
    expect(new Set(hashes).size).to.equal(hashes.length);
    expect(opHash("a", "1", null)).to.equal(hashes[0]);
  });
});

import { expect } from "chai";
import { readConnect } from "../../lib/documents/connect-document.ts";
import { MAX_NESTING } from "../../lib/documents/nesting.ts";
import { ConnectRefusal, OpRefusal } from "../../lib/documents/refusal.ts";
import { readSubmission } from "../../lib/documents/submission.ts";

/** `[[…]]`, or `{"a": {"a": …}}`, of so many levels. */
const lists = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
const objects = (levels: number): unknown =>
  JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`);

/** Also where the deep part isn't the first, beside others that are shallow. */
const forms = [
  lists,
  objects,
  (levels: number) => [[], {}, "x".repeat(2000), lists(levels - 1), { a: [1] }],
  (levels: number) => Array.from({ length: 300 }, (_, i) => (i === 299 ? lists(levels - 1) : [i])),
];

describe("what clients send to be kept", () => {
  it("may be so many levels deep as an op's contents or metadata", () => {
    for (const form of forms) {
      for (const field of ["contents", "metadata"]) {
        const push = (levels: number) => readSubmission({ type: "op", [field]: form(levels) }, "a", 2 ** 20);
        const taken = push(MAX_NESTING);
        if (taken instanceof OpRefusal) throw new Error(taken.message);
        expect(taken.ops).to.have.length(1);
        for (const levels of [MAX_NESTING + 1, 3000, 200_000]) {
          const refusal = push(levels);
          expect(refusal).to.be.instanceOf(OpRefusal).with.property("reason", "malformed");
          expect((refusal as OpRefusal).message).to.include(`${MAX_NESTING} levels`);
        }
      }
    }
  });

  it("may be so many levels deep as what a client says of itself", () => {
    const name = { tenant: "acme", document: "doc" };
    const connect = (levels: number) =>
      readConnect({ tenantId: "acme", id: "doc", token: "t", client: objects(levels) }, name);
    expect(connect(MAX_NESTING)).to.not.be.instanceOf(ConnectRefusal);
    for (const levels of [MAX_NESTING + 1, 2000, 200_000]) {
      expect(connect(levels)).to.be.instanceOf(ConnectRefusal).with.property("reason", "malformed");
    }
  });
});

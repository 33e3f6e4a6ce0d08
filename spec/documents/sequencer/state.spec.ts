import { expect } from "chai";
import { NOOP } from "../../../lib/documents/op.ts";
import { DocumentState } from "../../../lib/documents/state.ts";
import { draft, summarize } from "./drafts.ts";
import { Stamped } from "./stamped.ts";
import { equal, replay } from "./world.ts";

const op = (csn: number, rsn = 0) => draft({ csn, rsn, contents: { n: csn } });

describe("DocumentState", () => {
  it("keeps how far each of the 1,000 latest departed had come, for those that resume", () => {
    const document = new Stamped();
    document.join("first");
    document.push("first", op(1), op(2));
    document.leave("first");
    expect(document.state.departed.get("first")).to.deep.equal({ csn: 2, sn: 3 });
    for (let n = 1; n < 1000; n++) {
      document.record((stamp) => {
        stamp.join(`client-${n}`, {});
        stamp.leave(`client-${n}`);
      });
    }
    expect(document.state.departed.size).to.equal(1000);
    expect(document.state.departed.has("first")).to.equal(true);
    document.join("last");
    document.leave("last");
    expect(document.state.departed.size).to.equal(1000);
    expect(document.state.departed.has("first")).to.equal(false);
    expect(document.state.departed.get("client-1")).to.deep.equal({ csn: 0, sn: 0 });
    expect(equal(replay(new DocumentState(), document.records), document.state)).to.equal(true);
  });

  it("counts noops of who has left, so that their numbers aren't owed again", () => {
    const document = new Stamped();
    document.join("a");
    document.push("a", op(1, 1), draft({ csn: 2, rsn: 1, type: NOOP }));
    document.leave("a");
    expect(document.state.departed.get("a")).to.deep.equal({ csn: 2, sn: 2 });
  });

  it("comes back from a checkpoint whole, and goes on as if nothing had been", () => {
    const document = new Stamped();
    document.join("a", "__proto__");
    document.push("a", op(1, 2), op(2, 2));
    document.push("__proto__", op(1, 1), summarize("s1", null, { csn: 2, rsn: 3 }));
    document.join("b");
    document.leave("b");
    const at = document.records.length;
    const bytes = document.state.encode();
    const restored = DocumentState.decode(bytes);
    expect(Buffer.from(restored.encode())).to.deep.equal(Buffer.from(bytes));
    expect([...restored.clients.keys()]).to.deep.equal(["a", "__proto__"]);
    expect(restored.position).to.deep.equal(document.state.position);

    document.push("a", op(3, 5));
    document.push("__proto__", op(3, 6));
    document.leave("a");
    replay(restored, document.records.slice(at));
    expect(equal(restored, document.state)).to.equal(true);
    expect(restored.msn).to.equal(6);
  });

  it("is of no use in a format of another version, and says so", () => {
    const bytes = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(new DocumentState().encode()).toString()), v: 2 }),
    );
    expect(() => DocumentState.decode(bytes)).to.throw("the format 2, this version reads 1");
  });

  it("with a thousand clients finds the minimum as fast as with few, unless its last holder moves", () => {
    // Not a matter of time here, but of the result: the count of holders must not go wrong.
    const document = new Stamped();
    const ids = Array.from({ length: 1000 }, (_, n) => `client-${n}`);
    document.join(...ids);
    for (const [n, id] of ids.entries()) {
      document.push(id, op(1, 1000));
      expect(document.state.msn).to.equal(n === 999 ? 1000 : 0);
    }
    document.push("client-0", op(2, 1500));
    expect(document.state.msn).to.equal(1000);
    document.record((stamp) => {
      for (const id of ids.slice(1)) stamp.leave(id);
    });
    expect(document.state.msn).to.equal(1500);
  });
});

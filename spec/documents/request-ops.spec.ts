import { expect } from "chai";
import { GatedLog } from "./gated-log.ts";
import { numbers, range } from "./numbers.ts";
import { documentsInMemory } from "./served.ts";

const KB = 1024;

describe("requestOps", () => {
  /** A document of one client with so many ops, sequence numbers from 2. */
  async function written(
    count: number,
    contents: (i: number) => unknown,
    setup: Parameters<typeof documentsInMemory>[0] = {},
  ) {
    const served = await documentsInMemory(setup);
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
    const served = await documentsInMemory({ documents: { log, maxRecentBytes: 0 } });
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

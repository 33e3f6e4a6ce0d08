import { expect } from "chai";
import { MemoryOpLog, OP_REASONS } from "../../lib/documents/index.ts";
import { error } from "../../lib/index.ts";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { documentsInMemory, READ, WRITE } from "./served.ts";

const KB = 1024;

/** Submits, and takes the error's reply and nack, which must say the same. */
async function refused(peer: DocumentPeer, payload: unknown): Promise<{ response: Json; nack: Json }> {
  const { status, response } = await peer.ask("submitOp", payload);
  expect(status, JSON.stringify(response)).to.equal("error");
  const nack = await peer.next("nack");
  const [code, type] = OP_REASONS.get(response.reason) ?? [];
  expect(nack.content).to.include({ code, type, message: response.message });
  return { response, nack };
}

describe("submitOp", () => {
  it("is answered when the ops are durable, behind them, with their first and last number", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    await ada.caughtUp(2);
    const release = log.holdAppends();
    const ref = ada.send("submitOp", ada.submission(ada.op("a"), ada.op("b"), ada.op("c")));
    expect((await ada.settle()).map(({ event }) => event)).to.not.include("phx_reply");
    expect(await bob.settle()).to.deep.equal([]);
    expect(served.documents.registry.lookup("acme", "doc-1")?.head).to.equal(2);
    release();
    expect(await ada.reply(ref)).to.deep.equal({ status: "ok", response: { sequenceNumber: 5, first: 3 } });
    expect(ada.all.slice(-2).map(({ event }) => event)).to.deep.equal(["op", "phx_reply"]);
    expect(ada.ops.slice(2).map(({ contents }) => contents)).to.deep.equal(["a", "b", "c"]);
    expect((await bob.caughtUp(5)).slice(2)).to.deep.equal(ada.ops.slice(2));
  });

  it("gives an op these fields, contents and metadata as they came", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const contents = { b: [1, null, "é😀\u2028"], a: { nested: true }, n: -0.5e-7, "": "" };
    await ada.ask(
      "submitOp",
      ada.submission(ada.op(contents, { metadata: { batch: true }, type: "custom" })),
    );
    const { timestamp, ...op } = ada.ops.at(-1) as Json;
    expect(JSON.stringify(op)).to.equal(
      JSON.stringify({
        clientId: ada.clientId,
        sequenceNumber: 2,
        minimumSequenceNumber: 1,
        clientSequenceNumber: 1,
        referenceSequenceNumber: 1,
        type: "custom",
        contents,
        metadata: { batch: true },
      }),
    );
    expect(timestamp).to.be.a("number");
  });

  it("takes one op of a bare client, which numbers nothing, and has no contents if it says none", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    for (const [i, payload] of [
      { type: "op", contents: [1] },
      { type: "op" },
      { type: "op", clientId: ada.clientId },
    ].entries()) {
      expect((await ada.ask("submitOp", payload)).response).to.deep.equal({
        sequenceNumber: 2 + i,
        first: 2 + i,
      });
    }
    expect(
      ada.ops.slice(1).map((op) => [op.clientSequenceNumber, op.referenceSequenceNumber, op.contents]),
    ).to.deep.equal([
      [1, 1, [1]],
      [2, 2, null],
      [3, 3, null],
    ]);
  });

  it("takes several batches of one push in order", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const messageBatches = [[ada.op(1), ada.op(2)], [], [ada.op(3)]];
    const { response } = await ada.ask("submitOp", { clientId: ada.clientId, messageBatches });
    expect(response).to.deep.equal({ sequenceNumber: 4, first: 2 });
  });

  const MALFORMED: readonly [what: string, payload: (peer: DocumentPeer) => unknown][] = [
    ["a list", () => []],
    ["text", () => "op"],
    ["null", () => null],
    ["nothing", () => ({})],
    ["no ops", ({ clientId }) => ({ clientId, messageBatches: [] })],
    ["empty batches", ({ clientId }) => ({ clientId, messageBatches: [[], []] })],
    ["batches that are no list", ({ clientId }) => ({ clientId, messageBatches: { 0: [] } })],
    ["batches without a clientId", (peer) => ({ messageBatches: [[peer.op(1)]] })],
    ["batches of batches", (peer) => ({ clientId: peer.clientId, messageBatches: [[[peer.op(1)]]] })],
    ["an op that is none", (peer) => peer.submission("op")],
    ["an op without a type", (peer) => peer.submission(peer.op(1, { type: undefined }))],
    ["an op with an empty type", (peer) => peer.submission(peer.op(1, { type: "" }))],
    ["an op with a type that is no text", (peer) => peer.submission(peer.op(1, { type: { op: 1 } }))],
    ["an op with a long type", (peer) => peer.submission(peer.op(1, { type: "x".repeat(257) }))],
    [
      "an op without a clientSequenceNumber",
      (peer) => peer.submission(peer.op(1, { clientSequenceNumber: undefined })),
    ],
    ["one of 0", (peer) => peer.submission(peer.op(1, { clientSequenceNumber: 0 }))],
    ["one beyond 2^53", (peer) => peer.submission(peer.op(1, { clientSequenceNumber: 2 ** 53 }))],
    [
      "an op without a referenceSequenceNumber",
      (peer) => peer.submission(peer.op(1, { referenceSequenceNumber: null })),
    ],
    ["one below 0", (peer) => peer.submission(peer.op(1, { referenceSequenceNumber: -1 }))],
    ["a compression that is no text", (peer) => peer.submission(peer.op(1, { compression: 1 }))],
    ["a summary without a handle", (peer) => peer.submission(peer.op({}, { type: "summarize" }))],
    [
      "a summary with a handle of 1,025 characters",
      (peer) => peer.submission(peer.op({ handle: "x".repeat(1025) }, { type: "summarize" })),
    ],
  ];
  for (const [what, payload] of MALFORMED) {
    it(`refuses ${what}: malformed, 400`, async () => {
      const served = await documentsInMemory();
      const ada = await served.enter();
      const { response, nack } = await refused(ada, payload(ada));
      expect([response.reason, nack.content.code]).to.deep.equal(["malformed", 400]);
      expect(served.documents.registry.lookup("acme", "doc-1")?.head).to.equal(1);
    });
  }

  it("has a nack in both shapes, with the op that was wrong and the head, for its sender only", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    const good = ada.op("good");
    const bad = ada.op("bad", { referenceSequenceNumber: 99 });
    const { response, nack } = await refused(ada, ada.submission(good, bad));
    expect(response).to.deep.equal({
      reason: "invalid_rsn",
      message: "referenceSequenceNumber 99 is above the head 2",
    });
    const n = {
      operation: { type: "op", clientSequenceNumber: 2, referenceSequenceNumber: 99, contents: "bad" },
      sequenceNumber: 2,
      content: { code: 400, type: "BadRequestError", message: response.message },
    };
    expect(nack).to.deep.equal({ clientId: "", nacks: [n], ...n });
    expect(ada.all.slice(-2).map(({ event }) => event)).to.deep.equal(["phx_reply", "nack"]);
    expect(await bob.settle()).to.deep.equal([]);
    expect((await ada.submit("next")).response.reason, "the client owes its first op").to.equal(
      "invalid_csn",
    );
    expect((await ada.ask("submitOp", ada.submission(good))).status).to.equal("ok");
  });

  it("repeats contents of 1 KiB in a nack, and none above that", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    for (const [length, shown] of [
      [KB - 2, true],
      [KB - 1, false],
    ] as const) {
      const op = ada.op("x".repeat(length), { referenceSequenceNumber: 99 });
      const { nack } = await refused(ada, ada.submission({ ...op, clientSequenceNumber: 1 }));
      expect(Object.hasOwn(nack.operation, "contents"), `${length}`).to.equal(shown);
      expect(nack.operation).to.include({ type: "op", referenceSequenceNumber: 99 });
    }
    const { nack } = await refused(ada, { type: { huge: "x".repeat(5000) }, clientSequenceNumber: ["x"] });
    expect(JSON.stringify(nack)).to.have.length.below(1000);
  });

  it("takes 100 ops, and refuses 101 as a whole", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const ops = Array.from({ length: 101 }, (_, i) => ada.op(i));
    const { response, nack } = await refused(ada, ada.submission(...ops));
    expect([response.reason, nack.content.code]).to.deep.equal(["batch_too_large", 413]);
    expect((await ada.ask("submitOp", ada.submission(...ops.slice(0, 100)))).response).to.deep.equal({
      sequenceNumber: 101,
      first: 2,
    });
  });

  it("takes contents of maxMessageSize, and refuses more as a whole", async () => {
    const served = await documentsInMemory({ mount: { maxPayload: 1024 * KB } });
    const ada = await served.enter();
    const { maxMessageSize } = ada.success;
    expect(maxMessageSize).to.equal(960 * KB);
    const half = "x".repeat(maxMessageSize / 2 - 2);
    const ops = [ada.op(half), ada.op(half)];
    const { response } = await refused(ada, ada.submission(ops[0], { ...ops[1], contents: `${half}y` }));
    expect(response.reason).to.equal("batch_too_large");
    expect((await ada.ask("submitOp", ada.submission(...ops))).status).to.equal("ok");
    expect(served.documents.registry.lookup("acme", "doc-1")?.head).to.equal(3);
  });

  it("never makes a record that the log can't take, whatever stands beside the contents", async () => {
    const log = new MemoryOpLog({ maxRecordBytes: 256 * KB });
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    expect(ada.success.maxMessageSize).to.equal(192 * KB);
    const wide = { type: "\u0001".repeat(256), compression: "\u0001".repeat(256) };
    const escaped = "\u0001".repeat(300);
    const full = Array.from({ length: 100 }, (_, i) => ({
      ...ada.op(escaped),
      ...wide,
      clientSequenceNumber: i + 1,
    }));
    expect((await refused(ada, ada.submission(...full))).response.reason).to.equal("batch_too_large");
    const handle = '"'.repeat(1000);
    const summaries = full.map(({ clientSequenceNumber, referenceSequenceNumber }) => ({
      type: "summarize",
      contents: { handle, head: "" },
      clientSequenceNumber,
      referenceSequenceNumber,
    }));
    expect((await refused(ada, ada.submission(...summaries))).response.reason).to.equal("batch_too_large");
    const plain = full.map((op) => ({
      ...op,
      type: "op",
      compression: undefined,
      contents: "x".repeat(1900),
    }));
    expect((await ada.ask("submitOp", ada.submission(...plain))).status).to.equal("ok");
    const others = await Promise.all(range(8).map((i) => served.enter({ user: `u${i}` })));
    const answers = await Promise.all(others.map((peer) => peer.submit("x".repeat(150 * KB))));
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => "ok"));
    expect(served.lines.filter(({ level }) => level === "error")).to.deep.equal([]);
  });

  it("answers an op that was sequenced with its first number, within the last 32, and sequences it once", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const ops = range(40).map((i) => ada.op(i, { metadata: { i } }));
    for (const op of ops) await ada.ask("submitOp", ada.submission(op));
    expect((await ada.ask("submitOp", ada.submission(ops[39]))).response).to.deep.equal({
      sequenceNumber: 41,
      first: 41,
    });
    const pair = await ada.ask("submitOp", ada.submission(ops[8], ops[9]));
    expect(pair.response).to.deep.equal({ sequenceNumber: 11, first: 10 });
    expect((await refused(ada, ada.submission(ops[7]))).response.reason, "too long ago").to.equal(
      "invalid_csn",
    );
    const others = [{ contents: "other" }, { type: "other" }, { metadata: {} }, { metadata: undefined }];
    for (const other of others) {
      const { response } = await refused(ada, ada.submission({ ...ops[39], ...other }));
      expect(response.reason).to.equal("invalid_csn");
    }
    const mixed = await ada.ask("submitOp", ada.submission(ops[39], ada.op("new")));
    expect(mixed.response, "from the first of the push, seen or not").to.deep.equal({
      sequenceNumber: 42,
      first: 41,
    });
    expect(ada.ops).to.have.length(42);
  });

  it("answers an op that comes twice in one turn twice, and sequences it once", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const push = ada.submission(ada.op("x"));
    const refs = ada.burst([
      ["submitOp", push],
      ["submitOp", push],
    ]);
    for (const ref of refs)
      expect((await ada.reply(ref)).response).to.deep.equal({ sequenceNumber: 2, first: 2 });
    expect(ada.ops).to.have.length(2);
  });

  it("refuses a gap, and the client still owes the number that it owed", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const ops = [ada.op(1), ada.op(2), ada.op(3)];
    const { response, nack } = await refused(ada, ada.submission(ops[1]));
    expect([response.reason, nack.content.code]).to.deep.equal(["invalid_csn", 400]);
    expect((await refused(ada, ada.submission(ops[0], ops[2]))).response.reason).to.equal("invalid_csn");
    expect((await ada.ask("submitOp", ada.submission(...ops))).response).to.deep.equal({
      sequenceNumber: 4,
      first: 2,
    });
  });

  it("refuses a referenceSequenceNumber below the MSN", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    await ada.submit("a");
    await ada.submit("b");
    expect(ada.ops.at(-1)?.minimumSequenceNumber).to.equal(2);
    const { response } = await refused(ada, ada.submission(ada.op("c", { referenceSequenceNumber: 1 })));
    expect(response.reason).to.equal("invalid_rsn");
  });

  it("throttles a client with more than 256 ops or 1 MiB waiting, with retryAfter in both places", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    const refs = [ada.send("submitOp", ada.submission(ada.op("in flight")))];
    await ada.settle();
    const pushes = range(3).map(() => ada.submission(...range(100).map((i) => ada.op(i))));
    refs.push(...pushes.slice(0, 2).map((push) => ada.send("submitOp", push)));
    const { response, nack } = await refused(ada, pushes[2]);
    expect([response.reason, nack.content.code]).to.deep.equal(["throttled", 429]);
    expect(response.retryAfter).to.equal(2);
    expect(nack.nacks[0].content.retryAfter).to.equal(2);
    release();
    for (const ref of refs) expect((await ada.reply(ref)).status).to.equal("ok");
    expect((await ada.ask("submitOp", pushes[2])).status).to.equal("ok");

    const hold = log.holdAppends();
    const large = [
      ada.submission(ada.op("in flight")),
      ...range(3).map(() => ada.submission(ada.op("x".repeat(400 * KB)))),
    ];
    const sent = [ada.send("submitOp", large[0])];
    await ada.settle();
    sent.push(...large.slice(1, 3).map((push) => ada.send("submitOp", push)));
    expect((await refused(ada, large[3])).response.reason).to.equal("throttled");
    hold();
    for (const ref of sent) expect((await ada.reply(ref)).status).to.equal("ok");
  });

  it("gives each of several writers its turn in a record", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const peers = await Promise.all(
      ["ada", "bob", "cyd"].map((user) => served.enter({ user, scopes: WRITE })),
    );
    const [ada, bob, cyd] = peers as [DocumentPeer, DocumentPeer, DocumentPeer];
    for (const peer of peers) await peer.caughtUp(3);
    const release = log.holdAppends();
    const refs: [DocumentPeer, string][] = [[ada, ada.send("submitOp", ada.submission(ada.op("first")))]];
    await ada.settle();
    for (const peer of [ada, bob, cyd]) {
      for (const i of [1, 2]) refs.push([peer, peer.send("submitOp", peer.submission(peer.op(i)))]);
      await peer.settle();
    }
    release();
    for (const [peer, ref] of refs) expect((await peer.reply(ref)).status).to.equal("ok");
    const names = new Map([ada, bob, cyd].map(({ clientId }, i) => [clientId, "abc"[i]]));
    expect(
      ada.ops
        .slice(4)
        .map(({ clientId }) => names.get(clientId ?? ""))
        .join(""),
    ).to.equal("abcabc");
  });
});

describe("the app's hooks for ops", () => {
  it("beforeOps sees a push as it came, and refuses it as a whole", async () => {
    const seen: Json[] = [];
    const served = await documentsInMemory({
      channel: (base) =>
        class extends base {
          override beforeOps(ops: readonly Json[]) {
            seen.push(...ops);
            if (ops.some(({ contents }) => contents === "bad")) return error({ message: "no bad ones" });
            if (ops.some(({ contents }) => contents === "worse")) return error();
            return undefined;
          }
        },
    });
    const ada = await served.enter();
    const op = ada.op("good");
    const { response, nack } = await refused(ada, ada.submission(op, ada.op("bad")));
    expect(response).to.deep.equal({ reason: "rejected", message: "no bad ones" });
    expect(nack.content.code).to.equal(400);
    expect((await refused(ada, ada.submission({ ...op, contents: "worse" }))).response.message).to.equal(
      "the app refused the ops",
    );
    expect((await ada.ask("submitOp", ada.submission(op))).response).to.deep.equal({
      sequenceNumber: 2,
      first: 2,
    });
    expect(seen[0]).to.deep.equal(op);
  });

  it("beforeOps isn't asked about what is refused anyway", async () => {
    let asked = 0;
    const served = await documentsInMemory({
      channel: (base) =>
        class extends base {
          override beforeOps() {
            asked++;
          }
        },
    });
    const reader = await served.enter({ scopes: READ });
    await refused(reader, reader.submission(reader.op("x")));
    await refused(reader, { type: "leave" });
    expect(asked).to.equal(0);
  });

  it("afterOps is told of what is durable, and its throw is logged and ends nothing", async () => {
    const told: unknown[] = [];
    const served = await documentsInMemory({
      channel: (base) =>
        class extends base {
          override afterOps(ops: readonly Json[], first: number, last: number) {
            told.push([ops.map(({ contents }) => contents), first, last]);
            throw new Error("the spec's");
          }
        },
    });
    const ada = await served.enter();
    await ada.submit("a", "b");
    expect((await ada.submit("c")).status).to.equal("ok");
    expect(told).to.deep.equal([
      [["a", "b"], 2, 3],
      [["c"], 4, 4],
    ]);
    expect(served.logged()).to.include("afterOps crashed").and.to.include("the spec's");
  });
});

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

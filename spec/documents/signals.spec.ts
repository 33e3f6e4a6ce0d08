import { expect } from "chai";
import { error } from "../../lib/index.ts";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { READ, type ServedDocuments, serveDocuments } from "./served.ts";

/** Ada, who signals; bob, who writes; cyd, who reads. */
async function three(setup: Parameters<typeof serveDocuments>[0] = {}) {
  const served = await serveDocuments(setup);
  const ada = await served.enter();
  const bob = await served.enter({ user: "bob" });
  const cyd = await served.enter({ user: "cyd", scopes: READ });
  for (const peer of [ada, bob]) await peer.next("signal");
  return { served, ada, bob, cyd };
}

/** The contents of the signals that a client has got and nobody has taken. */
async function contents(peer: DocumentPeer): Promise<unknown[]> {
  return (await peer.settle())
    .filter(({ event }) => event === "signal")
    .map(({ payload }) => payload.content);
}

/** Sends signals as ada, and returns what each of the others got. */
async function signalled(
  peers: { ada: DocumentPeer; bob: DocumentPeer; cyd: DocumentPeer },
  contentBatches: unknown,
) {
  const { ada, bob, cyd } = peers;
  const answer = await ada.ask("submitSignal", { clientId: ada.clientId, contentBatches });
  expect(answer).to.deep.equal({ status: "ok", response: {} });
  expect(await contents(ada), "never to the sender").to.deep.equal([]);
  return { bob: await contents(bob), cyd: await contents(cyd) };
}

describe("submitSignal", () => {
  const v1 = { address: "a", contents: { type: "x", content: 1 }, signal: "not this" };
  const FORMS: readonly [what: string, contentBatches: unknown, received: unknown[]][] = [
    ["lists of signals", [["a", 1], [null]], ["a", 1, null]],
    ["objects", [{ cursor: 5 }, { selection: [1, 2] }], [{ cursor: 5 }, { selection: [1, 2] }]],
    ["the second form: {signal}", [{ signal: { cursor: 5 } }, [{ signal: null }]], [{ cursor: 5 }, null]],
    ["the first form, known by its address", [v1], [v1]],
    [
      "the first form, known by its contents",
      [{ contents: "x", signal: "y" }],
      [{ contents: "x", signal: "y" }],
    ],
    ["text that looks like more", ['{"signal":1}'], ['{"signal":1}']],
    ["nothing", [[], []], []],
  ];
  for (const [what, contentBatches, received] of FORMS) {
    it(`brings ${what} to all others, verbatim and in order`, async () => {
      const peers = await three();
      expect(await signalled(peers, contentBatches)).to.deep.equal({ bob: received, cyd: received });
    });
  }

  it("gives others {clientId, content}, and may come from a reader", async () => {
    const { ada, bob, cyd } = await three();
    expect((await cyd.ask("submitSignal", { contentBatches: [{ signal: "hi" }] })).status).to.equal("ok");
    for (const peer of [ada, bob]) {
      expect(await peer.next("signal")).to.deep.equal({ clientId: cyd.clientId, content: "hi" });
    }
  });

  const TARGETS: readonly [
    what: string,
    target: (ids: { ada: string; bob: string; cyd: string }) => object,
    got: string,
  ][] = [
    ["targetedClients: only they", ({ bob }) => ({ targetedClients: [bob] }), "b"],
    ["targetedClients: none", () => ({ targetedClients: [] }), ""],
    ["targetedClients: never the sender", ({ ada, cyd }) => ({ targetedClients: [ada, cyd] }), "c"],
    ["targetedClients: somebody unknown", () => ({ targetedClients: ["nobody", "__proto__"] }), ""],
    ["ignoredClients: all but they", ({ bob }) => ({ ignoredClients: [bob] }), "c"],
    ["ignoredClients: none", () => ({ ignoredClients: [] }), "bc"],
    [
      "targetedClients over ignoredClients",
      ({ bob }) => ({ targetedClients: [bob], ignoredClients: [bob] }),
      "b",
    ],
    ["targetClientId", ({ cyd }) => ({ targetClientId: cyd }), "c"],
    [
      "ignoredClients over targetClientId",
      ({ bob, cyd }) => ({ ignoredClients: [cyd], targetClientId: cyd, x: bob }),
      "b",
    ],
    [
      "nulls, which are absent",
      () => ({ targetedClients: null, ignoredClients: null, targetClientId: null }),
      "bc",
    ],
    ["null over the next", ({ cyd }) => ({ targetedClients: null, ignoredClients: [cyd] }), "b"],
  ];
  for (const [what, target, got] of TARGETS) {
    it(`is for whom it names: ${what}`, async () => {
      const peers = await three();
      const ids = { ada: peers.ada.clientId, bob: peers.bob.clientId, cyd: peers.cyd.clientId };
      const received = await signalled(peers, [{ signal: "x", ...target(ids) }]);
      expect(received).to.deep.equal({
        bob: got.includes("b") ? ["x"] : [],
        cyd: got.includes("c") ? ["x"] : [],
      });
    });
  }

  it("names at most 1,000 clients, and takes at most 100 signals", async () => {
    const peers = await three();
    const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);
    const ids = [...names(999), peers.bob.clientId];
    expect((await signalled(peers, [{ signal: 1, targetedClients: ids }])).bob).to.deep.equal([1]);
    expect((await signalled(peers, names(100))).bob).to.have.length(100);
    for (const contentBatches of [
      [{ signal: 1, targetedClients: names(1001) }],
      [{ signal: 1, ignoredClients: names(1001) }],
      names(101),
    ]) {
      const { status, response } = await peers.ada.ask("submitSignal", { contentBatches });
      expect([status, response.reason]).to.deep.equal(["error", "malformed"]);
    }
    expect(await contents(peers.bob)).to.deep.equal([]);
  });

  it("is refused as a whole if one of its signals is wrong", async () => {
    const { ada, bob } = await three();
    for (const payload of [
      null,
      "x",
      [],
      {},
      { contentBatches: "x" },
      { contentBatches: ["fine", { targetedClients: "x" }] },
    ]) {
      const { status, response } = await ada.ask("submitSignal", payload);
      expect([status, response.reason]).to.deep.equal(["error", "malformed"]);
    }
    expect((await ada.ask("submitSignal", { contentBatches: [{ ignoredClients: [5] }] })).status).to.equal(
      "error",
    );
    expect((await ada.ask("submitSignal", { contentBatches: [{ targetClientId: 5 }] })).status).to.equal(
      "error",
    );
    expect(await contents(bob)).to.deep.equal([]);
  });

  it("is in no log", async () => {
    const log = new GatedLog();
    const { served, ada, bob } = await three({ documents: { log } });
    const before = log.calls.length;
    await ada.ask("submitSignal", { contentBatches: ["x"] });
    await bob.next("signal");
    expect(log.calls).to.have.length(before);
    expect(served.documents.registry.lookup("acme", "doc-1")?.head).to.equal(2);
  });

  it("is left out for a client that reads too slowly, which gets its ops all the same", async () => {
    const { served, ada, bob, cyd } = await three();
    cyd.ws.pause();
    const large = "x".repeat(512 * 1024);
    for (let i = 0; i < 30; i++) await ada.submit(large);
    await ada.ask("submitSignal", { contentBatches: ["while cyd doesn't read"] });
    expect(await contents(bob)).to.deep.equal(["while cyd doesn't read"]);
    cyd.ws.resume();
    const { head } = served.documents.registry.lookup("acme", "doc-1") ?? { head: 0 };
    const ops = await cyd.caughtUp(head);
    expect(ops.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(ops.map((_, i) => i + 1));
    expect(await contents(cyd)).to.deep.equal([]);
    await ada.ask("submitSignal", { contentBatches: ["now it does"] });
    expect((await cyd.next("signal")).content).to.equal("now it does");
  });

  it("asks onSignal about each content", async () => {
    const asked: unknown[] = [];
    const peers = await three({
      channel: (base) =>
        class extends base {
          override async onSignal(content: unknown) {
            asked.push(content);
            return content === "bad" ? error({ message: "not this one" }) : undefined;
          }
        },
    });
    expect((await signalled(peers, ["a", { signal: { b: 1 } }])).bob).to.deep.equal(["a", { b: 1 }]);
    const { response } = await peers.ada.ask("submitSignal", { contentBatches: ["c", "bad", "d"] });
    expect(response).to.deep.equal({ reason: "rejected", message: "not this one" });
    expect(await contents(peers.bob)).to.deep.equal([]);
    expect(asked).to.deep.equal(["a", { b: 1 }, "c", "bad"]);
  });

  it("isn't for a client whose connect is under way", async () => {
    const log = new GatedLog();
    const served: ServedDocuments = await serveDocuments({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    const bob = await served.lurk();
    const connecting = bob.connectDocument({ token: served.token({ user: "bob" }) });
    await bob.settle();
    await ada.ask("submitSignal", { contentBatches: ["too early"] });
    release();
    await connecting;
    await ada.ask("submitSignal", { contentBatches: ["now"] });
    expect((await contents(bob)) as Json).to.deep.equal(["now"]);
  });
});

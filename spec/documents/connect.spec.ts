import { expect } from "chai";
import { error } from "../../lib/index.ts";
import type { DocumentPeer, Json } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { numbers, range } from "./numbers.ts";
import { documentsInMemory, FULL, READ, WRITE } from "./served.ts";

const KB = 1024;

describe("connect_document", () => {
  it("answers with the reply, then the event, then ops, with these fields", async () => {
    const served = await documentsInMemory();
    const ada = await served.lurk();
    const before = Math.floor(served.clock.now());
    const token = served.token();
    await ada.connectDocument({
      token,
      client: { details: { capabilities: { interactive: true } } },
      mode: "write",
      versions: ["^0.4.0", "^0.3.0"],
    });
    const bob = await served.enter({ user: "bob" });
    await bob.submit("x");
    await ada.caughtUp(3);
    expect(ada.all.slice(1).map(({ event }) => event)).to.deep.equal([
      "phx_reply",
      "connect_document_success",
      "op",
      "op",
    ]);
    const { clientId, key } = ada.connected;
    expect(ada.connected).to.deep.equal({ clientId, mode: "write", checkpointSequenceNumber: 1, key });
    expect(clientId).to.match(/^[\w-]{22}$/);
    expect(key).to.match(/^[\w-]{43}$/);

    const { claims, initialMessages, ...rest } = ada.success;
    const { timestamp } = initialMessages[0].contents.detail;
    const client = {
      details: { capabilities: { interactive: true } },
      mode: "write",
      user: { id: "ada" },
      scopes: FULL,
      timestamp,
    };
    expect(timestamp).to.be.within(before, initialMessages[0].timestamp);
    expect(rest).to.deep.equal({
      clientId,
      mode: "write",
      existing: false,
      maxMessageSize: 4 * KB * KB - 64 * KB,
      serviceConfiguration: {
        maxMessageSize: 4 * KB * KB - 64 * KB,
        noopCountFrequency: 1000,
        noopTimeFrequency: 2000,
      },
      initialClients: [{ clientId, client }],
      initialSignals: [],
      supportedVersions: ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"],
      supportedFeatures: { submit_signals_v2: true },
      version: "^0.4.0",
      checkpointSequenceNumber: 1,
    });
    expect(claims).to.deep.include({
      documentId: "doc-1",
      tenantId: "acme",
      user: { id: "ada" },
      scopes: FULL,
      ver: "1.0",
    });
    expect(claims).to.have.all.keys("documentId", "tenantId", "scopes", "user", "iat", "exp", "ver");
    const detail = { clientId, detail: client };
    expect(initialMessages).to.deep.equal([
      {
        clientId: null,
        sequenceNumber: 1,
        minimumSequenceNumber: 0,
        clientSequenceNumber: -1,
        referenceSequenceNumber: -1,
        type: "join",
        contents: detail,
        data: JSON.stringify(detail),
        timestamp: initialMessages[0].timestamp,
      },
    ]);
    expect(ada.all.find(({ event }) => event === "op")?.payload).to.have.all.keys("documentId", "op");
    expect(bob.success.existing).to.equal(true);
    expect(bob.success.initialMessages.map(({ type }: Json) => type)).to.deep.equal(["join", "join"]);
    expect(bob.success.initialClients.map(({ clientId }: Json) => clientId)).to.deep.equal([
      clientId,
      bob.clientId,
    ]);
  });

  it("lists who is connected at the checkpoint, also those who joined together", async () => {
    const served = await documentsInMemory();
    const peers = await Promise.all([served.lurk(), served.lurk(), served.lurk()]);
    await Promise.all(peers.map((peer) => peer.connectDocument({ token: served.token(), mode: "write" })));
    const all = peers.map(({ clientId }) => clientId).sort();
    for (const { success } of peers) {
      // Their joins share a record, so for the first one the others' come between its own and the checkpoint.
      expect(success.checkpointSequenceNumber).to.equal(3);
      const listed = success.initialClients.map(({ clientId }: Json) => clientId).sort();
      expect(listed).to.deep.equal(all);
    }
    expect(peers.map(({ success }) => success.initialMessages.length).sort()).to.deep.equal([1, 2, 3]);
  });

  it("gives the claims that the token has, also the app's own", async () => {
    const served = await documentsInMemory();
    const peer = await served.lurk();
    const user = { id: "ada", name: "Ada" };
    const claims = { documentId: "doc-1", tenantId: "acme", scopes: WRITE, user, role: { of: "the app" } };
    await peer.connectDocument({ token: served.jwt.sign(claims) });
    expect(peer.success.claims).to.deep.include({ role: { of: "the app" }, user });
    expect(peer.success.initialClients[0].client.user).to.deep.equal(user);
  });

  const KEYS = ["tenantId", "id", "token"];
  for (const key of KEYS) {
    it(`needs ${key}`, async () => {
      const served = await documentsInMemory();
      const peer = await served.lurk();
      for (const value of [undefined, null, "", 5, {}, []]) {
        const { reply, event } = await peer.tryConnect({ token: served.token(), [key]: value });
        expect(reply.response).to.include({ reason: "malformed", code: 400 });
        expect(reply.response.message).to.include(key);
        expect(event).to.include({ code: 400, message: reply.response.message });
      }
    });
  }

  const WRONG: readonly [what: string, fields: object, reason: string, code: number][] = [
    ["a mode that is none", { mode: "admin" }, "malformed", 400],
    ["a client that is no object", { client: "me" }, "malformed", 400],
    ["a client that is a list", { client: [] }, "malformed", 400],
    ["a client of more than 16 KiB", { client: { details: "é".repeat(8 * KB) } }, "too_large", 413],
    ["versions that are no list", { versions: "^0.1.0" }, "malformed", 400],
    [
      "versions that nobody speaks",
      { versions: ["9", {}, null, { toString: 1, valueOf: 1 }] },
      "unsupported_version",
      400,
    ],
    ["a lastSeenSequenceNumber that is none", { lastSeenSequenceNumber: 1.5 }, "malformed", 400],
    ["one below zero", { lastSeenSequenceNumber: -1 }, "malformed", 400],
    ["one above the head", { lastSeenSequenceNumber: 1 }, "resync", 410],
    ["a resume that is none", { resume: "x" }, "malformed", 400],
    ["a resume without a key", { resume: { clientId: "x" } }, "malformed", 400],
  ];
  for (const [what, fields, reason, code] of WRONG) {
    it(`refuses ${what}: ${reason}, ${code}`, async () => {
      const served = await documentsInMemory();
      const peer = await served.lurk();
      const { reply } = await peer.tryConnect({ token: served.token(), ...fields });
      expect(reply.response).to.include({ reason, code });
      expect(served.lines.filter(({ level }) => level === "error")).to.deep.equal([]);
      await peer.connectDocument({ token: served.token() });
      expect(peer.success.initialMessages, "nothing was sequenced before").to.have.length(1);
    });
  }

  it("speaks the first of the client's versions that it knows, with or without a caret", async () => {
    const served = await documentsInMemory();
    for (const [versions, version] of [
      [["^9.0.0", "0.2.0", "^0.4.0"], "^0.2.0"],
      [[], "^0.4.0"],
      [null, "^0.4.0"],
    ]) {
      const peer = await served.enter({ connect: { versions } });
      expect(peer.success.version).to.equal(version);
    }
  });

  it("asks the app's authorize, whose error is 403 with its payload as details", async () => {
    const asked: unknown[] = [];
    const served = await documentsInMemory({
      channel: (base) =>
        class extends base {
          override authorize(claims: Json, mode: string) {
            asked.push([claims.user.id, mode]);
            if (claims.user.id === "crash") throw new Error("no database");
            if (claims.user.id === "eve") return { status: "error", payload: {} } as never;
            if (claims.user.id === "bob") return error({ message: "not yours", retry: false });
            return undefined;
          }
        },
    });
    await served.enter();
    const peer = await served.lurk();
    const { reply } = await peer.tryConnect({ token: served.token({ user: "bob", scopes: READ }) });
    expect(reply.response).to.deep.equal({
      reason: "unauthorized",
      code: 403,
      message: "not yours",
      details: { message: "not yours", retry: false },
    });
    expect(asked).to.deep.equal([
      ["ada", "write"],
      ["bob", "read"],
    ]);
    for (const user of ["crash", "eve"]) {
      const crashed = await peer.tryConnect({ token: served.token({ user }) });
      expect(crashed.reply.response).to.include({ reason: "internal_error", code: 500 });
    }
    expect(served.logged()).to.include("no database").and.to.include("authorize returned");
  });

  it("is 503 while the secrets can't be read, and while the log doesn't answer", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    const waiting = ada.send("submitOp", ada.submission(ada.op("x")));
    await ada.settle();
    served.clock.skip(5001);
    const peer = await served.lurk();
    const { reply, event } = await peer.tryConnect({ token: served.token({ user: "bob" }) });
    expect(reply.response).to.include({ reason: "unavailable", code: 503 });
    expect(reply.response.retryAfter).to.be.above(0);
    expect(event.retryAfter).to.equal(reply.response.retryAfter);
    release();
    expect((await ada.reply(waiting)).status).to.equal("ok");
    await peer.connectDocument({ token: served.token({ user: "bob" }) });
  });
});

describe("a connect that is under way", () => {
  /** A log that is held up, a writer whose op is in flight there, and a client that connects behind that. */
  async function underWay() {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter();
    const release = log.holdAppends();
    ada.send("submitOp", ada.submission(ada.op("in flight")));
    await ada.settle();
    const bob = await served.lurk();
    const ref = bob.send("connect_document", {
      tenantId: "acme",
      id: "doc-1",
      token: served.token({ user: "bob" }),
    });
    await bob.settle();
    return { served, release, ada, bob, ref };
  }

  it("is answered 503 with a time to wait when the session is stopped, and works then", async () => {
    const { served, release, bob, ref } = await underWay();
    const stopped = served.documents.registry.stop("acme", "doc-1");
    release();
    await stopped;
    const { response } = await bob.reply(ref);
    expect(response).to.include({ reason: "unavailable", code: 503, retryAfter: 1 });
    expect(await bob.next("connect_document_error")).to.include({ code: 503, retryAfter: 1 });
    await bob.connectDocument({ token: served.token({ user: "bob" }) });
  });

  it("leaves nobody behind when its client goes, or joins again", async () => {
    const { served, release, ada, bob } = await underWay();
    await bob.join();
    const connecting = bob.connectDocument({ token: served.token({ user: "bob" }) });
    await bob.settle();
    const cyd = await served.lurk();
    cyd.send("connect_document", { tenantId: "acme", id: "doc-1", token: served.token({ user: "cyd" }) });
    await cyd.settle();
    cyd.ws.terminate();
    release();
    await connecting;
    await ada.submit("behind all of that");
    const session = served.documents.registry.lookup("acme", "doc-1");
    while ((session?.clients.length ?? 0) > 2) await ada.next("op");
    expect(session?.clients.map(({ clientId }) => clientId)).to.have.members([ada.clientId, bob.clientId]);
  });
});

describe("initialMessages", () => {
  /** A document with so many ops of about so many bytes. */
  async function filled(ops: number, bytes: number) {
    const served = await documentsInMemory({ documents: { maxRecentBytes: 0 } });
    const ada = await served.enter();
    for (let i = 0; i < ops; i++) await ada.submit("x".repeat(bytes));
    return { served, ada };
  }

  it("are all ops for one that has none, and its own join last", async () => {
    const { served, ada } = await filled(5, 10);
    const bob = await served.enter({ user: "bob" });
    const { initialMessages } = bob.success;
    expect(numbers(initialMessages)).to.deep.equal(range(1, 7));
    expect(initialMessages.at(-1)).to.include({ type: "join" });
    expect(initialMessages.at(-1).contents.clientId).to.equal(bob.clientId);
    expect(bob.success.checkpointSequenceNumber).to.equal(7);
    await ada.caughtUp(7);
    expect(JSON.stringify(initialMessages), "the same as live").to.equal(JSON.stringify(ada.ops));
  });

  it("begin behind lastSeenSequenceNumber", async () => {
    const { served } = await filled(5, 10);
    const bob = await served.enter({ user: "bob", connect: { lastSeenSequenceNumber: 4 } });
    expect(numbers(bob.success.initialMessages)).to.deep.equal([5, 6, 7]);
    const cyd = await served.enter({ user: "cyd", scopes: READ, connect: { lastSeenSequenceNumber: 7 } });
    expect(cyd.success.initialMessages).to.deep.equal([]);
    expect(cyd.success.checkpointSequenceNumber).to.equal(7);
  });

  it("take 512 KiB at most; what is more follows as op, each once and in order", async () => {
    const { served } = await filled(10, 100 * KB);
    const bob = await served.enter({ user: "bob" });
    const { initialMessages, checkpointSequenceNumber } = bob.success;
    expect(numbers(initialMessages)).to.deep.equal(range(1, 6));
    expect(Buffer.byteLength(JSON.stringify(initialMessages))).to.be.within(400 * KB, 512 * KB);
    expect(checkpointSequenceNumber, "the head, since more follows").to.equal(12);
    expect(numbers(await bob.caughtUp(12))).to.deep.equal(range(1, 12));
    expect((await bob.submit("more")).response.sequenceNumber).to.equal(13);
  });

  it("count bytes, not characters", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    for (let i = 0; i < 3; i++) await ada.submit("€".repeat(80 * KB));
    const bob = await served.enter({ user: "bob" });
    expect(numbers(bob.success.initialMessages), "240 KiB each").to.deep.equal([1, 2, 3]);
    expect(numbers(await bob.caughtUp(5))).to.deep.equal(range(1, 5));
  });

  it("are none if the first op alone is larger; it follows as op", async () => {
    const { served } = await filled(1, 600 * KB);
    const bob = await served.enter({ user: "bob", connect: { lastSeenSequenceNumber: 1 } });
    expect(bob.success.initialMessages).to.deep.equal([]);
    expect(bob.success.checkpointSequenceNumber).to.equal(3);
    expect(numbers(await bob.caughtUp(3))).to.deep.equal([2, 3]);
  });

  it("and live ops miss and double nothing for those that connect while others write", async () => {
    const served = await documentsInMemory({ documents: { maxRecentBytes: 0 } });
    const ada = await served.enter();
    const late: Promise<DocumentPeer>[] = [];
    const replies: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      replies.push(ada.submit(i));
      if (i % 6 === 0) {
        late.push(served.enter({ user: `late-${i}`, scopes: i % 12 === 0 ? READ : WRITE }));
        await ada.settle();
      }
    }
    await Promise.all(replies);
    const peers = await Promise.all(late);
    const { head } = served.documents.registry.lookup("acme", "doc-1") ?? { head: 0 };
    for (const peer of [ada, ...peers]) {
      expect(numbers(await peer.caughtUp(head))).to.deep.equal(range(1, head));
    }
  });
});

describe("read clients", () => {
  it("are in initialClients, not in the log, and come and go as signals of the system", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob", scopes: READ });
    expect(bob.connected).to.include({ mode: "read", checkpointSequenceNumber: 1 });
    expect(
      bob.success.initialClients.map(({ clientId, client }: Json) => [clientId, client.mode]),
    ).to.deep.equal([
      [ada.clientId, "write"],
      [bob.clientId, "read"],
    ]);
    const joined = await ada.next("signal");
    const [, { client }] = bob.success.initialClients;
    expect(joined).to.have.all.keys("clientId", "content");
    expect(joined.clientId).to.equal(null);
    expect(JSON.parse(joined.content)).to.deep.equal({
      type: "join",
      content: { clientId: bob.clientId, client },
    });
    const session = served.documents.registry.lookup("acme", "doc-1");
    expect(session?.clients.map(({ clientId, mode }) => [clientId, mode])).to.deep.equal([
      [ada.clientId, "write"],
      [bob.clientId, "read"],
    ]);
    await ada.submit("seen by all");
    await bob.caughtUp(2);
    await bob.ask("phx_leave");
    const left = await ada.next("signal");
    expect(left).to.deep.equal({
      clientId: null,
      content: JSON.stringify({ type: "leave", content: bob.clientId }),
    });
    expect(session?.head).to.equal(2);
    expect(session?.clients).to.have.length(1);
    expect(
      (await bob.settle()).filter(({ event }) => event === "signal"),
      "not to itself",
    ).to.deep.equal([]);
  });

  it("may not write, but their noops are no error, and don't count", async () => {
    const served = await documentsInMemory();
    const bob = await served.enter({ scopes: READ });
    const { status, response } = await bob.submit("x");
    expect([status, response.reason]).to.deep.equal(["error", "read_only"]);
    expect((await bob.next("nack")).content).to.include({ code: 403, type: "InvalidScopeError" });
    expect(await bob.ask("noop", { referenceSequenceNumber: 0 })).to.deep.equal({
      status: "ok",
      response: {},
    });
  });
});

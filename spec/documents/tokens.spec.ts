import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { type Claims, TenantSecrets } from "../../lib/documents/index.ts";
import { error, ok } from "../../lib/index.ts";
import { Gate } from "../support/gate.ts";
import type { DocumentPeer, Incoming } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { documentsInMemory, FULL, OTHER_SECRET, READ, SECRET, WRITE } from "./served.ts";

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The claims of a good token, under another header and signature. */
function resigned(token: string, header: object, sign: (signed: string) => string): string {
  const signed = `${base64url(header)}.${token.split(".")[1]}`;
  return `${signed}.${sign(signed)}`;
}

const hs =
  (secret: string, hash = "sha256") =>
  (signed: string) =>
    createHmac(hash, secret).update(signed).digest("base64url");

/** The events that a client has got and nobody has taken, but for ops. */
async function besidesOps(peer: DocumentPeer): Promise<string[]> {
  return (await peer.settle()).map(({ event }) => event).filter((event) => event !== "op");
}

describe("forged tokens", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const forged: readonly [what: string, forge: (token: string) => string, reason: string][] = [
    ["alg none, without a signature", (t) => resigned(t, { alg: "none" }, () => ""), "invalid_signature"],
    ["alg none, with a right HMAC", (t) => resigned(t, { alg: "none" }, hs(SECRET)), "invalid_signature"],
    ["no alg", (t) => resigned(t, { typ: "JWT" }, hs(SECRET)), "invalid_signature"],
    [
      "RS256 over a key of one's own",
      (t) =>
        resigned(t, { alg: "RS256" }, (signed) =>
          createSign("sha256").update(signed).sign(privateKey, "base64url"),
        ),
      "invalid_signature",
    ],
    ["RS256 with the secret as key", (t) => resigned(t, { alg: "RS256" }, hs(SECRET)), "invalid_signature"],
    ["HS512", (t) => resigned(t, { alg: "HS512" }, hs(SECRET, "sha512")), "invalid_signature"],
    ["another tenant's secret", (t) => resigned(t, { alg: "HS256" }, hs(OTHER_SECRET)), "invalid_signature"],
    [
      "its own key in the header",
      (t) => resigned(t, { alg: "HS256", jwk: { k: "x" } }, hs("x")),
      "invalid_signature",
    ],
    [
      "an extension it says is critical",
      (t) => resigned(t, { alg: "HS256", crit: ["b64"] }, hs(SECRET)),
      "malformed_token",
    ],
  ];
  for (const [what, forge, reason] of forged) {
    it(`are refused: ${what}`, async () => {
      const served = await documentsInMemory();
      const peer = await served.lurk();
      const token = forge(served.token());
      const { reply, event } = await peer.tryConnect({ token });
      expect(reply).to.deep.include({ status: "error" });
      expect(reply.response).to.include({ reason, code: 401 });
      expect(JSON.stringify([reply, event, served.logged()])).to.not.include(token.slice(-20));
    });
  }

  it("are in no answer to a payload that is one, or has one in another place", async () => {
    const served = await documentsInMemory();
    const peer = await served.lurk();
    const token = served.token();
    const { tenantId, id } = { tenantId: "acme", id: "doc-1" };
    const payloads = [
      token,
      [token],
      { token },
      { tenantId, id, token: [token] },
      { tenantId, id, token: { token } },
    ];
    for (const payload of payloads) {
      const { status, response } = await peer.ask("connect_document", payload);
      expect([status, response.reason, response.code]).to.deep.equal(["error", "malformed", 400]);
      expect(JSON.stringify(response)).to.not.include(token.slice(0, 20));
    }
    const ada = await served.enter();
    for (const payload of [token, [token], { token: [token] }, {}]) {
      const { response } = await ada.ask("access_token", payload);
      expect(response).to.deep.equal({ reason: "malformed_token", message: "access_token needs {token}" });
    }
  });
});

describe("a token's end", () => {
  /** A writer whose token counts for so many seconds, and another one. */
  async function expiring(expiresIn = 100, setup: Parameters<typeof documentsInMemory>[0] = {}) {
    const served = await documentsInMemory(setup);
    const ada = await served.enter({ expiresIn });
    const bob = await served.enter({ user: "bob", expiresIn: 3600 });
    await ada.caughtUp(2);
    return { served, ada, bob };
  }

  it("is told a minute before, or at half of the time that is left", async () => {
    const { served, ada } = await expiring(200);
    served.clock.skip(139_000);
    expect((await ada.settle()).map(({ event }) => event)).to.not.include("token_expiring");
    served.clock.skip(2000);
    expect(await ada.next("token_expiring")).to.deep.equal({ expires_in: 60 });
    const short = await served.enter({ expiresIn: 10 });
    served.clock.skip(5500);
    expect((await short.next("token_expiring")).expires_in).to.be.within(4, 5);
  });

  it("pauses the client: nothing is taken and nothing delivered, until a token comes, and then nothing is lost", async () => {
    const { served, ada, bob } = await expiring(100, {
      channel: (base) =>
        class extends base {
          static {
            this.on("say", function () {
              this.broadcast("said", {});
            });
          }
        },
    });
    const waiting = ada.submission(ada.op("too late"));
    served.clock.skip(100_000);
    await bob.submit("while ada is paused");
    await bob.ask("submitSignal", { contentBatches: ["while ada is paused"] });
    bob.send("say");
    await bob.next("said");
    served.endpoint.broadcast("document:acme:doc-1", "told", {});

    const submitted = await ada.ask("submitOp", waiting);
    expect([submitted.status, submitted.response.reason]).to.deep.equal(["error", "token_expired"]);
    expect(await ada.next("nack")).to.deep.include({
      content: { code: 401, type: "AuthorizationError", message: submitted.response.message },
    });
    for (const event of ["submitSignal", "noop", "requestOps", "say"]) {
      const { response } = await ada.ask(event, { from: 0, contentBatches: [1], referenceSequenceNumber: 2 });
      expect([event, response.reason]).to.deep.equal([event, "token_expired"]);
    }
    expect(await besidesOps(ada)).to.deep.equal(["token_expiring"]);
    expect(ada.ops.at(-1)?.sequenceNumber).to.equal(2);

    const refreshed = await ada.ask("access_token", { token: served.token({ expiresIn: 3600 }) });
    expect(refreshed).to.deep.equal({ status: "ok", response: {} });
    const ops = await ada.caughtUp(3);
    expect(ops.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal([1, 2, 3]);
    expect(await ada.ask("submitOp", waiting)).to.deep.equal({
      status: "ok",
      response: { sequenceNumber: 4, first: 4 },
    });
    served.clock.skip(60_000);
    expect((await ada.submit("still here")).status).to.equal("ok");
  });

  it("is moved by a token in time, without a pause", async () => {
    const { served, ada, bob } = await expiring();
    served.clock.skip(90_000);
    await ada.ask("access_token", { token: served.token({ expiresIn: 100 }) });
    served.clock.skip(50_000);
    await bob.submit("x");
    await ada.caughtUp(3);
    expect((await ada.submit("y")).status).to.equal("ok");
  });

  it("is the end of the client 10 s later: its leave, a nack, phx_error", async () => {
    const { served, ada, bob } = await expiring();
    served.clock.skip(100_000);
    served.clock.skip(9000);
    expect(await besidesOps(ada)).to.deep.equal(["token_expiring"]);
    served.clock.skip(1100);
    const [nack, end, ...rest] = (await ada.settle()) as [Incoming, Incoming];
    expect(nack.payload).to.deep.include({ clientId: "", operation: null, sequenceNumber: 2 });
    expect(nack.payload.content).to.include({ code: 401, type: "AuthorizationError" });
    expect([end.event, end.payload, rest]).to.deep.equal(["phx_error", { reason: "channel_crash" }, []]);
    expect((await bob.caughtUp(3)).at(-1)).to.include({
      type: "leave",
      contents: ada.clientId,
      clientId: null,
    });
    await ada.join();
    await ada.connectDocument({ token: served.token() });
  });

  it("bites an op that waits in the queue: what isn't sequenced by then never is", async () => {
    const log = new GatedLog();
    const { served, ada, bob } = await expiring(4, { documents: { log } });
    const release = log.holdAppends();
    const first = bob.send("submitOp", bob.submission(bob.op("in flight")));
    await bob.settle();
    const waiting = ada.send("submitOp", ada.submission(ada.op("waits")));
    await ada.settle();
    served.clock.skip(4000);
    release();
    expect((await bob.reply(first)).status).to.equal("ok");
    expect((await ada.reply(waiting)).response.reason).to.equal("token_expired");
    expect((await bob.submit("next")).response.sequenceNumber).to.equal(4);
    expect(bob.ops.map(({ contents }) => contents)).to.not.include("waits");
  });

  it("bites on the minute, also if the timer is late", async () => {
    const { served, ada } = await expiring(4);
    served.clock.lag(4000);
    const { response } = await ada.submit("x");
    expect(response.reason).to.equal("token_expired");
  });

  it("bites a client that waits for its connect", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const release = log.holdAppends();
    const peer = await served.lurk();
    const connecting = peer.tryConnect({ token: served.token({ expiresIn: 3 }) });
    await peer.settle();
    served.clock.skip(4000);
    release();
    const { reply } = await connecting;
    expect(reply.response).to.include({ reason: "token_expired", code: 401 });
    await peer.settle();
    const reader = await served.enter({ scopes: READ });
    expect(reader.ops.map(({ type }) => type)).to.deep.equal(["join", "leave"]);
    expect(reader.success.initialClients).to.have.length(1);
  });

  it("comes later by clockTolerance, which is no pause", async () => {
    const served = await documentsInMemory({ documents: { clockTolerance: 30 } });
    const token = served.token({ expiresIn: 10 });
    served.clock.skip(20_000);
    const late = await served.enter({ connect: { token } });
    expect((await late.submit("within the tolerance")).status).to.equal("ok");
    served.clock.skip(21_000);
    expect((await late.ask("requestOps", { from: 0 })).response.reason).to.equal("token_expired");
  });

  it("may be further away than a timer reaches", async () => {
    const served = await documentsInMemory();
    const month = 30 * 86_400;
    expect(month * 1000).to.be.above(2 ** 31);
    const ada = await served.enter({ expiresIn: month, scopes: READ });
    const years = await served.enter({ expiresIn: 50 * 365 * 86_400 });
    expect((await years.submit("x")).status).to.equal("ok");
    expect(await besidesOps(years)).to.deep.equal([]);
    served.clock.skip(month * 1000 - 61_000);
    expect(await besidesOps(ada)).to.deep.equal([]);
    served.clock.skip(2000);
    expect(await ada.next("token_expiring")).to.deep.equal({ expires_in: 60 });
  });

  it("leaves no timer behind when the channel ends while a new token is looked at", async () => {
    const gate = new Gate<string>();
    let asked = 0;
    const source = () => (++asked === 1 ? SECRET : gate.promise);
    const tenants = new TenantSecrets<string | Promise<string>>({ source, ttlMs: 0, staleMs: 0 });
    const served = await documentsInMemory({ documents: { tenants } });
    // One answer for connect_document, and for its key.
    const token = served.token({ expiresIn: 100_000 });
    const ada = await served.lurk();
    const connecting = ada.connectDocument({ token });
    await ada.settle();
    gate.open(SECRET);
    await connecting;
    const slow = new Gate<string>();
    Object.assign(gate, { promise: slow.promise });
    ada.send("access_token", { token });
    await ada.settle();
    await served.documents.registry.stop("acme", "doc-1");
    await ada.next("phx_error");
    slow.open(SECRET);
    await ada.settle();
    expect(served.clock.pending(60_000)).to.equal(0);
  });

  it("leaves no timer behind when the client goes", async () => {
    const served = await documentsInMemory({ documents: { idleTimeout: 0 } });
    const ada = await served.enter({ expiresIn: 100_000 });
    expect(served.clock.pending(60_000)).to.equal(1);
    await ada.ask("phx_leave");
    expect(served.clock.pending(60_000)).to.equal(0);
  });
});

describe("access_token", () => {
  for (const [what, of, reason] of [
    ["another user's", { user: "bob" }, "wrong_user"],
    ["another tenant's", { tenant: "other" }, "wrong_tenant"],
    ["another document's", { document: "doc-2" }, "wrong_document"],
    ["one that has expired", { expiresIn: -1 }, "token_expired"],
  ] as const) {
    it(`is refused with ${what}, and all stays as it was`, async () => {
      const served = await documentsInMemory();
      const ada = await served.enter();
      const token = served.token(of);
      const { status, response } = await ada.ask("access_token", { token });
      expect([status, response.reason]).to.deep.equal(["error", reason]);
      expect(response.message).to.not.include(token.slice(0, 20));
      expect((await ada.submit("x")).status).to.equal("ok");
    });
  }

  it("is refused if the app's authorize doesn't want it any more, and all stays as it was", async () => {
    const members = new Set(["ada"]);
    const served = await documentsInMemory({
      channel: (base) =>
        class extends base {
          override async authorize({ user }: Claims) {
            return members.has(user.id) ? ok() : error({ message: "no longer a member" });
          }
        },
    });
    const ada = await served.enter({ expiresIn: 100 });
    expect((await ada.ask("access_token", { token: served.token() })).status).to.equal("ok");
    members.clear();
    expect(await ada.ask("access_token", { token: served.token() })).to.deep.equal({
      status: "error",
      response: {
        reason: "unauthorized",
        message: "no longer a member",
        details: { message: "no longer a member" },
      },
    });
    expect((await ada.submit("x")).status).to.equal("ok");
  });

  it("that loses doc:write ends the write client, which may come back for reading", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    const token = served.token({ scopes: READ });
    expect((await ada.ask("access_token", { token })).status).to.equal("ok");
    expect((await ada.next("nack")).content).to.include({ code: 403, type: "InvalidScopeError" });
    await ada.next("phx_error");
    expect((await bob.caughtUp(3)).at(-1)).to.include({ type: "leave" });
    await ada.join();
    await ada.connectDocument({ token, mode: "read" });
    expect((await ada.submit("x")).response.reason).to.equal("read_only");
  });

  it("that loses doc:read ends the channel", async () => {
    const served = await documentsInMemory();
    const reader = await served.enter({ scopes: READ });
    await reader.ask("access_token", { token: served.token({ scopes: [] }) });
    expect((await reader.next("nack")).content.message).to.include("doc:read");
    await reader.next("phx_error");
    const bob = await served.enter({ user: "bob" });
    await bob.submit("x");
    expect((await reader.settle()).map(({ event }) => event)).to.deep.equal([]);
  });

  it("brings and takes summary:write, also for an op that waits", async () => {
    const log = new GatedLog();
    const served = await documentsInMemory({ documents: { log } });
    const ada = await served.enter({ scopes: WRITE });
    const summarize = (handle: string) => ada.op({ handle, head: "" }, { type: "summarize" });
    const op = summarize("s1");
    const refused = await ada.ask("submitOp", ada.submission(op));
    expect([refused.status, refused.response.reason]).to.deep.equal(["error", "missing_scope"]);
    expect((await ada.next("nack")).content).to.include({ code: 403, type: "InvalidScopeError" });
    await ada.ask("access_token", { token: served.token({ scopes: FULL }) });
    expect((await ada.ask("submitOp", ada.submission(op))).status).to.equal("ok");
    const release = log.holdAppends();
    const inFlight = ada.send("submitOp", ada.submission(ada.op("x")));
    await ada.settle();
    const waiting = ada.send("submitOp", ada.submission(summarize("s2")));
    await ada.ask("access_token", { token: served.token({ scopes: WRITE }) });
    release();
    expect((await ada.reply(waiting)).response.reason).to.equal("missing_scope");
    expect((await ada.reply(inFlight)).status).to.equal("ok");
  });
});

describe("tokens and secrets", () => {
  it("are in no line of the log, at any level, and in no answer", async () => {
    const served = await documentsInMemory();
    const used = [
      served.token(),
      served.token({ expiresIn: -1 }),
      served.token({ tenant: "other" }),
      served.token({ user: "bob" }),
    ];
    const ada = await served.lurk();
    for (const token of used.slice(1, 3)) await ada.tryConnect({ token });
    await ada.connectDocument({ token: used[0] });
    for (const token of used) await ada.ask("access_token", { token });
    await served.documents.registry.stop("acme", "doc-1");
    await ada.next("phx_error");
    const text = `${served.logged()}\n${JSON.stringify(ada.all)}`;
    expect(text).to.include("connect_document");
    for (const secret of [
      SECRET,
      OTHER_SECRET,
      ...used,
      ...used.map((token) => token.split(".")[2] as string),
    ]) {
      expect(text).to.not.include(secret);
    }
  });
});

describe("the limits of connects", () => {
  it("20 failed connects a minute and channel, then 429 with the time to wait", async () => {
    const served = await documentsInMemory();
    const peer = await served.lurk();
    for (let i = 0; i < 20; i++) {
      expect((await peer.tryConnect({ token: "wrong" })).reply.response.code).to.equal(401);
    }
    const { reply, event } = await peer.tryConnect({ token: served.token() });
    expect(reply.response).to.include({ reason: "throttled", code: 429 });
    expect(event).to.include({ code: 429, retryAfter: reply.response.retryAfter });
    expect(reply.response.retryAfter).to.be.within(50, 60);
    served.clock.skip(60_000);
    await peer.connectDocument({ token: served.token() });
  });

  it("300 connects a minute of one user and document, whatever the connection", async () => {
    const served = await documentsInMemory();
    const peer = await served.lurk();
    for (let i = 0; i < 300; i++) {
      await peer.connectDocument({ token: served.token({ scopes: READ }), mode: "read" });
      await peer.join();
    }
    const { reply } = await peer.tryConnect({ token: served.token() });
    expect(reply.response).to.include({ reason: "throttled", code: 429, retryAfter: 60 });
    await served.enter({ user: "bob" });
    served.clock.skip(60_000);
    await peer.connectDocument({ token: served.token() });
  });

  it("maxClients of a document; who resumes takes the place of the one it goes on from", async () => {
    const served = await documentsInMemory({ documents: { maxClients: 2 } });
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob", scopes: READ });
    const peer = await served.lurk();
    const { reply } = await peer.tryConnect({ token: served.token({ user: "cyd" }) });
    expect(reply.response).to.include({ reason: "too_many_clients", code: 429, retryAfter: 10 });
    const resume = { clientId: ada.clientId, key: ada.connected.key };
    await peer.connectDocument({ token: served.token(), resume });
    expect(peer.connected.resumed).to.deep.equal({
      clientId: ada.clientId,
      lastClientSequenceNumber: 0,
      lastSequenceNumber: 0,
    });
    await ada.next("phx_error");
    bob.ws.terminate();
    await peer.next("signal");
    await served.enter({ user: "cyd" });
    await served.enter({ document: "doc-2" });
  });

  it("one connect of a channel: another one is answered already_connected, and changes nothing", async () => {
    const served = await documentsInMemory();
    const ada = await served.enter();
    const { reply } = await ada.tryConnect({ token: served.token({ user: "bob" }) });
    expect(reply.response).to.include({ reason: "already_connected", code: 400 });
    expect((await ada.submit("x")).response.sequenceNumber).to.equal(2);
  });
});

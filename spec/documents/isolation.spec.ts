import { expect } from "chai";
import { ConfigError, Endpoint, ok, Socket } from "../../lib/index.ts";
import { Presence } from "../../lib/presence/index.ts";
import { Gate } from "../support/gate.ts";
import { DocumentPeer } from "./document-peer.ts";
import { GatedLog } from "./gated-log.ts";
import { PlainChannel, READ, type ServedDocuments, serveDocuments, WRITE } from "./served.ts";

const TOPIC = "document:acme:doc-1";

/** Everything that a document sends to the clients that are connected to it, one of each kind. */
async function stirUp(served: ServedDocuments, writer: DocumentPeer): Promise<void> {
  await writer.submit("a secret");
  await writer.ask("submitSignal", { contentBatches: [{ cursor: 1 }] });
  const reader = await served.enter({ user: "cyd", scopes: READ });
  served.endpoint.broadcast(TOPIC, "from_endpoint", {});
  expect((await writer.ask("announce")).status).to.equal("ok");
  reader.ws.terminate();
  // Its leave has been announced by then.
  await writer.next("signal");
  await writer.next("signal");
}

/** A class with an event of the app's own, and a presence that tracks whoever connects. */
async function serveStirring(documents: object = {}) {
  let presence: Presence | null = null;
  const served = await serveDocuments({
    documents,
    channel: (base) => {
      class AppChannel extends base {
        static {
          this.on("announce", function () {
            this.broadcast("from_channel", {});
            this.broadcastFrom("from_channel_others", {});
            return ok();
          });
          this.on("track", async function () {
            await presence?.track(this, "someone", {});
            return ok();
          });
        }
      }
      return AppChannel;
    },
  });
  presence = new Presence(served.endpoint);
  return served;
}

describe("a client that has joined a document's topic without a token", () => {
  it("receives nothing of what the connected ones receive", async () => {
    const served = await serveStirring();
    const lurker = await served.lurk();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    expect((await ada.ask("track")).status).to.equal("ok");
    await stirUp(served, ada);
    expect(await lurker.settle()).to.deep.equal([]);
    await bob.settle();
    const events = new Set(bob.all.map(({ event }) => event));
    expect([...events], "what there was to receive").to.include.members([
      "op",
      "signal",
      "presence_diff",
      "from_endpoint",
      "from_channel",
      "from_channel_others",
    ]);
    expect(ada.all.filter(({ event }) => event === "from_channel_others")).to.deep.equal([]);
  });

  it("receives nothing of them either once its token was refused, or after it has left", async () => {
    const served = await serveStirring();
    const refused = await served.lurk();
    await refused.tryConnect({ token: served.token({ tenant: "other" }) });
    const left = await served.enter({ user: "left" });
    await left.ask("phx_leave");
    await left.settle();
    await left.join();
    const ada = await served.enter();
    await stirUp(served, ada);
    expect(await refused.settle()).to.deep.equal([]);
    expect(await left.settle()).to.deep.equal([]);
  });

  it("causes no session, no call of the log, and no subscription", async () => {
    const log = new GatedLog();
    const served = await serveDocuments({ documents: { log } });
    const lurker = await served.lurk();
    for (const token of ["nothing", served.token({ tenant: "other" }), served.token({ expiresIn: -5 })]) {
      await lurker.tryConnect({ token });
    }
    await lurker.ask("requestOps", { from: 0 });
    expect(log.calls).to.deep.equal([]);
    expect([...served.documents.registry.sessions()]).to.deep.equal([]);
    expect(served.endpoint.stats().topics).to.equal(0);
    await lurker.connectDocument({ token: served.token() });
    expect(log.calls[0], "what the counting sees").to.equal("state acme/doc-1");
    expect(served.endpoint.stats().topics).to.equal(2);
  });

  it("is refused every event but connect_document, those of the app too", async () => {
    const served = await serveStirring();
    const lurker = await served.lurk();
    const events = ["submitOp", "submitSignal", "noop", "requestOps", "access_token", "announce", "unknown"];
    for (const event of [...events, "__proto__", "constructor", "phx_", ""]) {
      const { status, response } = await lurker.ask(event, { clientId: "x", token: served.token() });
      expect([event, status, response.reason]).to.deep.equal([event, "error", "not_authenticated"]);
    }
    const nacks = (await lurker.settle()).map(({ event, payload }) => [event, payload.content.code]);
    expect(nacks, "one for submitOp").to.deep.equal([["nack", 401]]);
  });

  it("can't join the key that a document's broadcasts go to", async () => {
    const served = await serveDocuments();
    class Anything extends PlainChannel {
      static override documents = served.documents;
    }
    class AnySocket extends Socket {
      static override channels = { "*": Anything };
    }
    const endpoint = new Endpoint();
    expect(() => endpoint.broadcast(`\0${TOPIC}`, "x", {})).to.throw(ConfigError);
    served.endpoint.socket("/any", AnySocket);
    const peer = await DocumentPeer.open(served.url.replace("/socket/", "/any/"), "2.0.0", `\0${TOPIC}`);
    expect(await peer.join()).to.deep.equal({ status: "error", response: { reason: "unmatched topic" } });
  });
});

describe("the events of the document channel", () => {
  const SEALED = ["connect_document", "submitOp", "submitSignal", "noop", "requestOps", "access_token"];

  for (const event of SEALED) {
    it(`can't be replaced by on: ${event}`, () => {
      class AppChannel extends PlainChannel {}
      class Deeper extends AppChannel {}
      for (const one of [AppChannel, Deeper]) {
        expect(() => one.on(event, () => ok()))
          .to.throw(ConfigError, "which can't be replaced")
          .with.property("code", "invalid_handler");
      }
    });
  }

  it("can't be gone round by an override of handleIn", async () => {
    const served = await serveDocuments();
    class AppChannel extends PlainChannel {
      static override documents = served.documents;
      override handleIn() {
        return ok();
      }
    }
    class AppSocket extends Socket {
      static override channels = { "document:*": AppChannel };
    }
    expect(() => new Endpoint().socket("/socket", AppSocket))
      .to.throw(ConfigError, "may not override handleIn")
      .with.property("code", "invalid_channel");
  });

  it("can't be gone round by a field that is called handleIn, which lets nobody join", async () => {
    const handled: string[] = [];
    const served = await serveDocuments({
      channel: (base) => {
        class AppChannel extends base {
          override handleIn = (event: string) => {
            handled.push(event);
            return ok();
          };
        }
        return AppChannel;
      },
    });
    const ada = await DocumentPeer.open(served.url, "2.0.0", TOPIC);
    expect(await ada.join()).to.deep.equal({ status: "error", response: { reason: "join crashed" } });
    await ada.ask("submitSignal", { contentBatches: [1] });
    expect(handled).to.deep.equal([]);
    expect(served.logged()).to.include("handleIn");
  });

  it("can't be gone round by a handleIn that is assigned later", async () => {
    const served = await serveDocuments({
      channel: (base) => {
        class AppChannel extends base {
          override join() {
            expect(() => Object.assign(this, { handleIn: () => ok() })).to.throw(TypeError, "handleIn");
            Object.assign(AppChannel.prototype, { handleIn: () => ok() });
            return ok();
          }
        }
        return AppChannel;
      },
    });
    const ada = await served.lurk();
    const { response } = await ada.ask("submitSignal", { contentBatches: [1] });
    expect(response.reason).to.equal("not_authenticated");
  });

  it("need documents: a class without them can't be mounted", () => {
    class AppSocket extends Socket {
      static override channels = { "document:*": PlainChannel };
    }
    expect(() => new Endpoint().socket("/socket", AppSocket))
      .to.throw(ConfigError, "needs its documents")
      .with.property("code", "invalid_channel");
  });
});

describe("what a client may not forge", () => {
  for (const type of ["join", "leave", "summaryAck", "summaryNack", "noClient", "control", "tripComplete"]) {
    it(`ops of the type ${type}`, async () => {
      const served = await serveDocuments();
      const ada = await served.enter();
      const contents = { clientId: "x", detail: {} };
      const refs = ada.burst([
        ["submitOp", ada.submission(ada.op(contents, { type }))],
        ["submitOp", { type, contents }],
      ]);
      for (const ref of refs) {
        const { status, response } = await ada.reply(ref);
        expect([status, response.reason]).to.deep.equal(["error", "malformed"]);
      }
      expect(served.documents.registry.lookup("acme", "doc-1")?.head).to.equal(1);
    });
  }

  it("data, serverMetadata, origin, and what else an op has that isn't the client's", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    const forged = {
      data: "{}",
      serverMetadata: {},
      origin: {},
      traces: [],
      clientId: "other",
      sequenceNumber: 99,
      minimumSequenceNumber: 99,
      timestamp: 1,
      additionalContent: "x",
      metadata: { kept: true },
      compression: "lz4",
    };
    await ada.ask("submitOp", ada.submission(ada.op("x", forged)));
    const op = ada.ops.at(-1);
    expect(op).to.have.all.keys(
      "clientId",
      "sequenceNumber",
      "minimumSequenceNumber",
      "clientSequenceNumber",
      "referenceSequenceNumber",
      "type",
      "contents",
      "metadata",
      "compression",
      "timestamp",
    );
    expect(op).to.include({ clientId: ada.clientId, sequenceNumber: 2, compression: "lz4" });
    expect(op?.timestamp).to.be.above(1);
  });

  it("user, scopes, mode and timestamp of its join", async () => {
    const served = await serveDocuments();
    const before = Math.floor(served.clock.now());
    const client = {
      user: { id: "root", admin: true },
      scopes: ["summary:write"],
      mode: "read",
      timestamp: 5,
      details: { capabilities: { interactive: true } },
    };
    const ada = await served.enter({ scopes: WRITE, connect: { client } });
    const [{ contents }] = ada.success.initialMessages;
    const { timestamp, ...detail } = contents.detail;
    expect(detail).to.deep.equal({
      user: { id: "ada" },
      scopes: WRITE,
      mode: "write",
      details: { capabilities: { interactive: true } },
    });
    expect(timestamp).to.be.within(before, Math.ceil(served.clock.now()));
    expect(ada.success.initialClients[0].client).to.deep.equal(contents.detail);
  });

  it("another client's id in submitOp, submitSignal and noop", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    const bob = await served.enter({ user: "bob" });
    const op = bob.op("x");
    for (const clientId of [ada.clientId, "", "__proto__", 5, null]) {
      for (const [event, rest] of [
        ["submitOp", { messageBatches: [[op]] }],
        ["submitSignal", { contentBatches: ["x"] }],
        ["noop", { referenceSequenceNumber: 1 }],
      ] as const) {
        const { status, response } = await bob.ask(event, { clientId, ...rest });
        expect([event, status, response.reason]).to.deep.equal([event, "error", "client_mismatch"]);
      }
    }
    expect((await bob.ask("submitOp", bob.submission(op))).status).to.equal("ok");
  });
});

describe("a document channel on the server", () => {
  it("knows its client and session once it is connected, and who it was in terminate", async () => {
    const seen: unknown[] = [];
    const ended = new Gate();
    const served = await serveDocuments({
      channel: (base) => {
        class AppChannel extends base {
          static {
            this.on("who", function () {
              return ok({
                user: this.client?.claims.user.id,
                mode: this.client?.mode,
                head: this.session?.head,
              });
            });
          }
          override join(topic: string, payload: unknown) {
            seen.push(this.client, this.session);
            return super.join(topic, payload);
          }
          override terminate() {
            seen.push(this.client?.clientId, this.session);
            ended.open();
          }
        }
        return AppChannel;
      },
    });
    const ada = await served.enter();
    expect((await ada.ask("who")).response).to.deep.equal({ user: "ada", mode: "write", head: 1 });
    await ada.ask("phx_leave");
    await ended.promise;
    expect(seen).to.deep.equal([null, null, ada.clientId, null]);
  });

  it("broadcasts events that are names, and nothing else", async () => {
    const served = await serveDocuments({
      channel: (base) => {
        class AppChannel extends base {
          static {
            this.on("say", function (event) {
              this.broadcast(event as string, {});
            });
          }
        }
        return AppChannel;
      },
    });
    const ada = await served.enter();
    ada.send("say", null);
    await ada.next("phx_error");
    expect(served.logged()).to.include("broadcast needs an event");
  });
});

describe("the names of documents", () => {
  it("keep apart what a separator would make one: a colon in the document is its own", async () => {
    const served = await serveDocuments();
    served.tenants.register("a", "the-secret-of-tenant-a--32-bytes");
    served.tenants.register("a/b", "the-secret-of-tenant-ab-32-bytes");
    const one = await served.enter({ tenant: "a", document: "b:c" });
    const two = await served.enter({ tenant: "a/b", document: "c" });
    await one.submit("one");
    await two.submit("two");
    expect((await two.settle()).filter(({ event }) => event === "op")).to.have.length(1);
    expect(two.ops.map(({ contents }) => contents).slice(1)).to.deep.equal(["two"]);
    expect(served.documents.registry.lookup("a", "b:c")?.head).to.equal(2);
    expect(served.documents.registry.lookup("a/b", "c")?.head).to.equal(2);
    // What would be "a" + ":" + "b:c" as well: no tenant can have this name.
    expect(() => served.tenants.register("a:b", "the-secret-of-tenant-ab-32-bytes")).to.throw(ConfigError);
  });

  it("keep the same document of two tenants apart, also for a token of the other's", async () => {
    const served = await serveDocuments();
    const acme = await served.enter();
    const other = await served.enter({ tenant: "other" });
    await acme.submit("of acme");
    await other.submit("of other");
    expect(other.ops.map(({ contents }) => contents)).to.not.include("of acme");
    const thief = await served.lurk();
    const { reply } = await thief.tryConnect({ token: served.token({ tenant: "other" }) });
    expect(reply.response.reason).to.equal("wrong_tenant");
  });

  it("may be those of an object's prototype", async () => {
    const served = await serveDocuments();
    served.tenants.register("__proto__", "the-secret-of-__proto__-32-bytes");
    for (const document of ["__proto__", "constructor", "toString"]) {
      const peer = await served.enter({ tenant: "__proto__", document, user: "__proto__" });
      expect((await peer.submit(JSON.parse('{"__proto__":{"polluted":true}}'))).status).to.equal("ok");
      expect(JSON.stringify(peer.ops.at(-1)?.contents)).to.equal('{"__proto__":{"polluted":true}}');
      expect(served.documents.registry.lookup("__proto__", document)?.head).to.equal(2);
    }
    expect(({} as { readonly polluted?: unknown }).polluted).to.equal(undefined);
    const peer = await served.enter({ connect: { client: JSON.parse('{"__proto__":{"mode":"x"}}') } });
    const [{ client }] = peer.success.initialClients;
    expect([Object.hasOwn(client, "__proto__"), client.mode]).to.deep.equal([true, "write"]);
  });

  const wrong = [
    ["no document", "document:acme"],
    ["an empty document", "document:acme:"],
    ["an empty tenant", "document::doc-1"],
    ["a lone surrogate", "document:acme:\ud800"],
    ["a lone surrogate in the tenant", "document:\udc00:doc"],
    ["a control character", "document:acme:a\u0000b"],
    ["one of the upper control characters", "document:acme:a\u0085b"],
    ["more than 256 bytes", `document:acme:${"é".repeat(129)}`],
    ["a tenant of more than 256 bytes", `document:${"a".repeat(257)}:doc`],
  ] as const;
  for (const [what, topic] of wrong) {
    it(`can't be joined with ${what}`, async () => {
      const served = await serveDocuments();
      const peer = await DocumentPeer.open(served.url, "2.0.0", topic);
      const { status, response } = await peer.join();
      expect([status, response.reason]).to.deep.equal(["error", "malformed_topic"]);
    });
  }

  it("of 256 bytes are right", async () => {
    const served = await serveDocuments();
    const peer = await served.enter({ document: "é".repeat(128) });
    expect((await peer.submit("x")).response).to.deep.equal({ sequenceNumber: 2, first: 2 });
  });

  it("must be those of the topic", async () => {
    const served = await serveDocuments();
    const peer = await served.lurk();
    for (const fields of [{ id: "doc-2" }, { tenantId: "other" }, { id: "doc-1:" }]) {
      const { reply } = await peer.tryConnect({ token: served.token(), ...fields });
      expect([reply.response.reason, reply.response.code]).to.deep.equal(["topic_mismatch", 400]);
    }
  });

  it("are asked for where an app lets clients join other topics", async () => {
    const served = await serveDocuments({
      channel: (base) =>
        class extends base {
          override join() {
            return ok();
          }
        },
    });
    const peer = await DocumentPeer.open(served.url, "2.0.0", "document:acme");
    await peer.join();
    const { reply } = await peer.tryConnect({ token: served.token() });
    expect([reply.response.reason, reply.response.code]).to.deep.equal(["topic_mismatch", 400]);
    expect(served.lines.filter(({ level }) => level === "error")).to.deep.equal([]);
  });
});

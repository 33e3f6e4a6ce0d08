import { once } from "node:events";
import { expect } from "chai";
import {
  Documents,
  type DocumentsOptions,
  type Documents as DocumentsType,
  MemoryOpLog,
  type OpLog,
  OpLogError,
  TenantSecrets,
} from "../../lib/documents/index.ts";
import { ConfigError, Endpoint, type PubSubAdapter, Socket, StateError } from "../../lib/index.ts";
import { Gate, turn } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";
import { PlainChannel, SECRET, serveDocuments } from "./served.ts";
import { SkippingClock } from "./skipping-clock.ts";

const tenants = new TenantSecrets();
tenants.register("acme", SECRET);

/** What `new Documents` refuses, and the words that its message must have. */
const REFUSED: readonly [what: string, options: unknown, code: string, words: string][] = [
  ["no options", undefined, "invalid_option", "tenants"],
  ["no tenants", {}, "invalid_option", "new TenantSecrets()"],
  ["secrets as tenants", { tenants: { acme: SECRET } }, "invalid_option", "tenants"],
  ["an option that is none", { tenants, maxClient: 5 }, "unknown_option", "maxClient"],
  ["no clients at all", { tenants, maxClients: 0 }, "invalid_option", "maxClients"],
  ["a timeout as text", { tenants, idleTimeout: "10s" }, "invalid_option", "idleTimeout"],
  ["a tolerance of more than a minute", { tenants, clockTolerance: 61 }, "invalid_option", "clockTolerance"],
  ["less than no memory", { tenants, maxRecentBytes: -1 }, "invalid_option", "maxRecentBytes"],
  ["a node without a name", { tenants, node: "" }, "invalid_option", "node"],
  ["a log that is none", { tenants, log: {} }, "invalid_option", "log"],
  ["a clock that is none", { tenants, clock: Date }, "invalid_option", "clock"],
  [
    "a guarantee that nobody gives",
    { tenants, require: { durability: "forever" } },
    "invalid_option",
    "durability",
  ],
  ["one that is none", { tenants, require: { speed: "high" } }, "unknown_option", "speed"],
  [
    "a log that outlives nothing where power loss is to be outlived",
    { tenants, require: { durability: "power" } },
    "invalid_option",
    '"memory"',
  ],
  [
    "a log of one node where several are to share it",
    { tenants, require: { shared: true } },
    "invalid_option",
    "shared",
  ],
  [
    "a log that isn't replicated where a quorum is asked for",
    { tenants, require: { failover: "quorum" } },
    "invalid_option",
    "failover",
  ],
  [
    "a log of small records",
    { tenants, log: new MemoryOpLog({ maxRecordBytes: 1000 }) },
    "invalid_option",
    "262144",
  ],
];

/** A log that promises what it is told to. */
function promising(guarantees: Partial<OpLog["guarantees"]>): OpLog {
  const log = new MemoryOpLog();
  return Object.assign(Object.create(log) as OpLog, {
    guarantees: { ...log.guarantees, ...guarantees },
    close: () => log.close(),
  });
}

/** An endpoint whose pubsub has other nodes. */
function distributed(): Endpoint {
  const adapter: PubSubAdapter = {
    name: "spec",
    start() {},
    subscribe: () => undefined,
    unsubscribe() {},
    publish() {},
    async close() {},
  } as unknown as PubSubAdapter;
  return new Endpoint({ pubsub: adapter });
}

function socketOf(documents: DocumentsType) {
  class AppChannel extends PlainChannel {
    static override documents = documents;
  }
  return class extends Socket {
    static override channels = { "document:*": AppChannel };
  };
}

describe("new Documents", () => {
  for (const [what, options, code, words] of REFUSED) {
    it(`refuses ${what}`, () => {
      expect(() => new Documents(options as DocumentsOptions))
        .to.throw(ConfigError, words)
        .with.property("code", code);
    });
  }

  it("takes a log that promises as much as is asked for, or more", () => {
    const log = promising({ durability: "power", failover: "may-lose" });
    for (const require of [
      {},
      { durability: "process" },
      { durability: "power", failover: "none", shared: false },
    ] as const) {
      expect(() => new Documents({ tenants, log, require })).to.not.throw();
    }
  });

  it("is refused by an endpoint with several nodes, unless they share the log", () => {
    expect(() => distributed().socket("/socket", socketOf(new Documents({ tenants }))))
      .to.throw(ConfigError, "can't be shared")
      .with.property("code", "invalid_option");
    const shared = new Documents({ tenants, log: promising({ shared: true }) });
    expect(() => distributed().socket("/socket", socketOf(shared))).to.not.throw();
  });

  it("reports to the logger of the endpoint that mounts it", async () => {
    const served = await serveDocuments();
    const ada = await served.enter();
    await served.documents.log.close();
    ada.send("submitOp", { type: "op" });
    await ada.next("phx_error");
    expect(
      served.lines.some(({ level, details }) => level === "error" && details.document === "doc-1"),
    ).to.equal(true);
  });

  it("is ready when its log is, and fails as its log does", async () => {
    const log = new MemoryOpLog();
    const documents = new Documents({ tenants, log });
    expect(await documents.ready()).to.equal(undefined);
    const opened = new Gate<void>();
    let ready = false;
    const waiting = new Documents({ tenants, log: Object.assign(log, { ready: () => opened.promise }) });
    const waited = waiting.ready().then(() => {
      ready = true;
    });
    await turn();
    expect(ready).to.equal(false);
    opened.open();
    await waited;
    const inUse = new OpLogError("log_in_use", "another process has it open");
    Object.assign(log, { ready: () => Promise.reject(inUse) });
    const refused: unknown = await waiting.ready().catch((error: unknown) => error);
    expect(refused).to.equal(inUse);
  });

  it("has its mounts ping silent clients every 15 s", async () => {
    const clock = new SkippingClock();
    const served = await serveDocuments({ endpoint: { clock } });
    const ada = await served.lurk();
    const pinged = once(ada.ws, "ping");
    let pings = 0;
    ada.ws.on("ping", () => pings++);
    clock.skip(14_000);
    await ada.settle();
    expect(pings).to.equal(0);
    clock.skip(15_100);
    await pinged;
    expect(ada.ws.readyState).to.equal(ada.ws.OPEN);
  });

  it("advertises a maxMessageSize that its log and its mount can take", async () => {
    const small = new MemoryOpLog({ maxRecordBytes: 256 * 1024 });
    for (const [log, maxPayload, size] of [
      [undefined, undefined, 4 * 1024 * 1024 - 64 * 1024],
      [undefined, 128 * 1024, 64 * 1024],
      [small, undefined, 192 * 1024],
      [undefined, 64 * 1024, 1024],
    ] as const) {
      const served = await serveDocuments({ documents: { log }, mount: { maxPayload } });
      expect((await served.enter()).success.maxMessageSize).to.equal(size);
    }
  });
});

describe("the registry of documents", () => {
  const WRONG = [
    ["", "doc"],
    ["a:b", "doc"],
    ["acme", ""],
    ["acme", "\ud800"],
    ["acme", "x".repeat(257)],
    [undefined, "doc"],
    ["acme", 5],
  ] as readonly [string, string][];

  it("refuses names that can't be a document's, by rejection", async () => {
    const { registry } = (await serveDocuments()).documents;
    for (const [tenant, document] of WRONG) {
      const failure = await registry.startOrGet(tenant, document).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(ConfigError).with.property("code", "invalid_argument");
      expect(registry.lookup(tenant, document)).to.equal(undefined);
      expect(await registry.stop(tenant, document)).to.equal(false);
    }
  });

  it("is closed with its documents: once, whoever asks, and for good", async () => {
    const { documents } = await serveDocuments();
    await documents.registry.startOrGet("acme", "doc-1");
    const closing = documents.close();
    expect(documents.close()).to.equal(closing);
    await closing;
    const failure = await documents.registry.startOrGet("acme", "doc-1").catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(StateError).with.property("code", "closed");
  });

  it("answers clients 503 when the documents are closed before the endpoint", async () => {
    const served = await serveDocuments();
    const ada = await served.lurk();
    await served.documents.close();
    const { reply } = await ada.tryConnect({ token: served.token() });
    expect(reply.response).to.include({ reason: "unavailable", code: 503 });
  });
});

describe("tenants whose secrets come from a source", () => {
  it("are waited for, and 503 while the source fails", async () => {
    const gate = new Gate<string>();
    let failing = true;
    const source = async () => {
      if (failing) throw new Error(`no vault for ${SECRET}`);
      return gate.promise;
    };
    const fromVault = new TenantSecrets({ source });
    const served = await serveDocuments({ documents: { tenants: fromVault } });
    afterTest(() => gate.open(SECRET));
    const peer = await served.lurk();
    const { reply, event } = await peer.tryConnect({ token: served.token() });
    expect(reply.response).to.include({ reason: "unavailable", code: 503, retryAfter: 2 });
    expect(event).to.include({ code: 503, retryAfter: 2 });
    expect(JSON.stringify(reply)).to.not.include("vault");
    failing = false;
    const connecting = peer.connectDocument({ token: served.token() });
    const lurker = await served.lurk();
    expect((await lurker.ask("noop", {})).response.reason).to.equal("not_authenticated");
    gate.open(SECRET);
    await connecting;
    expect((await peer.submit("x")).status).to.equal("ok");
  });

  it("are asked again about a wrong resume key, which keeps nobody out, also if the source fails then", async () => {
    let asked = 0;
    const source = async () => {
      if (++asked > 1) throw new Error("down");
      return SECRET;
    };
    // It is asked again about keys that don't fit, once some seconds have gone by.
    const served = await serveDocuments();
    const fromVault = new TenantSecrets({ source, staleMs: 0, clock: served.clock });
    const other = await serveDocuments({ documents: { tenants: fromVault, clock: served.clock } });
    const ada = await other.enter({ connect: { token: served.token() } });
    served.clock.skip(10_000);
    const peer = await other.lurk();
    const resume = { clientId: ada.clientId, key: "wrong" };
    const { reply } = await peer.tryConnect({ token: served.token(), resume });
    expect(asked, "whether the secret has been rotated").to.equal(2);
    expect(reply.status).to.equal("ok");
    expect(reply.response).to.not.have.property("resumed");
    expect(other.logged()).to.not.include(SECRET);
  });
});

import { expect } from "chai";
import { MemoryOpLog, type Session } from "../../lib/documents/index.ts";
import { StateError } from "../../lib/index.ts";
import { collected } from "../support/collected.ts";
import { turn } from "../support/gate.ts";
import type { DocumentPeer } from "./document-peer.ts";
import { FaultyLog } from "./faulty-log.ts";
import { opsIn, story, written } from "./log-contents.ts";
import { type DocumentSetup, type ServedDocuments, serveDocuments } from "./served.ts";

interface Logged extends ServedDocuments {
  readonly log: FaultyLog;
  readonly session: Session | undefined;
}

/** Documents in a log that can still be read when they are closed. */
async function serveLogged(setup: DocumentSetup = {}): Promise<Logged> {
  const inner = new MemoryOpLog();
  inner.close = async () => {};
  const log = new FaultyLog(inner);
  const served = await serveDocuments({ ...setup, documents: { log, ...setup.documents } });
  return {
    ...served,
    log,
    get session() {
      return served.documents.registry.lookup("acme", "doc-1");
    },
  };
}

/** The client leaves, and the session knows. */
async function leave(served: Logged, ...peers: DocumentPeer[]): Promise<void> {
  for (const peer of peers) peer.ws.close();
  while ((served.session?.clients.length ?? 0) > 0) await turn();
}

describe("the session of a document", () => {
  it("ends when nobody has needed it for idleTimeout, and starts again where it ended", async () => {
    const served = await serveLogged({ documents: { idleTimeout: 60_000 } });
    const { log, clock } = served;
    const ada = await served.enter();
    await ada.submit(1);
    await leave(served, ada);
    clock.skip(59_000);
    expect(served.session).not.to.equal(undefined);
    // Who comes back in time finds it, and it waits anew when he has gone.
    await leave(served, await served.enter());
    clock.skip(59_000);
    const session = served.session;
    expect(session?.running).to.equal(true);
    clock.skip(2000);
    expect(served.session).to.equal(undefined);
    expect(session?.running).to.equal(false);
    while (log.checkpoints === 0) await turn();

    const { reads } = log;
    const again = await served.enter();
    expect(served.session).not.to.equal(session);
    // From its checkpoint: one look at the log's state, and a read of what the client lacks.
    expect(log.reads).to.equal(reads + 2);
    expect(written(again.ops)).to.deep.equal([1]);
    expect((await again.submit(2)).response.sequenceNumber).to.equal(7);
  });

  it("ends also if its only client has gone while it started", async () => {
    const served = await serveLogged({ documents: { idleTimeout: 1000 } });
    const goOn = served.log.holdReads();
    // As a client does, for as long as it is there.
    const release = served.documents.registry.hold("acme", "doc-1");
    release();
    goOn();
    await release.session;
    expect(served.session).not.to.equal(undefined);
    served.clock.skip(1001);
    expect(served.session).to.equal(undefined);
  });

  it("is one, for all who ask for it at the same time", async () => {
    const served = await serveLogged();
    const { registry } = served.documents;
    const asked = Array.from({ length: 1000 }, (_, i) => {
      if (i % 3 === 0) expect(registry.lookup("acme", "doc-1")).to.equal(undefined);
      return registry.startOrGet("acme", "doc-1");
    });
    const sessions = new Set(await Promise.all(asked));
    expect([...sessions]).to.deep.equal([served.session]);
    expect(served.log.reads).to.equal(1);
  });

  it("is one for each of a thousand documents, also of those with the same name", async () => {
    const served = await serveLogged();
    const { registry } = served.documents;
    const names = Array.from(
      { length: 1000 },
      (_, i) => [`tenant-${i % 50}`, `document-${i % 500}`] as const,
    );
    const sessions = await Promise.all(names.map((name) => registry.startOrGet(...name)));
    expect(new Set(sessions).size).to.equal(500);
    expect([...registry.sessions()]).to.have.length(500);
    for (const [i, [tenant, document]] of names.entries()) {
      expect(registry.lookup(tenant, document)).to.equal(sessions[i]);
      expect(sessions[i]).to.include({ tenant, document });
    }
    expect(await Promise.all(names.map((name) => registry.stop(...name)))).to.include(true);
    expect([...registry.sessions()]).to.have.length(0);
  });

  it("that is asked for while it ends starts when it has ended", async () => {
    const served = await serveLogged();
    const { registry } = served.documents;
    const ada = await served.enter();
    const first = served.session;
    const release = served.log.hold("doc-1");
    ada.send("submitOp", ada.submission(ada.op("last")));
    await served.log.appends.reaches(2);
    const stopped = registry.stop("acme", "doc-1");
    expect(registry.lookup("acme", "doc-1")).to.equal(undefined);
    let started: Session[] = [];
    const asked = Promise.all(Array.from({ length: 100 }, () => registry.startOrGet("acme", "doc-1"))).then(
      (sessions) => {
        started = sessions;
      },
    );
    const { reads } = served.log;
    await ada.next("phx_error");
    expect([started.length, served.log.reads]).to.deep.equal([0, reads]);
    release();
    expect(await stopped).to.equal(true);
    await asked;
    expect(new Set(started).size).to.equal(1);
    expect(started[0]).not.to.equal(first);
    // What was in flight, and the leave behind it.
    expect(started[0]?.head).to.equal(3);
    expect(written(await opsIn(served.log))).to.deep.equal(["last"]);
  });

  it("is stopped with clients connected: what they have sent is sequenced, and their leaves behind it", async () => {
    const served = await serveLogged();
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    const names = { [ada.clientId]: "ada", [bob.clientId]: "bob" };
    const release = served.log.hold("doc-1");
    ada.send("submitOp", ada.submission(ada.op(1)));
    await served.log.appends.reaches(3);
    for (const i of [2, 3]) ada.send("submitOp", ada.submission(ada.op(i)));
    await ada.settle();
    const stopped = served.documents.registry.stop("acme", "doc-1");
    for (const peer of [ada, bob]) await peer.next("phx_error");
    release();
    await stopped;
    expect(story(await opsIn(served.log), names)).to.deep.equal([
      "join ada",
      "join bob",
      "op 1 of ada",
      "leave bob",
      "op 2 of ada",
      "op 3 of ada",
      "leave ada",
    ]);
    expect(served.log.checkpoints).to.equal(1);
    await ada.join();
    const resume = { clientId: ada.clientId, key: ada.connected.key };
    await ada.connectDocument({ token: served.token(), resume });
    expect(ada.connected.resumed.lastClientSequenceNumber).to.equal(3);
  });

  it("answers a client that is connecting when it is stopped, or when its log is gone", async () => {
    const served = await serveLogged();
    const ada = await served.enter();
    for (const end of ["stop", "fail"]) {
      const release = served.log.hold("doc-1");
      const before = served.log.appends.entries.length;
      const bob = await served.lurk({ user: "bob" });
      const asked = bob.tryConnect({ token: served.token({ user: "bob" }) });
      await served.log.appends.reaches(before + 1);
      if (end === "fail") served.log.next.push("beaten");
      const stopped = end === "stop" ? served.documents.registry.stop("acme", "doc-1") : null;
      if (stopped !== null) served.clock.skip(5000);
      release();
      const { reply } = await asked;
      expect(reply.response, end).to.include({ reason: "unavailable", code: 503 });
      await stopped;
      // Its channel isn't stuck: it can connect now.
      await bob.connectDocument({ token: served.token({ user: "bob" }) });
      bob.ws.close();
      await ada.next("phx_error");
      await ada.join();
      await ada.connectDocument({ token: served.token() });
    }
  });

  it("of closed documents has sequenced what clients sent before the endpoint closed", async () => {
    const served = await serveLogged();
    const { endpoint, documents, log } = served;
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    await bob.caughtUp(2);
    for (let i = 1; i <= 50; i++) ada.send("submitOp", ada.submission(ada.op(i)));
    bob.send("submitOp", bob.submission(bob.op("last")));
    await bob.settle();
    await ada.settle();
    await endpoint.close({ timeoutMs: 1000 });
    await documents.close();
    const ops = await opsIn(log);
    expect(written(ops)).to.have.members([...Array.from({ length: 50 }, (_, i) => i + 1), "last"]);
    expect(ops.filter(({ type }) => type === "leave")).to.have.length(2);
    const error = await documents.registry.startOrGet("acme", "doc-1").catch((cause) => cause);
    expect(error).to.be.instanceOf(StateError).with.property("code", "closed");
  });

  it("doesn't start when the documents are closed meanwhile, and writes nothing behind that", async () => {
    const served = await serveLogged();
    const { documents, log } = served;
    const ada = await served.enter();
    await ada.submit(1);
    // As after a crash: a client that never left.
    const state = await log.inner.state({ tenant: "acme", document: "doc-1" });
    expect(state.head.sn).to.equal(2);
    const crashed = await serveLogged();
    await copy(log, crashed.log);
    let closedLog = false;
    crashed.log.inner.close = async () => {
      closedLog = true;
    };
    const release = crashed.log.holdReads();
    const started = crashed.documents.registry.startOrGet("acme", "doc-1").catch((error) => error);
    const closed = crashed.documents.close();
    expect(closedLog).to.equal(false);
    release();
    expect(await started)
      .to.be.instanceOf(StateError)
      .with.property("code", "closed");
    await closed;
    expect(closedLog).to.equal(true);
    const appended = crashed.log.appends.entries.length;
    await turn();
    expect(crashed.log.appends.entries).to.have.length(appended);
    await documents.close();
  });

  it("sequences out whom it finds connected when it starts, as nobody else can have the log", async () => {
    const served = await serveLogged();
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob" })];
    const names = { [ada.clientId]: "ada", [bob.clientId]: "bob" };
    await ada.submit(1);
    const restarted = await serveLogged();
    await copy(served.log, restarted.log);
    const again = await restarted.lurk();
    const resume = { clientId: ada.clientId, key: ada.connected.key };
    await again.connectDocument({ token: restarted.token(), resume, lastSeenSequenceNumber: 3 });
    const ops = await opsIn(restarted.log);
    expect(story(ops, { ...names, [again.clientId]: "ada again" })).to.deep.equal([
      "join ada",
      "join bob",
      "op 1 of ada",
      "leave ada",
      "leave bob",
      "join ada again",
    ]);
    expect(again.connected.resumed).to.include({ lastClientSequenceNumber: 1, lastSequenceNumber: 3 });
    expect(again.success.initialClients).to.have.length(1);
  });

  it("leaves nothing behind in memory when everybody has gone", async () => {
    const served = await serveLogged({ documents: { idleTimeout: 1000 } });
    const refs: WeakRef<object>[] = [];
    const use = async (document: string) => {
      const ada = await served.enter({ document });
      const bob = await served.enter({ document, user: "bob", connect: { mode: "read" } });
      await ada.submit(1, 2, 3);
      await bob.caughtUp(4);
      refs.push(new WeakRef(await served.documents.registry.startOrGet("acme", document)));
      for (const peer of [ada, bob]) peer.ws.close();
    };
    for (const document of ["doc-1", "doc-2", "doc-3"]) await use(document);
    const sessions = () => [...served.documents.registry.sessions()];
    while (sessions().some(({ clients, idle }) => clients.length > 0 || !idle)) await turn();
    // Also the looks at silent clients, and what waits for a later time.
    served.clock.skip(60_000);
    expect(sessions()).to.have.length(0);
    while (served.log.checkpoints < 3) await turn();
    await turn();
    expect(served.clock.pending()).to.equal(0);
    await collected(refs);
  });
});

async function copy(from: FaultyLog, to: FaultyLog): Promise<void> {
  const name = { tenant: "acme", document: "doc-1" };
  let after = { sn: 0, id: "" };
  for (const record of await from.inner.read(name, 0, Number.MAX_SAFE_INTEGER)) {
    await to.inner.append(name, after, record);
    after = { sn: record.last, id: record.id };
  }
}

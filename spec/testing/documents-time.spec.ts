import { expect } from "chai";
import { Documents, MemoryOpLog, OpLogError, TenantSecrets } from "../../lib/documents/index.ts";
import { documentCase, TestOpLog } from "../../lib/testing/documents.ts";
import { Gate } from "../support/gate.ts";
import { failureOf } from "./app.ts";
import { newDocumentCase, newPair } from "./document.ts";

describe("time in a document kit", () => {
  it("ends tokens: nothing is taken, until a new one comes", async () => {
    const { kit, ada, bob } = await newPair();
    const carl = await kit.connectDocument({ token: kit.tokens.full({ user: "carl", expiresIn: 60 }) });
    await kit.clock.advance(59_999);
    await carl.assertPush("token_expiring", { expires_in: 30 });
    ada.submitOp({ contents: "in time" });
    await carl.assertOp({ contents: "in time" });
    await kit.clock.advance(1);
    const refused = carl.submitOp({ contents: 1 });
    await carl.assertReply(refused, "error", { reason: "token_expired" });
    await carl.assertNack({ content: { code: 401 } });
    ada.submitOp({ contents: 2 });
    await bob.assertOp({ contents: 2 });
    await carl.refuteOp({ contents: 2 });

    await carl.assertReply(carl.refreshToken(kit.tokens.full({ user: "carl" })), "ok");
    await carl.assertOp({ contents: 2 });
    await carl.assertReply(carl.submitOp({ contents: 3 }), "ok");
  });

  it("ends the channel of a client that brings no other token within 10 s", async () => {
    const kit = newDocumentCase();
    const carl = await kit.connectDocument({ token: kit.tokens.full({ user: "carl", expiresIn: 60 }) });
    await kit.clock.advance(69_999);
    await carl.refutePush("phx_error");
    await kit.clock.advance(1);
    await carl.assertNack({ content: { code: 401 } });
    await carl.assertPush("phx_error");
  });

  it("brings the noop that moves the minimum sequence number after 250 ms", async () => {
    const { kit, ada, bob } = await newPair();
    await ada.assertReply(ada.submitOp({ contents: 1 }), "ok");
    await ada.assertReply(ada.noop(), "ok");
    await bob.assertReply(bob.noop(), "ok");
    await kit.clock.advance(249);
    await bob.refuteOp({ type: "noop" });
    await kit.clock.advance(1);
    const noop = await bob.assertOp({ type: "noop", clientId: null });
    expect(noop.minimumSequenceNumber).to.equal(3);
  });

  it("ends a session that nobody needs", async () => {
    const { kit, ada, bob } = await newPair();
    const session = () => kit.documents.registry.lookup("acme", "doc-1");
    await Promise.all([ada.close(), bob.close()]);
    await kit.clock.advance(9_999);
    expect(session()).to.not.equal(undefined);
    await kit.clock.advance(1);
    expect(session()).to.equal(undefined);
    const again = await ada.reconnect();
    expect(again.head).to.equal(5);
  });

  it("may pass for hours: readers stay, and writers that say something every few minutes", async () => {
    const { kit, ada, bob } = await newPair();
    const expiresIn = 86_400;
    const carl = await kit.connectDocument({ token: kit.tokens.readOnly({ user: "carl", expiresIn }) });
    await ada.assertReply(ada.refreshToken(kit.tokens.full({ user: "ada", expiresIn })), "ok");
    for (let minutes = 0; minutes < 240; minutes += 4) {
      await ada.assertReply(ada.submitOp({ contents: minutes }), "ok");
      await kit.clock.advance(4 * 60_000);
    }
    await bob.assertPush("phx_error");
    await carl.assertOp({ type: "leave", contents: bob.clientId });
    await carl.assertOp({ contents: 236 });
    await carl.refutePush("phx_error");
  });

  it("isn't needed for many pushes in one moment", async () => {
    const { ada, bob } = await newPair();
    const refs = Array.from({ length: 20 }, (_, i) => ada.submitOp({ contents: i }));
    for (const [i, ref] of refs.entries()) {
      await ada.assertReply(ref, "ok");
      await bob.assertOp({ contents: i });
    }
  });
});

describe("the log of a document kit", () => {
  it("is held up and released: what waits for it counts as at rest", async () => {
    const { kit, ada, bob } = await newPair();
    kit.log.hold("append");
    const ref = ada.submitOp({ contents: 1 });
    await kit.settle();
    expect(kit.log.waiting).to.equal(1);
    await ada.refuteReply(ref);
    await bob.refuteOp({ contents: 1 });
    kit.log.release();
    await ada.assertReply(ref, "ok");
    await bob.assertOp({ contents: 1 });
  });

  it("fails: pushes wait for 5 s, connects are refused, and all goes on after it", async () => {
    const { kit, ada, bob } = await newPair();
    kit.log.fail({ calls: ["append"] });
    const inFlight = ada.submitOp({ contents: 1 });
    await kit.settle();
    const waits = ada.submitOp({ contents: 2 });
    await kit.clock.advance(6_000);
    await ada.assertReply(waits, "error", { reason: "throttled" });
    await ada.assertNack({ content: { code: 429, type: "ThrottlingError", retryAfter: 2 } });
    expect(ada.nextClientSequenceNumber).to.equal(2);
    await kit.assertDocumentRefused({ user: "carl" }, { reason: "unavailable", code: 503, retryAfter: 2 });
    await bob.refuteOp({ contents: 1 });

    kit.log.release();
    await kit.clock.advance(1_000);
    await ada.assertReply(inFlight, "ok", { first: 3 });
    await ada.assertReply(ada.submitOp({ contents: 2 }), "ok");
    for (const contents of [1, 2]) await bob.assertOp({ contents });
  });

  it("loses answers: an append that was made counts once", async () => {
    const { kit, ada, bob } = await newPair();
    const stored = async () => (await kit.log.inner.state({ tenant: "acme", document: "doc-1" })).head.sn;
    kit.log.fail({ calls: ["append"], unanswered: true });
    const ref = ada.submitOp({ contents: 1 });
    await ada.refuteReply(ref);
    expect(await stored()).to.equal(3);
    kit.log.release();
    await kit.clock.advance(1_000);
    await ada.assertReply(ref, "ok", { first: 3, sequenceNumber: 3 });
    await bob.assertOp({ contents: 1 });
    await bob.refuteOp({ contents: 1 });
  });

  it("fails reads with the error that a test gives", async () => {
    const kit = newDocumentCase();
    kit.log.fail({ error: new OpLogError("log_full", "no space"), calls: ["state"] });
    await kit.assertDocumentRefused({}, { reason: "unavailable" });
    kit.log.release();
    await kit.connectDocument();
  });

  it("is the test's own, whose work is waited for", async () => {
    const gate = new Gate();
    class SlowLog extends MemoryOpLog {
      override async append(...args: Parameters<MemoryOpLog["append"]>) {
        await gate.promise;
        return super.append(...args);
      }
    }
    const inner = new SlowLog();
    const kit = newDocumentCase({ log: inner });
    expect(kit.log.inner).to.equal(inner);
    const connecting = kit.connectDocument();
    setTimeout(() => gate.open(), 20);
    const ada = await connecting;
    expect(ada.head).to.equal(1);
    await kit.close();
    expect(
      String(await inner.state({ tenant: "acme", document: "doc-1" }).catch((e: unknown) => e)),
    ).to.include("closed");
  });

  it("is shown by a failed assertion, if it may be why", async () => {
    const kit = newDocumentCase({ timeout: 30 });
    const ada = await kit.connectDocument();
    kit.log.hold("append");
    const ref = ada.submitOp({ contents: 1 });
    expect((await failureOf(ada.assertReply(ref, "ok"))).message).to.include(
      "The log is held up, 1 calls wait: kit.log.release() lets them go on.",
    );
    expect((await failureOf(ada.assertOp({ contents: 1 }))).message).to.include("The log is held up");
    kit.log.fail();
    kit.log.release();
    await ada.assertReply(ref, "ok");
    kit.log.fail();
    ada.submitOp({ contents: 2 });
    expect((await failureOf(ada.assertOp({ contents: 2 }))).message).to.include("The log fails");
    kit.log.release();
    expect((await failureOf(ada.assertOp({ contents: 2 }))).message).to.include("kit.clock.advance(1_000)");
    await kit.clock.advance(1_000);
    await ada.assertOp({ contents: 2 });
    expect((await failureOf(ada.assertOp({ contents: 9 }))).message).to.not.include("kit.log");
  });

  it("refuses what makes no sense", () => {
    const { log } = newDocumentCase();
    expect(() => log.hold("appends" as never)).to.throw('"appends"');
    expect(() => log.fail({ calls: [] })).to.throw(
      "fail: calls must be among append, state, read, saveCheckpoint, truncate, got none",
    );
    expect(() => log.fail({ err: 1 } as never)).to.throw('no option "err"');
    expect(() => log.fail({ error: "x" as never })).to.throw("must be an Error");
    expect(() => new TestOpLog({} as never)).to.throw("new TestOpLog: log must have the methods");
  });
});

describe("a document kit's close", () => {
  it("ends what is under way, though the log was held or failing, and leaves no timer behind", async () => {
    for (const trouble of ["hold", "fail"] as const) {
      const kit = documentCase();
      const ada = await kit.connectDocument();
      kit.log[trouble]();
      ada.submitOp({ contents: 1 });
      await kit.settle();
      const closing = kit.close();
      expect(kit.close()).to.equal(closing);
      await closing;
      expect([...kit.documents.registry.sessions()]).to.deep.equal([]);
      expect(kit.clock.pending).to.equal(0);
      const late = await kit.connectDocument().catch((error: unknown) => error);
      expect(late).to.have.property("code", "closed");
    }
  });

  it("leaves the test's documents their clients' last ops", async () => {
    const tenants = new TenantSecrets();
    tenants.register("acme", "the-secret-of-acme-with-32-bytes");
    const documents = new Documents({ tenants, log: new TestOpLog() });
    const kit = documentCase({ documents });
    const ada = await kit.connectDocument();
    kit.log.hold();
    ada.submitOp({ contents: "last" });
    await kit.close();
    expect(kit.log.waiting).to.equal(0);
    const next = documentCase({ documents, clock: kit.clock });
    const bob = await next.connectDocument({ user: "bob" });
    expect(bob.ops.map(({ type }) => type)).to.deep.equal(["join", "op", "leave", "join"]);
    await next.close();
    await documents.close();
  });
});

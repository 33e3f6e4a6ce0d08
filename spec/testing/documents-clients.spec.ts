import { expect } from "chai";
import { newDocumentCase, newPair } from "./document.ts";

describe("clients of a document kit", () => {
  it("join, connect, and know what the server has told them", async () => {
    const { kit, ada, bob } = await newPair({ tenant: "acme", document: "plan:1" });
    expect(ada.topic).to.equal("document:acme:plan:1");
    expect(ada.clientId).to.be.a("string").and.not.equal(bob.clientId);
    expect([ada.mode, ada.connected.existing, bob.connected.existing]).to.deep.equal(["write", false, true]);
    expect(bob.checkpointSequenceNumber).to.equal(2);
    expect(bob.initialMessages.map(({ type }) => type)).to.deep.equal(["join", "join"]);
    expect(bob.connected.initialClients.map(({ clientId }) => clientId)).to.deep.equal([
      ada.clientId,
      bob.clientId,
    ]);
    const session = kit.documents.registry.lookup("acme", "plan:1");
    expect(ada.channel.session).to.equal(session);
    expect(session?.clients).to.have.length(2);
    expect([ada.socket.name, bob.socket.name]).to.deep.equal(["ada", "bob"]);
  });

  it("pass on what connect_document takes", async () => {
    const { kit, ada } = await newPair();
    const carl = await kit.connectDocument({
      user: { id: "carl", name: "Carl" },
      mode: "read",
      client: { details: { device: "phone" } },
      versions: ["^0.1.0"],
      lastSeenSequenceNumber: 1,
    });
    expect(carl.mode).to.equal("read");
    expect(carl.connected.version).to.equal("^0.1.0");
    expect(carl.initialMessages.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal([2]);
    expect(carl.connected.initialClients.at(-1)?.client).to.deep.include({
      details: { device: "phone" },
      user: { id: "carl", name: "Carl" },
    });
    await ada.assertSignal({ clientId: null, content: (text: string) => JSON.parse(text).type === "join" });
    for (const [given, reason] of [
      [{ mode: "both" as never }, "malformed"],
      [{ versions: ["^9.0.0"] }, "unsupported_version"],
      [{ lastSeenSequenceNumber: 99 }, "resync"],
    ] as const) {
      await kit.assertDocumentRefused(given, { reason });
    }
  });

  it("number what they submit, in one push or several", async () => {
    const { ada, bob } = await newPair();
    const first = ada.submitOp(
      { contents: { insert: "a" } },
      { contents: { insert: "b" }, metadata: { m: 1 } },
    );
    const second = ada.submitOp({ type: "comment", contents: "c" });
    expect(ada.unanswered.map(({ clientSequenceNumber }) => clientSequenceNumber)).to.deep.equal([1, 2, 3]);
    expect(await ada.assertReply(first, "ok")).to.deep.equal({ sequenceNumber: 4, first: 3 });
    expect(await ada.assertReply(second, "ok")).to.deep.equal({ sequenceNumber: 5, first: 5 });
    expect(ada.unanswered).to.deep.equal([]);

    const op = await bob.assertOp({ contents: { insert: "b" } });
    expect(op).to.include({ clientId: ada.clientId, clientSequenceNumber: 2, referenceSequenceNumber: 2 });
    expect(op).to.deep.include({ type: "op", metadata: { m: 1 } });
    await bob.assertOp({ type: "comment", clientSequenceNumber: 3 });
    expect(bob.head).to.equal(5);
    expect(bob.ops.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal([1, 2, 3, 4, 5]);

    await bob.assertReply(bob.submitOp({ contents: "d" }), "ok");
    await ada.assertOp({ clientId: bob.clientId, referenceSequenceNumber: 5 });
  });

  it("submit bare ops, which the server numbers, and go on behind them", async () => {
    const { ada, bob } = await newPair();
    await ada.assertReply(ada.submitOp({ contents: 1 }), "ok");
    await ada.assertReply(ada.submitBareOp({ type: "op", contents: 2 }), "ok", { sequenceNumber: 4 });
    expect(ada.nextClientSequenceNumber).to.equal(3);
    await ada.assertReply(ada.submitOp({ contents: 3 }), "ok");
    await bob.assertOp({ contents: 2, clientSequenceNumber: 2, referenceSequenceNumber: 3 });
    await bob.assertOp({ contents: 3, clientSequenceNumber: 3 });
  });

  it("send the numbers that a test gives, and take those of a refused push back", async () => {
    const { ada } = await newPair();
    await ada.assertReply(ada.submitOp({ contents: "a" }), "ok");
    const gap = ada.submitOp({ contents: "b", clientSequenceNumber: 9 });
    await ada.assertReply(gap, "error", { reason: "invalid_csn" });
    await ada.assertNack({ content: { code: 400, type: "BadRequestError" }, operation: { contents: "b" } });
    expect(ada.nextClientSequenceNumber).to.equal(2);

    const ahead = ada.submitOp({ contents: "b", referenceSequenceNumber: 99 });
    await ada.assertReply(ahead, "error", { reason: "invalid_rsn" });
    // Refused before it is queued, in the same stack.
    const system = ada.submitOp({ type: "join", contents: "b" });
    expect(ada.nextClientSequenceNumber).to.equal(2);
    await ada.assertReply(system, "error", { reason: "malformed" });

    await ada.assertReply(ada.submitOp({ contents: "a", clientSequenceNumber: 1 }), "ok", {
      sequenceNumber: 3,
    });
    await ada.assertReply(ada.submitOp({ contents: "b" }), "ok", { sequenceNumber: 4 });
    const repeated = ada.submitOp({ contents: "a", clientSequenceNumber: 1 });
    await ada.assertReply(repeated, "ok", { sequenceNumber: 3 });
    expect(ada.nextClientSequenceNumber).to.equal(3);
  });

  it("take each op once, their own too", async () => {
    const { ada, bob } = await newPair();
    ada.submitOp({ contents: "same" }, { contents: "same" });
    for (const client of [ada, bob]) {
      await client.assertOp({ contents: "same" });
      await client.assertOp({ contents: "same" });
      await client.refuteOp({ contents: "same" });
    }
    await ada.assertOp({ type: "join" });
    await ada.refuteOp();
  });

  it("send signals to all others, or to some", async () => {
    const { kit, ada, bob } = await newPair();
    const carl = await kit.connectDocument({ user: "carl" });
    await ada.assertReply(ada.submitSignal({ at: 3 }), "ok");
    for (const client of [bob, carl]) {
      expect(await client.assertSignal({ content: { at: 3 } })).to.deep.equal({
        clientId: ada.clientId,
        content: { at: 3 },
      });
    }
    await ada.refuteSignal();
    ada.submitSignal("for bob", { targetedClients: [bob.clientId] });
    await bob.assertSignal({ content: "for bob" });
    await carl.refuteSignal();
    ada.submitSignal("not for bob", { ignoredClients: [bob.clientId] });
    await carl.assertSignal({ content: "not for bob" });
    await bob.refuteSignal();
  });

  it("request ops, which count once", async () => {
    const { ada } = await newPair();
    await ada.assertReply(ada.submitOp({ contents: "a" }), "ok");
    const { ops, head, more } = await ada.requestOps({ from: 1, to: 3, event: true });
    expect([ops.map(({ sequenceNumber }) => sequenceNumber), head, more]).to.deep.equal([[2, 3], 3, false]);
    expect(ada.ops.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal([1, 2, 3]);
  });

  it("hear what the document's channels broadcast, and nobody hears it who only joined", async () => {
    const { kit, ada, bob } = await newPair();
    const lurker = await kit.joinDocument({ user: "eve" });
    ada.channel.broadcast("cursor", { at: 1 });
    ada.channel.broadcastFrom("cursor", { at: 2 });
    await ada.assertBroadcastFrom("cursor", { at: 2 });
    await ada.assertPush("cursor", { at: 1 });
    await ada.refutePush("cursor");
    await bob.assertPush("cursor", { at: 2 });
    await lurker.refutePush("cursor");
    await lurker.assertReply(lurker.push("submitOp", {}), "error", { reason: "not_authenticated" });
    expect(() => lurker.submitOp({ contents: 1 }))
      .to.throw("isn't connected to the document")
      .with.property("code", "not_connected");
  });

  describe("that reconnect", () => {
    it("resume: they have a new id, miss nothing, and resend what was never sequenced", async () => {
      const { kit, ada, bob } = await newPair();
      await ada.assertReply(ada.submitOp({ contents: 1 }), "ok");
      kit.log.hold("append");
      ada.submitOp({ contents: 2 });
      await kit.settle();
      ada.submitOp({ contents: 3 }, { contents: 4, metadata: "m" });
      // Who loses the right to write loses what waits.
      ada.refreshToken(kit.tokens.readOnly({ user: "ada" }));
      await ada.assertPush("phx_error");
      kit.log.release();
      await bob.assertReply(bob.submitOp({ contents: "of bob" }), "ok");

      const again = await ada.reconnect();
      expect(ada.socket.closed).to.include({ code: 1000 });
      expect(again.clientId).to.not.equal(ada.clientId);
      expect(again.resumed).to.include({ clientId: ada.clientId, lastClientSequenceNumber: 2 });
      expect(again.unanswered.map(({ contents }) => contents)).to.deep.equal([3, 4]);
      await again.assertReply(again.resend() as string, "ok");
      expect([again.resend(), again.unanswered]).to.deep.equal([null, []]);
      const { ops } = await bob.requestOps({ from: 0 });
      const written = ops.filter(({ type, clientId }) => type === "op" && clientId !== bob.clientId);
      expect(written.map(({ contents }) => contents)).to.deep.equal([1, 2, 3, 4]);
      expect(written.at(-1)).to.include({ metadata: "m", clientSequenceNumber: 2 });
      const seen = [...ada.ops, ...again.ops].map(({ sequenceNumber }) => sequenceNumber);
      expect(seen).to.deep.equal(ops.map(({ sequenceNumber }) => sequenceNumber));
    });

    it("resend nothing, if all was sequenced after they had gone", async () => {
      const { kit, ada, bob } = await newPair();
      kit.log.hold("append");
      ada.submitOp({ contents: 1 });
      const reconnecting = ada.reconnect();
      kit.log.release();
      const again = await reconnecting;
      expect([again.resumed?.lastClientSequenceNumber, again.resend()]).to.deep.equal([1, null]);
      await bob.assertOp({ contents: 1 });
    });

    it("take over from a client that is still there", async () => {
      const { kit, ada, bob } = await newPair();
      const other = await kit.connectDocument({ user: "ada", resume: ada.resume });
      expect(other.resumed).to.include({ clientId: ada.clientId, lastClientSequenceNumber: 0 });
      await ada.assertPush("phx_error");
      await bob.assertOp({ type: "leave", contents: ada.clientId });
      const mine = await kit.connectDocument({ user: "bob", resume: other.resume });
      expect(mine.resumed, "a key of another user's").to.equal(null);
    });

    it("begin anew if they are told to, and with another token", async () => {
      const { kit, ada } = await newPair();
      await ada.assertReply(ada.submitOp({ contents: 1 }), "ok");
      const again = await ada.reconnect({
        resume: false,
        lastSeenSequenceNumber: 0,
        token: kit.tokens.readOnly({ user: "ada" }),
      });
      expect([again.mode, again.initialMessages.length]).to.deep.equal(["read", 4]);
      expect(again.socket.id).to.equal("ada");
      const { resumed } = await ada.reconnect({ resume: false });
      expect([resumed, (await ada.reconnect()).resumed?.clientId]).to.deep.equal([null, ada.clientId]);
    });

    it("are refused by an assertion that says why", async () => {
      const { kit, ada } = await newPair();
      const failed = await ada.reconnect({ token: kit.tokens.expired() }).catch((error: Error) => error);
      expect(String(failed)).to.match(/reconnect\(\): connect_document was refused: .*token_expired/);
    });
  });

  it("work on documents side by side, which share nothing", async () => {
    const kit = newDocumentCase({ document: "one" });
    const one = await kit.connectDocument();
    const two = await kit.connectDocument({ document: "two" });
    await one.assertReply(one.submitOp({ contents: "in one" }), "ok");
    await two.refuteOp();
    expect([one.head, two.head]).to.deep.equal([2, 1]);
  });
});

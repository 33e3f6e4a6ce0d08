import { expect } from "chai";
import { ManualClock } from "../../support/manual-clock.ts";
import { DOCUMENT, TOPIC, token } from "../support/documents.ts";
import { type Behaviour, handServer, type Received } from "../support/hand-server.ts";
import { doctor, expectFault, run } from "../support/run.ts";

const TIMEOUT = 10_000;

/** A server that answers some events in its own way. */
function answering(behaviours: Readonly<Record<string, Behaviour>>) {
  return handServer((received) => {
    const behaviour = behaviours[received.event];
    if (behaviour === undefined) return false;
    behaviour(received);
    return true;
  });
}

const argvFor = ({ url }: { url: string }) => [url, "--topic", TOPIC, "--token", token()];

describe("doctor: documents of a server that isn't ours", () => {
  it("is healthy where the server is", async () => {
    const report = await doctor(argvFor(await handServer()));
    expect(report.diagnosis).to.equal(null);
    expect(report.steps.map(({ name }) => name)).to.include.members(["submitOp", "broadcast"]);
  });

  it("is healthy with a server that answers connect_document by an event only", async () => {
    const server = await answering({
      connect_document: ({ push, payload, index }) =>
        push("connect_document_success", {
          clientId: `client-number-${index}`,
          mode: payload.mode,
          initialMessages: [{ sequenceNumber: 7 }],
        }),
    });
    const report = await doctor([...argvFor(server), "--trace"]);
    expect(report.healthy).to.equal(true);
    // The op refers to the last message that the client was given.
    expect(JSON.stringify(report.trace)).to.include('"referenceSequenceNumber":7');
  });

  it("is healthy with a server whose reply only says that the request has come", async () => {
    const server = await answering({
      connect_document: ({ push, reply, index }) => {
        reply("ok");
        push("connect_document_success", { clientId: `client-number-${index}`, checkpointSequenceNumber: 0 });
      },
    });
    expect((await doctor(argvFor(server))).healthy).to.equal(true);
  });

  it("is healthy with a server that doesn't reply to submitOp: the op comes back", async () => {
    const clock = new ManualClock();
    clock.advance(Date.now());
    const server = await handServer(({ event, server, topic, payload }) => {
      if (event !== "submitOp") return false;
      const [[op]] = payload.messageBatches as [[object]];
      server.broadcast(topic, "op", { documentId: DOCUMENT, op: [{ ...op, clientId: payload.clientId }] });
      const [first] = server.sockets;
      // Behind the op on the wire: the client has it when it gets the ping.
      first?.once("pong", () => clock.advance(TIMEOUT));
      first?.ping();
      return true;
    });
    const report = await doctor([...argvFor(server), "--slow", "20000"], { clock });
    expect(report.healthy).to.equal(true);
    expect(report.notes.join()).to.include("the op came back to its sender");
  });

  describe("words of its own", () => {
    const refusing = (response: unknown) =>
      answering({ connect_document: ({ reply }: Received) => reply("error", response) });

    it("unauthorized, without more: what the token itself says", async () => {
      const server = await refusing({ reason: "unauthorized" });
      await expectFault("token_refused", "connect_document", argvFor(server), ["unauthorized"]);
      const expired = token({ iat: 1, exp: 2 });
      const argv = [server.url, "--topic", TOPIC, "--token", expired];
      await expectFault("token_expired", "connect_document", argv, ["exp is 1970-01-01T00:00:02Z"]);
      const other = [server.url, "--topic", TOPIC, "--token", token({ tenantId: "other" })];
      await expectFault("token_other_tenant", "connect_document", other);
    });

    it("a message in words", async () => {
      const server = await refusing({ code: 401, message: "signature verification failed" });
      await expectFault("token_wrong_secret", "connect_document", argvFor(server));
      const other = await refusing("jwt malformed");
      await expectFault("token_malformed", "connect_document", argvFor(other));
    });

    it("403: the scopes decide", async () => {
      const server = await refusing({ code: 403, message: "forbidden" });
      const reader = [server.url, "--topic", TOPIC, "--token", token({ scopes: ["doc:read"] })];
      await expectFault("scope_missing", "connect_document", reader, ["missing: doc:write"]);
      await expectFault("authorization_refused", "connect_document", argvFor(server));
    });

    it("an event instead of a reply", async () => {
      const server = await answering({
        connect_document: ({ push }) =>
          push("connect_document_error", { code: 503, message: "no leader", retryAfter: 5 }),
      });
      await expectFault("document_unavailable", "connect_document", argvFor(server), ["try again in 5 s"]);
    });

    it("400, 413, 429 and 410", async () => {
      const cases = [
        [400, "connect_document_refused"],
        [413, "message_too_large"],
        [429, "rate_limited"],
        [410, "session_gone"],
      ] as const;
      for (const [code, fault] of cases) {
        await expectFault(fault, "connect_document", argvFor(await refusing({ code, message: "no" })));
      }
    });

    it("unknown, honestly: ok without a client id", async () => {
      const server = await answering({
        connect_document: ({ push }) => push("connect_document_success", {}),
      });
      const report = await expectFault("unknown", "connect_document", argvFor(server), ["no clientId"]);
      expect(report.trace?.map(({ event }) => event)).to.deep.equal([
        "phx_join",
        "phx_reply",
        "connect_document",
        "connect_document_success",
      ]);
    });
  });

  describe("nacks", () => {
    const nacking = (code: number, message: string) =>
      answering({
        submitOp: ({ push }) =>
          push("nack", { clientId: "", nacks: [{ sequenceNumber: 0, content: { code, message } }] }),
      });

    it("without a reply: code and message decide", async () => {
      const cases = [
        [400, "gap in client sequence numbers", "csn_refused"],
        [400, "refSeq is below the MSN", "rsn_refused"],
        [400, "nonsense", "op_malformed"],
        [400, "session not found", "session_gone"],
        [403, "no", "op_refused"],
        [413, "no", "batch_too_large"],
        [429, "no", "rate_limited"],
        [500, "no", "document_unavailable"],
      ] as const;
      for (const [code, message, fault] of cases) {
        await expectFault(fault, "submitOp", argvFor(await nacking(code, message)), [message]);
      }
    });

    it("session_gone, where the client was connected before", async () => {
      const server = await answering({
        submitOp: ({ reply }) => reply("error", { reason: "not_authenticated" }),
      });
      await expectFault("session_gone", "submitOp", argvFor(server), ["had been answered ok before"]);
    });

    it("read_only, where the server gave another mode than asked for", async () => {
      const server = await answering({
        connect_document: ({ reply }) => reply("ok", { clientId: "client-number-0", mode: "read" }),
        submitOp: ({ push }) => push("nack", { content: { code: 403, message: "readonly" } }),
      });
      const report = await expectFault("read_only", "submitOp", argvFor(server));
      expect(report.notes).to.deep.equal(['asked for the mode "write", the server gave "read"']);
    });
  });

  describe("broadcasts", () => {
    /** A server that acknowledges an op and does with it what it likes, and a doctor for whom time passes then. */
    async function broken(deliver: (received: Received, op: object) => void): Promise<string> {
      const clock = new ManualClock();
      clock.advance(Date.now());
      const server = await answering({
        submitOp: (received) => {
          const [[op]] = received.payload.messageBatches as [[object]];
          deliver(received, { ...op, clientId: received.payload.clientId, sequenceNumber: 1 });
          received.reply("ok", { sequenceNumber: 1 });
        },
      });
      const { code, stdout } = await run(["doctor", ...argvFor(server)], {
        clock,
        onLine: (line) => /✓ submitOp/.test(line) && clock.advance(TIMEOUT),
      });
      expect(code).to.equal(8);
      expect(stdout).to.match(/✗ broadcast/);
      return stdout;
    }

    it("broadcast_missing: nobody gets the op", async () => {
      expect(await broken(() => {}))
        .to.include("broadcast_missing: ")
        .and.include("nor did the first");
    });

    it("broadcast_not_subscribed: the sender alone gets it", async () => {
      expect(await broken(({ push }, op) => push("op", { documentId: DOCUMENT, op: [op] })))
        .to.include("broadcast_not_subscribed: ")
        .and.include("the first connection got it");
    });

    it("broadcast_wrong_topic", async () => {
      const report = await broken(({ server }, op) =>
        server.broadcast("document:acme", "op", { documentId: DOCUMENT, op: [op] }),
      );
      expect(report).to.include("broadcast_wrong_topic: ").and.include('with the topic "document:acme"');
    });

    it("broadcast_other_document", async () => {
      const report = await broken(({ server, topic }, op) =>
        server.broadcast(topic, "op", { documentId: "doc-2", op: [op] }),
      );
      expect(report).to.include("broadcast_other_document: ").and.include('"doc-2", not "doc-1"');
    });

    it("broadcast_missing: the op comes as another event", async () => {
      const report = await broken(({ server, topic }, op) => server.broadcast(topic, "ops", { op: [op] }));
      expect(report).to.include("broadcast_missing: ").and.include('it came as "ops"');
    });

    it("is not taken in by others' ops", async () => {
      const report = await broken(({ server, topic }, op) =>
        server.broadcast(topic, "op", { documentId: DOCUMENT, op: [{ ...op, clientId: "somebody" }] }),
      );
      expect(report).to.include("broadcast_missing: ").and.include('it got other events: "op"');
    });
  });
});

import { expect } from "chai";
import { DocumentChannel, MemoryOpLog, OpLogError } from "../../../lib/documents/index.ts";
import { Channel, error, ok, Socket } from "../../../lib/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serve } from "../../support/server.ts";
import {
  claims,
  DOCUMENT,
  SECRET,
  serveDocuments,
  sign,
  TENANT,
  TOPIC,
  token,
} from "../support/documents.ts";
import { doctor, expectFault } from "../support/run.ts";

describe("doctor: documents of this library", () => {
  /** A served document, and the command line with a token. */
  async function served(...options: Parameters<typeof serveDocuments>) {
    const server = await serveDocuments(...options);
    return { ...server, argv: (given: string) => [server.mount, "--topic", TOPIC, "--token", given] };
  }

  it("is healthy: connect, join, connect_document, submitOp, broadcast, leave", async () => {
    const { argv, jwt, documents } = await served();
    const report = await doctor(argv(jwt.generateFullAccessToken(TENANT, DOCUMENT, "ada")));
    expect(report.diagnosis).to.equal(null);
    expect(report.steps.map(({ name, status }) => `${name} ${status}`)).to.deep.equal([
      "connect ok",
      "join ok",
      "connect_document ok",
      "second connection ok",
      "submitOp ok",
      "broadcast ok",
      "leave ok",
    ]);
    expect(report.notes).to.deep.equal(["an op was written into the document, and stays in its history"]);
    // The join of the writer, and its op.
    expect(documents.registry.lookup(TENANT, DOCUMENT)?.head).to.be.at.least(2);
  });

  it("is healthy for a reader, and writes nothing with --no-submit", async () => {
    const { argv, jwt, documents } = await served();
    const reader = jwt.generateReadOnlyToken(TENANT, DOCUMENT, "ada");
    const report = await doctor([...argv(reader), "--mode", "read", "--no-submit"]);
    expect(report.healthy).to.equal(true);
    expect(report.steps.map(({ name, status }) => `${name} ${status}`)).to.include("submitOp skipped");
    expect(report.notes).to.deep.equal([]);
    expect((await documents.registry.startOrGet(TENANT, DOCUMENT)).head).to.equal(0);
  });

  it("not_authenticated: joined, but not connected", async () => {
    const { mount } = await served();
    const argv = [mount, "--topic", TOPIC];
    const report = await expectFault("not_authenticated", "submitOp", argv, ["no token"]);
    expect(report.steps.map(({ name, status }) => `${name} ${status}`)).to.deep.equal([
      "connect ok",
      "join ok",
      "connect_document skipped",
      "submitOp failed",
    ]);
  });

  it("not_a_document", async () => {
    class Plain extends Channel {
      override join() {
        return ok();
      }
    }
    class PlainSocket extends Socket {
      static override channels = { "document:*": Plain };
    }
    const { mount } = await serve(PlainSocket);
    const argv = [mount, "--topic", TOPIC];
    await expectFault("not_a_document", "connect_document", [...argv, "--token", token()]);
    await expectFault("not_a_document", "submitOp", argv);
  });

  describe("tokens", () => {
    const now = () => Math.floor(Date.now() / 1_000);

    it("token_malformed", async () => {
      const { argv } = await served();
      const cases: [given: string, why: string][] = [
        ["", "it is empty"],
        ["hello", "it has 1 part between dots, not 3"],
        [`Bearer ${token()}`, 'begins with "Bearer "'],
        [`"${token()}"`, "quotes"],
        [`${token().slice(0, 40)}\n${token().slice(40)}`, "line ends"],
        [`e30.${token().split(".")[1]?.slice(0, 20)}.abc`, "the claims, isn't a JSON object"],
      ];
      for (const [given, why] of cases) {
        await expectFault("token_malformed", "connect_document", argv(given), [why]);
      }
    });

    it("token_expired: when, by whose clock", async () => {
      const { argv } = await served();
      const expired = token({ iat: now() - 7_200, exp: now() - 3_725 });
      await expectFault("token_expired", "connect_document", argv(expired), [
        /^exp is \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: 1 hour 2 minutes ago by this machine's clock$/m,
        /^1 hour 2 minutes ago by the server's clock, as its Date header tells$/m,
        "token_expired",
      ]);
    });

    it("clock_skew: valid here, expired there", async () => {
      const { argv } = await served();
      const clock = new ManualClock();
      clock.advance(Date.now() - 7_425_000);
      const expired = token({ iat: now() - 7_200, exp: now() - 3_690 });
      await expectFault(
        "clock_skew",
        "connect_document",
        argv(expired),
        [
          "in 1 hour 2 minutes by this machine's clock",
          "1 hour 1 minute ago by the server's clock",
          "the server's clock is 2 hours 3 minutes ahead of this machine's",
        ],
        { clock },
      );
    });

    it("token_not_yet_valid", async () => {
      const { argv } = await served();
      const early = token({ nbf: now() + 3_600, exp: now() + 7_200 });
      await expectFault("token_not_yet_valid", "connect_document", argv(early), [
        /^nbf is .*: in (1 hour|59 minutes 59 seconds) by this machine's clock$/m,
      ]);
    });

    it("token_wrong_secret, without --secret", async () => {
      const { argv } = await served();
      const forged = sign(claims(), "another secret, which is as long as it");
      await expectFault("token_wrong_secret", "connect_document", argv(forged), ["invalid_signature"]);
    });

    it("token_wrong_secret: the token's, by --secret", async () => {
      const { argv } = await served();
      const words = ["isn't that of the secret given here"];
      const forged = argv(sign(claims(), "another secret, which is as long as it"));
      await expectFault("token_wrong_secret", "connect_document", [...forged, "--secret", SECRET], words);
      const withLineEnd = [...argv(sign(claims(), `${SECRET}\n`)), "--secret", SECRET];
      await expectFault("token_wrong_secret", "connect_document", withLineEnd, ["with a line end behind it"]);
    });

    it("token_wrong_secret: the server's, by --secret", async () => {
      const { argv, tenants } = await served();
      tenants.register(TENANT, "the server has another one for this tenant");
      await expectFault(
        "token_wrong_secret",
        "connect_document",
        [...argv(token()), "--secret", SECRET],
        ['the server has another one for the tenant "acme"'],
      );
    });

    it("token_wrong_algorithm", async () => {
      const { argv } = await served();
      await expectFault("token_wrong_algorithm", "connect_document", argv(sign(claims(), SECRET, "HS384")), [
        'alg "HS384"',
      ]);
      const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${token().split(".")[1]}.`;
      await expectFault("token_wrong_algorithm", "connect_document", argv(none), ['alg "none"']);
    });

    it("token_missing_claims: which, and what they take", async () => {
      const { argv } = await served();
      const { scopes: _, ...without } = claims({ user: "ada" });
      await expectFault("token_missing_claims", "connect_document", argv(sign(without)), [
        "scopes is missing: a list of strings",
        'user must be an object with an id, and is "ada"',
      ]);
    });

    it("token_other_tenant", async () => {
      const { argv } = await served();
      await expectFault("token_other_tenant", "connect_document", argv(token({ tenantId: "other" })), [
        'its tenantId is "other", the topic\'s tenant "acme"',
      ]);
    });

    it("token_other_document", async () => {
      const { argv } = await served();
      await expectFault("token_other_document", "connect_document", argv(token({ documentId: "doc-2" })), [
        'its documentId is "doc-2", the topic\'s document "doc-1"',
      ]);
    });

    it("tenant_unknown", async () => {
      const { argv, tenants } = await served();
      tenants.unregister(TENANT);
      await expectFault("tenant_unknown", "connect_document", argv(token()), ["unknown_tenant"]);
    });
  });

  describe("permissions", () => {
    it("scope_missing: which, and which the token has", async () => {
      const { argv, jwt } = await served();
      const reader = jwt.generateReadOnlyToken(TENANT, DOCUMENT, "ada");
      await expectFault("scope_missing", "connect_document", argv(reader), [
        "needed: doc:read and doc:write; the token has: doc:read",
        "missing: doc:write",
      ]);
      await expectFault(
        "scope_missing",
        "connect_document",
        [...argv(token({ scopes: [] })), "--mode", "read"],
        ["needed: doc:read; the token has: none"],
      );
    });

    it("scope_missing for one operation: a summary", async () => {
      const { argv } = await served();
      const writer = token({ scopes: ["doc:read", "doc:write"] });
      const summary = { messageBatches: [[{ type: "summarize", contents: { handle: "h", head: "" } }]] };
      const given = [...argv(writer), "--submit", JSON.stringify(summary)];
      await expectFault("scope_missing", "submitOp", given, [
        "needed: doc:write and summary:write; the token has: doc:read, doc:write",
        "missing: summary:write",
      ]);
    });

    it("read_only", async () => {
      const { argv } = await served();
      await expectFault("read_only", "submitOp", [...argv(token()), "--mode", "read"], ["read_only"]);
    });

    it("authorization_refused", async () => {
      class Guarded extends DocumentChannel {
        override authorize() {
          return error({ message: "no seat left" });
        }
      }
      const { argv } = await served(Guarded);
      await expectFault("authorization_refused", "connect_document", argv(token()), ["no seat left"]);
    });
  });

  describe("operations", () => {
    /** What `submitOp` is given to send. */
    const submit = (plan: object) => ["--submit", JSON.stringify(plan)];
    const op = (more: object) => submit({ messageBatches: [[{ type: "op", contents: "x", ...more }]] });

    it("client_mismatch", async () => {
      const { argv } = await served();
      const given = [...argv(token()), ...submit({ clientId: "somebody" })];
      await expectFault("client_mismatch", "submitOp", given, [
        /clientId "somebody" was sent, this connection has/,
      ]);
    });

    it("csn_refused", async () => {
      const { argv } = await served();
      const given = [...argv(token()), ...op({ clientSequenceNumber: 5 })];
      await expectFault("csn_refused", "submitOp", given, ["clientSequenceNumber 5 was sent"]);
    });

    it("rsn_refused", async () => {
      const { argv } = await served();
      const given = [...argv(token()), ...op({ referenceSequenceNumber: 1_000 })];
      await expectFault("rsn_refused", "submitOp", given, [
        /referenceSequenceNumber 1000 was sent, the head is \d+/,
      ]);
    });

    it("op_malformed: a type that only the server sends", async () => {
      const { argv } = await served();
      await expectFault(
        "op_malformed",
        "submitOp",
        [...argv(token()), ...op({ type: "join" })],
        ["malformed"],
      );
    });

    it("batch_too_large", async () => {
      const { argv } = await served();
      const many = Array.from({ length: 101 }, () => ({ type: "op", contents: "x" }));
      const given = [...argv(token()), ...submit({ messageBatches: [many] })];
      await expectFault("batch_too_large", "submitOp", given, ["101 ops"]);
    });

    it("op_refused", async () => {
      class Strict extends DocumentChannel {
        override beforeOps() {
          return error({ message: "the document is frozen" });
        }
      }
      const { argv } = await served(Strict);
      await expectFault("op_refused", "submitOp", argv(token()), ["the document is frozen"]);
    });

    it("rate_limited, and for how long", async () => {
      // connect_document, too, is a message: with the join, three of each connection's are taken.
      const { argv } = await served(DocumentChannel, {}, { rateLimit: { limit: 2, interval: 60_000 } });
      await expectFault("rate_limited", "submitOp", argv(token()), [
        "rate_limited",
        /try again in \d+(\.\d+)? s/,
      ]);
    });

    it("clock_skew: the token expires there, while it is connected", async () => {
      const now = Math.floor(Date.now() / 1_000);
      const serverClock = new ManualClock();
      serverClock.advance(Date.now());
      class Late extends DocumentChannel {
        override beforeOps() {
          serverClock.advance(7_200_000);
          return ok();
        }
      }
      const { argv } = await served(Late, { clock: serverClock });
      const given = argv(token({ exp: now + 60 }));
      // By this machine's clock it is valid still.
      await expectFault("clock_skew", "submitOp", given, [
        /^exp is .*: in (1 minute|59 seconds) by/,
        "expired",
      ]);
    });
  });

  describe("the session and its log", () => {
    it("session_gone: it stopped behind connect_document", async () => {
      let stop: () => Promise<unknown> = async () => {};
      class Stopping extends DocumentChannel {
        override async beforeOps() {
          await stop();
          return ok();
        }
      }
      const { argv, documents } = await served(Stopping);
      stop = () => documents.registry.stop(TENANT, DOCUMENT);
      await expectFault("session_gone", "submitOp", argv(token()), ["phx_error"]);
    });

    it("document_full", async () => {
      const { argv } = await served(DocumentChannel, { maxClients: 1 });
      await expectFault("document_full", "second connection", argv(token()), ["too_many_clients"]);
    });

    it("document_unavailable: a hook threw", async () => {
      class Crashing extends DocumentChannel {
        override authorize(): never {
          throw new Error("no database");
        }
      }
      const { argv } = await served(Crashing);
      await expectFault("document_unavailable", "connect_document", argv(token()), ["internal_error"]);
    });

    it("document_unavailable: its log can't be read", async () => {
      class DownLog extends MemoryOpLog {
        override async state(): Promise<never> {
          throw new OpLogError("unavailable", "the disk is gone");
        }
      }
      const { argv } = await served(DocumentChannel, { log: new DownLog() });
      await expectFault("document_unavailable", "connect_document", argv(token()), [
        "unavailable",
        "try again in",
      ]);
    });

    it("connect_document_unanswered", async () => {
      const clock = new ManualClock();
      clock.advance(Date.now());
      class Waiting extends DocumentChannel {
        override authorize() {
          clock.advance(10_000);
          return new Promise<never>(() => {});
        }
      }
      const { argv } = await served(Waiting);
      const words = ["no answer to `connect_document`"];
      await expectFault("connect_document_unanswered", "connect_document", argv(token()), words, { clock });
    });

    it("submit_unanswered: the log is slow", async () => {
      const clock = new ManualClock();
      clock.advance(Date.now());
      class Waiting extends DocumentChannel {
        override beforeOps() {
          clock.advance(10_000);
          return new Promise<never>(() => {});
        }
      }
      const { argv } = await served(Waiting);
      await expectFault("submit_unanswered", "submitOp", argv(token()), ["no answer to `submitOp`"], {
        clock,
      });
    });

    it("slow_server", async () => {
      const clock = new ManualClock();
      clock.advance(Date.now());
      class Slow extends DocumentChannel {
        override beforeOps() {
          clock.advance(2_000);
          return ok();
        }
      }
      const { argv } = await served(Slow);
      await expectFault("slow_server", "leave", argv(token()), ["submitOp took 2000 ms"], { clock });
    });
  });
});

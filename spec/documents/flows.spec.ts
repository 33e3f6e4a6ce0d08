import { expect } from "chai";
import type { Channel } from "phoenix";
import type { SequencedOp } from "../../lib/documents/index.ts";
import {
  answer,
  ends,
  inbox,
  officialClient,
  TRANSPORTS,
  type TransportRow,
} from "../support/official-client.ts";
import { READ, SECRET, type ServedDocuments, serveDocuments, type TokenOf, WRITE } from "./served.ts";

/** A channel of the official client on acme's doc-1, joined. */
async function joined(
  served: ServedDocuments,
  row: TransportRow,
  topic = "document:acme:doc-1",
): Promise<Channel> {
  const socket = officialClient(row, served.mount);
  socket.connect();
  const channel = socket.channel(topic);
  expect((await answer(channel.join())).status).to.equal("ok");
  return channel;
}

function connectDocument(channel: Channel, token: string, fields: object = {}) {
  const payload = { tenantId: "acme", id: "doc-1", token, mode: "write", client: {}, versions: ["^0.1.0"] };
  return answer(channel.push("connect_document", { ...payload, ...fields }));
}

/** Sequence number and contents of the ops that clients wrote. */
function written(payloads: readonly unknown[]): [number, unknown][] {
  return payloads
    .flatMap((payload) => (payload as { readonly op: SequencedOp[] }).op)
    .filter(({ type }) => type === "op")
    .map(({ sequenceNumber, contents }) => [sequenceNumber, contents]);
}

for (const row of TRANSPORTS) {
  describe(`the document channel with the official client over ${row.name}`, () => {
    it("refuses submitOp before connect_document, with a nack beside the reply", async () => {
      const channel = await joined(await serveDocuments(), row);
      const nacks = inbox(channel, "nack");
      const { status, response } = await answer(channel.push("submitOp", { type: "op", contents: 1 }));
      expect([status, response]).to.deep.equal([
        "error",
        { reason: "not_authenticated", message: "push connect_document with a token first" },
      ]);
      expect(await nacks.next()).to.have.nested.property("content.code", 401);
    });

    it("connects with a valid token, and brings ops of both forms to the other client", async () => {
      const served = await serveDocuments();
      const ada = await joined(served, row);
      const bob = await joined(served, row);
      const [adaOps, bobOps] = [inbox(ada, "op"), inbox(bob, "op")];
      const connected = await connectDocument(ada, served.token());
      expect(connected.status).to.equal("ok");
      const { clientId } = connected.response as { readonly clientId: string };
      expect(clientId).to.match(/^[\w-]{22}$/);
      expect((await connectDocument(bob, served.token({ user: "bob" }))).status).to.equal("ok");

      const batch = {
        clientId,
        messageBatches: [
          [
            { type: "op", contents: "one", clientSequenceNumber: 1, referenceSequenceNumber: 1 },
            { type: "op", contents: { two: [2] }, clientSequenceNumber: 2, referenceSequenceNumber: 1 },
          ],
        ],
      };
      expect(await answer(ada.push("submitOp", batch))).to.deep.equal({
        status: "ok",
        response: { sequenceNumber: 4, first: 3 },
      });
      const bare = await answer(ada.push("submitOp", { type: "op", contents: "three" }));
      expect(bare).to.deep.equal({ status: "ok", response: { sequenceNumber: 5, first: 5 } });
      const all = [
        [3, "one"],
        [4, { two: [2] }],
        [5, "three"],
      ];
      while (written(bobOps.all).length < 3) await bobOps.next();
      expect(written(bobOps.all)).to.deep.equal(all);
      expect(written(adaOps.all), "the sender has its ops before the reply").to.deep.equal(all);
    });

    it("ends with a session that is stopped, which isn't found then, and starts another on demand", async () => {
      const served = await serveDocuments();
      const { registry } = served.documents;
      const channel = await joined(served, row);
      const { errors } = ends(channel);
      const { response } = await connectDocument(channel, served.token());
      expect(response).to.have.property("checkpointSequenceNumber", 1);
      expect(await answer(channel.push("submitOp", { type: "op", contents: "kept" }))).to.have.property(
        "status",
        "ok",
      );
      const session = registry.lookup("acme", "doc-1");
      expect(session?.head).to.equal(2);

      expect(await registry.stop("acme", "doc-1")).to.equal(true);
      await errors.next();
      expect(registry.lookup("acme", "doc-1")).to.equal(undefined);
      expect(await registry.stop("acme", "doc-1"), "there is none").to.equal(false);

      const again = await joined(served, row);
      const successes = inbox(again, "connect_document_success");
      expect((await connectDocument(again, served.token())).status).to.equal("ok");
      expect(registry.lookup("acme", "doc-1")).to.not.be.oneOf([undefined, session]);
      const { initialMessages } = (await successes.next()) as { readonly initialMessages: SequencedOp[] };
      expect(initialMessages.map(({ type }) => type)).to.deep.equal(["join", "op", "leave", "join"]);
    });
  });
}

const websocket = TRANSPORTS[0] as TransportRow;

/** Tokens that aren't accepted, with the reason and code of that. */
const REFUSED: readonly [
  what: string,
  token: (served: ServedDocuments) => string,
  reason: string,
  code: number,
  fields?: object,
][] = [
  ["no token of any kind", () => "not a token", "malformed_token", 401],
  ["one with a changed signature", ({ token }) => `${token().slice(0, -3)}AAA`, "invalid_signature", 401],
  ["an expired one", ({ token }) => token({ expiresIn: -1 }), "token_expired", 401],
  ["one of another tenant", ({ token }) => token({ tenant: "other" }), "wrong_tenant", 403],
  ["one for another document", ({ token }) => token({ document: "doc-2" }), "wrong_document", 403],
  ["one without doc:read", ({ token }) => token({ scopes: ["doc:write"] }), "missing_scope", 403],
  ["one without doc:write, for the mode write", ({ token }) => token({ scopes: READ }), "missing_scope", 403],
  [
    "one without scopes, for the mode read",
    ({ token }) => token({ scopes: [] }),
    "missing_scope",
    403,
    { mode: "read" },
  ],
];

describe("connect_document refuses", () => {
  for (const [what, tokenOf, reason, code, fields] of REFUSED) {
    it(`${what}: ${reason}, ${code}`, async () => {
      const served = await serveDocuments();
      const channel = await joined(served, websocket);
      const events = inbox(channel, "connect_document_error");
      const token = tokenOf(served);
      const { status, response } = await connectDocument(channel, token, fields);
      expect(status).to.equal("error");
      expect(response).to.include({ reason, code });
      const { message } = response as { readonly message: string };
      expect(await events.next()).to.deep.equal({ code, message, reason });
      expect(`${message}\n${served.logged()}`).to.not.include(token);
      expect(`${message}\n${served.logged()}`).to.not.include(SECRET);
      expect(served.documents.registry.lookup("acme", "doc-1"), "a session").to.equal(undefined);
    });
  }

  it("a tenant that is unknown: unknown_tenant, 401", async () => {
    const served = await serveDocuments();
    const channel = await joined(served, websocket, "document:nobody:doc-1");
    const { response } = await connectDocument(channel, served.token(), { tenantId: "nobody" });
    expect(response).to.include({ reason: "unknown_tenant", code: 401 });
  });

  it("a mode write without the scope, never with less than was asked for; no mode is what the token allows", async () => {
    const served = await serveDocuments();
    const modes: unknown[] = [];
    for (const scopes of [READ, WRITE]) {
      const of: TokenOf = { scopes };
      const channel = await joined(served, websocket);
      const { response } = await connectDocument(channel, served.token(of), { mode: null });
      modes.push((response as { readonly mode: string }).mode);
    }
    expect(modes).to.deep.equal(["read", "write"]);
  });
});

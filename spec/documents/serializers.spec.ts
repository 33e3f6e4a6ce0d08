import { expect } from "chai";
import {
  connectionEvents,
  inbox,
  officialClient,
  TRANSPORTS,
  type TransportRow,
} from "../support/official-client.ts";
import type { PeerVsn } from "./document-peer.ts";
import { READ, serveDocuments } from "./served.ts";

const VERSIONS: readonly PeerVsn[] = ["1.0.0", "2.0.0", "3.0.0"];

describe("clients of versions 1.0.0, 2.0.0 and 3.0.0 of the wire, side by side on one document", () => {
  it("see the same ops, signals, answers and nacks", async () => {
    const served = await serveDocuments();
    const peers = await Promise.all(VERSIONS.map((vsn) => served.enter({ vsn, user: `user ${vsn}` })));
    const reader = await served.enter({ scopes: READ, user: "reader" });
    const contents = [null, true, -0.5, "é😀\u2028", [1, [2]], { a: { "": [] } }, 2 ** 53 - 1, 1e300];
    let sn = 3;
    for (const peer of peers) {
      await peer.caughtUp(sn);
      const { status, response } = await peer.submit(...contents);
      expect([status, response]).to.deep.equal([
        "ok",
        { sequenceNumber: sn + contents.length, first: sn + 1 },
      ]);
      sn += contents.length;
      const nacked = await peer.ask(
        "submitOp",
        peer.submission(peer.op("x", { referenceSequenceNumber: 999 })),
      );
      expect(nacked.response.reason).to.equal("invalid_rsn");
      expect((await peer.next("nack")).nacks[0].operation.contents).to.equal("x");
      const signal = { from: peer.vsn, value: [0.25, null] };
      await peer.ask("submitSignal", { contentBatches: [{ signal }] });
      for (const other of [...peers, reader]) {
        if (other === peer) continue;
        let heard = await other.next("signal");
        // The reader's coming is one too.
        while (heard.clientId === null) heard = await other.next("signal");
        expect(heard).to.deep.equal({ clientId: peer.clientId, content: signal });
      }
    }
    const all = JSON.stringify((await reader.caughtUp(sn)).slice(3));
    for (const peer of peers) expect(JSON.stringify((await peer.caughtUp(sn)).slice(3))).to.equal(all);
    const late = await Promise.all(VERSIONS.map((vsn) => served.enter({ vsn, scopes: READ })));
    for (const { success } of late) expect(JSON.stringify(success.initialMessages.slice(3))).to.equal(all);
    const pages = await Promise.all(late.map((peer) => peer.ask("requestOps", { from: 3 })));
    for (const { response } of pages) expect(JSON.stringify(response.ops)).to.equal(all);
  });

  it("take the deepest contents that are taken at all", async () => {
    const served = await serveDocuments();
    const peers = await Promise.all(VERSIONS.map((vsn) => served.enter({ vsn })));
    const nested = (levels: number): unknown => (levels === 0 ? "end" : [nested(levels - 1)]);
    const [v1, v2, v3] = peers as [(typeof peers)[0], (typeof peers)[0], (typeof peers)[0]];
    for (const peer of peers) {
      await peer.caughtUp(3);
      expect((await peer.submit(nested(256))).status).to.equal("ok");
      const deeper = await peer.ask("submitOp", { type: "op", contents: nested(257) });
      expect(deeper.response.reason).to.equal("malformed");
    }
    const all = await v1.caughtUp(6);
    for (const peer of [v2, v3]) expect(await peer.caughtUp(6)).to.deep.equal(all);
  });
});

for (const row of TRANSPORTS as readonly TransportRow[]) {
  it(`the document channel over ${row.name} survives a connection that is lost: the official client joins again, and the app connects again`, async () => {
    const served = await serveDocuments();
    const socket = officialClient(row, served.mount);
    const { opens } = connectionEvents(socket);
    socket.connect();
    await opens.next();
    const channel = socket.channel("document:acme:doc-1");
    const successes = inbox(channel, "connect_document_success");
    const ops = inbox(channel, "op");
    let connected: { clientId?: string; key?: string } = {};
    let lastSeenSequenceNumber = 0;
    channel.join().receive("ok", () => {
      const resume = connected.clientId === undefined ? undefined : connected;
      channel
        .push("connect_document", {
          tenantId: "acme",
          id: "doc-1",
          token: served.token(),
          lastSeenSequenceNumber,
          resume,
        })
        .receive("ok", (reply) => {
          const { clientId, key } = reply as { clientId: string; key: string };
          connected = { clientId, key };
        });
    });
    await successes.next();
    const writer = await served.enter({ user: "bob" });
    await writer.submit("one");
    while (!JSON.stringify(ops.all).includes('"one"')) await ops.next();
    lastSeenSequenceNumber = 3;
    for (const one of served.documents.registry.lookup("acme", "doc-1")?.clients ?? [])
      expect(one.mode).to.equal("write");
    await served.documents.registry.stop("acme", "doc-1");
    const { initialMessages } = (await successes.next()) as {
      readonly initialMessages: readonly { readonly sequenceNumber: number }[];
    };
    expect(initialMessages[0]?.sequenceNumber).to.equal(4);
  });
}

import { expect } from "chai";
import { ManualClock } from "../../support/manual-clock.ts";
import { connectDocument, serveInspected } from "./looking.ts";

describe("the inspector's tables", () => {
  it("have the sockets, and what waits for them", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada", "room:a", "room:b");
    await client("ben");
    for (const ref of ["2", "3", "4"]) ada.send(["1", ref, "room:a", "wait", {}]);
    await ada.settle();
    const { rows, total } = await (await look()).table("sockets");
    expect(total).to.equal(2);
    expect(rows[0]).to.include({
      number: 1,
      socketId: "user:ada",
      socket: "UserSocket",
      transport: "websocket",
      serializer: "2.0.0",
      channels: 2,
      queued: 2,
    });
    expect(rows[1]).to.include({ number: 2, socketId: "user:ben", channels: 0, queued: 0 });
  });

  it("have the channels", async () => {
    const { client, look } = await serveInspected();
    await client("ada", "room:a");
    await client("ben", "room:a");
    const { rows } = await (await look()).table("channels");
    expect(
      rows.map(({ topic, channel, state, connection }) => [topic, channel, state, connection]),
    ).to.deep.equal([
      ["room:a", "Room", "joined", 1],
      ["room:a", "Room", "joined", 2],
    ]);
  });

  it("have the topics with their subscribers, also those that no channel is joined to", async () => {
    const { client, look, endpoint } = await serveInspected();
    await client("ada", "room:a", "document:acme:doc");
    await client("ben", "room:a");
    const remove = endpoint.subscribe("jobs", () => {});
    const { rows } = await (await look()).table("topics");
    remove();
    expect(
      rows.map(({ topic, kind, joined, subscribers }) => [topic, kind, joined, subscribers]),
    ).to.have.deep.members([
      ["room:a", "topic", 2, 2],
      // A document's clients get nothing before they are connected.
      ["document:acme:doc", "topic", 1, 0],
      ["user:ada", "socket id", 0, 1],
      ["user:ben", "socket id", 0, 1],
      ["jobs", "subscribed", 0, 1],
    ]);
  });

  it("have who is present, without what filterParameters name", async () => {
    const { client, look } = await serveInspected();
    const ada = await client("ada");
    await ada.join("room:a", { key: "ada" });
    await ada.next();
    const { rows } = await (await look()).table("presence");
    expect(rows).to.have.length(1);
    expect(rows[0]).to.include({ topic: "room:a", presence: "ada", count: 1 });
    expect(JSON.stringify(rows[0]?.metas)).to.include('"device":"phone","password":"[FILTERED]"');
  });

  it("have the sessions of documents, which stats() counts", async () => {
    const { client, look, endpoint } = await serveInspected();
    const ada = await client("ada");
    expect(endpoint.stats()).to.include({ documents: 0, queuedOps: 0 });
    const clientId = await connectDocument(ada, "doc");
    const contents = { type: "op", contents: 1, clientSequenceNumber: 1, referenceSequenceNumber: 1 };
    ada.send(["1", "9", "document:acme:doc", "submitOp", { clientId, messageBatches: [[contents]] }]);
    while ((await ada.next())[1] !== "9");
    const { rows } = await (await look()).table("documents");
    expect(rows).to.have.length(1);
    expect(rows[0]).to.include({
      tenant: "acme",
      document: "doc",
      topic: "document:acme:doc",
      head: 2,
      clients: 1,
      writers: 1,
      checkpoint: 0,
      queued: 0,
    });
    expect(JSON.stringify(rows[0]?.members)).to.include(clientId);
    expect(endpoint.stats()).to.include({ documents: 1, queuedOps: 0 });
  });

  it("are searched by the server, whatever the case", async () => {
    const { client, look } = await serveInspected();
    for (const user of ["ada", "ben", "bea"]) await client(user, `room:${user}`);
    const looker = await look();
    const found = await looker.table("channels", "ROOM:BE");
    expect(found.rows.map(({ topic }) => topic)).to.deep.equal(["room:ben", "room:bea"]);
    expect(found).to.include({ total: 3, found: 2 });
    expect((await looker.table("sockets", "user:ada")).found).to.equal(1);
    expect((await looker.table("sockets", "nobody")).rows).to.deep.equal([]);
  });

  it("give 500 rows at most, and say how many there are", async () => {
    const { look, endpoint } = await serveInspected();
    for (let i = 0; i < 510; i++) endpoint.subscribe(`topic-${i}`, () => {});
    const { rows, total, found } = await (await look()).table("topics");
    expect([rows.length, total, found]).to.deep.equal([500, 510, 510]);
  });

  it("are refused if there is no such table", async () => {
    const looker = await (await serveInspected()).look();
    for (const table of ["secrets", "__proto__", "constructor", null, 7]) {
      expect((await looker.ask("watch", { table })).status, String(table)).to.equal("error");
    }
    expect((await looker.ask("watch", null)).status).to.equal("error");
  });

  it("come every second, with the numbers of the node and what there was of each in that second", async () => {
    const clock = new ManualClock();
    const { client, look } = await serveInspected(undefined, { clock });
    const ada = await client("ada", "room:a");
    const looker = await look();
    await looker.told("look");
    await looker.table("channels");
    clock.advance(1_000);
    const first = await looker.told("look");
    expect(first.stats).to.include({ connections: 1, channels: 1 });
    await ada.ask("1", "2", "room:a", "whistle");
    clock.advance(1_000);
    const second = await looker.told("look");
    expect(second.table).to.include({ table: "channels", total: 1 });
    expect(second.failures).to.equal(1);
    expect(first.rates).to.include({ framesIn: 0, refusals: 0 });
    expect(second.rates).to.include({ framesIn: 1, framesOut: 1, refusals: 1 });
  });
});

import { expect } from "chai";
import { Endpoint } from "../../lib/index.ts";
import { connectionEvents, ends, inbox, joins, type TransportRow } from "../support/official-client.ts";
import { afterTest } from "../support/teardown.ts";
import { ask, chatApp, joinedChannel, serveChat } from "./chat.ts";

/** What the client does by itself after a channel, its connection or the server has ended. */
export function recoveryFlows(row: TransportRow): void {
  describe("a crash in a handler", () => {
    it("is an error to the client's channel, which joins again", async () => {
      const chat = await serveChat(row);
      let n = 0;
      const channel = chat.user("1").channel("room:a", () => ({ n: ++n }));
      const { closes, errors } = ends(channel);
      const rejoined = joins(channel.join());
      await rejoined.next();
      channel.push("boom", {}, 1);
      expect(await errors.next()).to.deep.equal({ reason: "channel_crash" });
      expect(await rejoined.next()).to.deep.equal({ topic: "room:a", payload: { n: 2 } });
      expect((await ask(channel, "echo", { back: true })).response).to.deep.equal({ back: true });
      expect(await chat.ended.next()).to.nested.include({ "reason.kind": "error" });
      expect(closes.all).to.deep.equal([]);
    });

    it("leaves the connection's other channels alone", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const channel = socket.channel("room:a");
      const rejoined = joins(channel.join());
      await rejoined.next();
      const other = await joinedChannel(socket, "room:b");
      const { errors } = ends(other);
      channel.push("boom", {}, 1);
      await rejoined.next();
      expect((await ask(other, "echo", { n: 1 })).status).to.equal("ok");
      expect(errors.all).to.deep.equal([]);
      expect(chat.ended.all).to.have.length(1);
    });

    it("like a stop with another reason than normal and shutdown", async () => {
      const chat = await serveChat(row);
      const channel = chat.user("1").channel("room:a");
      const { closes, errors } = ends(channel);
      const rejoined = joins(channel.join());
      await rejoined.next();
      expect((await ask(channel, "stop", { reason: "maintenance", bye: true })).response).to.deep.equal({
        bye: true,
      });
      await errors.next();
      await rejoined.next();
      expect(await chat.ended.next()).to.deep.equal({
        topic: "room:a",
        reason: { kind: "error", reason: "maintenance" },
      });
      expect(closes.all).to.deep.equal([]);
    });
  });

  describe("endpoint.disconnect", () => {
    it("closes with 1001; the client connects and joins again by itself", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const { opens, closes } = connectionEvents(socket);
      const channel = socket.channel("room:a");
      const { errors, closes: channelCloses } = ends(channel);
      const rejoined = joins(channel.join());
      await rejoined.next();
      chat.endpoint.disconnect("users:1");
      const { code } = await closes.next();
      if (row.closeCodes) expect(code).to.equal(1001);
      await errors.next();
      await rejoined.next();
      expect((await ask(channel, "echo", { n: 1 })).response).to.deep.equal({ n: 1 });
      expect(opens.all).to.have.length(2);
      expect(channelCloses.all).to.deep.equal([]);
      expect(await chat.ended.next()).to.deep.equal({
        topic: "room:a",
        reason: { kind: "closed", reason: "disconnect" },
      });
    });

    it("closes all connections of one id, and no other", async () => {
      const chat = await serveChat(row);
      const [phone, laptop, other] = [chat.user("1"), chat.user("1"), chat.user("2")] as const;
      const events = [phone, laptop, other].map(connectionEvents);
      const channels = [phone, laptop, other].map((socket) => socket.channel("room:a"));
      const rejoined = channels.map((channel) => joins(channel.join()));
      for (const box of rejoined) await box.next();
      chat.endpoint.disconnect("users:1");
      for (const i of [0, 1]) {
        const event = await events[i]?.closes.next();
        if (row.closeCodes) expect(event?.code).to.equal(1001);
        await rejoined[i]?.next();
      }
      const [, , third] = channels;
      if (third !== undefined) expect((await ask(third, "echo")).status).to.equal("ok");
      expect(events[2]?.closes.all).to.deep.equal([]);
      expect(chat.endpoint.stats()).to.include({ connections: 3, channels: 3 });
    });

    it("keeps out a client that connect refuses from then on, until it lets it in", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const channel = socket.channel("room:a");
      const rejoined = joins(channel.join());
      await rejoined.next();
      await chat.connected.next();
      chat.banned.add("1");
      chat.endpoint.disconnect("users:1");
      // Its attempts go on, and none gets through.
      await chat.connected.take(3);
      expect(chat.joined.all).to.have.length(1);
      chat.banned.clear();
      await rejoined.next();
      expect((await ask(channel, "who")).response).to.include({ userId: "1" });
    });
  });

  it("socket.disconnect closes this connection, with its reason", async () => {
    const chat = await serveChat(row);
    const [socket, second] = [chat.user("1"), chat.user("1")];
    const { closes } = connectionEvents(socket);
    const { closes: others } = connectionEvents(second);
    const channel = socket.channel("room:a");
    const rejoined = joins(channel.join());
    await rejoined.next();
    const other = await joinedChannel(second, "room:a");
    channel.push("disconnect", { reason: "signed out" }, 1);
    const event = await closes.next();
    if (row.closeCodes) expect(event).to.include({ code: 1001, reason: "signed out" });
    await rejoined.next();
    await ask(other, "echo");
    expect(others.all).to.deep.equal([]);
  });

  it("a server that restarts on its port finds its clients back, and what they pushed meanwhile", async () => {
    const chat = await serveChat(row);
    const sockets = ["1", "2"].map((id) => chat.user(id));
    const events = sockets.map(connectionEvents);
    const channels = sockets.map((socket) => socket.channel("room:a"));
    const rejoined = channels.map((channel) => joins(channel.join()));
    for (const box of rejoined) await box.next();
    const heard = channels.map((channel) => inbox(channel, "news"));

    await chat.endpoint.close();
    for (const { closes } of events) {
      const { code } = await closes.next();
      if (row.closeCodes) expect(code).to.equal(1012);
    }
    expect((await chat.ended.take(2)).map(({ reason }) => reason.kind)).to.deep.equal(["drain", "drain"]);
    expect(channels.map((channel) => channel.state)).to.deep.equal(["errored", "errored"]);
    const meanwhile = channels.map((channel, n) => ask(channel, "echo", { n }));
    // One attempt at least finds nobody there.
    for (const { errors } of events) await errors.next();

    const app = chatApp();
    const endpoint = new Endpoint();
    endpoint.socket("/socket", app.UserSocket, { serializers: row.serializers });
    afterTest(() => endpoint.close({ timeoutMs: 0 }));
    await endpoint.listen(chat.port, "127.0.0.1");
    for (const box of rejoined) await box.next();
    expect(await Promise.all(meanwhile)).to.deep.equal([
      { status: "ok", response: { n: 0 } },
      { status: "ok", response: { n: 1 } },
    ]);
    endpoint.broadcast("room:a", "news", { restarted: true });
    for (const box of heard) expect(await box.next()).to.deep.equal({ restarted: true });
    expect(endpoint.stats()).to.include({ connections: 2, channels: 2 });
  });
}

import { expect } from "chai";
import { ManualClock } from "../support/manual-clock.ts";
import { connectionEvents, Inbox, inbox, joins, type TransportRow } from "../support/official-client.ts";
import { ask, joinedChannel, serveChat } from "./chat.ts";

const bytes = (payload: unknown) => [...new Uint8Array(payload as ArrayBuffer)];

/** What the client brings when it connects, and what it sends besides its channels' messages. */
export function connectionFlows(row: TransportRow): void {
  describe("params", () => {
    it("arrive in connect, in groups as Plug reads them", async () => {
      const chat = await serveChat(row);
      const params = {
        id: "1",
        name: "Ann & Bob + 1 = ü",
        user: { id: 7, roles: ["a", "b"] },
        tags: ["x", "y"],
      };
      const socket = chat.client({ params });
      socket.connect();
      const { params: got, info } = await chat.connected.next();
      expect(got).to.include({ id: "1", name: "Ann & Bob + 1 = ü", vsn: row.options.vsn ?? "2.0.0" });
      // The client numbers a list's items: tags[0]=x&tags[1]=y.
      expect(JSON.parse(JSON.stringify({ user: got.user, tags: got.tags }))).to.deep.equal({
        user: { id: "7", roles: { 0: "a", 1: "b" } },
        tags: { 0: "x", 1: "y" },
      });
      expect(info).to.include({ transport: row.kind, remoteAddress: "127.0.0.1", authToken: null });
    });

    it("that are a function are asked for at each connection, those of a channel at each join", async () => {
      const chat = await serveChat(row);
      let connections = 0;
      let epoch = 0;
      const socket = chat.client({ params: () => ({ id: "1", n: ++connections }) });
      socket.connect();
      const channel = socket.channel("room:a", () => ({ epoch: ++epoch }));
      const rejoined = joins(channel.join());
      await rejoined.next();
      chat.endpoint.disconnect("users:1");
      await rejoined.next();
      channel.push("boom", {}, 1);
      await rejoined.next();
      // A long-poll client whose session is gone may ask once more at its old address.
      expect([...new Set(chat.connected.all.map(({ params }) => params.n))]).to.deep.equal(["1", "2"]);
      expect(chat.joined.all.map(({ payload }) => payload)).to.deep.equal([
        { epoch: 1 },
        { epoch: 2 },
        { epoch: 3 },
      ]);
    });
  });

  describe("authToken", () => {
    for (const token of ["secret", "a.b-c_d~e/f+g=", "tökén", "x".repeat(3000)]) {
      it(`arrives in connect: ${token.slice(0, 20)}`, async () => {
        const chat = await serveChat(row, { authToken: true });
        const socket = chat.client({ authToken: token });
        socket.connect();
        const channel = await joinedChannel(socket, "room:a");
        expect((await ask(channel, "who")).response).to.deep.equal({ userId: null, authToken: token });
        // It is no param, so it stands in no access log.
        expect(JSON.stringify(chat.connected.all[0]?.params)).to.not.include(token.slice(0, 5));
      });
    }

    it("that is a function is asked for at each attempt", async () => {
      const chat = await serveChat(row, { authToken: true });
      chat.banned.add("expired");
      const tokens = ["expired", "expired", "fresh"];
      const socket = chat.client({ authToken: () => tokens.shift() ?? "late" });
      const { opens, errors } = connectionEvents(socket);
      socket.connect();
      await opens.next();
      expect(errors.all).to.have.length(2);
      expect(chat.connected.all.map(({ info }) => info.authToken)).to.deep.equal([
        "expired",
        "expired",
        "fresh",
      ]);
    });

    it("is absent for a client that sends none", async () => {
      const chat = await serveChat(row, { authToken: true });
      const channel = await joinedChannel(chat.user("1"), "room:a");
      expect((await ask(channel, "who")).response).to.deep.equal({ userId: "1", authToken: null });
    });
  });

  describe("sockets without channels", () => {
    it("ping gets its answer", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const { opens } = connectionEvents(socket);
      await opens.next();
      const trip = await new Promise<number>((resolve) => {
        expect(socket.ping(resolve)).to.equal(true);
      });
      expect(trip).to.be.a("number");
    });

    if (!row.heartbeats) return;

    // The specs say when a heartbeat is due: the client takes a server for dead that is slower than its interval.
    const heartbeatIntervalMs = 1_000_000;

    it("heartbeats are answered", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1", { heartbeatIntervalMs });
      const { opens, closes } = connectionEvents(socket);
      const beats = new Inbox<unknown>();
      socket.onMessage(({ topic, event, payload }) => beats.put({ topic, event, payload }));
      await opens.next();
      for (let n = 0; n < 3; n++) {
        socket.sendHeartbeat();
        expect(await beats.next()).to.deep.equal({
          topic: "phoenix",
          event: "phx_reply",
          payload: { status: "ok", response: {} },
        });
      }
      expect(closes.all).to.deep.equal([]);
    });

    it("heartbeats keep the connection; without them it is closed, and the client comes back", async () => {
      const clock = new ManualClock();
      const chat = await serveChat(row, { idleTimeout: 60_000 }, { clock });
      const lively = chat.user("1", { heartbeatIntervalMs });
      const quiet = chat.user("2", { heartbeatIntervalMs });
      const livelyEvents = connectionEvents(lively);
      const quietEvents = connectionEvents(quiet);
      const beats = new Inbox<unknown>();
      lively.onMessage(beats.put);
      await livelyEvents.opens.next();
      await quietEvents.opens.next();
      clock.advance(40_000);
      lively.sendHeartbeat();
      await beats.next();
      clock.advance(40_000);
      const { code } = await quietEvents.closes.next();
      if (row.closeCodes) expect(code).to.equal(1002);
      await quietEvents.opens.next();
      lively.sendHeartbeat();
      await beats.next();
      expect(livelyEvents.closes.all).to.deep.equal([]);
    });
  });

  if (row.binary === "no way") return;

  describe("binary messages", () => {
    const data = new Uint8Array([0, 1, 127, 128, 255, 10, 13]);

    it("go to the server", async () => {
      const chat = await serveChat(row);
      const channel = await joinedChannel(chat.user("1"), "room:a");
      for (const size of [7, 0, 70_000]) {
        expect((await ask(channel, "size", new ArrayBuffer(size))).response).to.deep.equal({ size });
      }
    });

    if (row.binary === "to the server") {
      it("that can't go to the client are lost and logged; what comes behind isn't", async () => {
        const chat = await serveChat(row);
        const channel = await joinedChannel(chat.user("1"), "room:a");
        const heard = inbox(channel, "shouted");
        chat.endpoint.broadcast("room:a", "shouted", data);
        channel.push("push_me", data.buffer, 1);
        chat.endpoint.broadcast("room:a", "shouted", { n: 1 });
        expect(await heard.next()).to.deep.equal({ n: 1 });
        expect((await ask(channel, "echo", { n: 2 })).response).to.deep.equal({ n: 2 });
        const warnings = chat.lines.filter(({ level }) => level === "warn");
        expect(warnings.map(({ message }) => message).join("\n")).to.include("binary");
      });
      return;
    }

    it("come back, as pushes, replies and broadcasts", async () => {
      const chat = await serveChat(row);
      const ann = await joinedChannel(chat.user("ann"), "room:a");
      const bob = await joinedChannel(chat.user("bob"), "room:a");
      const pushed = inbox(ann, "pushed");
      const shouted = [ann, bob].map((channel) => inbox(channel, "shouted"));

      const echoed = await ask(ann, "echo", data.buffer);
      expect(echoed.status).to.equal("ok");
      expect(echoed.response).to.be.instanceOf(ArrayBuffer);
      expect(bytes(echoed.response)).to.deep.equal([...data]);
      expect(bytes((await ask(ann, "echo", new ArrayBuffer(0))).response)).to.deep.equal([]);
      expect((await ask(ann, "fail", data.buffer)).status).to.equal("error");

      await ask(ann, "push_me", data.buffer);
      expect(bytes(await pushed.next())).to.deep.equal([...data]);

      await ask(ann, "shout", data.buffer);
      for (const box of shouted) expect(bytes(await box.next())).to.deep.equal([...data]);

      chat.endpoint.broadcast("room:a", "shouted", new Uint8Array(70_000).fill(7));
      for (const box of shouted) expect(bytes(await box.next())).to.have.length(70_000);
    });
  });
}

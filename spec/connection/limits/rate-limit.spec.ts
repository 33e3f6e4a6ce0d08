import { expect } from "chai";
import { connect } from "../../support/client.ts";
import { turn } from "../../support/gate.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";
import { connectAs, limitedLines, rooms, serveRooms } from "./room.ts";

const limited = (retry_after: number) => ({
  status: "error",
  response: { reason: "rate_limited", retry_after },
});

describe("rateLimit of a mount", () => {
  forEachVsn((vsn) => {
    it("answers what is over it with the message's refs, and the handler never sees it", async () => {
      const { url, handled } = await serveRooms({ rateLimit: { limit: 3, interval: 3000 } });
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      for (const n of [2, 3]) {
        expect(await peer.ask("1", `${n}`, "room:a", "echo", { n })).to.deep.equal(
          peer.reply("1", `${n}`, "room:a", "ok", { n }),
        );
      }
      for (const ref of ["4", null]) {
        expect(await peer.ask("1", ref, "room:a", "echo", { over: true })).to.deep.equal(
          peer.message("1", ref, "room:a", "phx_reply", limited(1)),
        );
      }
      expect(await peer.ask(null, 5, "room:a", "echo", { over: true })).to.deep.equal(
        peer.message(null, 5, "room:a", "phx_reply", limited(1)),
      );
      expect(handled).to.deep.equal([{ n: 2 }, { n: 3 }]);
    });

    it("joins are limited too: nothing is joined", async () => {
      const { url, endpoint } = await serveRooms({ rateLimit: { limit: 1, interval: 500 } });
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      expect(await peer.ask("2", "2", "room:b", "phx_join")).to.deep.equal(
        peer.message("2", "2", "room:b", "phx_reply", limited(0.5)),
      );
      expect(endpoint.stats().channels).to.equal(1);
    });
  });

  it("refills with the clock, evenly, and never beyond the limit", async () => {
    const { url, clock } = await serveRooms({ rateLimit: { limit: 2, interval: 1000 } });
    const client = await connect(url);
    await client.join("room:a");
    const echo = async (ref: string) => (await client.ask("1", ref, "room:a", "echo"))[4];
    const ok = { status: "ok", response: {} };
    expect(await echo("2")).to.deep.equal(ok);
    expect(await echo("3")).to.deep.equal(limited(0.5));
    clock.advance(499);
    expect(await echo("4")).to.deep.equal(limited(0.001));
    clock.advance(1);
    expect(await echo("5")).to.deep.equal(ok);
    expect(await echo("6")).to.deep.equal(limited(0.5));
    clock.advance(20_000);
    for (const ref of ["7", "8"]) expect(await echo(ref)).to.deep.equal(ok);
    expect(await echo("9")).to.deep.equal(limited(0.5));
  });

  it("answers heartbeats and leaves, which count all the same", async () => {
    const { url, clock, endpoint } = await serveRooms({ rateLimit: { limit: 2, interval: 2000 } });
    const client = await connect(url);
    await client.join("room:a");
    // The second token.
    expect(await client.settle()).to.deep.equal([]);
    expect((await client.ask("1", "2", "room:a", "echo"))[4]).to.deep.equal(limited(1));
    expect(await client.settle()).to.deep.equal([]);
    clock.advance(1000);
    expect(await client.settle(), "takes the token that has come").to.deep.equal([]);
    expect((await client.ask("1", "3", "room:a", "echo"))[4]).to.deep.equal(limited(1));
    client.send(["1", "4", "room:a", "phx_leave", {}]);
    expect(await client.take(2)).to.deep.equal([
      ["1", "4", "room:a", "phx_reply", { status: "ok", response: {} }],
      ["1", "1", "room:a", "phx_close", {}],
    ]);
    expect(endpoint.stats()).to.include({ channels: 0, rateLimited: 2 });
  });

  it("counts an event named heartbeat on another topic, and other events on phoenix, as any message", async () => {
    const { url } = await serveRooms({ rateLimit: { limit: 1, interval: 1000 } });
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "heartbeat"))[4]).to.deep.equal(limited(1));
    expect((await client.ask(null, "3", "phoenix", "other"))[4]).to.deep.equal(limited(1));
  });

  it("is each connection's own, whatever its id", async () => {
    const { url } = await serveRooms({ rateLimit: { limit: 1, interval: 1000 } });
    for (const id of ["ada", "ada", "bob"]) {
      const client = await connectAs(url, id);
      expect((await client.join("room:a"))[4].status).to.equal("ok");
      expect((await client.ask("1", "2", "room:a", "echo"))[4]).to.deep.equal(limited(1));
    }
  });

  it("may hold for one transport alone", async () => {
    const { url } = await serveRooms({ longpoll: { rateLimit: { limit: 1, interval: 1000 } } });
    const client = await connect(url);
    await client.join("room:a");
    for (let i = 0; i < 20; i++)
      expect((await client.ask("1", "2", "room:a", "echo"))[4].status).to.equal("ok");
  });

  it("is counted in stats, and logged once for each connection", async () => {
    const served = await serveRooms({ rateLimit: { limit: 1, interval: 1000 } });
    for (let i = 0; i < 2; i++) {
      const client = await connect(served.url);
      await client.join("room:a");
      for (let n = 0; n < 3; n++) await client.ask("1", "2", "room:a", "echo");
    }
    expect(served.endpoint.stats().rateLimited).to.equal(6);
    expect(limitedLines(served)).to.have.length(2);
    expect(served.lines.filter(({ level }) => level === "warn")).to.have.length(2);
  });

  describe("hardLimit", () => {
    it("closes with 1008 who sends still more; what is behind it isn't handled", async () => {
      const { url, endpoint, handled, lines } = await serveRooms({
        rateLimit: { limit: 2, interval: 1000, hardLimit: 4 },
      });
      const peer = await Peer.connect(url, "2.0.0");
      peer.burst([
        ["1", "1", "room:a", "phx_join"],
        ["1", "2", "room:a", "echo", 2],
        ["1", "3", "room:a", "echo", 3],
        ["1", "4", "room:a", "echo", 4],
        ["1", "5", "room:a", "echo", 5],
        ["1", "6", "room:a", "phx_leave"],
      ]);
      const frames = await peer.take(4);
      expect(frames.map(({ ref, payload }) => [ref, (payload as { status: string }).status])).to.deep.equal([
        ["1", "ok"],
        ["2", "ok"],
        ["3", "error"],
        ["4", "error"],
      ]);
      expect(await peer.raw.closed).to.deep.equal({ code: 1008, reason: "" });
      expect(handled).to.deep.equal([2]);
      expect(endpoint.stats().rateLimited).to.equal(2);
      expect(lines.filter(({ message }) => message.includes("hardLimit"))).to.have.length(1);
    });

    it("is ten times the limit, and holds for heartbeats too", async () => {
      const { url } = await serveRooms({ rateLimit: { limit: 2, interval: 1000 } });
      const client = await connect(url);
      for (let i = 0; i < 20; i++) expect(await client.settle()).to.deep.equal([]);
      client.send([null, "last", "phoenix", "heartbeat", {}]);
      expect((await client.closed).code).to.equal(1008);
    });

    it("counts frames that are no messages", async () => {
      const { url } = await serveRooms({ rateLimit: { limit: 1, interval: 1000, hardLimit: 1 } });
      const client = await connect(url);
      await client.settle();
      client.send("no message");
      expect((await client.closed).code).to.equal(1008);
    });

    it("refills too, so that a client over the limit that isn't over the hard one stays", async () => {
      const { url, clock } = await serveRooms({ rateLimit: { limit: 1, interval: 1000, hardLimit: 2 } });
      const client = await connect(url);
      for (let i = 0; i < 10; i++) {
        for (let n = 0; n < 2; n++) expect(await client.settle()).to.deep.equal([]);
        clock.advance(1000);
      }
    });
  });

  describe('by: "id"', () => {
    const rateLimit = { limit: 3, interval: 3000, by: "id" } as const;

    it("is shared by the connections of an id, and by nobody else", async () => {
      const { url } = await serveRooms({ rateLimit });
      const [first, second] = [await connectAs(url, "ada"), await connectAs(url, "ada")];
      const [bob, nobody] = [await connectAs(url, "bob"), await connect(url)];
      await first.join("room:a");
      await second.join("room:a");
      expect((await first.ask("1", "2", "room:a", "echo"))[4].status).to.equal("ok");
      for (const client of [first, second]) {
        expect((await client.ask("1", "3", "room:a", "echo"))[4]).to.deep.equal(limited(1));
      }
      for (const client of [bob, nobody, await connect(url)]) {
        for (const ref of ["1", "2", "3"]) {
          expect((await client.join("room:a", {}, ref))[4].status).to.equal("ok");
          if (ref !== "1") expect((await client.next())[3]).to.equal("phx_close");
        }
        expect((await client.ask("3", "4", "room:a", "echo"))[4]).to.deep.equal(limited(1));
      }
    });

    it("is shared by both transports of the mount", async () => {
      const { url, port } = await serveRooms({ rateLimit });
      const client = await connectAs(url, "ada");
      for (let i = 0; i < 3; i++) await client.settle();
      const poll = `http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0&id=ada`;
      const get = async (token?: string) =>
        (await fetch(token === undefined ? poll : `${poll}&token=${token}`)).json() as Promise<{
          token: string;
          messages: string[];
        }>;
      const { token } = await get();
      const frame = JSON.stringify(["1", "1", "room:a", "phx_join", {}]);
      await fetch(`${poll}&token=${token}`, { method: "POST", body: frame });
      const { messages } = await get(token);
      expect(messages.map((message) => JSON.parse(message)[4])).to.deep.equal([limited(1)]);
    });

    it("leaves nothing behind when the last of them has ended, in whatever way", async () => {
      const { url, endpoint } = await serveRooms({ rateLimit });
      const ways: [name: string, end: (client: { close(): Promise<void> }) => unknown][] = [
        ["the client closes", (client) => client.close()],
        ["the server disconnects", () => endpoint.disconnect("ada")],
      ];
      for (const [name, end] of ways) {
        const [first, second] = [await connectAs(url, "ada"), await connectAs(url, "ada")];
        await first.join("room:a");
        for (let i = 0; i < 2; i++) await first.settle();
        await second.close();
        while (endpoint.stats().connections > 1) await turn();
        expect((await first.ask("1", "2", "room:a", "echo"))[4], name).to.deep.equal(limited(1));
        await end(first);
        await first.closed;
        while (endpoint.stats().connections > 0) await turn();
        const next = await connectAs(url, "ada");
        expect((await next.join("room:a"))[4].status, name).to.equal("ok");
        await next.close();
        while (endpoint.stats().connections > 0) await turn();
      }
    });
  });

  it("off, it refuses nothing, and its counter stays 0", async () => {
    const clock = new ManualClock();
    const { RoomSocket } = rooms();
    const { url, endpoint } = serveInMemory(RoomSocket, { rateLimit: false }, { clock });
    const client = await connect(url);
    await client.join("room:a");
    for (let i = 0; i < 200; i++) client.send(["1", `${i}`, "room:a", "echo", {}]);
    expect((await client.take(200)).every((frame) => frame[4].status === "ok")).to.equal(true);
    expect(endpoint.stats().rateLimited).to.equal(0);
  });
});

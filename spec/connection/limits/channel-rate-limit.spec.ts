import { expect } from "chai";
import { Channel, ok, type RateLimit, Socket } from "../../../lib/index.ts";
import { connect } from "../../support/client.ts";
import type { FrameClient } from "../../support/frame-client.ts";
import { Gate, turn } from "../../support/gate.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serveInMemory } from "../../support/memory.ts";
import { connectAs, limitedLines, rooms } from "./room.ts";

const limited = (retry_after: number) => ({
  status: "error",
  response: { reason: "rate_limited", retry_after },
});

/** Rooms of a limited class at room:* and hall:*, of an unlimited one at free:*. */
async function serveLimited(rateLimit: RateLimit, mountLimit?: RateLimit) {
  const { RoomSocket, Room, handled } = rooms();
  const joining = new Gate();
  class Limited extends Room {
    static override rateLimit = rateLimit;
    override join(topic: string) {
      return topic === "room:pending" ? joining.promise.then(() => ok()) : ok();
    }
  }
  class LimitedSocket extends RoomSocket {
    static override channels = {
      "room:*": Limited,
      "hall:*": { channel: Limited, assigns: {} },
      "free:*": Room,
    };
  }
  const clock = new ManualClock();
  return {
    ...serveInMemory(LimitedSocket, { rateLimit: mountLimit }, { clock }),
    clock,
    handled,
    joining,
  };
}

async function echo(
  client: FrameClient,
  topic: string,
  ref = "e",
  joinRef: string | null = "1",
): Promise<unknown> {
  return (await client.ask(joinRef, ref, topic, "echo", { ref }))[4];
}

describe("static rateLimit of a channel class", () => {
  const rateLimit = { limit: 2, interval: 1000 };

  it("limits the messages to its channels, with the message's refs, and refills", async () => {
    const { url, clock, endpoint, handled } = await serveLimited(rateLimit);
    const client = await connect(url);
    await client.join("room:a");
    for (const ref of ["2", "3"]) expect(await echo(client, "room:a", ref)).to.include({ status: "ok" });
    expect(await client.ask("1", "4", "room:a", "echo")).to.deep.equal([
      "1",
      "4",
      "room:a",
      "phx_reply",
      limited(0.5),
    ]);
    expect(await echo(client, "room:a", "5", null)).to.deep.equal(limited(0.5));
    clock.advance(500);
    expect(await echo(client, "room:a", "6")).to.include({ status: "ok" });
    expect(handled).to.deep.equal([{ ref: "2" }, { ref: "3" }, { ref: "6" }]);
    expect(endpoint.stats().rateLimited).to.equal(2);
  });

  it("is one for all channels of the class on a connection, so that joining again gains nothing", async () => {
    const { url } = await serveLimited(rateLimit);
    const client = await connect(url);
    await client.join("room:a");
    await client.join("hall:b");
    expect(await echo(client, "room:a")).to.include({ status: "ok" });
    expect(await echo(client, "hall:b")).to.include({ status: "ok" });
    for (const topic of ["room:a", "hall:b"]) expect(await echo(client, topic)).to.deep.equal(limited(0.5));
    expect((await client.join("room:a", {}, "9"))[4].status).to.equal("ok");
    await client.next();
    expect(await echo(client, "room:a", "e", "9")).to.deep.equal(limited(0.5));
    client.send(["9", "l", "room:a", "phx_leave", {}]);
    await client.take(2);
    await client.join("room:a", {}, "10");
    expect(await echo(client, "room:a", "e", "10")).to.deep.equal(limited(0.5));
  });

  it("doesn't concern joins, leaves, heartbeats, stale messages and other classes", async () => {
    const { url } = await serveLimited({ limit: 1, interval: 1000, hardLimit: 100 });
    const client = await connect(url);
    await client.join("room:a");
    await client.join("free:a");
    client.send(["stale", "2", "room:a", "echo", {}]);
    expect(await client.settle()).to.deep.equal([]);
    expect(await echo(client, "room:a")).to.include({ status: "ok" });
    expect(await echo(client, "room:a")).to.deep.equal(limited(1));
    for (let i = 0; i < 5; i++) expect(await echo(client, "free:a")).to.include({ status: "ok" });
    expect((await client.join("room:b", {}, "3"))[4].status).to.equal("ok");
    expect(await client.settle()).to.deep.equal([]);
    client.send(["1", "4", "room:a", "phx_leave", {}]);
    expect((await client.take(2)).map((frame) => frame[3])).to.deep.equal(["phx_reply", "phx_close"]);
  });

  it("is independent of the mount's: whichever is used up first refuses", async () => {
    const { url, clock } = await serveLimited(rateLimit, { limit: 5, interval: 10_000 });
    const client = await connect(url);
    await client.join("room:a");
    await client.join("free:a");
    for (let i = 0; i < 2; i++) expect(await echo(client, "room:a")).to.include({ status: "ok" });
    // The class's limit, then the mount's.
    expect(await echo(client, "room:a")).to.deep.equal(limited(0.5));
    expect(await echo(client, "free:a")).to.deep.equal(limited(2));
    clock.advance(500);
    expect(await echo(client, "room:a")).to.deep.equal(limited(1.5));
    clock.advance(1500);
    expect(await echo(client, "room:a")).to.include({ status: "ok" });
  });

  it("counts messages that wait for a pending join when they are taken", async () => {
    const { url, joining, handled } = await serveLimited(rateLimit);
    const client = await connect(url);
    client.send(["1", "1", "room:pending", "phx_join", {}]);
    for (const ref of ["2", "3", "4"]) client.send(["1", ref, "room:pending", "echo", { ref }]);
    expect(await client.settle()).to.deep.equal([]);
    joining.open();
    const replies = await client.take(4);
    expect(replies.map((frame) => [frame[1], frame[4].status])).to.deep.equal([
      ["1", "ok"],
      ["2", "ok"],
      ["3", "ok"],
      ["4", "error"],
    ]);
    expect(handled).to.have.length(2);
  });

  it("closes with 1008 past its hardLimit", async () => {
    const served = await serveLimited({ limit: 1, interval: 1000, hardLimit: 2 });
    const client = await connect(served.url);
    await client.join("room:a");
    await echo(client, "room:a");
    expect(await echo(client, "room:a")).to.deep.equal(limited(1));
    client.send(["1", "2", "room:a", "echo", {}]);
    expect((await client.closed).code).to.equal(1008);
    expect(served.handled).to.have.length(1);
    // Once that messages were refused, once that the connection was closed.
    expect(limitedLines(served)).to.have.length(2);
  });

  describe('by: "id"', () => {
    const byId = { limit: 2, interval: 1000, by: "id" } as const;

    it("is shared by the connections of an id, and by nobody else", async () => {
      const { url } = await serveLimited(byId);
      const [first, second, bob] = [
        await connectAs(url, "ada"),
        await connectAs(url, "ada"),
        await connectAs(url, "bob"),
      ];
      for (const client of [first, second, bob]) await client.join("room:a");
      for (const client of [first, second]) expect(await echo(client, "room:a")).to.include({ status: "ok" });
      for (const client of [first, second]) expect(await echo(client, "room:a")).to.deep.equal(limited(0.5));
      expect(await echo(bob, "room:a")).to.include({ status: "ok" });
    });

    it("outlives a leave, and is forgotten when the connections have ended, a join still pending or not", async () => {
      const { url, endpoint, joining } = await serveLimited(byId);
      const client = await connectAs(url, "ada");
      await client.join("room:a");
      client.send(["2", "2", "room:pending", "phx_join", {}]);
      for (let i = 0; i < 2; i++) await echo(client, "room:a");
      expect(await echo(client, "room:a")).to.deep.equal(limited(0.5));
      client.send(["1", "3", "room:a", "phx_leave", {}]);
      await client.take(2);
      await client.join("room:a", {}, "4");
      expect(await echo(client, "room:a", "5", "4")).to.deep.equal(limited(0.5));
      await client.close();
      while (endpoint.stats().connections > 0) await turn();
      const next = await connectAs(url, "ada");
      await next.join("room:a");
      for (let i = 0; i < 2; i++) expect(await echo(next, "room:a")).to.include({ status: "ok" });
      // What the old connection still had to do changes nothing for the new one.
      joining.open();
      await turn();
      expect(await echo(next, "room:a")).to.deep.equal(limited(0.5));
    });
  });

  it("is read when the class is mounted, and inherited", async () => {
    class Strict extends Channel {
      static override rateLimit: RateLimit = { limit: 1, interval: 1000 };
      override join() {
        return ok();
      }
    }
    class Child extends Strict {}
    class StrictSocket extends Socket {
      static override channels = { "*": Child };
    }
    const { url } = serveInMemory(StrictSocket, {}, { clock: new ManualClock() });
    const client = await connect(url);
    await client.join("a");
    expect((await client.ask("1", "2", "a", "nothing"))[4].response).to.deep.equal({
      reason: "unmatched event",
    });
    expect((await client.ask("1", "3", "a", "nothing"))[4]).to.deep.equal(limited(1));
  });
});

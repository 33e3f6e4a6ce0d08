import { expect } from "chai";
import {
  Channel,
  type ConnectParams,
  type ConnectResult,
  type DrainOptions,
  ok,
  Socket,
} from "../../lib/index.ts";
import { expectRefusal, rejectedBy } from "../options/expect-refused.ts";
import { connect, type RawClient, refused } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";

/** Rooms whose handlers and connects may wait for the spec. */
async function serveRooms() {
  const clock = new ManualClock();
  const gate = new Gate();
  const connecting = new Gate<ConnectResult>();
  const events = new Journal();
  class Room extends Channel {
    override join() {
      return ok();
    }
    static {
      this.on("wait", async () => {
        events.add("wait");
        await gate.promise;
        return ok();
      });
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect({ slow }: ConnectParams) {
      if (slow === undefined) return ok();
      events.add("connecting");
      return connecting.promise;
    }
  }
  return { ...(await serve(RoomSocket, {}, { clock })), clock, gate, connecting, events };
}

/** Tells of the clients that were closed, by number. */
function closes(clients: readonly RawClient[]): Journal<string> {
  const journal = new Journal<string>();
  for (const [i, client] of clients.entries()) {
    void client.closed.then(({ code }) => journal.add(`${i} ${code}`));
  }
  return journal;
}

const connectAll = async (url: string, count: number) => {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await connect(url));
  return clients;
};

describe("endpoint.drain", () => {
  it("closes connections in batches of batchSize, intervalMs apart, in the order in which they came", async () => {
    const { url, endpoint, clock, lines } = await serveRooms();
    const clients = await connectAll(url, 5);
    const closed = closes(clients);
    const drained = endpoint.drain({ batchSize: 2, intervalMs: 1_000 });
    expect((await closed.reaches(2)).sort()).to.deep.equal(["0 1012", "1 1012"]);
    clock.advance(999);
    for (const client of clients.slice(2)) expect(await client.settle()).to.deep.equal([]);
    clock.advance(1);
    expect((await closed.reaches(4)).sort()).to.deep.equal(["0 1012", "1 1012", "2 1012", "3 1012"]);
    expect(await clients[4]?.settle()).to.deep.equal([]);
    clock.advance(1_000);
    await closed.reaches(5);
    await drained;
    const rounds = lines.filter(({ message }) => message.startsWith("DRAINING"));
    expect(rounds.map(({ message }) => message)).to.deep.equal([
      "DRAINING 2 of 5 total connection(s) every 1000ms - round 1 of 3",
      "DRAINING 2 of 5 total connection(s) every 1000ms - round 2 of 3",
      "DRAINING 1 of 5 total connection(s) every 1000ms - round 3 of 3",
    ]);
    while (endpoint.stats().connections > 0) await turn();
    expect(clock.pending, "its timers are gone").to.equal(0);
  });

  it("takes all at once by default, without a wait", async () => {
    const { url, endpoint } = await serveRooms();
    const clients = await connectAll(url, 3);
    await endpoint.drain();
    for (const client of clients) expect((await client.closed).code).to.equal(1012);
  });

  it("passes over those of a later batch that have gone by themselves", async () => {
    const { url, endpoint, clock } = await serveRooms();
    const [first, second, third] = (await connectAll(url, 3)) as [RawClient, RawClient, RawClient];
    const drained = endpoint.drain({ batchSize: 1, intervalMs: 1_000 });
    await first.closed;
    await second.close();
    clock.advance(1_000);
    await turn();
    clock.advance(1_000);
    expect((await third.closed).code).to.equal(1012);
    await drained;
  });

  it("closes all that are left at timeoutMs: those at work, and those whose turn hasn't come", async () => {
    const { url, endpoint, clock, events, lines } = await serveRooms();
    const clients = await connectAll(url, 3);
    const [first, second, third] = clients as [RawClient, RawClient, RawClient];
    await first.join("room:a");
    first.send(["1", "2", "room:a", "wait", {}]);
    await events.reaches(1);
    const drained = endpoint.drain({ batchSize: 1, intervalMs: 1_000, timeoutMs: 1_500 });
    clock.advance(1_000);
    expect((await second.closed).code).to.equal(1012);
    clock.advance(499);
    for (const client of [first, third]) expect(await client.settle()).to.deep.equal([]);
    clock.advance(1);
    await drained;
    for (const client of [first, third]) expect((await client.closed).code).to.equal(1012);
    // The third batch isn't announced any more.
    clock.advance(10_000);
    await turn();
    expect(lines.filter(({ message }) => message.startsWith("DRAINING"))).to.have.length(2);
    while (endpoint.stats().connections > 0) await turn();
    expect(clock.pending).to.equal(0);
  });

  it("refuses new connections with 503 from the first moment on, also between batches", async () => {
    const { url, port, endpoint, clock } = await serveRooms();
    await connectAll(url, 2);
    const drained = endpoint.drain({ batchSize: 1 });
    expect(endpoint.stats().draining).to.equal(true);
    expect((await refused(url)).status).to.equal(503);
    expect((await fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`)).status).to.equal(503);
    expect(endpoint.stats().connections).to.equal(1);
    clock.advance(2_000);
    await drained;
  });

  it("refuses those whose connect is under way, whatever comes of it", async () => {
    const { url, port, endpoint, clock, connecting, events } = await serveRooms();
    const answers = [
      refused(url, "vsn=2.0.0&slow=yes"),
      fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0&slow=yes`),
    ];
    await events.reaches(2);
    await endpoint.drain();
    for (const answer of answers) expect((await answer).status).to.equal(503);
    connecting.open(ok());
    await turn();
    expect(endpoint.stats().connections).to.equal(0);
    expect(clock.pending).to.equal(0);
  });

  it("resolves at once if nobody is there", async () => {
    const { endpoint, clock } = await serveRooms();
    await endpoint.drain({ timeoutMs: 1_000_000 });
    expect(clock.pending).to.equal(0);
  });

  it("is one: further calls, and close, share it", async () => {
    const { url, endpoint, clock } = await serveRooms();
    const clients = await connectAll(url, 2);
    const drained = endpoint.drain({ batchSize: 1, intervalMs: 1_000 });
    expect(endpoint.drain({ batchSize: 2 })).to.equal(drained);
    let over = false;
    const closed = endpoint.close({ batchSize: 2, timeoutMs: 0 }).then(() => {
      over = true;
    });
    await clients[0]?.closed;
    expect(await clients[1]?.settle()).to.deep.equal([]);
    expect(over).to.equal(false);
    clock.advance(1_000);
    await closed;
    await drained;
    expect(endpoint.drain()).to.equal(drained);
  });

  for (const [options, ...words] of [
    [{ batchSize: 0 }, "batchSize", "at least 1", "got 0"],
    [{ intervalMs: -1 }, "intervalMs", "at least 0", "got -1"],
    [{ timeoutMs: 1.5 }, "timeoutMs", "milliseconds", "got 1.5"],
    [5, "object of options", "got 5"],
  ] as const) {
    it(`refuses options, and drains nothing then: ${words.join(", ")}`, async () => {
      const { url, endpoint } = await serveRooms();
      const client = await connect(url);
      for (const call of ["drain", "close"] as const) {
        const error = await rejectedBy(() => endpoint[call](options as DrainOptions));
        expectRefusal(error, "invalid_option", [call, ...words]);
      }
      expect(endpoint.stats().draining).to.equal(false);
      expect(await client.settle()).to.deep.equal([]);
    });
  }
});

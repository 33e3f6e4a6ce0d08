import { expect } from "chai";
import { Channel, type ChannelClass, ok, Socket, type SocketClass } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { attackable } from "./attackable.ts";

/** Serves one channel class under every topic. */
function socketOf(channel: ChannelClass): SocketClass {
  return class extends Socket {
    static override channels = { "*": channel };
    override id() {
      return "user:1";
    }
  };
}

/** A loop that starves the process must end, or the spec could not fail. */
const MAX_ROUNDS = 1_000_000;

describe("loops that don't end", () => {
  for (const [how, loop] of [
    ["synchronous", () => undefined],
    ["asynchronous", async () => undefined],
  ] as const) {
    it(`of sendSelf (${how}): others, and the channel's own client, are served`, async () => {
      let rounds = 0;
      class Looping extends Channel {
        override join() {
          this.sendSelf("again");
          return ok();
        }
        override handleInfo() {
          if (rounds++ < MAX_ROUNDS) this.sendSelf("again");
          return loop();
        }
        static {
          this.on("echo", (payload) => ok(payload));
        }
      }
      const { url } = await attackable(socketOf(Looping));
      const client = await connect(url);
      const other = await connect(url);
      await client.join("room:a");
      for (let i = 0; i < 20; i++) {
        const before = rounds;
        await other.settle();
        expect((await client.ask("1", "2", "room:a", "echo", i))[4].response).to.equal(i);
        expect(rounds).to.be.greaterThan(before);
      }
    });

    it(`of intercepted broadcasts between two sockets (${how}): a third is served, and they can leave`, async () => {
      let rounds = 0;
      class PingPong extends Channel {
        static override intercepts = ["ping"];
        override join() {
          return ok();
        }
        override handleOut() {
          if (rounds++ < MAX_ROUNDS) this.broadcastFrom("ping");
          return loop();
        }
        static {
          this.on("start", function () {
            this.broadcastFrom("ping");
          });
        }
      }
      const { url, endpoint } = await attackable(socketOf(PingPong));
      const [one, two, third] = [await connect(url), await connect(url), await connect(url)];
      await one.join("room:a");
      await two.join("room:a");
      one.send(["1", "2", "room:a", "start", {}]);
      for (let i = 0; i < 20; i++) {
        const before = rounds;
        await third.join(`room:${i}`, {}, `${i}`);
        await third.settle();
        while (rounds === before) await turn();
      }
      one.send(["1", "3", "room:a", "phx_leave", {}]);
      expect((await one.take(2)).map((frame) => frame[3])).to.deep.equal(["phx_reply", "phx_close"]);
      await two.settle();
      const after = rounds;
      await two.settle();
      expect(rounds).to.equal(after);
      expect(endpoint.stats().channels).to.equal(21);
    });
  }

  it("of a timer at 0 ms, and of deferred replies, hold nobody up", async () => {
    class Ticking extends Channel {
      override join() {
        this.sendSelf("tick", { after: 0 });
        return ok();
      }
      override handleInfo() {
        this.sendSelf("tick", { after: 0 });
      }
      static {
        this.on("defer", function () {
          const answer = this.deferReply();
          answer(ok());
          for (let i = 0; i < 100; i++) answer(ok({ again: i }));
        });
      }
    }
    const { url } = await attackable(socketOf(Ticking));
    const client = await connect(url);
    await client.join("room:a");
    for (let i = 0; i < 20; i++) {
      expect((await client.ask("1", `${i}`, "room:a", "defer"))[4]).to.deep.equal({
        status: "ok",
        response: {},
      });
      expect(await client.settle()).to.deep.equal([]);
    }
  });
});

describe("floods of broadcasts", () => {
  const LIMIT = 64 * 1024;

  /** Broadcasts until the slow connection is gone, at most so often. */
  async function flood(
    endpoint: { broadcast(topic: string, event: string, payload: object): void },
    over: () => boolean,
    payload: object,
    most: number,
    topic = "room:a",
  ): Promise<number> {
    let count = 0;
    while (!over() && count < most) {
      endpoint.broadcast(topic, "n", { ...payload });
      if (++count % 50 === 0) await turn();
    }
    return count;
  }

  /** A channel whose handleOut and handleInfo wait. */
  function slowRoom() {
    const gate = new Gate();
    const joining = new Gate();
    const joins = new Journal();
    const ends = new Journal();
    class Slow extends Channel {
      static override intercepts = ["n"];
      override async join(topic: string) {
        if (topic === "follower") this.subscribe("room:a");
        if (topic === "fastlane") this.subscribe("room:a", { fastlane: true });
        joins.add(topic);
        if (topic !== "room:a") await joining.promise;
        return ok();
      }
      override async handleOut() {
        await gate.promise;
      }
      override async handleInfo() {
        await gate.promise;
      }
      override terminate({ kind, reason }: { kind: string; reason?: string }) {
        ends.add(`${kind} ${reason}`);
      }
    }
    return { Slow, gate, joining, joins, ends };
  }

  it("into a slow handleOut are bounded: its client alone is closed with 1013", async () => {
    const { Slow, gate, ends } = slowRoom();
    class Fast extends Channel {
      override join() {
        return ok();
      }
    }
    const { url, endpoint, port } = await attackable(socketOf(Slow), { maxBufferedBytes: LIMIT });
    endpoint.socket("/fast", socketOf(Fast));
    const slow = await connect(url);
    const fast = await connect(`ws://127.0.0.1:${port}/fast/websocket`);
    await slow.join("room:a");
    await fast.join("room:a");
    const closed = () => endpoint.stats().channels < 2;
    const count = await flood(endpoint, closed, { text: "x".repeat(1_000) }, 10_000);
    expect(count).to.be.lessThan(LIMIT / 1_000 + 5);
    expect((await slow.closed).code).to.equal(1013);
    expect((await fast.take(count)).length).to.equal(count);
    expect(ends.entries).to.deep.equal([]);
    gate.open();
    expect(await ends.reaches(1)).to.deep.equal(["closed slow consumer"]);
  });

  it("of no payload cost memory too, and are bounded like others", async () => {
    const { Slow, gate } = slowRoom();
    const { url, endpoint } = await attackable(socketOf(Slow), { maxBufferedBytes: LIMIT });
    const slow = await connect(url);
    await slow.join("room:a");
    // At 2 bytes each, 32,000 of them would wait for 64 KiB, and take some 5 MB.
    const count = await flood(endpoint, () => endpoint.stats().channels === 0, {}, 10_000);
    gate.open();
    expect(count).to.be.lessThan(10_000);
    expect((await slow.closed).code).to.equal(1013);
  });

  for (const topic of ["follower", "fastlane"]) {
    it(`for a subscription made in a join that is pending (${topic}) are bounded`, async () => {
      const { Slow, joins, joining, gate } = slowRoom();
      const { url, endpoint } = await attackable(socketOf(Slow), { maxBufferedBytes: LIMIT });
      const slow = await connect(url);
      slow.send(["1", "1", topic, "phx_join", {}]);
      await joins.reaches(1);
      const gone = () => slow.ws.readyState !== slow.ws.OPEN;
      const count = await flood(endpoint, gone, { text: "x".repeat(1_000) }, 2_000);
      joining.open();
      gate.open();
      expect(count).to.be.lessThan(2_000);
      expect((await slow.closed).code).to.equal(1013);
    });
  }

  it("into a slow handleInfo are bounded", async () => {
    const { Slow, joining, gate } = slowRoom();
    const { url, endpoint } = await attackable(socketOf(Slow), { maxBufferedBytes: LIMIT });
    const slow = await connect(url);
    joining.open();
    await slow.join("follower");
    const gone = () => slow.ws.readyState !== slow.ws.OPEN;
    const count = await flood(endpoint, gone, { text: "x".repeat(1_000) }, 2_000);
    gate.open();
    expect(count).to.be.lessThan(2_000);
    expect((await slow.closed).code).to.equal(1013);
  });

  it("what is done no longer counts: a handleOut that keeps up is never closed", async () => {
    class Busy extends Channel {
      static override intercepts = ["n"];
      override join() {
        return ok();
      }
      override async handleOut(_event: string, payload: unknown) {
        await turn();
        this.push("n", payload as object);
      }
    }
    const { url, endpoint } = await attackable(socketOf(Busy), { maxBufferedBytes: LIMIT });
    const client = await connect(url);
    await client.join("room:a");
    for (let n = 0; n < 200; n++) {
      endpoint.broadcast("room:a", "n", { n, text: "x".repeat(1_000) });
      expect((await client.next())[4].n).to.equal(n);
    }
  });
});

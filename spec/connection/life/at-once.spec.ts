import { expect } from "chai";
import { Channel, ok, Socket, stop } from "../../../lib/index.ts";
import { Gate, Journal, turn } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";

/** A channel with a handler that waits for the spec, and a journal of what runs. */
function room() {
  const events = new Journal();
  const gate = new Gate();
  const pushed: boolean[] = [];
  class Room extends Channel {
    override join() {
      return ok();
    }
    override terminate({ kind, reason, error }: { kind: string; reason?: string; error?: unknown }) {
      events.add(`terminate ${kind} ${error instanceof Error ? error.message : (reason ?? "")}`.trim());
    }
    static {
      this.on("wait", async function () {
        events.add("wait begins");
        await gate.promise;
        events.add("wait ends");
        pushed.push(this.push("too late"));
        this.broadcast("still", {});
        return ok({ late: true });
      });
      this.on("echo", (payload) => {
        events.add("echo");
        return ok(payload);
      });
      this.on("throw", () => {
        throw new Error("thrown");
      });
      this.on("stop", () => stop("kaboom"));
      this.on("stop_error", () => stop(new Error("an error")));
      this.on("shutdown", () => stop("shutdown"));
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
    override id() {
      return "user:1";
    }
  }
  return { UserSocket, events, gate, pushed };
}

describe("rule 6: what ends at once", () => {
  forEachVsn((vsn) => {
    it("disconnect: what waits is not run; a running handler finishes, broadcasts, and no longer reaches its client", async () => {
      const { UserSocket, events, gate, pushed } = room();
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      const heard: string[] = [];
      endpoint.subscribe("room:a", ({ event }) => heard.push(event));
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "echo");
      await events.reaches(1);
      await peer.settle();
      endpoint.disconnect("user:1");
      expect(endpoint.stats().channels).to.equal(0);
      expect((await peer.raw.closed).code).to.equal(1001);
      expect(events.entries).to.deep.equal(["wait begins"]);
      gate.open();
      await events.reaches(3);
      expect(events.entries).to.deep.equal(["wait begins", "wait ends", "terminate closed disconnect"]);
      expect(pushed).to.deep.equal([false]);
      expect(heard).to.deep.equal(["still"]);
    });

    it("a frame that isn't a message (1011): what waits is not run", async () => {
      const { UserSocket, events, gate } = room();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "echo");
      await events.reaches(1);
      peer.raw.send("nonsense");
      expect((await peer.raw.closed).code).to.equal(1011);
      gate.open();
      expect(await events.reaches(3)).to.deep.equal([
        "wait begins",
        "wait ends",
        "terminate closed malformed frame",
      ]);
    });

    for (const [event, ending, terminated] of [
      ["throw", "phx_error", "terminate error thrown"],
      ["stop", "phx_error", "terminate error kaboom"],
      ["stop_error", "phx_error", "terminate error an error"],
      ["shutdown", "phx_close", "terminate stopped shutdown"],
    ] as const) {
      it(`${event}: ${ending}, and frames behind it are answered as if they had come later (rule 7)`, async () => {
        const { UserSocket, events, gate } = room();
        const { url } = serveInMemory(UserSocket);
        const peer = await Peer.connect(url, vsn);
        await peer.join("room:a");
        peer.send("1", "2", "room:a", "wait");
        peer.send("1", "3", "room:a", event);
        peer.send("1", "4", "room:a", "echo");
        peer.send("1", "5", "room:a", "phx_leave");
        peer.send("1", "6", "room:a", "echo");
        await events.reaches(1);
        gate.open();
        expect(await peer.take(7)).to.deep.equal([
          peer.message("1", null, "room:a", "too late"),
          peer.message(null, null, "room:a", "still"),
          peer.reply("1", "2", "room:a", "ok", { late: true }),
          peer.ending("1", "room:a", ending),
          peer.unmatched("4", "room:a"),
          peer.reply("1", "5", "room:a", "ok"),
          peer.unmatched("6", "room:a"),
        ]);
        expect(await events.reaches(3)).to.deep.equal(["wait begins", "wait ends", terminated]);
      });
    }

    it("leave: frames behind it are answered unmatched topic, a second leave ok (rule 7)", async () => {
      const { UserSocket, events, gate } = room();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "phx_leave");
      peer.send("1", "4", "room:a", "echo");
      peer.send("1", "5", "room:a", "phx_leave");
      await events.reaches(1);
      gate.open();
      expect((await peer.take(7)).slice(3)).to.deep.equal([
        peer.reply("1", "3", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
        peer.unmatched("4", "room:a"),
        peer.reply("1", "5", "room:a", "ok"),
      ]);
      expect(events.entries).not.to.include("echo");
    });
  });
});

describe("rule 8: a second join", () => {
  /** A channel whose n-th join, and slow handler, wait for the spec. */
  function rejoinable() {
    const events = new Journal();
    const joins: Gate<ReturnType<typeof ok>>[] = [];
    const handler = new Gate();
    let count = 0;
    class Room extends Channel<{ n: number }> {
      override join(_topic: string, payload: { wait?: boolean }) {
        this.assigns.n = ++count;
        events.add(`join ${this.assigns.n}`);
        if (payload.wait !== true) return ok();
        const gate = new Gate<ReturnType<typeof ok>>();
        joins.push(gate);
        return gate.promise;
      }
      override terminate({ kind }: { kind: string }) {
        events.add(`terminate ${this.assigns.n} ${kind}`);
        this.push("goodbye", { n: this.assigns.n });
      }
      static {
        this.on("wait", async () => {
          events.add("wait");
          await handler.promise;
          return ok();
        });
        this.on("echo", function () {
          events.add("echo");
          return ok({ n: this.assigns.n });
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    return { UserSocket, events, joins, handler };
  }

  forEachVsn((vsn) => {
    it("ends the old channel as replaced; its phx_close follows the new join's reply, its goodbye that", async () => {
      const { UserSocket, events } = rejoinable();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("2", "2", "room:a", "phx_join");
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("2", "2", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
        peer.message("1", null, "room:a", "goodbye", { n: 1 }),
      ]);
      expect(events.entries).to.include("terminate 1 replaced");
      expect(await peer.ask("2", "3", "room:a", "echo")).to.deep.equal(
        peer.reply("2", "3", "room:a", "ok", { n: 2 }),
      );
    });

    it("never waits for the old channel's handler, which finishes unheard", async () => {
      const { UserSocket, events, handler } = rejoinable();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      await events.reaches(2);
      peer.send("2", "3", "room:a", "phx_join");
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("2", "3", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
      ]);
      expect(events.entries).to.deep.equal(["join 1", "wait", "join 2"]);
      handler.open();
      expect(await peer.next()).to.deep.equal(peer.message("1", null, "room:a", "goodbye", { n: 1 }));
      expect(events.entries).to.deep.equal(["join 1", "wait", "join 2", "terminate 1 replaced"]);
      expect(await peer.settle()).to.deep.equal([]);
    });

    it("answers a leave that hasn't run yet first, then what stood behind it; the rest is not run", async () => {
      const { UserSocket, events } = rejoinable();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "echo");
      peer.send("1", "4", "room:a", "phx_leave");
      peer.send("1", "5", "room:a", "echo");
      peer.send("2", "6", "room:a", "phx_join");
      expect(await peer.take(4)).to.deep.equal([
        peer.reply("1", "4", "room:a", "ok"),
        peer.unmatched("5", "room:a"),
        peer.reply("2", "6", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
      ]);
      expect(events.entries).not.to.include("echo");
    });

    it("sends the old channel's phx_close also when the new join is refused", async () => {
      let count = 0;
      class Room extends Channel {
        override join() {
          if (++count > 1) throw new Error("no second time");
          return ok();
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("2", "2", "room:a", "phx_join");
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("2", "2", "room:a", "error", { reason: "join crashed" }),
        peer.ending("1", "room:a", "phx_close"),
      ]);
      expect(endpoint.stats()).to.include({ channels: 0, topics: 0 });
    });

    it("unsubscribes the old channel before the new join starts, and terminates it while that is pending", async () => {
      const { UserSocket, events, joins } = rejoinable();
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("2", "2", "room:a", "phx_join", { wait: true });
      await events.reaches(3);
      expect(events.entries).to.deep.equal(["join 1", "join 2", "terminate 1 replaced"]);
      endpoint.broadcast("room:a", "between");
      expect(await peer.settle()).to.deep.equal([]);
      joins[0]?.open(ok());
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("2", "2", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
        peer.message("1", null, "room:a", "goodbye", { n: 1 }),
      ]);
    });
  });

  it("makes frames with the old join_ref stale", async () => {
    const { UserSocket, events } = rejoinable();
    const { url } = serveInMemory(UserSocket);
    const peer = await Peer.connect(url, "2.0.0");
    await peer.join("room:a");
    peer.send("2", "2", "room:a", "phx_join");
    await peer.take(3);
    peer.send("1", "3", "room:a", "echo");
    peer.send("1", "4", "room:a", "phx_leave");
    expect(await peer.settle()).to.deep.equal([]);
    expect(events.entries).not.to.include("echo");
    await turn();
  });
});

import { expect } from "chai";
import { Channel, error, ok, Socket } from "../../../lib/index.ts";
import { Gate, Journal } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";

/** A channel whose join waits until the spec decides. */
function gated(events = new Journal()) {
  const joins: Gate<ReturnType<typeof ok> | ReturnType<typeof error>>[] = [];
  const signals: AbortSignal[] = [];
  class Room extends Channel {
    override join(topic: string) {
      events.add(`join ${topic}`);
      signals.push(this.signal);
      if (topic === "room:free") return ok();
      if (topic === "room:eager") this.sendSelf("from join");
      const gate = new Gate<ReturnType<typeof ok> | ReturnType<typeof error>>();
      joins.push(gate);
      return gate.promise;
    }
    override handleInfo(message: unknown) {
      this.push("info", { message });
    }
    override terminate({ kind }: { kind: string }) {
      events.add(`terminate ${kind}`);
    }
    static {
      this.on("echo", (payload) => ok(payload));
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
  }
  return { UserSocket, joins, signals, events };
}

describe("rule 1: the door", () => {
  forEachVsn((vsn) => {
    it("holds frames of the topic until the join's reply is written, then takes them in order", async () => {
      const { UserSocket, joins, events } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      peer.send("1", "2", "room:a", "echo", { n: 2 });
      peer.send("1", "3", "room:a", "echo", { n: 3 });
      await events.reaches(1);
      expect(await peer.settle()).to.deep.equal([]);
      joins[0]?.open(ok());
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "1", "room:a", "ok"),
        peer.reply("1", "2", "room:a", "ok", { n: 2 }),
        peer.reply("1", "3", "room:a", "ok", { n: 3 }),
      ]);
    });

    it("lets heartbeats and other topics go on", async () => {
      const { UserSocket, joins } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      expect(await peer.join("room:free", {}, "2")).to.deep.equal(peer.reply("2", "2", "room:free", "ok"));
      expect(await peer.ask("2", "3", "room:free", "echo", { n: 1 })).to.deep.equal(
        peer.reply("2", "3", "room:free", "ok", { n: 1 }),
      );
      joins[0]?.open(ok());
      expect(await peer.next()).to.deep.equal(peer.reply("1", "1", "room:a", "ok"));
    });

    it("runs what join sent itself before the frames behind the join", async () => {
      const { UserSocket, joins, events } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:eager", "phx_join");
      peer.send("1", "2", "room:eager", "echo", {});
      await events.reaches(1);
      joins[0]?.open(ok());
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "1", "room:eager", "ok"),
        peer.message("1", null, "room:eager", "info", { message: "from join" }),
        peer.reply("1", "2", "room:eager", "ok"),
      ]);
    });

    it("answers each frame behind a failed join with unmatched topic, and a leave with ok", async () => {
      const { UserSocket, joins, events } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      peer.send("1", "2", "room:a", "echo");
      peer.send("1", "3", "room:a", "phx_leave");
      await events.reaches(1);
      joins[0]?.open(error({ reason: "no" }));
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "1", "room:a", "error", { reason: "no" }),
        peer.unmatched("2", "room:a"),
        peer.reply("1", "3", "room:a", "ok"),
      ]);
    });

    it("aborts the pending join's signal when a leave waits; its outcome still comes first", async () => {
      const { UserSocket, joins, signals, events } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      await events.reaches(1);
      const aborted = new Promise((resolve) => signals[0]?.addEventListener("abort", resolve));
      expect(signals[0]?.aborted).to.equal(false);
      peer.send("1", "2", "room:a", "phx_leave");
      await aborted;
      joins[0]?.open(ok());
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "1", "room:a", "ok"),
        peer.reply("1", "2", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
      ]);
      expect(await events.reaches(2)).to.deep.equal(["join room:a", "terminate left"]);
    });

    it("lets a second join wait, aborts the first one's signal, and answers both in order", async () => {
      const { UserSocket, joins, signals, events } = gated();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      await events.reaches(1);
      const aborted = new Promise((resolve) => signals[0]?.addEventListener("abort", resolve));
      peer.send("2", "2", "room:a", "phx_join");
      await aborted;
      expect(joins).to.have.length(1);
      joins[0]?.open(ok());
      expect(await peer.next()).to.deep.equal(peer.reply("1", "1", "room:a", "ok"));
      expect((await events.reaches(3)).slice(1)).to.have.members(["join room:a", "terminate replaced"]);
      joins[1]?.open(ok());
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("2", "2", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
      ]);
    });
  });

  it("ignores a leave with a stale join_ref at the door: the signal stays", async () => {
    const { UserSocket, joins, signals, events } = gated();
    const { url } = serveInMemory(UserSocket);
    const peer = await Peer.connect(url, "2.0.0");
    peer.send("1", "1", "room:a", "phx_join");
    peer.send("0", "2", "room:a", "phx_leave");
    await events.reaches(1);
    await peer.settle();
    expect(signals[0]?.aborted).to.equal(false);
    joins[0]?.open(ok());
    expect(await peer.next()).to.deep.equal(peer.reply("1", "1", "room:a", "ok"));
    expect(await peer.settle()).to.deep.equal([]);
  });

  it("counts a pending join towards maxChannels", async () => {
    const { UserSocket } = gated();
    const { url } = serveInMemory(UserSocket, { maxChannels: 1 });
    const peer = await Peer.connect(url, "2.0.0");
    peer.send("1", "1", "room:a", "phx_join");
    peer.send("2", "2", "room:b", "phx_join");
    expect(await peer.next()).to.deep.equal(
      peer.reply("2", "2", "room:b", "error", { reason: "too many channels joined" }),
    );
  });
});

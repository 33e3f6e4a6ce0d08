import { expect } from "chai";
import { Channel, ok, Socket, stop } from "../../../lib/index.ts";
import { Gate } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";

class Room extends Channel {
  static override intercepts = ["filtered"];
  override join() {
    return ok();
  }
  override handleOut(event: string, payload: object) {
    this.push(event, payload);
  }
  override terminate() {
    if (this.topic === "room:bye") this.push("bye");
  }
  static {
    this.on("all", function () {
      this.push("first");
      this.broadcast("second");
      this.push("third");
      return ok({ fourth: true });
    });
    this.on("mixed", function () {
      this.broadcast("filtered", { n: 1 });
      this.broadcast("fast", { n: 1 });
      this.broadcast("filtered", { n: 2 });
      this.broadcast("fast", { n: 2 });
      return ok();
    });
    this.on("stop", () => stop("normal", ok()));
    this.on("crash", function () {
      this.push("before");
      throw new Error("crash");
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

describe("rule 4: the order to one client", () => {
  forEachVsn((vsn) => {
    let peer: Peer;

    beforeEach(async () => {
      const { url } = serveInMemory(UserSocket);
      peer = await Peer.connect(url, vsn);
    });

    it("is as called: a handler's pushes and broadcasts, then its reply", async () => {
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "all");
      expect(await peer.take(4)).to.deep.equal([
        peer.message("1", null, "room:a", "first"),
        peer.message(null, null, "room:a", "second"),
        peer.message("1", null, "room:a", "third"),
        peer.reply("1", "2", "room:a", "ok", { fourth: true }),
      ]);
    });

    it("puts the reply before phx_close, and that before what terminate pushes", async () => {
      await peer.join("room:bye");
      peer.send("1", "2", "room:bye", "stop");
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "2", "room:bye", "ok"),
        peer.ending("1", "room:bye", "phx_close"),
        peer.message("1", null, "room:bye", "bye"),
      ]);
    });

    it("puts phx_error behind what the handler pushed, and before what terminate pushes", async () => {
      await peer.join("room:bye");
      peer.send("1", "2", "room:bye", "crash");
      expect(await peer.take(3)).to.deep.equal([
        peer.message("1", null, "room:bye", "before"),
        peer.ending("1", "room:bye", "phx_error"),
        peer.message("1", null, "room:bye", "bye"),
      ]);
    });

    it("keeps order within intercepted events and within the fastlane", async () => {
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "mixed");
      const got = await peer.take(5);
      const order = (event: string) => got.filter((m) => m.event === event).map((m) => m.payload);
      expect(order("filtered")).to.deep.equal([{ n: 1 }, { n: 2 }]);
      expect(order("fast")).to.deep.equal([{ n: 1 }, { n: 2 }]);
      // Only the fastlane is written before the handler's reply.
      expect(got.slice(0, 3).map((m) => m.event)).to.deep.equal(["fast", "fast", "phx_reply"]);
    });
  });
});

describe("rule 5: what ends gently", () => {
  /** A handler that waits, and one that broadcasts to the topic. */
  function slowRoom() {
    const gate = new Gate();
    const began = new Gate();
    const kinds: string[] = [];
    const ended = new Gate();
    class Slow extends Channel {
      override join() {
        return ok();
      }
      override terminate({ kind }: { kind: string }) {
        kinds.push(kind);
        ended.open();
      }
      static {
        this.on("wait", async () => {
          began.open();
          await gate.promise;
          return ok({ waited: true });
        });
        this.on("say", function (payload: object) {
          this.broadcast("said", payload);
          return ok();
        });
      }
    }
    class SlowSocket extends Socket {
      static override channels = { "room:*": Slow };
    }
    return { SlowSocket, gate, began, kinds, ended };
  }

  forEachVsn((vsn) => {
    it("leave: everything received before it is handled and answered", async () => {
      const { SlowSocket, gate, began, kinds, ended } = slowRoom();
      const { url } = serveInMemory(SlowSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "say", { n: 1 });
      peer.send("1", "4", "room:a", "phx_leave");
      await began.promise;
      gate.open();
      expect(await peer.take(5)).to.deep.equal([
        peer.reply("1", "2", "room:a", "ok", { waited: true }),
        peer.message(null, null, "room:a", "said", { n: 1 }),
        peer.reply("1", "3", "room:a", "ok"),
        peer.reply("1", "4", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
      ]);
      await ended.promise;
      expect(kinds).to.deep.equal(["left"]);
    });

    it("the client's close: its broadcasts are still delivered to others, its replies vanish", async () => {
      const { SlowSocket, gate, began, kinds, ended } = slowRoom();
      const { url } = serveInMemory(SlowSocket);
      const peer = await Peer.connect(url, vsn);
      const other = await Peer.connect(url, vsn);
      await peer.join("room:a");
      await other.join("room:a");
      peer.send("1", "2", "room:a", "wait");
      peer.send("1", "3", "room:a", "say", { n: 1 });
      await began.promise;
      await peer.raw.close();
      gate.open();
      expect(await other.next()).to.deep.equal(other.message(null, null, "room:a", "said", { n: 1 }));
      await ended.promise;
      expect(kinds).to.deep.equal(["closed"]);
    });
  });
});

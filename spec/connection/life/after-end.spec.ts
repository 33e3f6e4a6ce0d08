import { expect } from "chai";
import { Channel, error, ok, type Reply, Socket, StateError } from "../../../lib/index.ts";
import { Gate, Journal } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";

describe("rule 9: after the end", () => {
  /** Hands its channel out, so that a spec can call it when it has ended, as a leftover timer would. */
  function leaky() {
    const channels: Room[] = [];
    const answers: ((reply: Reply) => boolean)[] = [];
    const terminated = new Gate<void>();
    class Room extends Channel {
      override join() {
        channels.push(this);
        return ok();
      }
      override terminate() {
        this.push("from terminate");
        this.endpoint.broadcast("elsewhere", "from terminate");
        this.broadcast("broadcast from terminate");
        terminated.open();
      }
      static {
        this.on("defer", function () {
          answers.push(this.deferReply());
        });
        this.on("twice", function () {
          const answer = this.deferReply();
          answers.push(answer);
          answer(ok({ first: true }));
          return ok({ second: true });
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    return { UserSocket, channels, answers, terminated };
  }

  forEachVsn((vsn) => {
    it("push, sendSelf and a deferred reply do nothing and return false; broadcast works; none throws", async () => {
      const { UserSocket, channels, answers, terminated } = leaky();
      const { url, endpoint } = serveInMemory(UserSocket);
      const heard = new Journal();
      endpoint.subscribe("room:a", ({ event }) => heard.add(event));
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "defer");
      peer.send("1", "3", "room:a", "phx_leave");
      expect(await peer.take(3)).to.deep.equal([
        peer.reply("1", "3", "room:a", "ok"),
        peer.ending("1", "room:a", "phx_close"),
        peer.message("1", null, "room:a", "from terminate"),
      ]);
      await terminated.promise;
      const channel = channels[0] as Channel;
      expect(channel.push("late")).to.equal(false);
      expect(channel.push("late", 7 as never)).to.equal(false);
      expect(channel.sendSelf("late")).to.equal(false);
      expect(channel.sendSelf("late", { after: 1 })).to.equal(false);
      expect(answers[0]?.(ok())).to.equal(false);
      expect(channel.deferReply()(ok())).to.equal(false);
      channel.subscribe("news");
      channel.unsubscribe("news");
      channel.broadcast("late broadcast");
      expect(channel.signal.aborted).to.equal(true);
      expect(heard.entries).to.deep.equal(["broadcast from terminate", "late broadcast"]);
      expect(endpoint.stats()).to.include({ channels: 0, topics: 1 });
      expect(await peer.settle()).to.deep.equal([]);
    });

    it("drops and logs a second answer to one message", async () => {
      const { UserSocket, answers } = leaky();
      const { url, lines } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      expect(await peer.ask("1", "2", "room:a", "twice")).to.deep.equal(
        peer.reply("1", "2", "room:a", "ok", { first: true }),
      );
      expect(answers[0]?.(error())).to.equal(false);
      expect(await peer.settle()).to.deep.equal([]);
      expect(lines.filter(({ message }) => message.includes("second reply"))).to.have.length(2);
    });
  });
});

describe("deferReply", () => {
  forEachVsn((vsn) => {
    it("answers the message it was called for, later and out of order", async () => {
      const answers: ((reply: Reply) => boolean)[] = [];
      class Room extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("defer", function () {
            answers.push(this.deferReply());
          });
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "defer");
      peer.send("1", "3", "room:a", "defer");
      await peer.settle();
      expect(answers[1]?.(ok({ n: 3 }))).to.equal(true);
      expect(answers[0]?.(error({ n: 2 }))).to.equal(true);
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("1", "3", "room:a", "ok", { n: 3 }),
        peer.reply("1", "2", "room:a", "error", { n: 2 }),
      ]);
    });

    it("takes a promise: its value is the reply, its rejection ends the channel", async () => {
      const gates: Gate<Reply>[] = [];
      class Room extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("defer", function () {
            const gate = new Gate<Reply>();
            gates.push(gate);
            this.deferReply(gate.promise);
          });
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url, lines } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      peer.send("1", "2", "room:a", "defer");
      peer.send("1", "3", "room:a", "defer");
      await peer.settle();
      gates[0]?.open(ok({ n: 1 }));
      expect(await peer.next()).to.deep.equal(peer.reply("1", "2", "room:a", "ok", { n: 1 }));
      gates[1]?.fail(new Error("lost"));
      expect(await peer.next()).to.deep.equal(peer.ending("1", "room:a", "phx_error"));
      expect(lines.some(({ details }) => (details.err as Error | undefined)?.message === "lost")).to.equal(
        true,
      );
    });

    it("needs a message in hand", async () => {
      const thrown = new Gate<unknown>();
      class Room extends Channel {
        override join() {
          this.sendSelf("go");
          return ok();
        }
        override handleInfo() {
          try {
            this.deferReply();
          } catch (e) {
            thrown.open(e);
          }
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      const e = await thrown.promise;
      expect(e).to.be.instanceOf(StateError);
      expect((e as StateError).code).to.equal("no_message");
    });
  });
});

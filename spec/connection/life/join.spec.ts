import { expect } from "chai";
import { Channel, error, ok, Socket, StateError } from "../../../lib/index.ts";
import { Gate, Journal, turn } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";

describe("rule 2: the join", () => {
  forEachVsn((vsn) => {
    it("refuses push, broadcast and deferReply in join, naming sendSelf", async () => {
      const thrown: unknown[] = [];
      class Room extends Channel {
        override join() {
          for (const call of [
            () => this.push("x"),
            () => this.broadcast("x"),
            () => this.broadcastFrom("x"),
            () => this.deferReply(),
          ]) {
            try {
              call();
            } catch (e) {
              thrown.push(e);
            }
          }
          return ok();
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      expect(await peer.join("room:a")).to.deep.equal(peer.reply("1", "1", "room:a", "ok"));
      expect(thrown).to.have.length(4);
      for (const e of thrown) {
        expect(e).to.be.instanceOf(StateError);
        expect((e as StateError).message).to.include("sendSelf");
        expect((e as StateError).code).to.equal("not_joined");
      }
    });

    it("undoes subscriptions made in a join that is refused", async () => {
      const infos = new Journal<unknown>();
      class Room extends Channel {
        override join() {
          this.subscribe("news");
          return error({ reason: "no" });
        }
        override handleInfo(message: unknown) {
          infos.add(message);
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      expect(endpoint.stats()).to.include({ topics: 0, channels: 0 });
      endpoint.broadcast("news", "x");
      await peer.settle();
      expect(infos.entries).to.deep.equal([]);
    });

    it("keeps subscriptions made in a join that is accepted, and queues their broadcasts behind the reply", async () => {
      const gate = new Gate<ReturnType<typeof ok>>();
      const joins = new Journal();
      class Room extends Channel {
        override join() {
          this.subscribe("news");
          joins.add("join");
          return gate.promise;
        }
        override handleInfo() {
          this.push("news");
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      await joins.reaches(1);
      endpoint.broadcast("news", "x");
      gate.open(ok());
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("1", "1", "room:a", "ok"),
        peer.message("1", null, "room:a", "news"),
      ]);
    });

    it("sends no broadcast of the topic to a client before its join is answered", async () => {
      const gate = new Gate<ReturnType<typeof ok>>();
      const joins = new Journal();
      class Room extends Channel {
        override join() {
          joins.add("join");
          return gate.promise;
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url, endpoint } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      peer.send("1", "1", "room:a", "phx_join");
      await joins.reaches(1);
      endpoint.broadcast("room:a", "early");
      gate.open(ok());
      expect(await peer.next()).to.deep.equal(peer.reply("1", "1", "room:a", "ok"));
      endpoint.broadcast("room:a", "late");
      expect(await peer.next()).to.deep.equal(peer.message(null, null, "room:a", "late"));
    });
  });

  describe("when the connection goes meanwhile", () => {
    for (const [outcome, settle, terminated] of [
      ["ok", (gate: Gate<unknown>) => gate.open(ok()), ["terminate closed"]],
      ["refused", (gate: Gate<unknown>) => gate.open(error()), []],
      ["thrown", (gate: Gate<unknown>) => gate.fail(new Error("late")), []],
    ] as const) {
      it(`${outcome}: ${terminated.length === 0 ? "nothing" : "terminates as closed"}, and nothing stays subscribed`, async () => {
        const gate = new Gate<unknown>();
        const events = new Journal();
        class Room extends Channel {
          override join() {
            this.signal.addEventListener("abort", () => events.add("abort"));
            this.subscribe("news");
            events.add("join");
            return gate.promise as Promise<ReturnType<typeof ok>>;
          }
          override terminate({ kind }: { kind: string }) {
            events.add(`terminate ${kind}`);
          }
        }
        class UserSocket extends Socket {
          static override channels = { "room:*": Room };
        }
        const { url, endpoint } = serveInMemory(UserSocket);
        const peer = await Peer.connect(url, "2.0.0");
        peer.send("1", "1", "room:a", "phx_join");
        await events.reaches(1);
        await peer.raw.close();
        await events.reaches(2);
        settle(gate);
        await gate.promise.catch(() => {});
        await turn();
        expect(events.entries).to.deep.equal(["join", "abort", ...terminated]);
        expect(endpoint.stats()).to.include({ topics: 0, channels: 0 });
      });
    }
  });
});

import { expect } from "chai";
import { Channel, ok, Socket } from "../../../lib/index.ts";
import { Gate, Journal } from "../../support/gate.ts";
import { forEachVsn, Peer } from "../../support/peer.ts";
import { serve } from "../../support/server.ts";

describe("rule 3: stacks", () => {
  forEachVsn((vsn) => {
    it("handles one message at a time per channel, also when handlers are asynchronous; others go on", async () => {
      const gates: Gate[] = [];
      const events = new Journal();
      class Room extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("slow", async (payload: { n: number }) => {
            events.add(`begin ${payload.n}`);
            const gate = new Gate();
            gates.push(gate);
            await gate.promise;
            events.add(`end ${payload.n}`);
            return ok(payload);
          });
          this.on("quick", () => ok());
        }
      }
      class UserSocket extends Socket {
        static override channels = { "room:*": Room };
      }
      const { url } = await serve(UserSocket);
      const peer = await Peer.connect(url, vsn);
      await peer.join("room:a");
      await peer.join("room:b", {}, "2");
      peer.send("1", "3", "room:a", "slow", { n: 1 });
      peer.send("1", "4", "room:a", "slow", { n: 2 });
      peer.send("2", "5", "room:b", "quick");
      expect(await peer.next()).to.deep.equal(peer.reply("2", "5", "room:b", "ok"));
      expect(events.entries).to.deep.equal(["begin 1"]);
      gates[0]?.open();
      expect(await peer.next()).to.deep.equal(peer.reply("1", "3", "room:a", "ok", { n: 1 }));
      await events.reaches(3);
      gates[1]?.open();
      expect(await peer.next()).to.deep.equal(peer.reply("1", "4", "room:a", "ok", { n: 2 }));
      expect(events.entries).to.deep.equal(["begin 1", "end 1", "begin 2", "end 2"]);
    });
  });

  it("makes no promise and runs in the transport's stack when handlers are synchronous", async () => {
    const stacks: string[] = [];
    class Room extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("where", () => {
          stacks.push(new Error().stack ?? "");
          return ok();
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    Error.stackTraceLimit = 50;
    const { url } = await serve(UserSocket);
    const peer = await Peer.connect(url, "2.0.0");
    await peer.join("room:a");
    await peer.ask("1", "2", "room:a", "where");
    Error.stackTraceLimit = 10;
    expect(stacks[0]).to.match(/Receiver\.receiverOnMessage|receiverOnMessage/);
  });

  it("queues sendSelf, handleInfo and handleOut: broadcast runs no other channel's code before it returns", async () => {
    const events = new Journal();
    class Room extends Channel {
      static override intercepts = ["seen"];
      override join() {
        this.subscribe("other");
        return ok();
      }
      override handleOut(event: string) {
        events.add(`handleOut ${event}`);
      }
      override handleInfo() {
        events.add("handleInfo");
      }
      static {
        this.on("go", function () {
          this.sendSelf("x");
          this.broadcast("seen");
          this.endpoint.broadcast("other", "y");
          events.add("returned");
          return ok();
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url } = await serve(UserSocket);
    const peer = await Peer.connect(url, "2.0.0");
    await peer.join("room:a");
    await peer.ask("1", "2", "room:a", "go");
    expect(await events.reaches(4)).to.deep.equal(["returned", "handleInfo", "handleOut seen", "handleInfo"]);
  });

  it("yields to I/O after 100 messages in a turn", async () => {
    let handled = 0;
    const seen: number[] = [];
    const done = new Gate();
    class Room extends Channel {
      override join() {
        return ok();
      }
      override handleInfo() {
        handled++;
        if (handled < 1000) this.sendSelf("again");
        else done.open();
      }
      static {
        this.on("go", function () {
          const look = () => {
            seen.push(handled);
            if (handled < 1000) setImmediate(look);
          };
          setImmediate(look);
          this.sendSelf("again");
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url } = await serve(UserSocket);
    const peer = await Peer.connect(url, "2.0.0");
    await peer.join("room:a");
    peer.send("1", "2", "room:a", "go");
    await done.promise;
    expect(seen.length).to.be.at.least(9);
    for (const [i, count] of seen.entries()) expect(count - (seen[i - 1] ?? 0)).to.be.at.most(200);
  });
});

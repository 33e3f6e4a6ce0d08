import { expect } from "chai";
import { Channel, error, ok, type Reply, Socket, type SocketClass } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { attackable, EchoSocket, errors } from "./attackable.ts";

describe("too late", () => {
  /** Calls that an app's leftover timer would make. */
  function leftover() {
    const channels: Channel[] = [];
    const deferred: ((reply: Reply) => boolean)[] = [];
    const infos: unknown[] = [];
    class Leaving extends Channel {
      override join() {
        channels.push(this);
        return ok();
      }
      override handleInfo(message: unknown) {
        infos.push(message);
      }
      static {
        this.on("defer", function () {
          deferred.push(this.deferReply());
        });
      }
    }
    class LeavingSocket extends Socket {
      static override channels = { "*": Leaving };
    }
    return { LeavingSocket, channels, deferred, infos };
  }

  for (const how of ["leave", "close", "reset"] as const) {
    it(`calls of a channel after a ${how} do nothing, return false, and throw nothing`, async () => {
      const { LeavingSocket, channels, deferred, infos } = leftover();
      const { url, endpoint } = await attackable(LeavingSocket);
      const client = await connect(url);
      const witness = await connect(url);
      await client.join("room:a");
      await witness.join("room:a");
      client.send(["1", "2", "room:a", "defer", {}]);
      await client.settle();
      if (how === "leave") {
        client.send(["1", "3", "room:a", "phx_leave", {}]);
        await client.take(2);
      } else if (how === "close") {
        await client.close();
      } else {
        client.ws.terminate();
      }
      while (endpoint.stats().channels > 1) await turn();
      const [channel] = channels as [Channel];
      while (!channel.signal.aborted) await turn();
      expect(channel.push("late", { a: 1 })).to.equal(false);
      expect(channel.sendSelf("late")).to.equal(false);
      expect(channel.sendSelf("late", { after: 0 })).to.equal(false);
      expect(deferred[0]?.(ok())).to.equal(false);
      expect(channel.deferReply()(ok())).to.equal(false);
      channel.subscribe("news");
      channel.unsubscribe("news");
      channel.socket.disconnect();
      // It can still tell the others.
      channel.broadcast("late", { b: 2 });
      expect(await witness.next()).to.deep.equal([null, null, "room:a", "late", { b: 2 }]);
      if (how === "leave") await client.closed;
      expect(infos).to.deep.equal([]);
    });
  }

  it("a deferred promise that rejects after the end ends nothing, and is logged", async () => {
    const gate = new Gate<Reply>();
    class Deferring extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("defer", function () {
          this.deferReply(gate.promise);
        });
      }
    }
    class DeferringSocket extends Socket {
      static override channels = { "*": Deferring };
    }
    const served = await attackable(DeferringSocket);
    const client = await connect(served.url);
    await client.join("room:a");
    client.send(["1", "2", "room:a", "defer", {}]);
    client.send(["1", "3", "room:a", "phx_leave", {}]);
    await client.take(2);
    await client.join("room:a", {}, "4");
    gate.fail(undefined);
    await turn();
    expect(await client.settle()).to.deep.equal([]);
    expect(errors(served)).to.have.length(1);
  });

  it("a deferred promise of no reply ends the channel", async () => {
    for (const value of [undefined, "ok", { status: "ok" }]) {
      class Deferring extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("defer", function () {
            this.deferReply(Promise.resolve(value) as Promise<Reply>);
          });
        }
      }
      class DeferringSocket extends Socket {
        static override channels = { "*": Deferring };
      }
      const { url } = await attackable(DeferringSocket);
      const client = await connect(url);
      await client.join("room:a");
      expect((await client.ask("1", "2", "room:a", "defer"))[3]).to.equal("phx_error");
    }
  });

  describe("a second join while the first hangs", () => {
    function hanging() {
      const gates: Gate<Reply<"ok"> | Reply<"error">>[] = [];
      const aborted: number[] = [];
      const joins = new Journal<number>();
      const ends = new Journal();
      class Hanging extends Channel {
        override join() {
          const n = gates.length;
          const gate = new Gate<Reply<"ok"> | Reply<"error">>();
          gates.push(gate);
          this.signal.addEventListener("abort", () => aborted.push(n));
          joins.add(n);
          return gate.promise;
        }
        override terminate({ kind }: { kind: string }) {
          ends.add(kind);
        }
      }
      class HangingSocket extends Socket {
        static override channels = { "*": Hanging };
      }
      return { HangingSocket, gates, aborted, joins, ends };
    }

    it("waits, aborts the first's signal, and comes after its outcome; heartbeats go on", async () => {
      const { HangingSocket, gates, aborted, joins, ends } = hanging();
      const { url, endpoint } = await attackable(HangingSocket);
      const client = await connect(url);
      client.send(["1", "1", "room:a", "phx_join", {}]);
      await joins.reaches(1);
      client.send(["2", "2", "room:a", "phx_join", {}]);
      expect(await client.settle()).to.deep.equal([]);
      expect(aborted).to.deep.equal([0]);
      expect(endpoint.stats().channels).to.equal(1);
      gates[0]?.open(ok({ first: true }));
      expect((await client.next())[4]).to.deep.equal({ status: "ok", response: { first: true } });
      await joins.reaches(2);
      expect(await ends.reaches(1)).to.deep.equal(["replaced"]);
      gates[1]?.open(error({ second: true }));
      expect((await client.take(2)).map(([, ref, , event]) => [ref, event])).to.deep.equal([
        ["2", "phx_reply"],
        ["1", "phx_close"],
      ]);
    });

    it("the client goes: both are given up, and what returns later does no harm", async () => {
      for (const outcome of [ok(), error(), new Error("gave up")]) {
        const { HangingSocket, gates, aborted, joins, ends } = hanging();
        const { url, endpoint } = await attackable(HangingSocket as SocketClass);
        const client = await connect(url);
        client.send(["1", "1", "room:a", "phx_join", {}]);
        client.send(["2", "2", "room:a", "phx_join", {}]);
        await joins.reaches(1);
        client.ws.terminate();
        while (endpoint.stats().connections > 0) await turn();
        expect(aborted).to.deep.equal([0]);
        if (outcome instanceof Error) gates[0]?.fail(outcome);
        else gates[0]?.open(outcome);
        for (let i = 0; i < 5; i++) await turn();
        expect(joins.entries).to.deep.equal([0]);
        expect(ends.entries).to.deep.equal(
          outcome instanceof Error || outcome.status === "error" ? [] : ["closed"],
        );
        expect(endpoint.stats()).to.include({ channels: 0, topics: 0 });
      }
    });
  });

  it("a refused join's signal is aborted: what it started with it ends", async () => {
    for (const outcome of [
      () => error(),
      () => Promise.resolve(error()),
      () => Promise.reject(new Error("x")),
      () => 7,
    ]) {
      let aborted = false;
      class Refusing extends Channel {
        override join() {
          this.signal.addEventListener("abort", () => {
            aborted = true;
          });
          return outcome() as ReturnType<typeof error>;
        }
      }
      class RefusingSocket extends Socket {
        static override channels = { "*": Refusing };
      }
      const { url } = await attackable(RefusingSocket);
      const client = await connect(url);
      await client.join("room:a");
      await client.settle();
      expect(aborted, String(outcome)).to.equal(true);
    }
  });

  it("frames for a channel that has ended are answered at once", async () => {
    const { url } = await attackable(EchoSocket);
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "boom"))[3]).to.equal("phx_error");
    expect((await client.ask("1", "3", "room:a", "echo"))[4].response).to.deep.equal({
      reason: "unmatched topic",
    });
    expect((await client.ask("1", "4", "room:a", "phx_leave"))[4]).to.deep.equal({
      status: "ok",
      response: {},
    });
  });
});

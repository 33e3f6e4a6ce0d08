import { expect } from "chai";
import { type Channel, error, ok, stop } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import type { FrameClient } from "../support/frame-client.ts";
import { Gate, Journal } from "../support/gate.ts";
import { diff, plain, type ServedPresence, servePresence } from "./served.ts";

interface End {
  readonly how: string;
  /** The kind of reason that terminate gets. */
  readonly kind: string;
  end(client: FrameClient, channel: Channel, served: ServedPresence): unknown;
}

const ENDS: readonly End[] = [
  {
    how: "the client leaves",
    kind: "left",
    end: (client) => client.send(["1", "2", "room:a", "phx_leave", {}]),
  },
  { how: "the client closes", kind: "closed", end: (client) => client.close() },
  { how: "the connection is cut", kind: "closed", end: (client) => client.cut() },
  {
    how: "a handler throws",
    kind: "error",
    end: (client) => client.send(["1", "2", "room:a", "throw", {}]),
  },
  {
    how: "a handler stops",
    kind: "stopped",
    end: (client) => client.send(["1", "2", "room:a", "stop", {}]),
  },
  {
    how: "the client joins again",
    kind: "replaced",
    end: (client) => client.send(["2", "2", "room:a", "phx_join", {}]),
  },
  { how: "it is kicked", kind: "closed", end: (_, __, { endpoint }) => endpoint.disconnect("users:ann") },
  { how: "its socket is disconnected", kind: "closed", end: (_, channel) => channel.socket.disconnect() },
  { how: "it sends what is no message", kind: "closed", end: (client) => client.send("[") },
];

function act(served: ServedPresence): void {
  served.behaviour.event = (_channel, event) => {
    if (event === "throw") throw new Error("thrown");
    return event === "stop" ? stop() : ok();
  };
}

/** The diffs of a topic on a node, whoever is there to hear them. */
function diffsOf(served: ServedPresence, topic = "room:a"): Journal<unknown> {
  const diffs = new Journal<unknown>();
  served.endpoint.subscribe(topic, ({ event, payload }) => diffs.add([null, null, topic, event, payload]));
  return diffs;
}

describe("presence: an entry leaves with its channel", () => {
  for (const { how, kind, end } of ENDS) {
    it(`when ${how}, before terminate`, async () => {
      const served = await servePresence();
      act(served);
      const { presence, behaviour, enter } = served;
      const watcher = await enter();
      const elsewhere = await enter("room:b");
      const ann = await enter("room:a", "ann");
      const terminated = new Gate<unknown>();
      behaviour.terminate = async (channel, reason) => {
        if (channel !== ann.channel) return;
        const present = [await presence.getByKey("room:a", "ann"), await presence.getByKey("room:b", "ann")];
        const tracked = await presence.track(channel, "ann", { late: true });
        terminated.open([reason.kind, ...present, tracked]);
      };
      const ref = await presence.track(ann.channel, "ann", {});
      const other = await presence.track(ann.channel, "room:b", "ann", {});
      await watcher.client.next();
      await elsewhere.client.next();
      await end(ann.client, ann.channel, served);
      expect(await terminated.promise).to.deep.equal([kind, undefined, undefined, null]);
      expect(await watcher.client.next()).to.deep.equal(diff({}, { ann: [{ phx_ref: ref }] }));
      expect(await elsewhere.client.next()).to.deep.equal(diff({}, { ann: [{ phx_ref: other }] }, "room:b"));
      expect(await watcher.client.settle()).to.deep.equal([]);
      expect(await presence.list("room:a")).to.deep.equal({});
    });
  }

  for (const how of ["drains", "closes"] as const) {
    it(`when the endpoint ${how}, before terminate`, async () => {
      const served = await servePresence();
      const { presence, behaviour, enter, endpoint } = served;
      const diffs = diffsOf(served);
      const ann = await enter();
      const ref = await presence.track(ann.channel, "ann", {});
      await diffs.reaches(1);
      const seen: unknown[] = [];
      behaviour.terminate = async (_channel, { kind }) => {
        seen.push(kind, await presence.getByKey("room:a", "ann"));
      };
      await (how === "drains" ? endpoint.drain() : endpoint.close());
      expect(seen).to.deep.equal(["drain", undefined]);
      expect((await diffs.reaches(2))[1]).to.deep.equal(diff({}, { ann: [{ phx_ref: ref }] }));
    });
  }

  it("when its join is refused, or throws: nobody hears of it, if that is at once", async () => {
    const { presence, behaviour, enter, url } = await servePresence();
    const watcher = await enter();
    for (const outcome of [() => error({ reason: "no" }), () => Promise.reject(new Error("thrown"))]) {
      behaviour.join = async (channel) => {
        await presence.track(channel, "ann", {});
        return outcome();
      };
      const client = await connect(url);
      expect((await client.join("room:a"))[4].status).to.equal("error");
      expect(await presence.list("room:a")).to.deep.equal({});
      expect(await watcher.client.settle()).to.deep.equal([]);
    }
  });

  it("when its join is refused after a while: it comes and goes", async () => {
    const { presence, behaviour, enter, url } = await servePresence();
    const watcher = await enter();
    const decided = new Gate();
    behaviour.join = async (channel) => {
      await presence.track(channel, "ann", {});
      await decided.promise;
      return error();
    };
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}]);
    const joined = await watcher.client.next();
    expect(Object.keys(joined[4].joins)).to.deep.equal(["ann"]);
    decided.open();
    expect((await watcher.client.next())[4]).to.deep.equal({ joins: {}, leaves: joined[4].joins });
  });

  it("when its connection goes while it joins, once join has settled", async () => {
    const { presence, behaviour, enter, url } = await servePresence();
    const watcher = await enter();
    const decided = new Gate();
    behaviour.join = async (channel) => {
      await presence.track(channel, "ann", {});
      await decided.promise;
      return ok();
    };
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}]);
    const joined = await watcher.client.next();
    await client.close();
    decided.open();
    expect((await watcher.client.next())[4]).to.deep.equal({ joins: {}, leaves: joined[4].joins });
    expect(await presence.list("room:a")).to.deep.equal({});
  });

  it("and not with another one's, nor twice", async () => {
    const { presence, enter } = await servePresence();
    const watcher = await enter();
    const ann = await enter("room:a", "ann");
    const bob = await enter("room:a", "bob");
    await presence.track(ann.channel, "both", { n: 1 });
    await presence.track(bob.channel, "both", { n: 2 });
    await watcher.client.next();
    await presence.untrack(ann.channel, "both");
    await watcher.client.next();
    await ann.client.close();
    expect(await watcher.client.settle()).to.deep.equal([]);
    expect(plain(await presence.list("room:a"))).to.deep.equal({ both: { metas: [{ n: 2 }] } });
  });
});

describe("presence: a channel that is replaced", () => {
  it("is seen to leave, then its successor to join, if that takes a while", async () => {
    const { presence, behaviour, enter } = await servePresence();
    const watcher = await enter();
    behaviour.join = (channel) => {
      channel.sendSelf("track");
      return ok();
    };
    behaviour.info = async (channel) => {
      await presence.track(channel, "ann", {});
    };
    const ann = await enter();
    const [joined] = await watcher.client.take(1);
    const looked = new Gate();
    const atJoin: unknown[] = [];
    behaviour.join = async (channel) => {
      atJoin.push(await presence.getByKey("room:a", "ann"));
      await looked.promise;
      channel.sendSelf("track");
      return ok();
    };
    ann.client.send(["2", "2", "room:a", "phx_join", {}]);
    expect((await watcher.client.next())[4]).to.deep.equal({ joins: {}, leaves: joined[4].joins });
    looked.open();
    const [, , , , again] = await watcher.client.next();
    expect(again.leaves).to.deep.equal({});
    expect(plain(again.joins)).to.deep.equal({ ann: { metas: [{}] } });
    expect(again.joins).to.not.deep.equal(joined[4].joins);
    expect(atJoin).to.deep.equal([undefined]);
  });

  it("and its successor are in one diff, if they change places in one turn", async () => {
    const { presence, behaviour, enter } = await servePresence();
    const watcher = await enter();
    behaviour.join = (channel) => {
      channel.sendSelf("track");
      return ok();
    };
    behaviour.info = async (channel) => {
      await presence.track(channel, "ann", {});
    };
    const ann = await enter();
    const [joined] = await watcher.client.take(1);
    ann.client.send(["2", "2", "room:a", "phx_join", {}]);
    const [, , , , payload] = await watcher.client.next();
    expect(payload.leaves).to.deep.equal(joined[4].joins);
    expect(plain(payload.joins)).to.deep.equal({ ann: { metas: [{}] } });
    expect(payload.joins.ann.metas[0].phx_ref).not.to.equal(joined[4].joins.ann.metas[0].phx_ref);
    expect(await watcher.client.settle()).to.deep.equal([]);
  });
});

describe("presence: a channel that has ended", () => {
  it("tracks nothing and updates nothing: track and update give null, also after an await", async () => {
    const { presence, behaviour, enter } = await servePresence();
    const watcher = await enter();
    const ann = await enter("room:a", "ann");
    await presence.track(ann.channel, "old", {});
    await watcher.client.next();
    const asked = new Gate();
    const goOn = new Gate();
    const results = new Journal<unknown>();
    behaviour.event = async (channel) => {
      asked.open();
      await goOn.promise;
      results.add(await presence.track(channel, "ann", {}));
      results.add(await presence.track(channel, "room:b", "ann", {}));
      results.add(await presence.update(channel, "old", {}));
      results.add(await presence.untrack(channel, "old"));
      return ok();
    };
    ann.client.send(["1", "2", "room:a", "slow", {}]);
    await asked.promise;
    // What ends at once doesn't wait for the handler.
    ann.client.send(["2", "3", "room:a", "phx_join", {}]);
    expect(Object.keys((await watcher.client.next())[4].leaves)).to.deep.equal(["old"]);
    goOn.open();
    expect(await results.reaches(4)).to.deep.equal([null, null, null, undefined]);
    expect(await watcher.client.settle()).to.deep.equal([]);
    expect(await presence.list("room:a")).to.deep.equal({});
    expect(await presence.list("room:b")).to.deep.equal({});
  });

  it("is told what is wrong with its arguments all the same", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    await client.ask("1", "2", "room:a", "phx_leave");
    const codes: unknown[] = [];
    for (const call of [
      () => presence.track(channel, 7 as never, {}),
      () => presence.track(channel, "k", 7 as never),
      () => presence.update(channel, 7 as never, {}),
    ]) {
      await call().catch((thrown) => codes.push(thrown.code));
    }
    expect(codes).to.deep.equal(Array(3).fill("invalid_argument"));
  });
});

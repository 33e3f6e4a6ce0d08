import { expect } from "chai";
import { ok } from "../../lib/index.ts";
import { connect, type Frame } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";
import { diff, plain, servePresence } from "./served.ts";
import { work } from "./work.ts";

/** The events of frames, in short. */
function events(frames: readonly Frame[]): string[] {
  return frames.map(([, , , event]) => event);
}

describe("presence: the diffs of one turn", () => {
  it("are one for each topic", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const other = await enter();
    const elsewhere = await enter("room:b");
    await presence.track(channel, "old", {});
    await client.next();
    await other.client.next();
    void presence.track(channel, "ann", { n: 1 });
    void presence.untrack(channel, "old");
    await presence.track(other.channel, "ann", { n: 2 });
    await presence.track(channel, "room:b", "ann", {});
    await presence.track(channel, "bob", {});
    for (const each of [client, other.client]) {
      const { joins, leaves } = (await each.next())[4];
      expect(plain(joins)).to.deep.equal({ ann: { metas: [{ n: 1 }, { n: 2 }] }, bob: { metas: [{}] } });
      expect(plain(leaves)).to.deep.equal({ old: { metas: [{}] } });
      expect(await each.settle()).to.deep.equal([]);
    }
    expect(plain((await elsewhere.client.next())[4].joins)).to.deep.equal({ ann: { metas: [{}] } });
  });

  it("don't tell of what joins and leaves within it", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    for (let i = 0; i < 3; i++) {
      await presence.track(channel, "ann", { i });
      await presence.untrack(channel, "ann");
    }
    expect(await client.settle()).to.deep.equal([]);
    await presence.track(channel, "ann", {});
    await presence.untrack(channel, "ann");
    const ref = await presence.track(channel, "bob", {});
    expect(await client.settle()).to.deep.equal([diff({ bob: [{ phx_ref: ref }] })]);
  });

  it("tell of what leaves and joins again: it is another one", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const first = await presence.track(channel, "ann", {});
    await client.next();
    await presence.untrack(channel, "ann");
    const second = await presence.track(channel, "ann", {});
    expect(await client.settle()).to.deep.equal([
      diff({ ann: [{ phx_ref: second }] }, { ann: [{ phx_ref: first }] }),
    ]);
  });

  it("tell of a join and its updates as a join, which replaces nothing", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    await presence.track(channel, "ann", { n: 1 });
    await presence.update(channel, "ann", { n: 2 });
    const ref = await presence.update(channel, "ann", (meta) => ({ ...meta, x: true }));
    expect(await client.settle()).to.deep.equal([diff({ ann: [{ n: 2, x: true, phx_ref: ref }] })]);
  });

  it("tell of several updates as one, which replaces what clients have", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const first = await presence.track(channel, "ann", { n: 1 });
    await client.next();
    await presence.update(channel, "ann", { n: 2 });
    const last = await presence.update(channel, "ann", { n: 3 });
    expect(await client.settle()).to.deep.equal([
      diff({ ann: [{ n: 3, phx_ref: last, phx_ref_prev: first }] }, { ann: [{ n: 1, phx_ref: first }] }),
    ]);
  });

  it("tell of an update and the end as a leave of what clients have", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const first = await presence.track(channel, "ann", { n: 1 });
    await client.next();
    await presence.update(channel, "ann", { n: 2 });
    await presence.untrack(channel, "ann");
    expect(await client.settle()).to.deep.equal([diff({}, { ann: [{ n: 1, phx_ref: first }] })]);
  });

  it("go to clients of both versions, and to listeners", async () => {
    const { presence, enter, url, endpoint } = await servePresence();
    const v1 = await connect(url, "vsn=1.0.0");
    v1.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
    await v1.next();
    const heard: unknown[] = [];
    endpoint.subscribe("room:a", (broadcast) => heard.push({ ...broadcast }));
    const { client, channel } = await enter();
    const ref = await presence.track(channel, "ann", {});
    const payload = { joins: { ann: { metas: [{ phx_ref: ref }] } }, leaves: {} };
    expect(await client.next()).to.deep.equal([null, null, "room:a", "presence_diff", payload]);
    expect(await v1.next()).to.deep.equal({ topic: "room:a", event: "presence_diff", payload, ref: null });
    expect(heard).to.deep.equal([{ topic: "room:a", event: "presence_diff", payload }]);
  });

  it("are told to nobody where nobody listens, and later ones are complete", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    await presence.track(channel, "room:b", "ann", { n: 1 });
    await turn();
    const late = await enter("room:b");
    expect(await late.client.settle()).to.deep.equal([]);
    await presence.update(channel, "room:b", "ann", { n: 2 });
    const { joins, leaves } = (await late.client.next())[4];
    expect([plain(joins), plain(leaves)]).to.deep.equal([
      { ann: { metas: [{ n: 2 }] } },
      { ann: { metas: [{ n: 1 }] } },
    ]);
  });
});

describe("presence: the order on the wire", () => {
  it("the reply to the join comes first, then the client's own diff and state; the state has its own entry", async () => {
    const { presence, behaviour, enter, url } = await servePresence();
    const watcher = await enter();
    behaviour.join = (channel) => {
      channel.sendSelf("after join");
      return ok();
    };
    behaviour.info = async (channel) => {
      await presence.track(channel, "ann", {});
      channel.push("presence_state", await presence.list(channel.topic));
    };
    const client = await connect(url);
    client.send(["7", "8", "room:a", "phx_join", {}]);
    const frames = await client.take(3);
    expect(events(frames)).to.deep.equal(["phx_reply", "presence_diff", "presence_state"]);
    expect(frames[1]?.[4].joins).to.deep.equal(frames[2]?.[4]);
    expect(frames[2]?.slice(0, 3)).to.deep.equal(["7", null, "room:a"]);
    expect((await watcher.client.next())[4]).to.deep.equal(frames[1]?.[4]);
  });

  it("of one channel's diffs is that of its calls, turn by turn", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    for (let n = 0; n < 20; n++) {
      if (n === 0) await presence.track(channel, "ann", { n });
      else await presence.update(channel, "ann", { n });
      await turn();
    }
    const frames = await client.take(20);
    expect(frames.map(([, , , , { joins }]) => joins.ann.metas[0].n)).to.deep.equal([...Array(20).keys()]);
    const refs = frames.map(([, , , , { joins }]) => joins.ann.metas[0].phx_ref);
    const previous = frames.map(([, , , , { joins }]) => joins.ann.metas[0].phx_ref_prev);
    expect(previous).to.deep.equal([undefined, ...refs.slice(0, -1)]);
    expect(new Set(refs).size).to.equal(20);
  });

  it("what leaves with a channel comes behind what the channel sent", async () => {
    const { presence, behaviour, enter } = await servePresence();
    const watcher = await enter();
    const ann = await enter("room:a", "ann");
    await presence.track(ann.channel, "ann", {});
    await watcher.client.next();
    behaviour.event = (channel) => {
      channel.broadcast("last", {});
    };
    ann.client.send(["1", "2", "room:a", "say", {}]);
    ann.client.send(["1", "3", "room:a", "phx_leave", {}]);
    expect(events(await watcher.client.take(2))).to.deep.equal(["last", "presence_diff"]);
  });
});

describe("presence: list", () => {
  it("is one object for all who ask in a turn, and another in the next", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    await presence.track(channel, "ann", {});
    const [one, two, other] = await Promise.all([
      presence.list("room:a"),
      presence.list("room:a"),
      presence.list("room:b"),
    ]);
    expect(one).to.equal(two);
    expect(other).to.deep.equal({});
    await presence.track(channel, "bob", {});
    expect(Object.keys(await presence.list("room:a"))).to.deep.equal(["ann", "bob"]);
    expect(Object.keys(one)).to.deep.equal(["ann"]);
  });

  it("holds what has happened by the end of the turn", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    const asked = presence.list("room:a");
    await presence.track(channel, "ann", {});
    expect(Object.keys(await asked)).to.deep.equal(["ann"]);
  });

  it("is encoded once, however many push it", async () => {
    const { presence, enter } = await servePresence();
    const clients = [];
    for (let i = 0; i < 5; i++) clients.push(await enter());
    for (const [i, { channel }] of clients.entries()) await presence.track(channel, `user ${i}`, {});
    await turn();
    const { stringify } = JSON;
    const encoded: unknown[] = [];
    JSON.stringify = ((...args: Parameters<typeof stringify>) => {
      encoded.push(args[0]);
      return stringify(...args);
    }) as typeof stringify;
    afterTest(() => {
      JSON.stringify = stringify;
    });
    const lists = await Promise.all(
      clients.map(async ({ channel }) => {
        const list = await presence.list("room:a");
        channel.push("presence_state", list);
        return list;
      }),
    );
    JSON.stringify = stringify;
    expect(encoded.filter((value) => value === lists[0])).to.have.length(1);
    expect(encoded.some((value) => Array.isArray(value) && value.includes(lists[0]))).to.equal(false);
    for (const { client } of clients) {
      const [frame] = (await client.settle()).slice(-1);
      expect(frame?.[4]).to.deep.equal(lists[0]);
    }
  });
});

describe("presence: in a large topic", () => {
  it("a change costs what it costs in a small one", async () => {
    const { presence, enter } = await servePresence();
    const large = await enter("room:large");
    const small = await enter("room:small");
    for (let i = 0; i < 10_000; i++) await presence.track(large.channel, `user ${i}`, { i });
    await presence.track(small.channel, "user 0", { i: 0 });
    for (const { client } of [large, small]) await client.next();

    const change = async ({ client, channel }: typeof small) => {
      await presence.track(channel, "ann", { typing: false });
      await client.next();
      await presence.update(channel, "ann", { typing: true });
      await client.next();
      await presence.untrack(channel, "ann");
      expect(JSON.stringify(await client.next()).length).to.be.below(200);
    };
    for (const entered of [large, small]) await change(entered);
    const inSmall = await work(() => change(small));
    const inLarge = await work(() => change(large));
    expect(inLarge).to.be.within(inSmall * 0.5, inSmall * 2);
    // The measure can tell: a list does look at each entry.
    expect(await work(() => presence.list("room:large"))).to.be.above(inLarge * 5);
    expect(await work(() => presence.list("room:small"))).to.be.below(inLarge);
  });
});

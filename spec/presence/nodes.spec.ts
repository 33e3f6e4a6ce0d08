import { expect } from "chai";
import { Endpoint } from "../../lib/index.ts";
import { type Diff, type Entries, Presence } from "../../lib/presence/index.ts";
import { Bus, type BusAdapter } from "../support/bus.ts";
import { turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { diff, type PresenceClass, plain, type ServedPresence, servePresence } from "./served.ts";

const HEARTBEAT = 100;
const DOWN_PERIOD = 1_000;

interface NodeOfCluster<P extends Presence> extends ServedPresence<P> {
  readonly adapter: BusAdapter;
  /** Nothing comes from it or goes to it any more. */
  cutOff(): void;
  /** What was missed is lost. */
  reconnect(): void;
}

/** Starts nodes, on one bus and one clock. */
function cluster<P extends Presence = Presence>(presence?: PresenceClass<P>) {
  const bus = new Bus();
  const clock = new ManualClock();
  const start = async (name?: string): Promise<NodeOfCluster<P>> => {
    const adapter = bus.adapter();
    const served = await servePresence<P>({
      presence,
      presenceOptions: { name, heartbeatMs: HEARTBEAT, downPeriodMs: DOWN_PERIOD },
      endpointOptions: { pubsub: adapter, clock },
    });
    const { publish, receive } = adapter;
    return Object.assign(served, {
      adapter,
      cutOff: () => Object.assign(adapter, { publish() {}, receive() {} }),
      reconnect: () => Object.assign(adapter, { publish, receive }),
    });
  };
  return { start, clock };
}

describe("presence: on two nodes", () => {
  it("joins, updates and leaves reach the clients of both, and both list the same", async () => {
    const { start } = cluster();
    const [one, two] = [await start(), await start()];
    const ann = await one.enter();
    const bob = await two.enter();
    const first = await one.presence.track(ann.channel, "ann", { n: 1 });
    const joined = { n: 1, phx_ref: first };
    for (const { client } of [ann, bob]) expect(await client.next()).to.deep.equal(diff({ ann: [joined] }));

    const second = await one.presence.update(ann.channel, "ann", { n: 2 });
    const updated = { n: 2, phx_ref: second, phx_ref_prev: first };
    for (const { client } of [ann, bob]) {
      expect(await client.next()).to.deep.equal(diff({ ann: [updated] }, { ann: [joined] }));
    }

    const other = await two.presence.track(bob.channel, "ann", { on: "two" });
    const onTwo = { on: "two", phx_ref: other };
    for (const { client } of [ann, bob]) expect(await client.next()).to.deep.equal(diff({ ann: [onTwo] }));
    for (const { presence } of [one, two]) {
      const { ann: entry } = await presence.list("room:a");
      expect(entry?.metas).to.have.deep.members([updated, onTwo]);
      expect((await presence.getByKey("room:a", "ann"))?.metas).to.have.length(2);
    }

    await ann.client.close();
    expect(await bob.client.next()).to.deep.equal(diff({}, { ann: [updated] }));
    expect(plain(await two.presence.list("room:a"))).to.deep.equal({ ann: { metas: [{ on: "two" }] } });
    expect(await bob.client.settle()).to.deep.equal([]);
  });

  it("the changes of a turn are one message, and one diff on either", async () => {
    const { start } = cluster();
    const [one, two] = [await start(), await start()];
    const ann = await one.enter();
    const bob = await two.enter();
    const before = one.adapter.published.length;
    for (const key of ["a", "b", "c"]) await one.presence.track(ann.channel, key, {});
    await one.presence.untrack(ann.channel, "b");
    for (const { client } of [ann, bob]) {
      expect(plain((await client.next())[4])).to.deep.equal({
        joins: { a: { metas: [{}] }, c: { metas: [{}] } },
        leaves: {},
      });
    }
    expect(one.adapter.published).to.have.length(before + 1);
    expect(two.adapter.published.filter(({ event }) => event !== "presence")).to.deep.equal([]);
  });

  it("one that starts learns what is there, however much", async () => {
    const { start } = cluster();
    const one = await start();
    const { channel } = await one.enter();
    for (let i = 0; i < 1_234; i++) await one.presence.track(channel, `user ${i}`, { i });
    await turn();
    const two = await start();
    expect(await two.presence.list("room:a")).to.deep.equal(await one.presence.list("room:a"));
    const late = await two.enter();
    await one.presence.untrack(channel, "user 0");
    expect(plain((await late.client.next())[4])).to.deep.equal({
      joins: {},
      leaves: { "user 0": { metas: [{ i: 0 }] } },
    });
  });

  it("one that closes says goodbye: its entries leave at once, and it leaves nothing behind", async () => {
    const { start, clock } = cluster();
    const [one, two] = [await start(), await start()];
    const watcher = await two.enter();
    const ann = await one.enter();
    await one.presence.track(ann.channel, "ann", {});
    const joined = await watcher.client.next();
    await one.endpoint.close();
    expect((await watcher.client.next())[4]).to.deep.equal({ joins: {}, leaves: joined[4].joins });
    expect(await two.presence.list("room:a")).to.deep.equal({});
    expect([...one.adapter.keys]).to.deep.equal([]);
    expect(one.adapter.published.at(-1)?.payload).to.include('"goodbye"');
    const heartbeats = one.adapter.published.length;
    clock.advance(DOWN_PERIOD);
    expect(one.adapter.published).to.have.length(heartbeats);
    expect(await watcher.client.settle()).to.deep.equal([]);
  });

  it("one that dies without a word: its entries leave after the down period, and not before", async () => {
    const { start, clock } = cluster();
    const [one, two] = [await start(), await start()];
    const watcher = await two.enter();
    const ann = await one.enter();
    await one.presence.track(ann.channel, "ann", {});
    const joined = await watcher.client.next();
    one.cutOff();
    clock.advance(DOWN_PERIOD - HEARTBEAT);
    expect(await watcher.client.settle()).to.deep.equal([]);
    expect(Object.keys(await two.presence.list("room:a"))).to.deep.equal(["ann"]);
    clock.advance(HEARTBEAT);
    expect((await watcher.client.next())[4]).to.deep.equal({ joins: {}, leaves: joined[4].joins });
    expect(await two.presence.list("room:a")).to.deep.equal({});
  });

  it("that lose each other for a while: nobody leaves, and what was missed comes in one diff", async () => {
    const { start, clock } = cluster();
    const [one, two] = [await start(), await start()];
    const watcher = await two.enter();
    const { channel } = await one.enter();
    for (const key of ["stays", "goes"]) await one.presence.track(channel, key, {});
    await watcher.client.next();
    one.cutOff();
    await one.presence.untrack(channel, "goes");
    await one.presence.track(channel, "comes", {});
    await turn();
    clock.advance(DOWN_PERIOD - HEARTBEAT);
    expect(await watcher.client.settle()).to.deep.equal([]);
    one.reconnect();
    clock.advance(HEARTBEAT);
    expect(plain((await watcher.client.next())[4])).to.deep.equal({
      joins: { comes: { metas: [{}] } },
      leaves: { goes: { metas: [{}] } },
    });
    expect(await watcher.client.settle()).to.deep.equal([]);
  });

  it("that lose each other for long: each side goes on alone, and both come together again", async () => {
    const { start, clock } = cluster();
    const [one, two] = [await start(), await start()];
    const ann = await one.enter();
    const bob = await two.enter();
    await one.presence.track(ann.channel, "ann", {});
    await two.presence.track(bob.channel, "bob", {});
    await turn();
    one.cutOff();
    clock.advance(DOWN_PERIOD);
    expect(Object.keys(await one.presence.list("room:a"))).to.deep.equal(["ann"]);
    expect(Object.keys(await two.presence.list("room:a"))).to.deep.equal(["bob"]);
    one.reconnect();
    clock.advance(HEARTBEAT);
    for (const { presence } of [one, two]) {
      expect(Object.keys(await presence.list("room:a")).sort()).to.deep.equal(["ann", "bob"]);
    }
    const told = (await bob.client.settle()).map(({ 4: { joins, leaves } }) => [
      Object.keys(joins),
      Object.keys(leaves),
    ]);
    expect(told.flat(2).filter((key) => key === "ann")).to.have.length(3);
    expect(told.at(-1)).to.deep.equal([["ann"], []]);
  });

  it("an entry that leaves with its node and is back in the same turn is told to nobody", async () => {
    const { start, clock } = cluster();
    const [one, two] = [await start(), await start()];
    const watcher = await two.enter();
    const { channel } = await one.enter();
    await one.presence.track(channel, "ann", {});
    await watcher.client.next();
    one.cutOff();
    clock.advance(DOWN_PERIOD);
    one.reconnect();
    clock.advance(HEARTBEAT);
    expect(await watcher.client.settle()).to.deep.equal([]);
    expect(Object.keys(await two.presence.list("room:a"))).to.deep.equal(["ann"]);
  });

  it("each decorates and reacts for itself", async () => {
    class Both extends Presence {
      readonly reactions: Diff[] = [];
      node = "";
      override fetch(_topic: string, entries: Entries) {
        return Object.fromEntries(
          Object.entries(entries).map(([key, { metas }]) => [key, { metas, by: this.node }]),
        );
      }
      override handleMetas(_topic: string, diff: Diff) {
        this.reactions.push(diff);
      }
    }
    const { start } = cluster(Both);
    const [one, two] = [await start(), await start()];
    one.presence.node = "one";
    two.presence.node = "two";
    const ann = await one.enter();
    const bob = await two.enter();
    await one.presence.track(ann.channel, "ann", {});
    expect((await ann.client.next())[4].joins.ann.by).to.equal("one");
    expect((await bob.client.next())[4].joins.ann.by).to.equal("two");
    await turn();
    for (const { presence } of [one, two]) {
      expect(presence.reactions.map(({ joins }) => joins.ann?.by)).to.deep.equal([presence.node]);
    }
  });

  it("of different names know nothing of each other", async () => {
    const { start } = cluster();
    const [one, two, also] = [await start("one"), await start("two"), await start("one")];
    const { channel } = await one.enter();
    await one.presence.track(channel, "ann", {});
    await turn();
    expect(await two.presence.list("room:a")).to.deep.equal({});
    expect(Object.keys(await also.presence.list("room:a"))).to.deep.equal(["ann"]);
  });
});

describe("presence: on one node", () => {
  it("without a pubsub adapter sets no timer", async () => {
    const clock = new ManualClock();
    const endpoint = new Endpoint({ clock });
    new Presence(endpoint);
    expect(clock.pending).to.equal(0);
    await endpoint.close();
  });
});

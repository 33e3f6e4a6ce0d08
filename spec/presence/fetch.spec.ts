import { expect } from "chai";
import { type Entries, Presence } from "../../lib/presence/index.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { diff, plain, servePresence } from "./served.ts";

/** Entries with each key's name in capitals, as if from a database. */
function named(entries: Entries): Entries {
  return Object.fromEntries(
    Object.entries(entries).map(([key, { metas }]) => [key, { metas, name: key.toUpperCase() }]),
  );
}

/** A presence whose fetch a spec can replace; it keeps what it was called with. */
class Fetching extends Presence {
  readonly calls: { topic: string; entries: Entries }[] = [];
  answer: (entries: Entries, topic: string) => unknown = named;

  override fetch(topic: string, entries: Entries) {
    this.calls.push({ topic, entries });
    return this.answer(entries, topic) as Entries;
  }
}

/** A presence whose fetch waits, for each call, until a spec opens its gate. */
class Slow extends Presence {
  readonly asked = new Journal<{ keys: string[]; gate: Gate }>();

  override async fetch(_topic: string, entries: Entries) {
    const gate = new Gate();
    this.asked.add({ keys: Object.keys(entries), gate });
    await gate.promise;
    return named(entries);
  }
}

/** Opens the gate of the n-th call, once that has come. */
async function answer(presence: Slow, n: number): Promise<string[]> {
  const { keys, gate } = (await presence.asked.reaches(n))[n - 1] as { keys: string[]; gate: Gate };
  gate.open();
  return keys;
}

describe("presence: fetch", () => {
  for (const [how, answer] of [
    ["synchronous", named],
    ["asynchronous", async (entries: Entries) => named(entries)],
  ] as const) {
    it(`(${how}) decorates diffs, lists and single entries`, async () => {
      const { presence, enter } = await servePresence({ presence: Fetching });
      presence.answer = answer;
      const { client, channel } = await enter();
      const ref = await presence.track(channel, "ann", { n: 1 });
      const ann = { metas: [{ n: 1, phx_ref: ref }], name: "ANN" };
      expect((await client.next())[4]).to.deep.equal({ joins: { ann }, leaves: {} });
      expect(await presence.list("room:a")).to.deep.equal({ ann });
      expect(await presence.getByKey("room:a", "ann")).to.deep.equal(ann);
      await presence.untrack(channel);
      expect((await client.next())[4]).to.deep.equal({ joins: {}, leaves: { ann } });
    });
  }

  it("is called once for a diff, with the keys of both sides, and once for a list", async () => {
    const { presence, enter } = await servePresence({ presence: Fetching });
    const { client, channel } = await enter();
    await presence.track(channel, "old", {});
    await client.next();
    presence.calls.length = 0;
    for (const key of ["ann", "bob"]) await presence.track(channel, key, { key });
    await presence.untrack(channel, "old");
    const { joins, leaves } = (await client.next())[4];
    expect([Object.keys(joins), Object.keys(leaves)]).to.deep.equal([["ann", "bob"], ["old"]]);
    expect([joins.bob.name, leaves.old.name]).to.deep.equal(["BOB", "OLD"]);
    expect(presence.calls).to.have.length(1);
    expect(presence.calls[0]?.topic).to.equal("room:a");
    expect(plain(presence.calls[0]?.entries)).to.deep.equal({
      ann: { metas: [{ key: "ann" }] },
      bob: { metas: [{ key: "bob" }] },
      old: { metas: [{}] },
    });
    await Promise.all([presence.list("room:a"), presence.list("room:a"), presence.list("room:a")]);
    expect(presence.calls).to.have.length(2);
    expect(Object.keys(presence.calls[1]?.entries ?? {})).to.deep.equal(["ann", "bob"]);
    await presence.getByKey("room:a", "bob");
    expect(Object.keys(presence.calls[2]?.entries ?? {})).to.deep.equal(["bob"]);
    await presence.update(channel, "ann", {});
    const { joins: updated } = (await client.next())[4];
    expect(updated.ann.name).to.equal("ANN");
    expect(Object.keys(presence.calls[3]?.entries ?? {})).to.deep.equal(["ann"]);
  });

  it("is not called for nothing: neither for what is empty, nor where nobody listens", async () => {
    const { presence, enter } = await servePresence({ presence: Fetching });
    const { client, channel } = await enter();
    expect(await presence.list("room:a")).to.deep.equal({});
    expect(await presence.getByKey("room:a", "ann")).to.equal(undefined);
    await presence.track(channel, "room:b", "ann", {});
    await presence.track(channel, "ann", {});
    await presence.untrack(channel, "ann");
    await client.settle();
    expect(presence.calls).to.deep.equal([]);
  });

  it("that is assigned, not overridden, is called as well", async () => {
    const { presence, enter } = await servePresence();
    presence.fetch = (_topic, entries) => named(entries);
    const { client, channel } = await enter();
    await presence.track(channel, "ann", {});
    expect((await client.next())[4].joins.ann.name).to.equal("ANN");
  });

  it("adds to the keys that are there, and neither changes metas nor makes up keys", async () => {
    const { presence, enter, errors } = await servePresence({ presence: Fetching });
    presence.answer = () => ({
      ann: { metas: [{ forged: true }], name: "Ann", extra: [1, { a: null }] },
      bob: undefined,
      ghost: { metas: [{}] },
    });
    const { client, channel } = await enter();
    for (const key of ["ann", "bob", "eve", "constructor"]) await presence.track(channel, key, {});
    const expected = {
      ann: { metas: [{}], name: "Ann", extra: [1, { a: null }] },
      bob: { metas: [{}] },
      eve: { metas: [{}] },
      constructor: { metas: [{}] },
    };
    const { joins } = (await client.next())[4];
    expect(plain(joins)).to.deep.equal(expected);
    expect(plain(await presence.list("room:a"))).to.deep.equal(expected);
    await presence.untrack(channel);
    expect(plain((await client.next())[4].leaves)).to.deep.equal(expected);
    expect(errors()).to.deep.equal([]);
  });

  it("decorates any key", async () => {
    const { presence, enter } = await servePresence({ presence: Fetching });
    const { client, channel } = await enter();
    const ref = await presence.track(channel, "__proto__", {});
    const entry = `{"__proto__":{"metas":[{"phx_ref":"${ref}"}],"name":"__PROTO__"}}`;
    presence.answer = (entries) => {
      const result = named(entries);
      expect(Object.keys(result)).to.deep.equal(["__proto__"]);
      return result;
    };
    expect(JSON.stringify((await client.next())[4].joins)).to.equal(entry);
    expect(JSON.stringify(await presence.list("room:a"))).to.equal(entry);
  });

  it("may return the same object again, frozen or not", async () => {
    const { presence, enter, errors } = await servePresence({ presence: Fetching });
    const { client, channel } = await enter();
    await presence.track(channel, "ann", {});
    await client.next();
    for (const cached of [{ ann: { metas: [], n: 1 } }, Object.freeze({ ann: { metas: [], n: 1 } })]) {
      presence.answer = () => cached;
      for (let i = 0; i < 2; i++) {
        expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{}], n: 1 } });
      }
    }
    presence.answer = (entries) => entries;
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{}] } });
    expect(errors()).to.deep.equal([]);
  });

  it("that decorates a list for many has it encoded once", async () => {
    const { presence, enter } = await servePresence({ presence: Fetching });
    const clients = [await enter(), await enter(), await enter()];
    for (const { channel } of clients) await presence.track(channel, "ann", {});
    for (const { client } of clients) await client.next();
    let encoded = 0;
    const user = { toJSON: () => ({ n: ++encoded }) };
    presence.answer = () => ({ ann: { user } });
    await Promise.all(
      clients.map(async ({ channel }) => channel.push("presence_state", await presence.list("room:a"))),
    );
    for (const { client } of clients) expect((await client.next())[4].ann.user).to.deep.equal({ n: 1 });
    await presence.untrack(clients[0]?.channel as never);
    for (const { client } of clients) {
      expect((await client.next())[4].leaves.ann.user).to.deep.equal({ n: 2 });
    }
  });

  describe("that fails", () => {
    const thrown = new Error("no database");
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    const failures: [how: string, answer: (entries: Entries) => unknown, logged: string][] = [
      [
        "throws",
        () => {
          throw thrown;
        },
        "no database",
      ],
      ["rejects", () => Promise.reject(thrown), "no database"],
      ["returns nothing", () => undefined, "Presence.fetch returned undefined; expected the entries by key"],
      ["returns null", async () => null, "returned null"],
      ["returns a text", () => "ann", 'returned "ann"'],
      ["returns a list", () => [], "returned an array of 0"],
      ["returns a Map", () => new Map([["ann", { name: "Ann" }]]), "returned an instance of Map"],
      [
        "returns a text for a key",
        () => ({ ann: "Ann" }),
        'returned "Ann"; expected an object for the key "ann"',
      ],
      [
        "returns null for a key",
        () => ({ ann: null }),
        'returned null; expected an object for the key "ann"',
      ],
      ["adds what JSON can't express", () => ({ ann: { n: 1n } }), "BigInt"],
      ["adds a function", () => ({ ann: { f() {} } }), "ann.f is function f"],
      ["adds a circle", () => ({ ann: { loop } }), "circular"],
      [
        "changes an entry that it was given",
        (entries) => Object.assign(entries.ann as object, { name: "Ann" }),
        "not extensible",
      ],
      ["changes what it was given", (entries) => Object.assign(entries, { bob: {} }), "not extensible"],
    ];
    for (const [how, answer, logged] of failures) {
      it(`and ${how}: it is logged, and the entries go out undecorated`, async () => {
        const { presence, enter, errors } = await servePresence({ presence: Fetching });
        presence.answer = answer;
        const { client, channel } = await enter();
        const ref = await presence.track(channel, "ann", {});
        const entry = { metas: [{ phx_ref: ref }] };
        expect(await client.next()).to.deep.equal(diff({ ann: entry.metas }));
        expect(await presence.list("room:a")).to.deep.equal({ ann: entry });
        expect(await presence.getByKey("room:a", "ann")).to.deep.equal(entry);
        expect(errors()).to.have.length(3);
        for (const { message, error } of errors()) {
          expect(message).to.equal("Presence.fetch crashed: the entries go out undecorated");
          expect((error as Error).message).to.include(logged);
        }
        presence.answer = named;
        await presence.untrack(channel);
        expect((await client.next())[4].leaves.ann.name).to.equal("ANN");
      });
    }
  });

  describe("that is slow", () => {
    it("holds back a topic's diffs, which stay in order, and what changes meanwhile is one diff", async () => {
      const { presence, enter } = await servePresence({ presence: Slow });
      const { client, channel } = await enter();
      await presence.track(channel, "ann", {});
      await presence.asked.reaches(1);
      await presence.track(channel, "bob", { n: 1 });
      await turn();
      await presence.update(channel, "bob", { n: 2 });
      await presence.track(channel, "eve", {});
      await turn();
      await presence.untrack(channel, "ann");
      await presence.untrack(channel, "eve");
      await turn();
      expect(presence.asked.entries).to.have.length(1);
      expect(await client.settle()).to.deep.equal([]);
      expect(await answer(presence, 1)).to.deep.equal(["ann"]);
      expect(plain((await client.next())[4])).to.deep.equal({
        joins: { ann: { metas: [{}], name: "ANN" } },
        leaves: {},
      });
      expect((await answer(presence, 2)).sort()).to.deep.equal(["ann", "bob"]);
      expect(plain((await client.next())[4])).to.deep.equal({
        joins: { bob: { metas: [{ n: 2 }], name: "BOB" } },
        leaves: { ann: { metas: [{}], name: "ANN" } },
      });
      expect(await client.settle()).to.deep.equal([]);
      expect(presence.asked.entries).to.have.length(2);
    });

    it("holds back no other topic, no list, and not what is there", async () => {
      const { presence, enter } = await servePresence({ presence: Slow });
      const { client, channel } = await enter();
      const other = await enter("room:b");
      await presence.track(channel, "ann", {});
      await presence.asked.reaches(1);
      await presence.track(other.channel, "bob", {});
      await answer(presence, 2);
      expect(Object.keys((await other.client.next())[4].joins)).to.deep.equal(["bob"]);
      const list = presence.list("room:a");
      await answer(presence, 3);
      expect(Object.keys(await list)).to.deep.equal(["ann"]);
      expect(await client.settle()).to.deep.equal([]);
      await answer(presence, 1);
      expect(Object.keys((await client.next())[4].joins)).to.deep.equal(["ann"]);
    });

    it("leaves no ghost at a client that joins while a diff is under way", async () => {
      const { presence, enter } = await servePresence({ presence: Slow });
      const { client, channel } = await enter();
      const elsewhere = await enter("room:b");
      await presence.track(elsewhere.channel, "room:a", "ann", {});
      await presence.asked.reaches(1);
      // Nobody is there to hear that she goes, and the diff with her join is still to come.
      await client.close();
      await presence.untrack(channel);
      await presence.untrack(elsewhere.channel, "room:a", "ann");
      await turn();
      const late = await enter();
      expect(await presence.list("room:a")).to.deep.equal({});
      await answer(presence, 1);
      expect(Object.keys((await late.client.next())[4].joins)).to.deep.equal(["ann"]);
      await answer(presence, 2);
      expect(Object.keys((await late.client.next())[4].leaves)).to.deep.equal(["ann"]);
    });

    it("and fails holds back nothing for good", async () => {
      const { presence, enter, errors } = await servePresence({ presence: Slow });
      const { client, channel } = await enter();
      await presence.track(channel, "ann", {});
      const [first] = await presence.asked.reaches(1);
      await presence.track(channel, "bob", {});
      first?.gate.fail(new Error("no database"));
      expect(plain((await client.next())[4].joins)).to.deep.equal({ ann: { metas: [{}] } });
      await answer(presence, 2);
      expect(plain((await client.next())[4].joins)).to.deep.equal({ bob: { metas: [{}], name: "BOB" } });
      expect(errors()).to.have.length(1);
    });
  });
});

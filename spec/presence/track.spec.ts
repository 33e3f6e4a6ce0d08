import { expect } from "chai";
import { ok } from "../../lib/index.ts";
import { diff, plain, rejection, servePresence } from "./served.ts";

describe("presence: track", () => {
  it("adds a meta with a phx_ref, which it returns; clients get a diff, list and getByKey have it", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const ref = await presence.track(channel, "ann", { device: "phone", at: [1, { x: null }] });
    const meta = { device: "phone", at: [1, { x: null }], phx_ref: ref };
    expect(ref).to.be.a("string").with.length.above(8);
    expect(await client.next()).to.deep.equal(diff({ ann: [meta] }));
    expect(await presence.list("room:a")).to.deep.equal({ ann: { metas: [meta] } });
    expect(await presence.getByKey("room:a", "ann")).to.deep.equal({ metas: [meta] });
    expect(await presence.list("room:b")).to.deep.equal({});
    expect(await presence.getByKey("room:a", "bob")).to.equal(undefined);
    expect(await presence.getByKey("room:b", "ann")).to.equal(undefined);
  });

  it("takes the meta as it is then, whatever becomes of the object", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const meta = { list: [1], phx_ref: "mine", phx_ref_prev: "mine too", when: new Date(0) };
    const ref = await presence.track(channel, "ann", meta);
    meta.list.push(2);
    const seen = { list: [1], when: "1970-01-01T00:00:00.000Z", phx_ref: ref };
    expect(await client.next()).to.deep.equal(diff({ ann: [seen] }));
    expect(await presence.getByKey("room:a", "ann")).to.deep.equal({ metas: [seen] });
  });

  it("takes any JSON for a meta", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const text = '{"__proto__":{"x":1},"constructor":null,"toString":"a","ü":[[],{"":0.5}]';
    const ref = await presence.track(channel, "ann", JSON.parse(`${text}}`));
    const [, , , , { joins }] = await client.next();
    expect(JSON.stringify(joins.ann.metas[0])).to.equal(`${text},"phx_ref":"${ref}"}`);
    const next = await presence.update(channel, "ann", (meta) => meta);
    const entry = await presence.getByKey("room:a", "ann");
    expect(JSON.stringify(entry?.metas[0])).to.equal(`${text},"phx_ref":"${next}","phx_ref_prev":"${ref}"}`);
  });

  it("gives out nothing that can be changed", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    await presence.track(channel, "ann", { list: [{ n: 1 }] });
    const entries = (await presence.list("room:a")) as Record<string, { metas: { list: { n: number }[] }[] }>;
    expect(() => delete entries.ann).to.throw(TypeError);
    expect(() => entries.ann?.metas.pop()).to.throw(TypeError);
    expect(() => entries.ann?.metas[0]?.list.pop()).to.throw(TypeError);
    expect(() => Object.assign(entries.ann?.metas[0]?.list[0] ?? {}, { n: 2 })).to.throw(TypeError);
  });

  it("keeps several metas under one key, of several channels", async () => {
    const { presence, enter } = await servePresence();
    const phone = await enter();
    const laptop = await enter();
    const first = await presence.track(phone.channel, "ann", { on: "phone" });
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{ on: "phone" }] } });
    const second = await presence.track(laptop.channel, "ann", { on: "laptop" });
    expect(first).not.to.equal(second);
    const [onPhone, onLaptop] = [
      { on: "phone", phx_ref: first },
      { on: "laptop", phx_ref: second },
    ];
    expect(await presence.list("room:a")).to.deep.equal({ ann: { metas: [onPhone, onLaptop] } });
    await phone.client.take(2);
    await presence.untrack(phone.channel, "ann");
    expect(await phone.client.next()).to.deep.equal(diff({}, { ann: [onPhone] }));
    expect(await presence.list("room:a")).to.deep.equal({ ann: { metas: [onLaptop] } });
  });

  it("keeps several keys of one channel, on its own topic and others", async () => {
    const { presence, enter } = await servePresence();
    const ann = await enter();
    const other = await enter("room:b");
    await presence.track(ann.channel, "ann", {});
    await presence.track(ann.channel, "guest", { of: "ann" });
    const ref = await presence.track(ann.channel, "room:b", "ann", { visiting: true });
    await presence.track(ann.channel, "nobody is there", "ann", {});
    expect(plain(await presence.list("room:a"))).to.deep.equal({
      ann: { metas: [{}] },
      guest: { metas: [{ of: "ann" }] },
    });
    expect(await other.client.next()).to.deep.equal(
      diff({ ann: [{ visiting: true, phx_ref: ref }] }, {}, "room:b"),
    );
    expect(plain(await presence.list("nobody is there"))).to.deep.equal({ ann: { metas: [{}] } });
  });

  it("takes any string for a key and a topic", async () => {
    const { presence, enter } = await servePresence();
    for (const name of ["__proto__", "constructor", "toString", "", "ü \u2028", "1", "phx_ref"]) {
      const { client, channel } = await enter(name);
      const ref = await presence.track(channel, name, { name });
      // In text: an object literal has no key "__proto__".
      const entry = `{${JSON.stringify(name)}:{"metas":[{"name":${JSON.stringify(name)},"phx_ref":"${ref}"}]}}`;
      expect(JSON.stringify((await client.next())[4])).to.equal(`{"joins":${entry},"leaves":{}}`);
      expect(JSON.stringify(await presence.list(name))).to.equal(entry);
      expect(await presence.getByKey(name, name)).to.deep.equal({ metas: [{ name, phx_ref: ref }] });
      for (const other of ["hasOwnProperty", "valueOf"]) {
        expect(await presence.getByKey(name, other)).to.equal(undefined);
      }
      const next = await presence.update(channel, name, (meta) => ({ ...meta, again: true }));
      expect((await client.next())[4].leaves).to.deep.equal(JSON.parse(entry));
      expect(await presence.getByKey(name, name)).to.deep.equal({
        metas: [{ name, again: true, phx_ref: next, phx_ref_prev: ref }],
      });
      await client.close();
      await presence.untrack(channel, name);
      expect(await presence.list(name)).to.deep.equal({});
    }
  });

  it("refuses a key that the channel tracks already, and not if it doesn't any more", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    await presence.track(channel, "ann", { n: 1 });
    const error = await rejection(() => presence.track(channel, "ann", { n: 2 }));
    expect(error).to.include({ name: "StateError", code: "already_tracked" });
    expect(error.message).to.equal(
      'track: the channel tracks "ann" on "room:a" already; use update to change its meta',
    );
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{ n: 1 }] } });
    await presence.track(channel, "room:b", "ann", {});
    await presence.untrack(channel, "ann");
    expect(await presence.track(channel, "ann", { n: 3 })).to.be.a("string");
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{ n: 3 }] } });
  });

  it("works in join; the client gets its own diff if it has joined by the end of the turn", async () => {
    const { presence, behaviour, enter } = await servePresence();
    behaviour.join = async (channel) => {
      await presence.track(channel, "ann", {});
      return ok();
    };
    const { client } = await enter();
    expect(Object.keys((await client.next())[4].joins)).to.deep.equal(["ann"]);
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{}] } });
  });
});

describe("presence: untrack", () => {
  it("of a key ends that one, of a topic's too; without one, all on the own topic", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    for (const key of ["a", "b", "c"]) await presence.track(channel, key, {});
    await presence.track(channel, "room:b", "a", {});
    await client.next();
    await presence.untrack(channel, "a");
    expect(Object.keys((await client.next())[4].leaves)).to.deep.equal(["a"]);
    expect(Object.keys(await presence.list("room:b"))).to.deep.equal(["a"]);
    await presence.untrack(channel);
    expect(Object.keys((await client.next())[4].leaves)).to.deep.equal(["b", "c"]);
    expect(Object.keys(await presence.list("room:b"))).to.deep.equal(["a"]);
    await presence.untrack(channel, "room:b", "a");
    expect(await presence.list("room:b")).to.deep.equal({});
  });

  it("of what isn't tracked does nothing, also of another channel's key", async () => {
    const { presence, enter } = await servePresence();
    const ann = await enter();
    const bob = await enter();
    await presence.track(ann.channel, "ann", {});
    await bob.client.next();
    await presence.untrack(bob.channel, "ann");
    await presence.untrack(bob.channel);
    await presence.untrack(ann.channel, "room:b", "ann");
    await presence.untrack(ann.channel, "Ann");
    expect(await bob.client.settle()).to.deep.equal([]);
    expect(Object.keys(await presence.list("room:a"))).to.deep.equal(["ann"]);
    await presence.untrack(ann.channel, "ann");
    await presence.untrack(ann.channel, "ann");
    expect(Object.keys((await bob.client.next())[4].leaves)).to.deep.equal(["ann"]);
    expect(await bob.client.settle()).to.deep.equal([]);
  });
});

describe("presence: update", () => {
  it("changes a meta: one diff in which the old one leaves and the new one joins", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const first = await presence.track(channel, "ann", { typing: false });
    await client.next();
    const second = await presence.update(channel, "ann", { typing: true });
    const [old, changed] = [
      { typing: false, phx_ref: first },
      { typing: true, phx_ref: second, phx_ref_prev: first },
    ];
    expect(await client.next()).to.deep.equal(diff({ ann: [changed] }, { ann: [old] }));
    const third = await presence.update(channel, "room:a", "ann", {});
    expect(await client.next()).to.deep.equal(
      diff({ ann: [{ phx_ref: third, phx_ref_prev: second }] }, { ann: [changed] }),
    );
    expect(await presence.getByKey("room:a", "ann")).to.deep.equal({
      metas: [{ phx_ref: third, phx_ref_prev: second }],
    });
  });

  it("by a function gets the old meta, which it can't change", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const ref = await presence.track(channel, "ann", { n: 1, list: [] });
    await client.next();
    let given: unknown;
    const next = await presence.update(channel, "ann", (meta) => {
      given = meta;
      expect(() => Object.assign(meta, { n: 7 })).to.throw(TypeError);
      return { ...meta, n: 2 };
    });
    expect(given).to.deep.equal({ n: 1, list: [], phx_ref: ref });
    const changed = { n: 2, list: [], phx_ref: next, phx_ref_prev: ref };
    expect((await client.next())[4].joins).to.deep.equal({ ann: { metas: [changed] } });
  });

  it("changes one channel's meta, not those of others under the key", async () => {
    const { presence, enter } = await servePresence();
    const phone = await enter();
    const laptop = await enter();
    await presence.track(phone.channel, "ann", { on: "phone" });
    await presence.track(laptop.channel, "ann", { on: "laptop" });
    await presence.track(phone.channel, "room:b", "ann", { on: "phone" });
    await presence.update(phone.channel, "ann", { on: "phone", away: true });
    expect(plain(await presence.getByKey("room:a", "ann"))).to.deep.equal({
      metas: [{ on: "laptop" }, { on: "phone", away: true }],
    });
    await presence.update(phone.channel, "room:b", "ann", (meta) => ({ ...meta, visiting: true }));
    expect(plain(await presence.getByKey("room:b", "ann"))).to.deep.equal({
      metas: [{ on: "phone", visiting: true }],
    });
  });

  it("of what the channel doesn't track is refused", async () => {
    const { presence, enter } = await servePresence();
    const ann = await enter();
    const bob = await enter();
    await presence.track(ann.channel, "ann", {});
    for (const call of [
      () => presence.update(bob.channel, "ann", {}),
      () => presence.update(ann.channel, "bob", {}),
      () => presence.update(ann.channel, "room:b", "ann", {}),
    ]) {
      expect(await rejection(call)).to.include({ name: "StateError", code: "not_tracked" });
    }
    expect((await rejection(() => presence.update(ann.channel, "room:b", "ann", {}))).message).to.equal(
      'update: the channel doesn\'t track "ann" on "room:b"; call track first',
    );
  });

  it("by a function that throws, or returns no meta, changes nothing", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    await presence.track(channel, "ann", { n: 1 });
    await client.next();
    const thrown = new Error("no");
    const throws = () => {
      throw thrown;
    };
    expect(await rejection(() => presence.update(channel, "ann", throws))).to.equal(thrown);
    const returns = (value: unknown) => () => value as object;
    for (const value of [undefined, null, 7, "x", new Uint8Array(1), [], Promise.resolve({}), { n: 1n }]) {
      const { code } = await rejection(() => presence.update(channel, "ann", returns(value)));
      expect(code).to.be.oneOf(["invalid_argument", "invalid_payload"]);
    }
    expect(await client.settle()).to.deep.equal([]);
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{ n: 1 }] } });
  });

  it("by a function that untracks the key, or ends the channel, tracks nothing", async () => {
    const { presence, enter } = await servePresence();
    const ann = await enter();
    const bob = await enter("room:a", "bob");
    await presence.track(ann.channel, "ann", {});
    const untracks = () => {
      void presence.untrack(ann.channel, "ann");
      return {};
    };
    expect(await presence.update(ann.channel, "ann", untracks)).to.equal(null);
    await presence.track(bob.channel, "bob", {});
    const ends = () => {
      bob.channel.socket.disconnect();
      return {};
    };
    expect(await presence.update(bob.channel, "bob", ends)).to.equal(null);
    expect(await presence.list("room:a")).to.deep.equal({});
  });
});

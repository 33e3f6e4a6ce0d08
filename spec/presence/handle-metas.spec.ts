import { expect } from "chai";
import { type Diff, type Entries, Presence } from "../../lib/presence/index.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { plain, servePresence } from "./served.ts";
import { work } from "./work.ts";

interface Call {
  readonly topic: string;
  readonly diff: Diff;
  /** A copy, as it was then. */
  readonly presences: unknown;
}

/** A presence that keeps what handleMetas was called with, and does then what a spec wants. */
class Reacting extends Presence {
  readonly calls = new Journal<Call>();
  react: (call: Call, presences: Entries) => unknown = () => {};

  override handleMetas(topic: string, diff: Diff, presences: Entries) {
    const call = { topic, diff, presences: plain(presences) };
    this.calls.add(call);
    return this.react(call, presences) as ReturnType<Presence["handleMetas"]>;
  }
}

describe("presence: handleMetas", () => {
  it("gets each diff, and what is present after it", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const phone = await enter();
    const laptop = await enter();
    await presence.track(phone.channel, "ann", { on: "phone" });
    await presence.calls.reaches(1);
    await presence.track(laptop.channel, "ann", { on: "laptop" });
    await presence.track(laptop.channel, "bob", {});
    await presence.calls.reaches(2);
    await presence.update(phone.channel, "ann", { on: "phone", away: true });
    await presence.calls.reaches(3);
    await presence.untrack(laptop.channel);
    await presence.calls.reaches(4);
    await presence.untrack(phone.channel);
    const calls = await presence.calls.reaches(5);
    const [onPhone, onLaptop, away] = [{ on: "phone" }, { on: "laptop" }, { on: "phone", away: true }];
    expect(calls.map(({ topic, diff }) => [topic, plain(diff.joins), plain(diff.leaves)])).to.deep.equal([
      ["room:a", { ann: { metas: [onPhone] } }, {}],
      ["room:a", { ann: { metas: [onLaptop] }, bob: { metas: [{}] } }, {}],
      ["room:a", { ann: { metas: [away] } }, { ann: { metas: [onPhone] } }],
      ["room:a", {}, { ann: { metas: [onLaptop] }, bob: { metas: [{}] } }],
      ["room:a", {}, { ann: { metas: [away] } }],
    ]);
    expect(calls.map(({ presences }) => presences)).to.deep.equal([
      { ann: { metas: [onPhone] } },
      { ann: { metas: [onPhone, onLaptop] }, bob: { metas: [{}] } },
      { ann: { metas: [onLaptop, away] }, bob: { metas: [{}] } },
      { ann: { metas: [away] } },
      {},
    ]);
  });

  it("is called for topics where nobody listens, for any key, and for each topic apart", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const { channel } = await enter();
    for (const topic of ["one", "two"]) {
      for (const key of ["__proto__", "constructor"]) await presence.track(channel, topic, key, { topic });
    }
    const calls = await presence.calls.reaches(2);
    expect(calls.map(({ topic }) => topic)).to.deep.equal(["one", "two"]);
    for (const { topic, presences } of calls) {
      const entry = `{"metas":[{"topic":"${topic}"}]}`;
      expect(JSON.stringify(presences)).to.equal(`{"__proto__":${entry},"constructor":${entry}}`);
    }
    for (const key of ["__proto__", "constructor"]) await presence.untrack(channel, "one", key);
    expect((await presence.calls.reaches(3))[2]?.presences).to.deep.equal({});
    await presence.track(channel, "one", "again", {});
    expect((await presence.calls.reaches(4))[3]?.presences).to.deep.equal({ again: { metas: [{}] } });
  });

  it("gets diff and presences with what fetch adds", async () => {
    class Both extends Reacting {
      override async fetch(_topic: string, entries: Entries) {
        return Object.fromEntries(
          Object.entries(entries).map(([key, { metas }]) => [key, { metas, name: key.toUpperCase() }]),
        );
      }
    }
    const { presence, enter } = await servePresence({ presence: Both });
    const { channel } = await enter();
    const other = await enter();
    await presence.track(channel, "ann", {});
    await presence.calls.reaches(1);
    await presence.track(channel, "bob", {});
    const [, second] = await presence.calls.reaches(2);
    expect(plain(second?.diff.joins)).to.deep.equal({ bob: { metas: [{}], name: "BOB" } });
    expect(second?.presences).to.deep.equal({
      ann: { metas: [{}], name: "ANN" },
      bob: { metas: [{}], name: "BOB" },
    });
    await presence.untrack(channel, "ann");
    const [, , third] = await presence.calls.reaches(3);
    expect(third?.presences).to.deep.equal({ bob: { metas: [{}], name: "BOB" } });
    await presence.track(other.channel, "bob", { other: true });
    await presence.calls.reaches(4);
    await presence.untrack(channel);
    const [, , , , last] = await presence.calls.reaches(5);
    expect(last?.presences).to.deep.equal({ bob: { metas: [{ other: true }], name: "BOB" } });
  });

  it("takes one diff of a topic after the other; clients and other topics don't wait", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const { client, channel } = await enter();
    const gates = [new Gate(), new Gate()];
    const log: string[] = [];
    let before: Entries | undefined;
    presence.react = async ({ topic, diff }, presences) => {
      const key = Object.keys(diff.joins)[0];
      log.push(`${key} on ${topic} begins`);
      if (key === "ann") before = presences;
      if (topic === "room:a") await gates[key === "ann" ? 0 : 1]?.promise;
      log.push(`${key} on ${topic} ends, with ${Object.keys(presences)}`);
    };
    await presence.track(channel, "ann", {});
    await client.next();
    await presence.track(channel, "bob", {});
    await client.next();
    await presence.track(channel, "room:b", "eve", {});
    await presence.calls.reaches(2);
    await turn();
    expect(log).to.deep.equal([
      "ann on room:a begins",
      "eve on room:b begins",
      "eve on room:b ends, with eve",
    ]);
    expect(Object.keys(before ?? {})).to.deep.equal(["ann"]);
    gates[0]?.open();
    await presence.calls.reaches(3);
    gates[1]?.open();
    await turn();
    expect(log.slice(3)).to.deep.equal([
      "ann on room:a ends, with ann",
      "bob on room:a begins",
      "bob on room:a ends, with ann,bob",
    ]);
  });

  it("keeps what is present while diffs wait, also when nothing is for a moment", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const { client, channel } = await enter();
    const gates = [new Gate(), new Gate(), new Gate(), new Gate()];
    presence.react = () => gates[presence.calls.entries.length - 1]?.promise;
    await presence.track(channel, "ann", {});
    await client.next();
    await presence.untrack(channel);
    await client.next();
    await presence.track(channel, "bob", {});
    await client.next();
    for (const gate of gates.slice(0, 2)) gate.open();
    await presence.calls.reaches(3);
    await presence.track(channel, "eve", {});
    await client.next();
    await turn();
    gates[2]?.open();
    const calls = await presence.calls.reaches(4);
    expect(calls.map(({ presences }) => Object.keys(presences as object))).to.deep.equal([
      ["ann"],
      [],
      ["bob"],
      ["bob", "eve"],
    ]);
  });

  for (const [how, react] of [
    [
      "throws",
      () => {
        throw new Error("thrown");
      },
    ],
    ["rejects", () => Promise.reject(new Error("thrown"))],
  ] as const) {
    it(`that ${how} is logged, and called for the next diff`, async () => {
      const { presence, enter, errors } = await servePresence({ presence: Reacting });
      const { client, channel } = await enter();
      presence.react = react;
      for (const key of ["ann", "bob"]) {
        await presence.track(channel, key, {});
        await client.next();
      }
      const [, second] = await presence.calls.reaches(2);
      await turn();
      expect(second?.presences).to.deep.equal({ ann: { metas: [{}] }, bob: { metas: [{}] } });
      expect(errors().map(({ message }) => message)).to.deep.equal(
        Array(2).fill("Presence.handleMetas crashed"),
      );
      expect((errors()[0]?.error as Error | undefined)?.message).to.equal("thrown");
    });
  }

  it("may track and list itself", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const { channel } = await enter();
    const listed = new Journal<Entries>();
    presence.react = async ({ diff }) => {
      if ("ann" in diff.joins) await presence.track(channel, "friend of ann", {});
      listed.add(await presence.list("room:a"));
    };
    await presence.track(channel, "ann", {});
    const lists = await listed.reaches(2);
    expect(lists.map((list) => Object.keys(list))).to.deep.equal(Array(2).fill(["ann", "friend of ann"]));
  });

  it("costs as much for a change in a large topic as in a small one", async () => {
    const { presence, enter } = await servePresence({ presence: Reacting });
    const { channel } = await enter();
    const counts: number[] = [];
    presence.handleMetas = (topic) => {
      counts.push(topic.length);
    };
    for (let i = 0; i < 10_000; i++) await presence.track(channel, "large", `user ${i}`, { i });
    await presence.track(channel, "small", "user 0", {});
    const change = async (topic: string) => {
      const before = counts.length;
      await presence.track(channel, topic, "ann", {});
      while (counts.length === before) await turn();
      await presence.update(channel, topic, "ann", {});
      await turn();
      await presence.untrack(channel, topic, "ann");
      while (counts.length < before + 3) await turn();
    };
    for (const topic of ["large", "small"]) await change(topic);
    const inSmall = await work(() => change("small"));
    expect(await work(() => change("large"))).to.be.within(inSmall * 0.5, inSmall * 2);
  });
});

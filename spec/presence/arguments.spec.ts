import { expect } from "chai";
import { type Channel, Endpoint } from "../../lib/index.ts";
import { Presence } from "../../lib/presence/index.ts";
import { plain, rejection, servePresence } from "./served.ts";

describe("presence: arguments", () => {
  it("are refused where they are wrong, by name and value", async () => {
    const { presence, enter } = await servePresence();
    const { channel } = await enter();
    await presence.track(channel, "ann", {});
    const any = (value: unknown) => value as never;
    const noChannel = any({ topic: "room:a" }) as Channel;
    const calls: [call: () => Promise<unknown>, code: string, message: string][] = [];
    for (const method of ["track", "update", "untrack"] as const) {
      calls.push(
        [
          () => presence[method](noChannel, "k", any({})),
          "invalid_argument",
          `${method} needs a channel first, got an object`,
        ],
        [
          () => presence[method](channel, any(7), any({})),
          "invalid_argument",
          method === "untrack"
            ? "untrack needs a topic, a string that doesn't begin with a NUL character, got 7"
            : `${method} needs a key, a string, got 7`,
        ],
      );
    }
    for (const method of ["track", "update"] as const) {
      calls.push(
        [
          () => presence[method](channel, any(undefined), any({})),
          "invalid_argument",
          `${method} needs a key, a string, got undefined`,
        ],
        [
          () => presence[method](channel, "\0x", "k", {}),
          "invalid_argument",
          `${method} needs a topic, a string that doesn't begin with a NUL character, got "\\u0000x"`,
        ],
        [
          () => presence[method](channel, any(null), "k", {}),
          "invalid_argument",
          `${method} needs a topic, a string that doesn't begin with a NUL character, got null`,
        ],
        [
          () => presence[method](channel, "room:a", any(null), {}),
          "invalid_argument",
          `${method} needs a key, a string, got null`,
        ],
        [
          () => presence[method](channel, "ann2", any(undefined)),
          method === "track" ? "invalid_argument" : "not_tracked",
          method === "track" ? "track needs a meta, a plain object, got undefined" : "update: the channel",
        ],
        [
          () => presence[method](channel, method === "track" ? "new" : "ann", any("text")),
          "invalid_argument",
          `${method} needs a meta, a plain object, got "text"`,
        ],
        [
          () => presence[method](channel, method === "track" ? "new" : "ann", new Uint8Array(3)),
          "invalid_argument",
          `${method} needs a meta, a plain object, got an instance of Uint8Array`,
        ],
        [
          () => presence[method](channel, method === "track" ? "new" : "ann", { f() {} }),
          "invalid_payload",
          "payload.f is function f",
        ],
        [
          () => presence[method](channel, method === "track" ? "new" : "ann", [1]),
          "invalid_payload",
          "got an array of 1",
        ],
      );
    }
    calls.push(
      [() => presence.untrack(channel, any(7)), "invalid_argument", "untrack needs a key, a string, got 7"],
      [
        () => presence.untrack(channel, "room:a", any(undefined)),
        "invalid_argument",
        "untrack needs a key, a string, got undefined",
      ],
      [() => presence.list(any(undefined)), "invalid_argument", "list needs a topic, a string"],
      [() => presence.list("\0presence:Presence"), "invalid_argument", "list needs a topic, a string"],
      [() => presence.getByKey(any(1), "k"), "invalid_argument", "getByKey needs a topic, a string"],
      [
        () => presence.getByKey("room:a", any(1)),
        "invalid_argument",
        "getByKey needs a key, a string, got 1",
      ],
    );
    for (const [call, code, message] of calls) {
      const error = await rejection(call);
      expect(error.message).to.include(message);
      expect(error.code, message).to.equal(code);
    }
    expect(plain(await presence.list("room:a"))).to.deep.equal({ ann: { metas: [{}] } });
  });

  it("a meta may be nested 100 levels deep, and no deeper", async () => {
    const { presence, enter } = await servePresence();
    const { client, channel } = await enter();
    const nested = (levels: number): object => (levels === 1 ? {} : { in: nested(levels - 1) });
    expect(await presence.track(channel, "deep", nested(100))).to.be.a("string");
    expect((await client.next())[4].joins.deep.metas).to.have.length(1);
    const error = await rejection(() => presence.track(channel, "deeper", nested(101)));
    expect(error).to.include({ name: "PayloadError", code: "invalid_payload" });
    expect(error.message).to.include("deeper than 100 levels");
  });
});

describe("presence: options", () => {
  it("are refused where they are wrong", () => {
    const wrong: [options: object, code: string, message: string][] = [
      [{ name: "" }, "invalid_option", 'new Presence: name must be a name, got ""'],
      [{ name: 7 }, "invalid_option", "new Presence: name must be a name, got 7"],
      [{ heartbeatMs: 0 }, "invalid_option", "new Presence: heartbeatMs must be a number of milliseconds"],
      [
        { downPeriodMs: 1.5 },
        "invalid_option",
        "new Presence: downPeriodMs must be a number of milliseconds",
      ],
      [
        { heartbeatMs: 20_000 },
        "invalid_option",
        "downPeriodMs (30000) must be at least twice heartbeatMs (20000)",
      ],
      [
        { heartbeatMs: 1_000, downPeriodMs: 1_999 },
        "invalid_option",
        "downPeriodMs (1999) must be at least twice heartbeatMs (1000)",
      ],
      [{ pubsub: null }, "unknown_option", 'new Presence has no option "pubsub"'],
      [[], "invalid_option", "new Presence takes an object of options, got an array of 0"],
    ];
    for (const [options, code, message] of wrong) {
      const make = () => new Presence(new Endpoint(), options);
      expect(make, message).to.throw(message).with.property("code", code);
    }
    for (const options of [
      {},
      undefined,
      { name: undefined },
      { downPeriodMs: 8 },
      { heartbeatMs: 1_000, downPeriodMs: 2_000 },
    ]) {
      expect(new Presence(new Endpoint(), options)).to.be.instanceOf(Presence);
    }
  });

  it("the endpoint must be one", () => {
    for (const value of [undefined, null, {}, Endpoint]) {
      expect(() => new Presence(value as never))
        .to.throw("new Presence needs an Endpoint, got ")
        .with.property("code", "invalid_argument");
    }
  });

  it("a name is taken once on an endpoint; presences of other names know nothing of each other", async () => {
    class Lobby extends Presence {}
    const { endpoint, presence, enter } = await servePresence();
    expect(() => new Presence(endpoint)).to.throw('the endpoint has a Presence "Presence" already');
    const lobby = new Lobby(endpoint);
    expect(() => new Lobby(endpoint)).to.throw('has a Presence "Lobby" already');
    const another = new Lobby(endpoint, { name: "another" });
    const nameless = () => new (class extends Presence {})(endpoint);
    expect(nameless).to.throw('has a Presence "Presence" already');

    const { client, channel } = await enter();
    for (const each of [presence, lobby, another]) await each.track(channel, "ann", {});
    for (const frame of await client.take(3)) expect(frame[3]).to.equal("presence_diff");
    await lobby.untrack(channel);
    expect(await lobby.list("room:a")).to.deep.equal({});
    expect(Object.keys(await another.list("room:a"))).to.deep.equal(["ann"]);
  });
});

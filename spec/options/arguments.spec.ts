import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { expect } from "chai";
import express from "express";
import { Channel, Endpoint, error, noreply, ok, reply, Socket, stop } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { expectRefusal, expectRefused, rejectedBy, thrownBy } from "./expect-refused.ts";

/** A wrong call: of which method, with what, and what the error has to say. */
type Wrong = readonly [method: string, args: readonly unknown[], code: string, ...words: string[]];

/** Calls a method as a user without types may. */
function call(target: object, method: string, args: readonly unknown[]): unknown {
  return (target as Record<string, (...given: unknown[]) => unknown>)[method]?.(...args);
}

const title = ([method, , code, ...words]: Wrong) => `${method}: ${code}, ${words.join(", ")}`;

const CYCLE: Record<string, unknown> = {};
CYCLE.self = CYCLE;

/** What is no payload of a push or broadcast, and what the error shows of it. */
const NO_PAYLOAD: readonly [payload: unknown, ...words: string[]][] = [
  ["hello", 'got "hello"', "a plain object or a Uint8Array", "{value: …}"],
  [5, "got 5", "a plain object or a Uint8Array"],
  [true, "got true", "a plain object or a Uint8Array"],
  [null, "got null", "a plain object or a Uint8Array"],
  [[1, 2], "got an array of 2", "a plain object or a Uint8Array"],
  [new Date(0), "got an instance of Date"],
  [new Map(), "got an instance of Map"],
  [new (class Model {})(), "got an instance of Model"],
  [() => {}, "a plain object or a Uint8Array"],
  [{ n: 1n }, "can't be written as JSON", "BigInt"],
  [CYCLE, "can't be written as JSON"],
  [{ a: [{ run() {} }] }, "payload.a[0].run", "function run"],
  [{ at: Promise.resolve() }, "payload.at", "an instance of Promise"],
  [{ symbol: Symbol("s") }, "payload.symbol", "a symbol"],
];

const payloads = (method: string, ...before: unknown[]): Wrong[] =>
  NO_PAYLOAD.map(([payload, ...words]) => [method, [...before, payload], "invalid_payload", ...words]);

describe("wrong arguments to the endpoint", () => {
  class UserSocket extends Socket {}
  const listener = () => {};

  const wrong: readonly Wrong[] = [
    ["broadcast", [], "invalid_argument", "broadcast", "a topic", "got undefined"],
    ["broadcast", [5, "event"], "invalid_argument", "broadcast", "a topic", "got 5"],
    ["broadcast", [["a", "b"], "event"], "invalid_argument", "broadcast", "got an array of 2"],
    ["broadcast", ["\0own", "event"], "invalid_argument", "broadcast", "NUL"],
    ["broadcast", ["room:a"], "invalid_argument", "broadcast", "an event", "got undefined"],
    ["broadcast", ["room:a", { body: "hi" }], "invalid_argument", "broadcast", "an event", "got an object"],
    ...payloads("broadcast", "room:a", "event"),
    ["localBroadcast", [null, "event"], "invalid_argument", "localBroadcast", "a topic", "got null"],
    ["localBroadcast", ["room:a", 5], "invalid_argument", "localBroadcast", "an event", "got 5"],
    ...payloads("localBroadcast", "room:a", "event"),
    [
      "broadcastFrom",
      ["room:a", "event", {}],
      "invalid_argument",
      "broadcastFrom",
      "a channel",
      'got "room:a"',
    ],
    ["broadcastFrom", [null, "room:a", "event"], "invalid_argument", "broadcastFrom", "got null"],
    [
      "broadcastFrom",
      [UserSocket, "room:a", "e"],
      "invalid_argument",
      "broadcastFrom",
      "function UserSocket",
    ],
    ["subscribe", [], "invalid_argument", "subscribe", "a topic", "got undefined"],
    ["subscribe", ["\0own", listener], "invalid_argument", "subscribe", "NUL"],
    ["subscribe", ["room:a"], "invalid_argument", "subscribe", "a listener", "got undefined"],
    ["subscribe", ["room:a", "event"], "invalid_argument", "subscribe", "a listener", 'got "event"'],
    ["disconnect", [], "invalid_argument", "disconnect", "got undefined"],
    ["disconnect", [7], "invalid_argument", "disconnect", "got 7"],
    ["disconnect", [null], "invalid_argument", "disconnect", "got null"],
    ["attach", [], "invalid_argument", "attach", "node:http server", "got undefined"],
    ["attach", [null], "invalid_argument", "attach", "node:http server", "got null"],
    ["attach", [4000], "invalid_argument", "attach", "node:http server", "got 4000"],
    ["attach", [{}], "invalid_argument", "attach", "node:http server", "got an object"],
  ];

  for (const row of wrong) {
    const [method, args, code, ...words] = row;
    it(title(row), () => {
      expectRefused(() => call(new Endpoint(), method, args), code, words);
    });
  }

  it("attach: an Express app is no server, though it has listeners too", () => {
    expectRefused(() => call(new Endpoint(), "attach", [express()]), "invalid_argument", [
      "attach",
      "node:http server",
    ]);
  });

  it("attach: a server without HTTP is none", () => {
    expectRefused(() => call(new Endpoint(), "attach", [createTcpServer()]), "invalid_argument", [
      "attach",
      "node:http server",
    ]);
  });

  for (const [args, ...words] of [
    [[], "a port", "got undefined"],
    [[null], "a port", "got null"],
    [["0"], "a port", 'got "0"'],
    [[-1], "a port", "got -1"],
    [[65_536], "a port", "got 65536"],
    [[1.5], "a port", "got 1.5"],
    [[Number.NaN], "a port", "got NaN"],
    [[{ port: 0 }], "a port", "got an object"],
    [[0, 5], "a host", "got 5"],
    [[0, null], "a host", "got null"],
  ] as [unknown[], ...string[]][]) {
    it(`listen: rejects, ${words.join(", ")}, and can be called again`, async () => {
      const endpoint = new Endpoint();
      afterTest(() => endpoint.close());
      expectRefusal(
        await rejectedBy(() => call(endpoint, "listen", args) as Promise<unknown>),
        "invalid_argument",
        ["listen", ...words],
      );
      expect((await endpoint.listen(0, "127.0.0.1")).port).to.be.above(0);
    });
  }

  it("listen: a port that is taken rejects with Node's error, and another one can be tried", async () => {
    const taken = new Endpoint();
    afterTest(() => taken.close());
    const { port } = await taken.listen(0, "127.0.0.1");
    const endpoint = new Endpoint();
    afterTest(() => endpoint.close());
    expect(await rejectedBy(() => endpoint.listen(port, "127.0.0.1"))).to.include({ code: "EADDRINUSE" });
    expect((await endpoint.listen(0, "127.0.0.1")).port).to.not.equal(port);
  });

  it("after close: socket and attach throw, listen rejects, with the code closed", async () => {
    const endpoint = new Endpoint();
    await endpoint.close();
    expectRefused(() => endpoint.socket("/socket", UserSocket), "closed", ["socket", "closed"]);
    expectRefused(() => endpoint.attach(createServer()), "closed", ["attach", "closed"]);
    expectRefusal(await rejectedBy(() => endpoint.listen(0)), "closed", ["listen", "closed"]);
  });
});

describe("wrong arguments to replies", () => {
  const replies = { ok, error, reply, stop };

  const wrong: readonly Wrong[] = [
    ["ok", [{ n: 1n }], "invalid_payload", "can't be written as JSON", "BigInt"],
    ["ok", [CYCLE], "invalid_payload", "can't be written as JSON"],
    ["ok", [() => {}], "invalid_payload", "a function"],
    ["ok", [Symbol("s")], "invalid_payload", "a symbol"],
    ["ok", [{ tags: new Set() }], "invalid_payload", "payload.tags", "an instance of Set"],
    ["error", [{ reason: new Map() }], "invalid_payload", "payload.reason", "an instance of Map"],
    ["reply", [], "invalid_argument", "reply(status)", '"ok"', "got undefined"],
    ["reply", [""], "invalid_argument", "reply(status)", 'got ""'],
    ["reply", [200], "invalid_argument", "reply(status)", "got 200"],
    ["reply", [{ status: "ok" }], "invalid_argument", "reply(status)", "got an object"],
    ["reply", ["maybe", { run() {} }], "invalid_payload", "payload.run", "function run"],
    ["stop", [null], "invalid_argument", "stop(reason)", "a string or an Error", "got null"],
    ["stop", [5], "invalid_argument", "stop(reason)", "a string or an Error", "got 5"],
    ["stop", [ok()], "invalid_argument", "stop(reason)", "a string or an Error", "got an instance of Reply"],
    ["stop", ["normal", {}], "invalid_argument", "stop", "ok, error or reply", "got an object"],
    ["stop", ["normal", "bye"], "invalid_argument", "stop", "ok, error or reply", 'got "bye"'],
    ["stop", ["normal", noreply()], "invalid_argument", "stop", "got an instance of NoReply"],
  ];

  for (const row of wrong) {
    const [name, args, code, ...words] = row;
    it(title(row), () => {
      expectRefused(() => call(replies, name, args), code, words);
    });
  }

  it("are none: any JSON value, bytes, or nothing", () => {
    for (const payload of [
      undefined,
      null,
      0,
      "",
      false,
      [],
      {},
      [null],
      { a: { b: [] } },
      new Uint8Array(1),
    ]) {
      expect(ok(payload)).to.include({ status: "ok" });
      expect(error(payload)).to.include({ status: "error" });
      expect(reply("maybe", payload)).to.include({ status: "maybe" });
    }
    expect(stop()).to.include({ reason: "normal" });
    expect(stop(new Error("e"), ok()).reply).to.equal(ok());
  });
});

describe("wrong arguments to a channel", () => {
  /** Runs `run` in a handler of a joined channel. */
  async function inHandler(run: (channel: Channel) => unknown): Promise<void> {
    let failed: unknown;
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("run", (_payload, channel) => {
          try {
            run(channel as Channel);
          } catch (thrown) {
            failed = thrown;
          }
          return ok();
        });
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const { url } = await serve(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    const frame = await client.ask("1", "2", "room:a", "run");
    if (failed !== undefined) throw failed;
    // Nothing of a refused call was sent, and the channel goes on.
    expect(frame).to.deep.equal(["1", "2", "room:a", "phx_reply", { status: "ok", response: {} }]);
  }

  const wrong: readonly Wrong[] = [
    ["push", [], "invalid_argument", "push", "an event", "got undefined"],
    ["push", [{ body: "hi" }], "invalid_argument", "push", "an event", "got an object"],
    ...payloads("push", "event"),
    ["broadcast", [5, {}], "invalid_argument", "broadcast", "an event", "got 5"],
    ...payloads("broadcast", "event"),
    ["broadcastFrom", [null], "invalid_argument", "broadcastFrom", "an event", "got null"],
    ...payloads("broadcastFrom", "event"),
    ["subscribe", [], "invalid_argument", "subscribe", "got undefined"],
    ["subscribe", [5], "invalid_argument", "subscribe", "got 5"],
    ["subscribe", ["room:a"], "own_topic", '"room:a"', "own topic"],
    ["subscribe", ["other", true], "invalid_option", "subscribe", "object of options", "got true"],
    ["subscribe", ["other", { fastlan: true }], "unknown_option", "subscribe", '"fastlan"', "fastlane"],
    ["subscribe", ["other", { fastlane: "yes" }], "invalid_option", "fastlane", "true or false", 'got "yes"'],
    ["unsubscribe", [5], "invalid_argument", "unsubscribe", "got 5"],
    ["sendSelf", ["m", 500], "invalid_option", "sendSelf", "object of options", "got 500"],
    ["sendSelf", ["m", { afterMs: 500 }], "unknown_option", "sendSelf", '"afterMs"', "after"],
    ["sendSelf", ["m", { after: "500" }], "invalid_option", "after", "milliseconds", 'got "500"'],
    ["sendSelf", ["m", { after: -1 }], "invalid_option", "after", "milliseconds", "got -1"],
    ["sendSelf", ["m", { after: Number.NaN }], "invalid_option", "after", "milliseconds", "got NaN"],
    ["sendSelf", ["m", { after: null }], "invalid_option", "after", "milliseconds", "got null"],
    ["deferReply", ["done"], "invalid_argument", "deferReply", "a promise or nothing", 'got "done"'],
    ["deferReply", [ok()], "invalid_argument", "deferReply", "a promise or nothing", "an instance of Reply"],
    [
      "deferReply",
      [async () => ok()],
      "invalid_argument",
      "deferReply",
      "a promise or nothing",
      "a function",
    ],
  ];

  for (const row of wrong) {
    const [method, args, code, ...words] = row;
    it(title(row), async () => {
      await inHandler((channel) => expectRefused(() => call(channel, method, args), code, words));
    });
  }

  for (const [answer, shown] of [
    [undefined, "got undefined"],
    [{ status: "ok" }, "got an object"],
    ["done", 'got "done"'],
    [noreply(), "got an instance of NoReply"],
    [stop(), "got an instance of Stop"],
  ] as const) {
    it(`deferReply's function: ${shown}`, async () => {
      await inHandler((channel) => {
        const send = channel.deferReply() as (answer: unknown) => boolean;
        expectRefused(() => send(answer), "invalid_argument", [
          "deferred reply",
          "ok(), error() or reply",
          shown,
        ]);
      });
    });
  }

  for (const [reason, shown] of [
    [5, "got 5"],
    [null, "got null"],
    ["é".repeat(62), "at most 123 bytes"],
  ] as const) {
    it(`socket.disconnect: ${shown}`, async () => {
      await inHandler((channel) => {
        const disconnect = () => channel.socket.disconnect(reason as string);
        expectRefused(disconnect, "invalid_argument", ["disconnect(reason)", "at most 123 bytes", shown]);
      });
    });
  }

  it("are none: undefined stands for what is absent", async () => {
    await inHandler((channel) => {
      channel.subscribe("other", undefined);
      channel.subscribe("another", { fastlane: undefined });
      for (const options of [undefined, {}, { after: undefined }, { after: 0 }, { after: 1e12 }]) {
        const cancel = channel.sendSelf("m", options);
        if (cancel !== false) cancel();
      }
      channel.deferReply(undefined);
    });
  });

  it("show in the spec if they are taken", () => {
    expect(() => thrownBy(() => {})).to.throw("nothing was thrown");
  });
});

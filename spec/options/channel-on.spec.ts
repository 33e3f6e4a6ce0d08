import { type } from "arktype";
import { expect } from "chai";
import * as v from "valibot";
import { z } from "zod";
import { Channel, ok, Socket } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { serveInMemory } from "../support/memory.ts";
import { expectRefused } from "./expect-refused.ts";

const handler = () => ok();
const Schema = z.object({});

/** Calls `on` of a new channel class with whatever a user without types may write. */
function on(...args: unknown[]): () => void {
  class RoomChannel extends Channel {
    override join() {
      return ok();
    }
  }
  return () => (RoomChannel.on as (...given: unknown[]) => void)(...args);
}

describe("Channel.on", () => {
  const wrong: [what: string, args: unknown[], words: string[]][] = [
    ["no arguments", [], ["the event must be a string"]],
    ["an event alone", ["say"], ['"say"', "(event, handler) or (event, schema, handler)", "got 1 argument"]],
    [
      "an argument too many",
      ["say", Schema, handler, {}],
      ['"say"', "(event, schema, handler)", "got 4 arguments"],
    ],
    ["an event that is a number", [5, handler], ["5", "the event must be a string"]],
    ["an event that is null", [null, handler], ["null", "the event must be a string"]],
    ["an event that is a symbol", [Symbol("say"), handler], ["a symbol", "the event must be a string"]],
    ["a list of events", [["say", "shout"], handler], ["an array of 2", "the event must be a string"]],
    [
      "a handler that is undefined",
      ["say", undefined],
      ['"say"', "handler must be a function", "got undefined"],
    ],
    ["a handler that is null", ["say", null], ['"say"', "handler must be a function", "got null"]],
    ["a handler that is text", ["say", "handle"], ['"say"', "handler must be a function", 'got "handle"']],
    [
      "a handler that is a reply",
      ["say", ok()],
      ['"say"', "handler must be a function", "instance of Reply"],
    ],
    ["a zod schema alone", ["say", Schema], ['"say"', "handler must be a function", "got an"]],
    ["a valibot schema alone", ["say", v.object({})], ['"say"', "handler must be a function", "got an"]],
    ["an arktype schema alone", ["say", type({ body: "string" })], ['"say"', "schema", "handler"]],
    ["an undefined handler behind a schema", ["say", Schema, undefined], ['"say"', "got undefined"]],
    [
      "handler and schema turned",
      ["say", handler, Schema],
      ['"say"', "handler must be a function", "got an"],
    ],
    ["the join of the protocol", ["phx_join", handler], ['"phx_join"', "begin with phx_"]],
    ["a reply of the protocol", ["phx_reply", Schema, handler], ['"phx_reply"', "begin with phx_"]],
    ["any event that begins so", ["phx_anything", handler], ['"phx_anything"', "begin with phx_"]],
  ];

  for (const [what, args, words] of wrong) {
    it(`refuses ${what}`, () => {
      expectRefused(on(...args), "invalid_handler", ["RoomChannel.on(", ...words]);
    });
  }

  for (const [value, shown] of [
    [null, "got null"],
    [undefined, "got undefined"],
    [{ body: "string" }, "got an object"],
    ["string", 'got "string"'],
    [() => true, "got a function"],
    // The handler first, and behind it a schema that is a function too.
    [handler, "got function handler"],
  ] as const) {
    it(`refuses what is no schema: ${shown}`, () => {
      expectRefused(on("say", value, handler), "invalid_option", [
        'RoomChannel.on("say")',
        "Standard Schema",
        shown,
      ]);
    });
  }

  it("refuses an event twice in one class, and keeps the first handler", async () => {
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("say", () => ok({ handler: 1 }));
      }
    }
    expectRefused(() => RoomChannel.on("say", () => ok({ handler: 2 })), "invalid_handler", [
      'RoomChannel.on("say")',
      "already",
    ]);
    expectRefused(() => RoomChannel.on("say", Schema, () => ok({ handler: 3 })), "invalid_handler", [
      "already",
    ]);
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:1");
    expect((await client.ask("1", "2", "room:1", "say"))[4].response).to.deep.equal({ handler: 1 });
  });

  it("lets a subclass have its own handler of an event, the base class keeps its", async () => {
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("say", () => ok({ from: "base" }));
        this.on("base", () => ok({ from: "base" }));
      }
    }
    class LobbyChannel extends RoomChannel {
      static {
        this.on("say", () => ok({ from: "lobby" }));
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel, "lobby:*": LobbyChannel };
    }
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:1");
    await client.join("lobby:1");
    const from = async (topic: string, event: string) =>
      (await client.ask("1", "2", topic, event))[4].response.from;
    expect(await from("room:1", "say")).to.equal("base");
    expect(await from("lobby:1", "say")).to.equal("lobby");
    expect(await from("lobby:1", "base")).to.equal("base");
  });

  it("is called on a subclass, not on Channel or without a class", () => {
    const call = Channel.on as (this: unknown, event: string, handler: () => unknown) => void;
    expectRefused(() => call.call(Channel, "say", handler), "invalid_handler", [
      'Channel.on("say")',
      "subclass",
    ]);
    for (const receiver of [undefined, null, {}, class Model {}, Socket]) {
      expectRefused(() => call.call(receiver, "say", handler), "invalid_handler", ['on("say")', "subclass"]);
    }
  });

  it("takes any other event, those with names of methods too", async () => {
    const events = ["", "join", "terminate", "constructor", "__proto__", "toString", "PHX_x", "événement 🎉"];
    class RoomChannel extends Channel {
      override join() {
        return ok();
      }
      static {
        for (const event of events) this.on(event, () => ok({ event }));
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:1");
    for (const event of events) {
      expect((await client.ask("1", "2", "room:1", event))[4], event).to.deep.equal({
        status: "ok",
        response: { event },
      });
    }
  });
});

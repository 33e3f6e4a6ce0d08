import { expect } from "chai";
import { z } from "zod";
import { Channel, Endpoint, ok, Socket, type SocketClass } from "../../lib/index.ts";
import { expectRefused } from "./expect-refused.ts";

class RoomChannel extends Channel {
  override join() {
    return ok();
  }
}

class Model {}

const mount = (socketClass: unknown) => () => new Endpoint().socket("/socket", socketClass as SocketClass);

/** A socket class with these channels. */
function socketWith(channels: unknown): unknown {
  class UserSocket extends Socket {}
  Object.assign(UserSocket, { channels });
  return UserSocket;
}

/** A socket class whose one channel class has these statics. */
function channelWith(statics: object, base: typeof RoomChannel = RoomChannel): unknown {
  class LobbyChannel extends base {}
  // Not assigned: some statics of a class, such as its name, take no assignment.
  for (const [key, value] of Object.entries(statics)) Object.defineProperty(LobbyChannel, key, { value });
  return socketWith({ "room:*": LobbyChannel });
}

describe("the socket class of a mount", () => {
  const wrong: [value: unknown, shown: string][] = [
    [undefined, "got undefined"],
    [null, "got null"],
    ["UserSocket", 'got "UserSocket"'],
    [{}, "got an object"],
    [() => ok(), "got a function"],
    [Model, "got function Model"],
    [RoomChannel, "got function RoomChannel"],
    [Socket, "got function Socket"],
  ];

  for (const [value, shown] of wrong) {
    it(`extends Socket: ${shown}`, () => {
      expectRefused(mount(value), "invalid_socket", ["a class that extends Socket", shown]);
    });
  }

  for (const [value, shown] of [
    [null, "got null"],
    [{ token: "string" }, "got an object"],
    [() => true, "got function paramsSchema"],
  ] as const) {
    it(`has a Standard Schema for its params: ${shown}`, () => {
      class UserSocket extends Socket {}
      Object.defineProperty(UserSocket, "paramsSchema", { value });
      const words = [
        "UserSocket.paramsSchema",
        "Standard Schema",
        shown.replace("function paramsSchema", "a function"),
      ];
      expectRefused(mount(UserSocket), "invalid_option", words);
    });
  }

  it("may have a schema for its params, or none", () => {
    for (const paramsSchema of [undefined, z.object({})]) {
      class UserSocket extends Socket {
        static override paramsSchema = paramsSchema;
      }
      expect(mount(UserSocket)).to.not.throw();
    }
  });
});

describe("static channels", () => {
  const wrong: [channels: unknown, shown: string][] = [
    [null, "got null"],
    ["room:*", 'got "room:*"'],
    [[RoomChannel], "got an array of 1"],
    [RoomChannel, "got function RoomChannel"],
    [new Map([["room:*", RoomChannel]]), "got an instance of Map"],
  ];

  for (const [channels, shown] of wrong) {
    it(`are an object: ${shown}`, () => {
      expectRefused(mount(socketWith(channels)), "invalid_socket", [
        "UserSocket.channels",
        '{"room:*": RoomChannel}',
        shown,
      ]);
    });
  }

  for (const pattern of ["", "*:room", "room:*:sub", "room:**", "**"]) {
    it(`have no pattern ${JSON.stringify(pattern)}`, () => {
      expectRefused(mount(socketWith({ "ok:*": RoomChannel, [pattern]: RoomChannel })), "invalid_socket", [
        "UserSocket.channels",
        JSON.stringify(pattern),
        '"room:*"',
      ]);
    });
  }

  const noChannel: [value: unknown, shown: string][] = [
    [undefined, "got undefined"],
    [null, "got null"],
    ["RoomChannel", 'got "RoomChannel"'],
    [5, "got 5"],
    [Model, "got function Model"],
    [Channel, "got function Channel"],
    [Socket, "got function Socket"],
    [() => RoomChannel, "got a function"],
    [[RoomChannel], "extends Channel"],
    [new Model(), "extends Channel"],
    [{}, "got undefined"],
    [{ channel: undefined }, "got undefined"],
    [{ channel: Model }, "got function Model"],
    [{ channel: { channel: RoomChannel } }, "got an object"],
  ];

  for (const [value, shown] of noChannel) {
    it(`name classes that extend Channel: ${shown}, in ${typeof value}`, () => {
      expectRefused(mount(socketWith({ "room:*": value })), "invalid_channel", [
        'UserSocket.channels["room:*"]',
        "a class that extends Channel, or {channel, assigns}",
        shown,
      ]);
    });
  }

  for (const [assigns, shown] of [
    [null, "got null"],
    ["db", 'got "db"'],
    [[], "got an array of 0"],
    [() => ({}), "got a function"],
  ] as const) {
    it(`may bring assigns, an object: ${shown}`, () => {
      expectRefused(mount(socketWith({ "room:*": { channel: RoomChannel, assigns } })), "invalid_option", [
        'UserSocket.channels["room:*"].assigns',
        "an object",
        // A function that is the value of a key bears its name.
        shown.replace("a function", ""),
      ]);
    });
  }

  it("bring nothing else", () => {
    const route = { channel: RoomChannel, assign: { db: 1 } };
    expectRefused(mount(socketWith({ "room:*": route })), "unknown_option", [
      'UserSocket.channels["room:*"]',
      '"assign"',
      "channel and assigns",
    ]);
  });

  it("are checked to the last one", () => {
    expectRefused(mount(socketWith({ "a:*": RoomChannel, "b:*": Model })), "invalid_channel", ['"b:*"']);
  });

  it("take what they should", () => {
    for (const channels of [
      {},
      { "*": RoomChannel },
      { lobby: RoomChannel, "room:*": RoomChannel },
      { "room:*": { channel: RoomChannel } },
      { "room:*": { channel: RoomChannel, assigns: undefined } },
      { "room:*": { channel: RoomChannel, assigns: { db: new Map() } } },
    ]) {
      expect(mount(socketWith(channels))).to.not.throw();
    }
  });
});

describe("the statics of a channel class", () => {
  const wrong: [statics: Record<string, unknown>, code: string, ...words: string[]][] = [
    [{ joinSchema: null }, "invalid_option", "LobbyChannel.joinSchema", "Standard Schema", "got null"],
    [{ joinSchema: { body: "string" } }, "invalid_option", "LobbyChannel.joinSchema", "got an object"],
    [{ joinSchema: "JoinRoom" }, "invalid_option", "LobbyChannel.joinSchema", 'got "JoinRoom"'],
    [{ intercepts: "shout" }, "invalid_option", "LobbyChannel.intercepts", "list of events", 'got "shout"'],
    [{ intercepts: null }, "invalid_option", "LobbyChannel.intercepts", "list of events", "got null"],
    [{ intercepts: ["shout", 5] }, "invalid_option", "LobbyChannel.intercepts", "list of events", "5"],
    [{ intercepts: new Set(["shout"]) }, "invalid_option", "LobbyChannel.intercepts", "an instance of Set"],
    [{ intercepts: ["shout"] }, "invalid_channel", "LobbyChannel", '"shout"', "handleOut(event, payload)"],
    [
      { subscribesAtJoin: "no" },
      "invalid_option",
      "LobbyChannel.subscribesAtJoin",
      "true or false",
      'got "no"',
    ],
    [{ subscribesAtJoin: null }, "invalid_option", "LobbyChannel.subscribesAtJoin", "got null"],
    [{ subscribesAtJoin: 0 }, "invalid_option", "LobbyChannel.subscribesAtJoin", "got 0"],
    [{ rateLimit: true }, "invalid_option", "LobbyChannel.rateLimit", "{limit, interval", "got true"],
    [{ rateLimit: null }, "invalid_option", "LobbyChannel.rateLimit", "{limit, interval", "got null"],
    [{ rateLimit: { limit: 5 } }, "invalid_option", "LobbyChannel.rateLimit.interval", "got undefined"],
    [{ rateLimit: { limit: 5, interval: 1, per: 1 } }, "unknown_option", "LobbyChannel.rateLimit", '"per"'],
    [{ overflow: "drop" }, "invalid_option", "LobbyChannel.overflow", '{cursor: "drop"}', 'got "drop"'],
    [{ overflow: null }, "invalid_option", "LobbyChannel.overflow", '{cursor: "drop"}', "got null"],
    [{ overflow: ["cursor"] }, "invalid_option", "LobbyChannel.overflow", "got an array of 1"],
    [
      { overflow: { cursor: true } },
      "invalid_option",
      'LobbyChannel.overflow["cursor"]',
      '"close" or "drop"',
      "got true",
    ],
    [{ log: true }, "invalid_option", "LobbyChannel.log", "an object or false", "got true"],
    [{ log: null }, "invalid_option", "LobbyChannel.log", "an object or false", "got null"],
    [{ log: "info" }, "invalid_option", "LobbyChannel.log", "an object or false", 'got "info"'],
    [{ log: [] }, "invalid_option", "LobbyChannel.log", "an object or false", "got an array"],
    [{ log: { join: "verbose" } }, "invalid_option", "LobbyChannel.log.join", 'got "verbose"', "debug, info"],
    [{ log: { handleIn: true } }, "invalid_option", "LobbyChannel.log.handleIn", "got true", "or false"],
    [{ log: { handleIn: null } }, "invalid_option", "LobbyChannel.log.handleIn", "got null", "or false"],
    [{ log: { handle_in: "info" } }, "unknown_option", "LobbyChannel.log", '"handle_in"', "join", "handleIn"],
  ];

  for (const [statics, code, ...words] of wrong) {
    it(`are refused: ${words.join(", ")}`, () => {
      expectRefused(mount(channelWith(statics)), code, words);
      // And each time, not only at the first mount of a class.
      const twice = channelWith(statics);
      expectRefused(mount(twice), code, words);
      expectRefused(mount(twice), code, words);
    });
  }

  it("include a method join", () => {
    class NoJoin extends (Channel as unknown as typeof RoomChannel) {}
    Object.defineProperty(NoJoin, "name", { value: "NoJoin" });
    expectRefused(mount(socketWith({ "room:*": NoJoin })), "invalid_channel", [
      "NoJoin",
      "join(topic, payload)",
    ]);
  });

  it("take what they should", () => {
    class Intercepting extends RoomChannel {
      override handleOut() {}
    }
    for (const statics of [
      { joinSchema: undefined },
      { joinSchema: z.object({}) },
      { intercepts: [] },
      { subscribesAtJoin: false },
      { rateLimit: false },
      { rateLimit: { limit: 5, interval: 1000 } },
      { overflow: {} },
      { overflow: { cursor: "drop", line: "close" } },
      { log: false },
      { log: {} },
      { log: { join: undefined, handleIn: undefined } },
      { log: { join: false, handleIn: "error" } },
    ]) {
      expect(mount(channelWith(statics)), JSON.stringify(statics)).to.not.throw();
    }
    expect(mount(channelWith({ intercepts: ["shout", "new_msg"] }, Intercepting))).to.not.throw();
  });
});

describe("a class of the app's, made by hand", () => {
  class UserSocket extends Socket {
    static override channels = { "room:*": RoomChannel };
  }
  const construct = (made: unknown, ...args: unknown[]) => {
    const made_ = made as new (...given: unknown[]) => unknown;
    return () => new made_(...args);
  };

  for (const args of [[], [null], [undefined, 1], ["room:lobby"]]) {
    it(`throws, with ${JSON.stringify(args)}`, () => {
      expectRefused(construct(RoomChannel, ...args), "invalid_channel", [
        "RoomChannel",
        "no constructor",
        "join",
      ]);
      expectRefused(construct(UserSocket, ...args), "invalid_socket", [
        "UserSocket",
        "no constructor",
        "connect",
      ]);
    });
  }

  for (const arg of [{}, new Endpoint(), { topic: "room:lobby" }]) {
    it("throws with an object too, that isn't the library's", () => {
      expectRefused(construct(RoomChannel, arg), "invalid_channel", [
        "RoomChannel",
        "no constructor",
        "join",
      ]);
      expectRefused(construct(UserSocket, arg), "invalid_socket", [
        "UserSocket",
        "no constructor",
        "connect",
      ]);
    });
  }
});

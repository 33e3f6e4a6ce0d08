import { expect } from "chai";
import { Endpoint, type MountOptions, Socket, V1JSONSerializer, V2JSONSerializer } from "../../lib/index.ts";
import { expectRefused } from "./expect-refused.ts";

class UserSocket extends Socket {}

const mount = (options: unknown) => () =>
  new Endpoint().socket("/socket", UserSocket, options as MountOptions);

/** Where options of both transports may stand. */
const PLACES: readonly [where: string, within: (options: object) => object][] = [
  ["the mount", (options) => options],
  ["websocket", (options) => ({ websocket: options })],
  ["longpoll", (options) => ({ longpoll: options })],
];

type Wrong = readonly [value: unknown, ...words: string[]];

const noNumber = (unit: string): readonly Wrong[] => [
  [0, "got 0", `number of ${unit}`, "at least 1"],
  [-5, "got -5", unit],
  [1.5, "got 1.5", unit],
  [Number.NaN, "got NaN", unit],
  [Number.POSITIVE_INFINITY, "got Infinity", unit],
  ["5", 'got "5"', unit],
  [5n, "got 5n", unit],
  [null, "got null", unit],
  [true, "got true", unit],
  [{}, "got an object", unit],
];

/** The same with a highest number. */
const noNumberUpTo = (max: number, unit: string): readonly Wrong[] => [
  ...noNumber(unit).map(([value, got = ""]): Wrong => [value, got, unit, `from 1 to ${max}`]),
  [max + 1, `got ${max + 1}`, `from 1 to ${max}`],
];

const WRONG: Readonly<Record<string, readonly Wrong[]>> = {
  checkOrigin: [
    ["https://example.com", 'got "https://example.com"', "a list of origins"],
    [5, "got 5", "true, false, a list of origins or a function"],
    [null, "got null", "true, false, a list of origins or a function"],
    [{ origins: [] }, "got an object", "true, false, a list of origins or a function"],
    [[5], "5", '"https://example.com"'],
    [["//ok.example", "example.com"], '"example.com"', '"//example.com:8443"'],
    [["https://*"], '"https://*"', '"//*.example.com"'],
    [["https://a.*.example"], '"https://a.*.example"', '"//*.example.com"'],
    [["https://example.com/path"], '"https://example.com/path"', '"https://example.com"'],
    [[""], '""', '"https://example.com"'],
  ],
  maxChannels: noNumber("channels"),
  maxPayload: noNumberUpTo(2 ** 31 - 1, "bytes"),
  maxBufferedBytes: noNumber("bytes"),
  maxQueued: noNumber("messages"),
  idleTimeout: noNumber("milliseconds"),
  connectTimeout: noNumber("milliseconds"),
  closeTimeout: noNumberUpTo(2 ** 31 - 1, "milliseconds"),
  rateLimit: [
    [true, "got true", "{limit, interval"],
    [null, "got null", "{limit, interval"],
    [100, "got 100", "{limit, interval"],
    [{ limit: 5 }, "rateLimit.interval", "got undefined", "at least 1"],
    [{ interval: 5 }, "rateLimit.limit", "got undefined", "at least 1"],
    [{ limit: 0, interval: 1000 }, "rateLimit.limit", "got 0"],
    [{ limit: 5, interval: "1s" }, "rateLimit.interval", 'got "1s"'],
    [{ limit: Number.POSITIVE_INFINITY, interval: 1 }, "rateLimit.limit", "got Infinity"],
    [{ limit: 5, interval: 1, hardLimit: "50" }, "rateLimit.hardLimit", 'got "50"'],
    [{ limit: 5, interval: 1, hardLimit: 4 }, "rateLimit.hardLimit", "at least limit", "4"],
    [{ limit: 5, interval: 1, by: "user" }, "rateLimit.by", '"connection" or "id"', 'got "user"'],
    [{ limit: 5, interval: 1, by: null }, "rateLimit.by", '"connection" or "id"', "got null"],
  ],
  serializers: [
    [[], "got an array of 0", "list of serializers"],
    [null, "got null", "list of serializers"],
    ["2.0.0", 'got "2.0.0"', "list of serializers"],
    [V2JSONSerializer, "got an object", "list of serializers"],
    [[null], "serializers[0]", "got null", "decode, encodePush, encodeReply, encodeBroadcast"],
    [["2.0.0"], "serializers[0]", 'got "2.0.0"', "decode"],
    [[V2JSONSerializer, {}], "serializers[1]", "got an object", "encodeBroadcast"],
    [[{ ...V2JSONSerializer, version: "2" }], "serializers[0].version", 'got "2"', '"2.0.0"'],
    [[{ ...V2JSONSerializer, version: undefined }], "serializers[0].version", "got undefined"],
  ],
  authToken: [
    ["token", 'got "token"', "true or false"],
    [1, "got 1", "true or false"],
    [null, "got null", "true or false"],
  ],
};

const RIGHT: Readonly<Record<string, readonly unknown[]>> = {
  checkOrigin: [
    true,
    false,
    [],
    ["https://example.com", "//example.com:8443", "//*.example.com", "http://[::1]:80"],
    () => true,
  ],
  maxChannels: [1, 1_000_000],
  maxPayload: [1, 2 ** 31 - 1],
  maxBufferedBytes: [1, Number.MAX_SAFE_INTEGER],
  maxQueued: [1],
  idleTimeout: [1, 2 ** 40],
  connectTimeout: [1],
  closeTimeout: [1, 2 ** 31 - 1],
  rateLimit: [
    false,
    { limit: 1, interval: 1 },
    { limit: 2.5, interval: 1000, by: undefined, hardLimit: undefined },
    { limit: 5, interval: 1000, by: "connection", hardLimit: 5 },
    { limit: 5, interval: 1000, by: "id" },
  ],
  serializers: [[V1JSONSerializer], [V2JSONSerializer, V1JSONSerializer]],
  authToken: [true, false],
};

describe("the options of a mount", () => {
  for (const [where, within] of PLACES) {
    // What stands in a transport's own options is named with the transport.
    const place = where === "the mount" ? [] : [where];

    for (const [option, rows] of Object.entries(WRONG)) {
      for (const [value, ...words] of rows) {
        it(`refuse ${option} in ${where}: ${words.slice(0, 2).join(", ")}`, () => {
          const inList = option === "checkOrigin" ? [] : ['socket("/socket")', ...place];
          expectRefused(mount(within({ [option]: value })), "invalid_option", [option, ...inList, ...words]);
        });
      }
    }

    it(`refuse an unknown key of rateLimit in ${where}`, () => {
      const rateLimit = { limit: 1, interval: 1, burst: 5 };
      expectRefused(mount(within({ rateLimit })), "unknown_option", [
        "rateLimit",
        '"burst"',
        "limit, interval",
      ]);
    });

    for (const key of ["maxChannel", "check_origin", "timeout", "hasOwnProperty"]) {
      it(`have no ${key} in ${where}, and the error lists those there are`, () => {
        expectRefused(mount(within({ [key]: undefined })), "unknown_option", [
          'socket("/socket")',
          ...place,
          JSON.stringify(key),
          Object.keys(RIGHT).join(", "),
        ]);
      });
    }

    it(`take what they should in ${where}`, () => {
      for (const [option, values] of Object.entries(RIGHT)) {
        for (const value of values) {
          expect(mount(within({ [option]: value })), option).to.not.throw();
        }
      }
    });

    it(`may be undefined in ${where}, which is absent`, () => {
      const absent = Object.fromEntries(Object.keys(RIGHT).map((option) => [option, undefined]));
      expect(mount(within(absent))).to.not.throw();
    });
  }

  for (const [value, shown] of [
    [null, "null"],
    [5, "5"],
    ["on", '"on"'],
    [[], "an array"],
  ]) {
    it(`are an object, not ${shown}`, () => {
      expectRefused(mount(value), "invalid_option", [
        'socket("/socket")',
        "object of options",
        String(shown),
      ]);
    });

    for (const transport of ["websocket", "longpoll"]) {
      it(`of ${transport} are an object, true or false, not ${shown}`, () => {
        expectRefused(mount({ [transport]: value }), "invalid_option", [
          'socket("/socket")',
          transport,
          "true, false",
          String(shown),
        ]);
      });
    }
  }

  it("have onRefused for WebSockets, which must be a function", () => {
    for (const value of [true, null, { status: 403 }]) {
      expectRefused(mount({ onRefused: value }), "invalid_option", ["onRefused", "a function"]);
      expectRefused(mount({ websocket: { onRefused: value } }), "invalid_option", ["websocket", "onRefused"]);
    }
    expectRefused(mount({ longpoll: { onRefused() {} } }), "unknown_option", ["longpoll", '"onRefused"']);
    expect(mount({ onRefused() {} })).to.not.throw();
    expect(mount({ websocket: { onRefused() {} } })).to.not.throw();
    expect(mount({ onRefused: undefined, websocket: { onRefused: undefined } })).to.not.throw();
  });

  it("have windowMs for long-polling, in its own options", () => {
    for (const [value, got] of noNumber("milliseconds")) {
      expectRefused(mount({ longpoll: { windowMs: value } }), "invalid_option", [
        "longpoll",
        "windowMs",
        String(got),
      ]);
    }
    expectRefused(mount({ windowMs: 5 }), "unknown_option", ['"windowMs"']);
    expectRefused(mount({ websocket: { windowMs: 5 } }), "unknown_option", ["websocket", '"windowMs"']);
    expect(mount({ longpoll: { windowMs: 10_000 } })).to.not.throw();
  });

  it("turn a transport on and off", () => {
    for (const websocket of [true, false, undefined, {}]) {
      for (const longpoll of [true, false, undefined, {}]) {
        expect(mount({ websocket, longpoll })).to.not.throw();
      }
    }
  });
});

describe("the path of a mount", () => {
  const wrong: [path: unknown, ...words: string[]][] = [
    [undefined, "got undefined", '"/socket"'],
    [null, "got null", '"/socket"'],
    [5, "got 5", '"/socket"'],
    ["", 'got ""', "begins with a slash"],
    ["socket", 'got "socket"', "begins with a slash"],
    ["/socket?vsn=2.0.0", 'got "/socket?vsn=2.0.0"'],
    [/socket/, "got an instance of RegExp", '"/socket"'],
  ];

  for (const [path, ...words] of wrong) {
    it(`isn't ${words[0]?.slice(4)}`, () => {
      expectRefused(() => new Endpoint().socket(path as string, UserSocket), "invalid_argument", [
        "path",
        ...words,
      ]);
    });
  }

  it("is mounted once, with a trailing slash or without", () => {
    const endpoint = new Endpoint();
    endpoint.socket("/socket", UserSocket);
    expectRefused(() => endpoint.socket("/socket", UserSocket), "invalid_argument", ["/socket", "already"]);
    expectRefused(() => endpoint.socket("/socket/", UserSocket), "invalid_argument", ["/socket", "already"]);
    endpoint.socket("/other/:room", UserSocket);
    endpoint.socket("/", UserSocket);
  });

  it("stays free if the mount is refused", () => {
    const endpoint = new Endpoint();
    expect(() => endpoint.socket("/socket", UserSocket, { maxChannels: 0 })).to.throw();
    endpoint.socket("/socket", UserSocket);
  });
});

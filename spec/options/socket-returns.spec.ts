import { expect } from "chai";
import {
  Channel,
  type ChannelsError,
  error,
  type MountOptions,
  noreply,
  ok,
  ReturnError,
  reply,
  Socket,
  stop,
} from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { type LogLine, serve } from "../support/server.ts";
import { expectRefused } from "./expect-refused.ts";

/** All that the log says of what went wrong, in one text. */
function troubles(lines: readonly LogLine[]): string {
  return lines
    .filter(({ level }) => level === "warn" || level === "error")
    .map(({ message, details }) =>
      [message, details.error, (details.err as Error | undefined)?.message].join("\n"),
    )
    .join("\n");
}

/** A callback of an app without types. */
// biome-ignore lint/suspicious/noExplicitAny: the callbacks return what they may not
type Callback = (...args: unknown[]) => any;

function socketClass(callbacks: { connect?: Callback; id?: Callback }) {
  class UserSocket extends Socket {}
  Object.assign(UserSocket.prototype, callbacks);
  return UserSocket;
}

const WRONG: readonly [value: unknown, shown: string][] = [
  [undefined, "returned undefined"],
  [null, "returned null"],
  [true, "returned true"],
  [false, "returned false"],
  ["ok", 'returned "ok"'],
  [{ userId: "1" }, "returned an object"],
  [reply("maybe"), "returned an instance of Reply"],
  [noreply(), "returned an instance of NoReply"],
  [stop(), "returned an instance of Stop"],
];

describe("a wrong return of connect", () => {
  for (const [kind, make] of [
    ["", (value: unknown) => () => value],
    [" in a promise", (value: unknown) => async () => value],
  ] as const) {
    for (const [value, shown] of WRONG) {
      it(`refuses the client with 403, and is logged${kind}: ${shown}`, async () => {
        const { url, lines } = await serve(socketClass({ connect: make(value) }));
        expect((await refused(url)).status).to.equal(403);
        const said = troubles(lines);
        for (const word of ["UserSocket.connect", shown, "ok() or error(reason?)"])
          expect(said).to.include(word);
      });
    }
  }

  it("is no word of the app's: onRefused isn't asked", async () => {
    let asked = false;
    const onRefused = () => {
      asked = true;
      return { status: 401 };
    };
    const { url } = await serve(socketClass({ connect: () => true }), { onRefused });
    expect((await refused(url)).status).to.equal(403);
    expect(asked).to.equal(false);
  });

  it("is logged as a ReturnError, with its code", async () => {
    for (const callbacks of [{ connect: () => true }, { id: () => 5 }]) {
      const { url, lines } = await serve(socketClass(callbacks));
      await refused(url);
      const [err] = lines.flatMap(({ details }) => (details.err === undefined ? [] : [details.err]));
      expect(err).to.be.instanceOf(ReturnError);
      expect((err as ChannelsError).code).to.equal("invalid_return");
    }
  });

  for (const [kind, connect] of [
    [
      "",
      () => {
        throw error("no");
      },
    ],
    [
      " in a promise",
      async () => {
        throw error("no");
      },
    ],
  ] as [string, Callback][]) {
    it(`that was thrown${kind} is a crash, and the log says what to do`, async () => {
      const { url, lines } = await serve(socketClass({ connect }));
      expect((await refused(url)).status).to.equal(500);
      const said = troubles(lines);
      for (const word of ["UserSocket.connect", "threw", "an instance of Reply", "return"]) {
        expect(said).to.include(word);
      }
    });
  }
});

describe("a wrong return of id", () => {
  for (const [value, shown] of [
    [undefined, "returned undefined"],
    [7, "returned 7"],
    ["", 'returned ""'],
    [{ id: "1" }, "returned an object"],
    [Promise.resolve("users:1"), "returned an instance of Promise"],
    [ok("users:1"), "returned an instance of Reply"],
  ] as [unknown, string][]) {
    it(`refuses the client with 403, and is logged: ${shown}`, async () => {
      const { url, lines } = await serve(socketClass({ id: () => value }));
      expect((await refused(url)).status).to.equal(403);
      const said = troubles(lines);
      for (const word of ["UserSocket.id", shown, "a string or null"]) expect(said).to.include(word);
    });
  }
});

describe("a wrong return of refresh", () => {
  for (const [kind, make] of [
    ["", (value: unknown) => () => value],
    [" in a promise", (value: unknown) => async () => value],
  ] as const) {
    for (const [value, shown] of WRONG) {
      it(`ends the channel that was asked, and is logged${kind}: ${shown}`, async () => {
        class RoomChannel extends Channel {
          override join() {
            return ok();
          }
        }
        class UserSocket extends Socket {
          static override channels = { "room:*": RoomChannel };
        }
        Object.assign(UserSocket.prototype, { refresh: make(value) });
        const { url, lines } = await serve(UserSocket);
        const client = await connect(url);
        await client.join("room:a");
        const frame = await client.ask("1", "2", "room:a", "access_token", { token: "t" });
        expect(frame[3]).to.equal("phx_error");
        const said = troubles(lines);
        for (const word of ["UserSocket.refresh", shown, "ok() or error(reason?)"])
          expect(said).to.include(word);
      });
    }
  }
});

describe("a wrong expiresAt", () => {
  for (const [value, shown] of [
    ["tomorrow", 'got "tomorrow"'],
    [Number.NaN, "got NaN"],
    [Number.POSITIVE_INFINITY, "got Infinity"],
    [new Date("tomorrow"), "got an instance of Date"],
    [{}, "got an object"],
    [true, "got true"],
  ] as [unknown, string][]) {
    it(`is refused where it is set, and the connection with it: ${shown}`, async () => {
      class UserSocket extends Socket {
        override connect() {
          expectRefused(() => Object.assign(this, { expiresAt: value }), "invalid_argument", [
            "expiresAt",
            "a Date, milliseconds since the epoch",
            shown,
          ]);
          expect(this.expiresAt).to.equal(null);
          Object.assign(this, { expiresAt: value });
          return ok();
        }
      }
      const { url, lines } = await serve(UserSocket);
      expect((await refused(url)).status).to.equal(500);
      expect(troubles(lines)).to.include("expiresAt").and.include(shown);
    });
  }
});

describe("an app's own constructor", () => {
  it("that keeps the context from Channel crashes the join, and the log says why", async () => {
    class RoomChannel extends Channel {
      lines: string[];
      constructor() {
        // @ts-expect-error what an app without types writes
        super();
        this.lines = [];
      }
      override join() {
        return ok();
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const { url, lines } = await serve(UserSocket);
    const client = await connect(url);
    expect((await client.join("room:a"))[4].response).to.deep.equal({ reason: "join crashed" });
    const said = troubles(lines);
    for (const word of ["RoomChannel", "no constructor", "join"]) expect(said).to.include(word);
  });

  it("that keeps the context from Socket refuses with 500, and the log says why", async () => {
    class UserSocket extends Socket {
      since: number;
      constructor() {
        // @ts-expect-error what an app without types writes
        super();
        this.since = 0;
      }
    }
    const { url, lines } = await serve(UserSocket);
    expect((await refused(url)).status).to.equal(500);
    const said = troubles(lines);
    for (const word of ["UserSocket", "no constructor", "connect"]) expect(said).to.include(word);
  });
});

describe("a wrong return of a mount's function", () => {
  const origin = { origin: "https://example.com" };

  for (const [value, shown] of [
    [undefined, "undefined"],
    ["https://example.com", '"https://example.com"'],
    [1, "1"],
    [Promise.resolve(true), "an instance of Promise"],
  ] as [unknown, string][]) {
    it(`checkOrigin lets nobody in, and is logged: ${shown}`, async () => {
      const { url, lines } = await serve(socketClass({}), { checkOrigin: (() => value) as () => boolean });
      expect((await refused(url, "vsn=2.0.0", { headers: origin })).status).to.be.oneOf([403, 500]);
      const said = troubles(lines);
      for (const word of ["checkOrigin", `returned ${shown}`, "true or false"]) expect(said).to.include(word);
    });
  }

  for (const [value, ...words] of [
    [true, "got true"],
    ["no", 'got "no"'],
    [{}, "status", "got undefined"],
    [{ status: 200 }, "status", "from 400 to 599", "got 200"],
    [{ status: "403" }, "status", 'got "403"'],
    [{ status: 401, body: { reason: "no" } }, "body", "a string", "got an object"],
    [{ status: 401, headers: "x-a: b" }, "headers", "an object", 'got "x-a: b"'],
    [{ status: 401, headers: { "x-a": 5 } }, "x-a", "a string", "got 5"],
    [{ status: 401, headers: { "x a": "b" } }, "x a"],
    [{ status: 401, headers: { "x-a": "b\r\nx-c: d" } }, "x-a"],
    [{ status: 401, header: { "x-a": "b" } }, '"header"', "status, body, headers"],
    [Promise.resolve({ status: 401 }), "status"],
  ] as [unknown, ...string[]][]) {
    it(`onRefused answers 500, and is logged: ${words.join(", ")}`, async () => {
      const options = { onRefused: () => value } as MountOptions;
      const { url, lines } = await serve(socketClass({ connect: () => error("no") }), options);
      expect((await refused(url)).status).to.equal(500);
      const said = troubles(lines);
      for (const word of ["onRefused", ...words]) expect(said).to.include(word);
    });
  }
});

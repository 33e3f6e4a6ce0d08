import { Channel, type ChannelClass, Endpoint, ok, type RateLimit, Socket } from "../../../lib/index.ts";
import { expectRefused } from "../../options/expect-refused.ts";

type Wrong = readonly [value: unknown, ...words: string[]];

const WRONG: readonly Wrong[] = [
  [true, "got true", "{limit, interval, by?, hardLimit?} or false"],
  [null, "got null", "{limit, interval, by?, hardLimit?} or false"],
  [100, "got 100", "{limit, interval, by?, hardLimit?} or false"],
  [{}, "limit", "at least 1", "got undefined"],
  [{ limit: 5 }, "interval", "at least 1", "got undefined"],
  [{ limit: 0.5, interval: 1000 }, "limit", "at least 1", "got 0.5"],
  [{ limit: 5, interval: 0 }, "interval", "at least 1", "got 0"],
  [{ limit: Number.NaN, interval: 1000 }, "limit", "got NaN"],
  [{ limit: "5", interval: 1000 }, "limit", 'got "5"'],
  [{ limit: 5, interval: Number.POSITIVE_INFINITY }, "interval", "got Infinity"],
  [{ limit: 5, interval: 1000, hardLimit: 0 }, "hardLimit", "at least 1", "got 0"],
  [{ limit: 5, interval: 1000, hardLimit: null }, "hardLimit", "at least 1", "got null"],
  [{ limit: 5, interval: 1000, hardLimit: 4 }, "hardLimit", "at least limit, 5", "got 4"],
  [{ limit: 5, interval: 1000, by: "user" }, "by", '"connection" or "id"', 'got "user"'],
  [{ limit: 5, interval: 1000, by: null }, "by", '"connection" or "id"', "got null"],
];

const RIGHT: readonly (RateLimit | false)[] = [
  false,
  { limit: 1, interval: 1 },
  { limit: 5, interval: 1000, hardLimit: 5 },
  { limit: 2.5, interval: 1000, by: "id" },
  { limit: 5, interval: 1000, by: undefined, hardLimit: undefined },
  { limit: 5, interval: 1000, by: "connection", hardLimit: 1e6 },
];

function classWith(statics: object): ChannelClass {
  class Strict extends Channel {
    override join() {
      return ok();
    }
  }
  return Object.assign(Strict, statics) as ChannelClass;
}

/** Mounts a socket with a channel class, as an app does. */
function mount(channel: ChannelClass, options: object = {}): () => void {
  class StrictSocket extends Socket {
    static override channels = { "*": channel };
  }
  return () => new Endpoint().socket("/socket", StrictSocket, options);
}

describe("options of limits", () => {
  for (const [value, ...words] of WRONG) {
    const title = words.join(", ");
    it(`refuse rateLimit of a mount: ${title}`, () => {
      for (const options of [{ rateLimit: value }, { websocket: { rateLimit: value } }]) {
        expectRefused(mount(classWith({}), options), "invalid_option", ["rateLimit", ...words]);
      }
    });

    it(`refuse static rateLimit: ${title}`, () => {
      expectRefused(mount(classWith({ rateLimit: value })), "invalid_option", ["Strict.rateLimit", ...words]);
    });
  }

  it("refuse unknown keys of static rateLimit", () => {
    const rateLimit = { limit: 5, interval: 1000, per: "id" };
    const words = ["Strict.rateLimit", '"per"', "limit, interval, by and hardLimit"];
    expectRefused(mount(classWith({ rateLimit })), "unknown_option", words);
  });

  it("take what is right", () => {
    for (const rateLimit of RIGHT) mount(classWith({ rateLimit }), { rateLimit })();
    for (const overflow of [{}, { cursor: "drop" }, { cursor: "drop", new_msg: "close" }]) {
      mount(classWith({ overflow }))();
    }
  });

  for (const [overflow, ...words] of [
    ["drop", 'got "drop"', '{cursor: "drop"}'],
    [null, "got null", '{cursor: "drop"}'],
    [["cursor"], "got an array of 1", '{cursor: "drop"}'],
    [{ cursor: "skip" }, '["cursor"]', '"close" or "drop"', 'got "skip"'],
    [{ cursor: true }, '["cursor"]', '"close" or "drop"', "got true"],
    [{ cursor: undefined }, '["cursor"]', '"close" or "drop"', "got undefined"],
  ] as const) {
    it(`refuse static overflow: ${words.join(", ")}`, () => {
      expectRefused(mount(classWith({ overflow })), "invalid_option", ["Strict.overflow", ...words]);
    });
  }
});

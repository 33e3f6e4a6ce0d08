import { expect } from "chai";
import { Endpoint, type EndpointOptions } from "../../lib/index.ts";
import { expectRefusal, expectRefused, rejectedBy } from "./expect-refused.ts";

const ADAPTER = {
  name: "spec",
  start() {},
  subscribe() {},
  unsubscribe() {},
  publish() {},
  close: async () => {},
};

const make = (options: unknown) => () => new Endpoint(options as EndpointOptions);

describe("the endpoint's options", () => {
  const METHODS = "start, subscribe, unsubscribe, publish, close";

  const wrong: [option: string, value: unknown, words: string[]][] = [
    ["pubsub", null, ["got null", METHODS]],
    ["pubsub", "redis", ['got "redis"', METHODS]],
    ["pubsub", {}, ["got an object", METHODS]],
    ["pubsub", { ...ADAPTER, close: undefined }, ["got an object", METHODS]],
    ["logger", null, ["got null", "debug, info, warn and error"]],
    ["logger", "info", ['got "info"', "debug, info, warn and error"]],
    ["logger", {}, ["got an object", "debug, info, warn and error"]],
    ["logger", { ...console, warn: true }, ["got an object", "debug, info, warn and error"]],
    ["logger", console.log, ["got function log", "debug, info, warn and error"]],
    ["filterParameters", null, ["got null", "a list of strings"]],
    ["filterParameters", "password", ['got "password"', "a list of strings"]],
    ["filterParameters", ["password", 5], ["5", "a list of strings"]],
    ["filterParameters", new Set(["password"]), ["got an instance of Set", "a list of strings"]],
    ["secret", 5, ["string of at least 32 characters"]],
    ["secret", null, ["string of at least 32 characters"]],
    ["secret", "", ["string of at least 32 characters"]],
    ["secret", "x".repeat(31), ["string of at least 32 characters"]],
    ["clock", null, ["got null", "now, schedule"]],
    ["clock", Date, ["got function Date", "now, schedule"]],
    ["clock", { now: () => 0 }, ["got an object", "now, schedule"]],
  ];

  for (const [option, value, words] of wrong) {
    it(`refuse ${option}: ${words[0]}`, () => {
      expectRefused(make({ [option]: value }), "invalid_option", [option, ...words]);
    });
  }

  it("don't show a secret in the error", () => {
    const secret = "only-31-characters-of-a-secret!";
    try {
      new Endpoint({ secret });
    } catch (error) {
      expect(String(error)).to.not.include(secret);
      return;
    }
    throw new Error("nothing was thrown");
  });

  for (const [value, shown] of [
    [null, "null"],
    [5, "5"],
    ["local", '"local"'],
    [[], "an array"],
    [() => {}, "function"],
  ]) {
    it(`are an object, not ${shown}`, () => {
      expectRefused(make(value), "invalid_option", ["new Endpoint", "object of options", String(shown)]);
    });
  }

  for (const key of ["pubSub", "Logger", "port", "toString", "constructor", ""]) {
    it(`have no ${JSON.stringify(key)}, and the error lists those there are`, () => {
      expectRefused(make({ [key]: undefined }), "unknown_option", [
        "new Endpoint",
        JSON.stringify(key),
        "pubsub, logger, filterParameters, secret, clock",
      ]);
    });
  }

  it("are all optional, and undefined is absent", async () => {
    const absent = {
      pubsub: undefined,
      logger: undefined,
      filterParameters: undefined,
      secret: undefined,
      clock: undefined,
    };
    for (const options of [undefined, {}, absent]) {
      await new Endpoint(options).close();
    }
  });

  it("take what they should", async () => {
    const clock = { now: () => 0, schedule: () => () => {} };
    const endpoint = new Endpoint({
      pubsub: ADAPTER,
      logger: console,
      filterParameters: [],
      secret: "x".repeat(32),
      clock,
    });
    expect(endpoint.stats()).to.include({ connections: 0, draining: false });
    await endpoint.close();
  });
});

describe("the options of drain and close", () => {
  const wrong: [options: unknown, code: string, words: string[]][] = [
    [null, "invalid_option", ["object of options", "got null"]],
    [5000, "invalid_option", ["object of options", "got 5000"]],
    [{ timeout: 5 }, "unknown_option", ['"timeout"', "batchSize, intervalMs, timeoutMs"]],
    [{ batchSize: 0 }, "invalid_option", ["batchSize", "got 0", "connections of at least 1"]],
    [{ batchSize: 1.5 }, "invalid_option", ["batchSize", "got 1.5"]],
    [{ intervalMs: -1 }, "invalid_option", ["intervalMs", "got -1", "milliseconds of at least 0"]],
    [{ intervalMs: "5" }, "invalid_option", ["intervalMs", 'got "5"']],
    [{ timeoutMs: Number.NaN }, "invalid_option", ["timeoutMs", "got NaN"]],
    [{ timeoutMs: null }, "invalid_option", ["timeoutMs", "got null"]],
  ];

  for (const method of ["drain", "close"] as const) {
    for (const [options, code, words] of wrong) {
      it(`${method} rejects for wrong options (${words.join(", ")}), and can be called again`, async () => {
        const endpoint = new Endpoint();
        expectRefusal(await rejectedBy(() => endpoint[method](options as never)), code, words);
        expect(endpoint.stats().draining).to.equal(false);
        await endpoint[method]({ batchSize: 1, intervalMs: 0, timeoutMs: undefined });
        expect(endpoint.stats().draining).to.equal(true);
      });
    }
  }
});

import { createContext, runInContext } from "node:vm";
import { expect } from "chai";
import {
  Channel,
  type ChannelClass,
  error,
  noreply,
  ok,
  ReturnError,
  reply,
  Socket,
  stop,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Journal, turn } from "../support/gate.ts";
import { attackable, errors } from "./attackable.ts";

function throws(value: unknown = new Error("from the app")): () => never {
  return () => {
    throw value;
  };
}

/** An object that only looks like a promise. */
const like = (then: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void) => ({
  then,
});

/** Objects on which the simplest question throws. */
function untouchables(): Record<string, unknown> {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return {
    "a revoked proxy": proxy,
    "a proxy without a prototype to ask for": new Proxy({}, { getPrototypeOf: throws() }),
    "an object whose then throws": {
      // biome-ignore lint/suspicious/noThenProperty: what is tested
      get then() {
        return throws()();
      },
    },
    "an object whose constructor throws": Object.create({
      get constructor() {
        return throws()();
      },
    }),
  };
}

const GARBAGE: Record<string, unknown> = {
  null: null,
  false: false,
  "0": 0,
  "a string": "ok",
  "an object": { status: "ok" },
  "an array": [ok()],
  "a function": () => ok(),
  "a class": class {},
  "a symbol": Symbol("ok"),
  "a bigint": 1n,
  "a date": new Date(),
  "an object without prototype": Object.create(null),
  "an object of another realm": runInContext("({status: 'ok'})", createContext({})),
  "an object whose name is no string": Object.create({ constructor: { name: 7 } }),
  ...untouchables(),
};

/** A channel class whose callbacks do what a spec says, and a healthy neighbour. */
function misbehaving(callbacks: {
  join?: () => unknown;
  handleIn?: () => unknown;
  handleInfo?: () => unknown;
  handleOut?: () => unknown;
}) {
  const ends = new Journal();
  class Bad extends Channel {
    static override intercepts = ["out"];
    override join() {
      return (callbacks.join === undefined ? ok() : callbacks.join()) as ReturnType<typeof ok>;
    }
    override handleIn(event: string) {
      if (event === "in") return callbacks.handleIn?.() as undefined;
      if (event === "info") this.sendSelf("info");
      if (event === "out") this.broadcast("out");
      return undefined;
    }
    override handleInfo() {
      return callbacks.handleInfo?.() as undefined;
    }
    override handleOut() {
      return callbacks.handleOut?.() as undefined;
    }
    override terminate({ kind, error: thrown }: { kind: string; error?: unknown }) {
      ends.add(`${kind}${thrown instanceof ReturnError ? ` ${thrown.code}` : ""}`);
    }
  }
  class Good extends Channel {
    override join() {
      return ok();
    }
    static {
      this.on("echo", (payload) => ok(payload));
    }
  }
  class AppSocket extends Socket {
    static override channels: Record<string, ChannelClass> = { good: Good, "*": Bad };
  }
  return { AppSocket, ends };
}

const crashed = ["1", "1", "room:a", "phx_error", { reason: "channel_crash" }];

describe("apps that misbehave", () => {
  describe("join", () => {
    const cases: Record<string, () => unknown> = {
      undefined: () => undefined,
      "noreply()": () => noreply(),
      "stop()": () => stop(),
      "reply(maybe)": () => reply("maybe"),
      "the class of ok": () => ok,
      ...Object.fromEntries(Object.entries(GARBAGE).map(([name, value]) => [name, () => value])),
      "a throw": throws(),
      "a throw of nothing": throws(undefined),
      "a throw of null": throws(null),
      "a thrown reply": throws(error({ reason: "unauthorized" })),
      "a rejection": () => Promise.reject(new Error("x")),
      "a rejection with nothing": () => Promise.reject(),
      "a promise of garbage": () => Promise.resolve("ok"),
      "a promise-like that throws": () => like(throws()),
      "a promise-like that rejects": () => like((_resolve, reject) => reject(undefined)),
    };
    for (const [name, join] of Object.entries(cases)) {
      it(`${name}: answered as a crash, and logged`, async () => {
        const { AppSocket } = misbehaving({ join });
        const served = await attackable(AppSocket);
        const client = await connect(served.url);
        await client.join("good", {}, "9");
        expect((await client.join("room:a")).slice(1)).to.deep.equal([
          "1",
          "room:a",
          "phx_reply",
          { status: "error", response: { reason: "join crashed" } },
        ]);
        expect((await client.ask("9", "2", "good", "echo", 1))[4].response).to.equal(1);
        expect(errors(served)).to.have.length(1);
      });
    }

    it("a promise-like that resolves and then throws, or resolves twice, is answered once", async () => {
      for (const then of [
        (resolve: (value: unknown) => void) => {
          resolve(ok({ n: 1 }));
          throws()();
        },
        (resolve: (value: unknown) => void) => {
          resolve(ok({ n: 1 }));
          resolve(ok({ n: 2 }));
        },
        (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => {
          resolve(ok({ n: 1 }));
          reject(new Error("x"));
        },
      ]) {
        const { AppSocket } = misbehaving({ join: () => like(then) });
        const { url } = await attackable(AppSocket);
        const client = await connect(url);
        expect((await client.join("room:a"))[4]).to.deep.equal({ status: "ok", response: { n: 1 } });
        expect(await client.settle()).to.deep.equal([]);
      }
    });

    it("a thrown reply is named as what it is", async () => {
      const { AppSocket } = misbehaving({ join: throws(error({ reason: "unauthorized" })) });
      const { url, lines } = await attackable(AppSocket);
      await (await connect(url)).join("room:a");
      const logged = lines.find(({ level }) => level === "error")?.details.err;
      expect(logged).to.be.instanceOf(ReturnError);
      expect((logged as ReturnError).message)
        .to.include("Bad.join")
        .and.include("threw");
    });
  });

  for (const [method, event] of [
    ["handleIn", "in"],
    ["handleInfo", "info"],
    ["handleOut", "out"],
  ] as const) {
    describe(method, () => {
      const cases: Record<string, () => unknown> = {
        ...Object.fromEntries(Object.entries(GARBAGE).map(([name, value]) => [name, () => value])),
        ...(method === "handleIn"
          ? {}
          : { "a reply": () => ok(), "stop with a reply": () => stop("normal", ok()) }),
        "a throw": throws(),
        "a throw of nothing": throws(undefined),
        "a thrown reply": throws(ok()),
        "a thrown stop": throws(stop()),
        "a rejection": () => Promise.reject(new Error("x")),
        "a rejection with nothing": () => Promise.reject(),
        "a promise of garbage": () => Promise.resolve(7),
        "a promise of an untouchable": () =>
          Promise.resolve(untouchables()["a proxy without a prototype to ask for"]),
        "a promise-like that throws": () => like(throws()),
        "a promise-like that rejects": () => like((_resolve, reject) => reject(undefined)),
      };
      for (const [name, callback] of Object.entries(cases)) {
        it(`${name}: ends the channel with phx_error, is logged, and nobody else notices`, async () => {
          const { AppSocket, ends } = misbehaving({ [method]: callback });
          const served = await attackable(AppSocket);
          const client = await connect(served.url);
          await client.join("good", {}, "9");
          await client.join("room:a");
          client.send(["1", "2", "room:a", event, {}]);
          expect(await client.next()).to.deep.equal(crashed);
          expect((await client.ask("9", "3", "good", "echo", 1))[4].response).to.equal(1);
          expect(await client.settle()).to.deep.equal([]);
          expect(await ends.reaches(1)).to.have.length(1);
          expect(ends.entries[0]).to.match(/^error/);
          expect(errors(served)).to.have.length(1);
        });
      }

      it("an error names the method, the value and what was expected", async () => {
        const { AppSocket } = misbehaving({ [method]: () => ({ status: "ok" }) });
        const { url, lines } = await attackable(AppSocket);
        const client = await connect(url);
        await client.join("room:a");
        client.send(["1", "2", "room:a", event, {}]);
        await client.next();
        const logged = lines.find(({ level }) => level === "error")?.details.err as ReturnError;
        expect(logged).to.be.instanceOf(ReturnError);
        expect(logged.code).to.equal("invalid_return");
        expect(logged.message).to.include(`Bad.${method}`).and.include("an object").and.include("noreply()");
      });
    });
  }

  it("a promise-like answer of a handler counts once", async () => {
    const then = (resolve: (value: unknown) => void) => {
      resolve(ok({ n: 1 }));
      resolve(ok({ n: 2 }));
      throws()();
    };
    const { AppSocket } = misbehaving({ handleIn: () => like(then) });
    const { url } = await attackable(AppSocket);
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "in"))[4].response).to.deep.equal({ n: 1 });
    expect(await client.settle()).to.deep.equal([]);
  });

  describe("a constructor or a field initializer that throws", () => {
    it("is a join that crashed, and leaves nothing behind", async () => {
      class Field extends Channel {
        readonly timer = this.sendSelf("never", { after: 0 });
        readonly broken = throws()() as unknown;
        override join() {
          return ok();
        }
      }
      class Early extends Channel {
        readonly subscribed = this.subscribe("news");
        constructor(context: ConstructorParameters<ChannelClass>[0]) {
          super(context);
          throws()();
        }
        override join() {
          return ok();
        }
      }
      class AppSocket extends Socket {
        static override channels: Record<string, ChannelClass> = { field: Field, early: Early };
      }
      const served = await attackable(AppSocket);
      const client = await connect(served.url);
      for (const topic of ["field", "early"]) {
        expect((await client.join(topic))[4]).to.deep.equal({
          status: "error",
          response: { reason: "join crashed" },
        });
      }
      expect(served.endpoint.stats()).to.include({ channels: 0, topics: 0 });
      expect(errors(served)).to.have.length(2);
    });
  });

  describe("terminate", () => {
    const cases: Record<string, () => unknown> = {
      "that throws": throws(),
      "that throws nothing": throws(undefined),
      "that rejects": () => Promise.reject(new Error("x")),
      "that rejects with nothing": () => Promise.reject(),
      "that answers garbage": () => 7,
      "that answers a revoked proxy": () => untouchables()["a revoked proxy"],
      "that is a promise-like that throws": () => like(throws()),
    };
    for (const [name, terminate] of Object.entries(cases)) {
      it(`${name} does no harm, however the channel ends`, async () => {
        let calls = 0;
        class Ending extends Channel {
          override join() {
            return ok();
          }
          override terminate() {
            calls++;
            return terminate() as undefined;
          }
          static {
            this.on("stop", () => stop());
            this.on("boom", throws());
          }
        }
        class AppSocket extends Socket {
          static override channels = { "*": Ending };
        }
        const { url } = await attackable(AppSocket);
        const client = await connect(url);
        for (const event of ["phx_leave", "stop", "boom", "phx_join"]) {
          await client.join("room:a");
          client.send(["1", "2", "room:a", event, {}]);
          const last = event === "boom" ? "phx_error" : "phx_close";
          while ((await client.next())[3] !== last) {}
        }
        await client.close();
        while (calls < 5) await turn();
        expect(calls).to.equal(5);
      });
    }
  });
});

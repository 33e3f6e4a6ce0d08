import { expect } from "chai";
import {
  Channel,
  type ChannelClass,
  Endpoint,
  type EndpointOptions,
  ok,
  type Serializer,
  Socket,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { attackable, EchoSocket, errors } from "./attackable.ts";

const throwing = (): never => {
  throw new Error("from the app");
};

describe("the app's other callbacks", () => {
  describe("a logger", () => {
    const loggers: Record<string, EndpointOptions["logger"]> = {
      "that throws": { debug: throwing, info: throwing, warn: throwing, error: throwing },
      "that needs its this": new (class {
        lines = 0;
        debug() {
          this.lines++;
        }
        info() {
          this.lines++;
        }
        warn() {
          this.lines++;
        }
        error() {
          this.lines++;
        }
      })(),
      "that reads all it is given": (() => {
        const read = (details: object, message: string) => {
          JSON.stringify(details, (_key, value) => (value instanceof Error ? value.message : value));
          message.trim();
        };
        return { debug: read, info: read, warn: read, error: read };
      })(),
    };
    for (const [name, logger] of Object.entries(loggers)) {
      it(`${name} takes nobody with it`, async () => {
        const { url } = await attackable(EchoSocket, {}, { logger });
        expect(await refused(url, "vsn=9.9.9")).to.include({ status: 403 });
        expect(await refused(url, "vsn=2.0.0", { origin: "https://evil.test" })).to.include({ status: 403 });
        const client = await connect(url);
        await client.join("room:a");
        expect((await client.ask("1", "2", "room:a", "echo", 1))[4].response).to.equal(1);
        expect((await client.ask("1", "3", "room:a", "unknown"))[4].status).to.equal("error");
        expect((await client.ask("1", "4", "room:a", "boom"))[3]).to.equal("phx_error");
        client.send("not a message");
        expect((await client.closed).code).to.equal(1011);
      });
    }

    it("that lacks a method is refused at once", () => {
      expect(() => new Endpoint({ logger: { info() {} } as never })).to.throw("logger");
    });
  });

  describe("a schema", () => {
    const schemas: Record<string, () => unknown> = {
      "that throws": throwing,
      "that rejects": () => Promise.reject(new Error("x")),
      "that rejects with nothing": () => Promise.reject(),
      "that answers nothing": () => undefined,
      "that answers null": () => null,
      "that promises nothing": () => Promise.resolve(),
      "whose issues are no list": () => ({ issues: 7 }),
      "whose issues are null": () => ({ issues: [null] }),
      "whose path is null": () => ({ issues: [{ message: "x", path: [null] }] }),
      "whose path can't be written": () => ({ issues: [{ message: "x", path: [1n] }] }),
      // biome-ignore lint/suspicious/noThenProperty: what is tested
      "that is a promise-like that throws": () => ({ then: throwing }),
    };
    for (const [name, validate] of Object.entries(schemas)) {
      it(`${name}: a join that crashed, or the end of the channel; nothing else`, async () => {
        const schema = { "~standard": { version: 1, vendor: "spec", validate } } as never;
        let called = false;
        class Joining extends Channel {
          static override joinSchema = schema;
          override join() {
            called = true;
            return ok();
          }
        }
        class Handling extends Channel {
          override join() {
            return ok();
          }
          static {
            this.on("checked", schema, () => {
              called = true;
              return ok();
            });
          }
        }
        class SchemaSocket extends Socket {
          static override channels: Record<string, ChannelClass> = { joining: Joining, handling: Handling };
        }
        const served = await attackable(SchemaSocket);
        const client = await connect(served.url);
        expect((await client.join("joining"))[4]).to.deep.equal({
          status: "error",
          response: { reason: "join crashed" },
        });
        await client.join("handling");
        expect((await client.ask("1", "2", "handling", "checked"))[3]).to.equal("phx_error");
        expect(await client.settle()).to.deep.equal([]);
        expect(called).to.equal(false);
        expect(errors(served)).to.have.length(2);
      });
    }

    it("that refuses names each issue by its path, symbols and keys of segments too", async () => {
      const issues = [
        { message: "one", path: ["a", 0, { key: "b" }] },
        { message: "two", path: [Symbol("s"), { key: Symbol("t") }] },
        { message: "three" },
      ];
      const schema = { "~standard": { version: 1, vendor: "spec", validate: () => ({ issues }) } } as never;
      class Checked extends Channel {
        override join() {
          return ok();
        }
        static {
          this.on("checked", schema, () => ok());
        }
      }
      class CheckedSocket extends Socket {
        static override channels = { "*": Checked };
      }
      const { url } = await attackable(CheckedSocket);
      const client = await connect(url);
      await client.join("room:a");
      expect((await client.ask("1", "2", "room:a", "checked"))[4].response).to.deep.equal({
        reason: "invalid payload",
        issues: [
          { message: "one", path: ["a", 0, "b"] },
          { message: "two", path: ["Symbol(s)", "Symbol(t)"] },
          { message: "three", path: [] },
        ],
      });
    });
  });

  describe("a handleOut that changes its payload", () => {
    it("crashes, for it is frozen; others get the payload as it was broadcast", async () => {
      class Mutating extends Channel {
        static override intercepts = ["n"];
        override join() {
          return ok();
        }
        override handleOut(_event: string, payload: unknown) {
          const { list } = payload as { list: number[] };
          list.push(4);
        }
      }
      class Passing extends Mutating {
        override handleOut(event: string, payload: unknown) {
          this.push(event, { ...(payload as object), via: "handleOut" });
        }
      }
      class MutatingSocket extends Socket {
        static override channels = { "*": Mutating };
      }
      class PassingSocket extends Socket {
        static override channels = { "*": Passing };
      }
      const { url, port, endpoint } = await attackable(MutatingSocket);
      endpoint.socket("/passing", PassingSocket);
      endpoint.socket("/fastlane", EchoSocket);
      const mutating = await connect(url);
      const passing = await connect(`ws://127.0.0.1:${port}/passing/websocket`);
      const fastlane = await connect(`ws://127.0.0.1:${port}/fastlane/websocket`);
      for (const client of [mutating, passing, fastlane]) await client.join("room:a");
      const heard: unknown[] = [];
      const stop = endpoint.subscribe("room:a", ({ payload }) => {
        heard.push(payload);
        throwing();
      });
      endpoint.broadcast("room:a", "n", { list: [1, 2, 3] });
      stop();
      expect(await mutating.next()).to.deep.equal([
        "1",
        "1",
        "room:a",
        "phx_error",
        { reason: "channel_crash" },
      ]);
      expect((await passing.next())[4]).to.deep.equal({ list: [1, 2, 3], via: "handleOut" });
      expect((await fastlane.next())[4]).to.deep.equal({ list: [1, 2, 3] });
      expect(heard).to.deep.equal([{ list: [1, 2, 3] }]);
      expect(endpoint.stats().channels).to.equal(2);
    });
  });

  it("a listener that throws, or broadcasts from within, disturbs no delivery", async () => {
    const served = await attackable(EchoSocket);
    const { url, endpoint } = served;
    const client = await connect(url);
    await client.join("room:a");
    const stops = [
      endpoint.subscribe("room:a", throwing),
      endpoint.subscribe("room:a", ({ event }) => {
        if (event === "first") endpoint.broadcast("room:a", "second");
      }),
      endpoint.subscribe("room:a", throwing),
    ];
    endpoint.broadcast("room:a", "first");
    expect((await client.take(2)).map((frame) => frame[3])).to.deep.equal(["first", "second"]);
    expect(errors(served)).to.have.length(4);
    for (const stop of [...stops, ...stops]) stop();
  });

  it("a serializer that throws where it mustn't loses that message alone, or closes with 1011", async () => {
    const broken: Serializer = {
      ...V2JSONSerializer,
      decode(frame) {
        if (frame === "throw") throw undefined;
        return V2JSONSerializer.decode(frame);
      },
      encodeReply(joinRef, ref, topic, status, payload) {
        return status === "error"
          ? throwing()
          : V2JSONSerializer.encodeReply(joinRef, ref, topic, status, payload);
      },
      encodeBroadcast: throwing,
    };
    const { url, endpoint } = await attackable(EchoSocket, { serializers: [broken] });
    const client = await connect(url);
    await client.join("room:a");
    endpoint.broadcast("room:a", "lost");
    client.send(["1", "2", "room:a", "unknown", {}]);
    expect((await client.ask("1", "3", "room:a", "echo", 1))[1]).to.equal("3");
    client.send("throw");
    expect((await client.closed).code).to.equal(1011);
  });

  it("a socket's assigns that can't be copied are a join that crashed", async () => {
    class StubbornSocket extends EchoSocket {
      override connect() {
        Object.defineProperty(this.assigns, "lazy", { enumerable: true, get: throwing });
        return ok();
      }
    }
    const { url } = await attackable(StubbornSocket);
    const client = await connect(url);
    expect((await client.join("room:a"))[4]).to.deep.equal({
      status: "error",
      response: { reason: "join crashed" },
    });
    expect(await client.settle()).to.deep.equal([]);
  });
});

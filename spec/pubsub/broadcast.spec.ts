import { expect } from "chai";
import {
  Broadcast,
  Channel,
  ok,
  PayloadError,
  type Serializer,
  Socket,
  V1JSONSerializer,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Journal } from "../support/gate.ts";
import { serveInMemory } from "../support/memory.ts";

/** Counts what a serializer makes. */
function counting(serializer: Serializer) {
  const counts = { broadcasts: 0 };
  const counted: Serializer = {
    ...serializer,
    encodeBroadcast(topic, event, payload) {
      counts.broadcasts++;
      return serializer.encodeBroadcast(topic, event, payload);
    },
  };
  return { counted, counts };
}

class Room extends Channel {
  override join() {
    return ok();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

describe("a broadcast", () => {
  it("is encoded once per serializer, however many subscribe", async () => {
    const v1 = counting(V1JSONSerializer);
    const v2 = counting(V2JSONSerializer);
    const { url, endpoint } = serveInMemory(UserSocket, { serializers: [v1.counted, v2.counted] });
    const clients = await Promise.all(
      [1, 2, 3, 4].map((i) => connect(url, `vsn=${i % 2 === 0 ? "1" : "2"}.0.0`)),
    );
    for (const client of clients) {
      if (client.vsn === "2.0.0") await client.join("room:a");
      else client.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
      if (client.vsn === "1.0.0") await client.next();
    }
    let encodings = 0;
    const payload = {
      toJSON() {
        encodings++;
        return { n: 1 };
      },
    };
    endpoint.broadcast("room:a", "x", payload);
    for (const client of clients) await client.next();
    expect(encodings).to.equal(1);
    expect([v1.counts.broadcasts, v2.counts.broadcasts]).to.deep.equal([1, 1]);
  });

  it("is not encoded for a serializer that nobody here speaks, and not at all without subscribers", async () => {
    const v2 = counting(V2JSONSerializer);
    const { url, endpoint } = serveInMemory(UserSocket, { serializers: [v2.counted] });
    const client = await connect(url);
    await client.join("room:a");
    endpoint.broadcast("room:other", "x");
    expect(v2.counts.broadcasts).to.equal(0);
  });

  it("works from a request handler of the host app, before and after clients come", async () => {
    const { url, endpoint } = serveInMemory(UserSocket);
    endpoint.broadcast("room:a", "nobody");
    const client = await connect(url);
    await client.join("room:a");
    endpoint.broadcast("room:a", "somebody", { n: 1 });
    expect(await client.next()).to.deep.equal([null, null, "room:a", "somebody", { n: 1 }]);
  });

  it("throws PayloadError at the caller, and reaches nobody then", async () => {
    const { url, endpoint } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    for (const payload of [{ n: 1n }, { f: () => {} }, "text", [1], null]) {
      expect(() => endpoint.broadcast("room:a", "x", payload as object)).to.throw(PayloadError);
    }
    expect(await client.settle()).to.deep.equal([]);
  });

  it("doesn't show changes made to the payload afterwards", async () => {
    const { url, endpoint } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    const payload = { n: 1 };
    const bytes = new Uint8Array([1]);
    endpoint.broadcast("room:a", "x", payload);
    endpoint.broadcast("room:a", "y", bytes);
    payload.n = 2;
    bytes[0] = 2;
    expect((await client.next())[4]).to.deep.equal({ n: 1 });
    expect([...(await client.next()).subarray(-1)]).to.deep.equal([1]);
  });

  it("that a serializer can't carry is lost for its own subscribers only, and logged once", async () => {
    const { url, endpoint, lines } = serveInMemory(UserSocket);
    const v1 = [await connect(url, "vsn=1.0.0"), await connect(url, "vsn=1.0.0")];
    const v2 = await connect(url);
    for (const client of v1) {
      client.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
      await client.next();
    }
    await v2.join("room:a");
    endpoint.broadcast("room:a", "bytes", new Uint8Array([7]));
    expect([...(await v2.next()).subarray(-1)]).to.deep.equal([7]);
    for (const client of v1) expect(await client.settle()).to.deep.equal([]);
    expect(lines.filter(({ message }) => message.includes("can't carry"))).to.have.length(1);
  });

  it("reaches other topics' subscribers in handleInfo, as one frozen Broadcast for the node", async () => {
    const heard = new Journal<unknown>();
    class Listener extends Channel {
      override join() {
        this.subscribe("news");
        this.subscribe("news");
        return ok();
      }
      override handleInfo(message: unknown) {
        heard.add(message);
      }
      static {
        this.on("stop", function () {
          this.unsubscribe("news");
          this.unsubscribe("never subscribed");
          return ok();
        });
      }
    }
    class ListenerSocket extends Socket {
      static override channels = { "room:*": Listener };
    }
    const { url, endpoint } = serveInMemory(ListenerSocket);
    const clients = [await connect(url), await connect(url)];
    for (const client of clients) await client.join("room:a");
    endpoint.broadcast("news", "x", { deep: { n: 1 } });
    const [one, two] = await heard.reaches(2);
    expect(one).to.be.instanceOf(Broadcast).and.to.equal(two);
    expect(one).to.deep.include({ topic: "news", event: "x", payload: { deep: { n: 1 } } });
    const { payload } = one as { payload: { deep: { n: number } } };
    expect(() => {
      payload.deep.n = 2;
    }).to.throw(TypeError);
    for (const client of clients) await client.ask("1", "2", "room:a", "stop");
    endpoint.broadcast("news", "y");
    for (const client of clients) await client.settle();
    expect(heard.entries).to.have.length(2);
    expect(endpoint.stats().topics).to.equal(1);
  });
});

describe("endpoint.subscribe", () => {
  it("calls listeners when all clients are served; a listener that throws is logged and harms nobody", async () => {
    const { url, endpoint, lines } = serveInMemory(UserSocket);
    const client = await connect(url);
    const heard: string[] = [];
    endpoint.subscribe("room:a", () => {
      throw new Error("listener");
    });
    endpoint.subscribe("room:a", ({ event }) => {
      heard.push(event);
      if (event === "first") endpoint.broadcast("room:a", "second");
    });
    await client.join("room:a");
    endpoint.broadcast("room:a", "first");
    expect(heard).to.deep.equal(["first", "second"]);
    expect((await client.take(2)).map((frame) => frame[3])).to.deep.equal(["first", "second"]);
    expect(lines.some(({ details }) => (details.err as Error | undefined)?.message === "listener")).to.equal(
      true,
    );
  });

  it("returns what removes the listener", async () => {
    const { endpoint } = serveInMemory(UserSocket);
    const heard: string[] = [];
    const remove = endpoint.subscribe("__proto__", ({ event }) => heard.push(event));
    endpoint.broadcast("__proto__", "x");
    remove();
    remove();
    endpoint.broadcast("__proto__", "y");
    expect(heard).to.deep.equal(["x"]);
    expect(endpoint.stats().topics).to.equal(0);
  });
});

describe("keys and wire topics", () => {
  class Tenant extends Channel {
    static override subscribesAtJoin = false;
    static override intercepts = ["filtered"];
    override join() {
      return ok();
    }
    override handleOut(event: string, payload: object) {
      this.push(event, { ...payload, via: "handleOut" });
    }
    static {
      this.on("enter", function ({ key }: { key: string }) {
        this.subscribe(key, { fastlane: true });
        return ok();
      });
      this.on("exit", function ({ key }: { key: string }) {
        this.unsubscribe(key);
        return ok();
      });
    }
  }
  class TenantSocket extends Socket {
    static override channels = { "doc:*": Tenant };
  }

  it("a class with subscribesAtJoin = false gets nothing before it subscribes, then the key's broadcasts under its own topic", async () => {
    const { url, endpoint } = serveInMemory(TenantSocket);
    const one = await connect(url);
    const two = await connect(url);
    await one.join("doc:1");
    await two.join("doc:2");
    endpoint.broadcast("doc:1", "to the topic");
    endpoint.broadcast("key", "early");
    expect(await one.settle()).to.deep.equal([]);
    await one.ask("1", "2", "doc:1", "enter", { key: "key" });
    await two.ask("1", "2", "doc:2", "enter", { key: "key" });
    endpoint.broadcast("doc:1", "to the topic");
    endpoint.broadcast("key", "x", { n: 1 });
    expect(await one.next()).to.deep.equal([null, null, "doc:1", "x", { n: 1 }]);
    expect(await two.next()).to.deep.equal([null, null, "doc:2", "x", { n: 1 }]);
    endpoint.broadcast("key", "filtered", { n: 2 });
    expect(await one.next()).to.deep.equal(["1", null, "doc:1", "filtered", { n: 2, via: "handleOut" }]);
    await one.ask("1", "3", "doc:1", "exit", { key: "key" });
    endpoint.broadcast("key", "late");
    expect(await one.settle()).to.deep.equal([]);
  });

  it("its own topic is a key like others there, and refused where the channel has it already", async () => {
    const { url, endpoint } = serveInMemory(TenantSocket);
    const client = await connect(url);
    await client.join("doc:1");
    await client.ask("1", "2", "doc:1", "enter", { key: "doc:1" });
    endpoint.broadcast("doc:1", "x");
    expect((await client.next())[3]).to.equal("x");

    class Greedy extends Channel {
      override join(topic: string) {
        this.subscribe(topic);
        return ok();
      }
    }
    class GreedySocket extends Socket {
      static override channels = { "room:*": Greedy };
    }
    const greedy = serveInMemory(GreedySocket);
    const other = await connect(greedy.url);
    expect((await other.join("room:a"))[4]).to.deep.equal({
      status: "error",
      response: { reason: "join crashed" },
    });
    expect(
      greedy.lines.some(
        ({ details }) => (details.err as { code?: string } | undefined)?.code === "own_topic",
      ),
    ).to.equal(true);
  });
});

import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { Bus } from "../support/bus.ts";
import { connect } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serveInMemory } from "../support/memory.ts";

class Room extends Channel {
  override join() {
    return ok();
  }
  static {
    this.on("shout", function (payload: object) {
      this.broadcast("shout", payload);
      return ok();
    });
    this.on("whisper", function (payload: object) {
      this.broadcastFrom("whisper", payload);
      return ok();
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
  override id() {
    return "user:1";
  }
}

async function twoNodes() {
  const bus = new Bus();
  const adapters = [bus.adapter(), bus.adapter()] as const;
  const a = serveInMemory(UserSocket, {}, { pubsub: adapters[0] });
  const b = serveInMemory(UserSocket, {}, { pubsub: adapters[1] });
  return { adapters, a, b, clientA: await connect(a.url), clientB: await connect(b.url) };
}

describe("a pubsub adapter", () => {
  it("carries a channel's broadcasts to the other nodes, in both encodings", async () => {
    const { clientA, clientB, b } = await twoNodes();
    const v1 = await connect(b.url, "vsn=1.0.0");
    await clientA.join("room:a");
    await clientB.join("room:a");
    v1.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
    await v1.next();
    clientA.send(["1", "2", "room:a", "shout", { n: 1 }]);
    expect(await clientA.next()).to.deep.equal([null, null, "room:a", "shout", { n: 1 }]);
    expect(await clientB.next()).to.deep.equal([null, null, "room:a", "shout", { n: 1 }]);
    expect(await v1.next()).to.deep.equal({ topic: "room:a", event: "shout", payload: { n: 1 }, ref: null });
  });

  it("leaves the sender out of broadcastFrom, and nobody of another node", async () => {
    const { clientA, clientB } = await twoNodes();
    await clientA.join("room:a");
    await clientB.join("room:a");
    expect((await clientA.ask("1", "2", "room:a", "whisper", { n: 1 }))[3]).to.equal("phx_reply");
    expect(await clientB.next()).to.deep.equal([null, null, "room:a", "whisper", { n: 1 }]);
  });

  it("carries disconnect, binary payloads, and broadcasts from anywhere in the app", async () => {
    const { a, clientB } = await twoNodes();
    await clientB.join("room:a");
    a.endpoint.broadcast("room:a", "bytes", new Uint8Array([1, 2, 255]));
    const frame: Uint8Array = await clientB.next();
    expect([...frame.subarray(-3)]).to.deep.equal([1, 2, 255]);
    a.endpoint.disconnect("user:1");
    expect((await clientB.closed).code).to.equal(1001);
  });

  it("keeps localBroadcast on its node", async () => {
    const { a, adapters, clientA, clientB } = await twoNodes();
    await clientA.join("room:a");
    await clientB.join("room:a");
    a.endpoint.localBroadcast("room:a", "here");
    expect((await clientA.next())[3]).to.equal("here");
    expect(await clientB.settle()).to.deep.equal([]);
    expect(adapters[0].published).to.deep.equal([]);
  });

  it("hears of a key's first and last local subscriber only", async () => {
    const { a, adapters, clientA } = await twoNodes();
    const second = await connect(a.url);
    await clientA.join("room:a");
    await second.join("room:a");
    const remove = a.endpoint.subscribe("news", () => {});
    expect([...adapters[0].keys].sort()).to.deep.equal(["news", "room:a", "user:1"]);
    remove();
    await clientA.ask("1", "2", "room:a", "phx_leave");
    expect([...adapters[0].keys].sort()).to.deep.equal(["room:a", "user:1"]);
    await second.ask("1", "2", "room:a", "phx_leave");
    expect([...adapters[0].keys]).to.deep.equal(["user:1"]);
  });

  it("gives listeners of the endpoint the broadcasts of other nodes", async () => {
    const { a, b } = await twoNodes();
    const heard: unknown[] = [];
    b.endpoint.subscribe("news", ({ topic, event, payload }) => heard.push([topic, event, payload]));
    a.endpoint.broadcast("news", "x", { n: 1 });
    expect(heard).to.deep.equal([["news", "x", { n: 1 }]]);
  });

  it("makes a join wait until the broker confirms; local broadcasts wait behind the reply", async () => {
    const adapter = new Bus().adapter({ confirm: true });
    class Anonymous extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url, endpoint } = serveInMemory(Anonymous, {}, { pubsub: adapter });
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}]);
    expect(await client.settle()).to.deep.equal([]);
    endpoint.broadcast("room:a", "meanwhile");
    expect(await client.settle()).to.deep.equal([]);
    adapter.confirmations[0]?.open();
    expect((await client.take(2)).map((frame) => frame[3])).to.deep.equal(["phx_reply", "meanwhile"]);
  });

  it("answers a join after 2 s without confirmation, and logs it", async () => {
    const clock = new ManualClock();
    const adapter = new Bus().adapter({ confirm: true });
    class Anonymous extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url, lines } = serveInMemory(Anonymous, {}, { pubsub: adapter, clock });
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}]);
    await client.settle();
    clock.advance(1999);
    expect(await client.settle()).to.deep.equal([]);
    clock.advance(1);
    expect((await client.next())[4].status).to.equal("ok");
    expect(lines.some(({ level, message }) => level === "warn" && message.includes("confirmed"))).to.equal(
      true,
    );
  });

  it("whose subscription fails doesn't fail the join; the error is logged", async () => {
    const adapter = new Bus().adapter({ confirm: true });
    class Anonymous extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url, lines } = serveInMemory(Anonymous, {}, { pubsub: adapter });
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}]);
    await client.settle();
    adapter.confirmations[0]?.fail(new Error("broker gone"));
    expect((await client.next())[4].status).to.equal("ok");
    expect(
      lines.some(({ details }) => (details.err as Error | undefined)?.message === "broker gone"),
    ).to.equal(true);
  });

  it("that throws harms nobody", async () => {
    const adapter = new Bus().adapter();
    adapter.publish = () => {
      throw new Error("publish");
    };
    const { url, endpoint, lines } = serveInMemory(UserSocket, {}, { pubsub: adapter });
    const client = await connect(url);
    await client.join("room:a");
    endpoint.broadcast("room:a", "x");
    expect((await client.next())[3]).to.equal("x");
    expect(lines.some(({ message }) => message.includes("publish failed"))).to.equal(true);
  });

  it("is closed with the endpoint", async () => {
    const adapter = new Bus().adapter();
    const endpoint = new Endpoint({ pubsub: adapter });
    await endpoint.close();
    expect(adapter.closed).to.equal(true);
  });
});

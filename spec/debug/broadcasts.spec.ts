import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { Bus } from "../support/bus.ts";
import { connect } from "../support/client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { kinds, only, serveRooms } from "./rooms.ts";

describe("the step of a broadcast", () => {
  it("says who is left out as the sender", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const bob = await client("bob", "room:a");
    const trace = endpoint.trace();
    ada.send(["1", "2", "room:a", "whisper", {}]);
    await bob.next();
    expect(only(trace.take(), "broadcast")).to.deep.include({
      receivers: 1,
      deliveries: { sender: 1, sent: 1 },
      skipped: [{ connection: 1, socketId: "user:ada", why: "sender" }],
    });
  });

  it("says who isn't subscribed yet, as the join is pending", async () => {
    const { endpoint, client, gate } = await serveRooms();
    const trace = endpoint.trace();
    const ada = await client("ada");
    ada.send(["1", "1", "room:slow", "phx_join", {}]);
    await ada.settle();
    trace.take();
    endpoint.broadcast("room:slow", "news");
    expect(only(trace.take(), "broadcast")).to.deep.include({
      receivers: 0,
      deliveries: { joining: 1 },
      skipped: [{ connection: 1, socketId: "user:ada", why: "joining" }],
    });
    gate.open();
    await ada.next();
    trace.take();
    endpoint.broadcast("room:slow", "news");
    expect(only(trace.take(), "broadcast").deliveries).to.deep.equal({ sent: 1 });
  });

  it("says who must wait for the join's reply, and the frame follows it", async () => {
    const adapter = new Bus().adapter({ confirm: true });
    const { endpoint, client } = await serveRooms({}, { pubsub: adapter });
    const trace = endpoint.trace({ topic: "room:a" });
    const ada = await client("ada");
    // That of the socket's id.
    adapter.confirmations.at(-1)?.open();
    ada.send(["1", "1", "room:a", "phx_join", {}]);
    await ada.settle();
    endpoint.broadcast("room:a", "news");
    const broadcast = only(trace.take(), "broadcast");
    expect(broadcast.deliveries).to.deep.equal({ held: 1 });
    adapter.confirmations.at(-1)?.open();
    await ada.take(2);
    const late = trace.take().filter(({ id }) => id === broadcast.id);
    expect(kinds(late)).to.deep.equal(["frame_out: broadcast"]);
    expect(late[0]).to.include({ socketId: "user:ada", event: "news" });
  });

  it("is followed by what is lost, of a client that waited for the join's reply", async () => {
    const adapter = new Bus().adapter({ confirm: true });
    const { endpoint, url } = await serveRooms({}, { pubsub: adapter });
    const trace = endpoint.trace({ topic: "room:a" });
    const old = await connect(url, "vsn=1.0.0&user=old");
    adapter.confirmations.at(-1)?.open();
    old.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
    old.send({ topic: "phoenix", event: "heartbeat", payload: {}, ref: "2" });
    await old.next();
    endpoint.broadcast("room:a", "bytes", Uint8Array.of(1));
    const broadcast = only(trace.take(), "broadcast");
    expect(broadcast.deliveries).to.deep.equal({ held: 1 });
    adapter.confirmations.at(-1)?.open();
    await old.next();
    const [lost, ...rest] = trace.take().filter(({ id }) => id === broadcast.id);
    expect(lost).to.include({ step: "lost", why: "uncarried", socketId: "user:old", event: "bytes" });
    expect(rest).to.deep.equal([]);
  });

  it("says who is behind, and has it dropped", async () => {
    const { endpoint, client } = await serveRooms({ maxBufferedBytes: 1_000_000 });
    const ada = await client("ada", "room:a");
    const bob = await client("bob", "room:a");
    bob.ws.pause();
    const filler = { text: "x".repeat(60_000) };
    while (endpoint.stats().bufferedBytes < 600_000) {
      endpoint.broadcast("room:a", "filler", filler);
      await ada.next();
    }
    const trace = endpoint.trace();
    endpoint.broadcast("room:a", "cursor");
    await ada.next();
    expect(only(trace.take(), "broadcast")).to.deep.include({
      receivers: 1,
      deliveries: { sent: 1, slow: 1 },
      skipped: [{ connection: 2, socketId: "user:bob", why: "slow" }],
    });
    bob.ws.resume();
  });

  it("says whose serializer has no form for it", async () => {
    const { endpoint, client, url } = await serveRooms();
    await client("ada", "room:a");
    const old = await connect(url, "vsn=1.0.0&user=old");
    old.send({ topic: "room:a", event: "phx_join", payload: {}, ref: "1" });
    await old.next();
    const trace = endpoint.trace();
    endpoint.broadcast("room:a", "bytes", Uint8Array.of(1));
    expect(only(trace.take(), "broadcast")).to.deep.include({
      payload: "<1 bytes>",
      deliveries: { sent: 1, uncarried: 1 },
      skipped: [{ connection: 2, socketId: "user:old", why: "uncarried" }],
    });
  });

  it("says who takes it into handleInfo", async () => {
    class Hall extends Channel {
      override join() {
        this.subscribe("news");
        return ok();
      }
      override handleInfo() {}
    }
    class HallSocket extends Socket {
      static override channels = { hall: Hall };
    }
    const { endpoint, url } = await serve(HallSocket);
    const client = await connect(url);
    await client.join("hall");
    const trace = endpoint.trace();
    endpoint.broadcast("news", "flash");
    await client.settle();
    expect(kinds(trace.take()).slice(0, 3)).to.deep.equal([
      "broadcast: flash",
      "handling handleInfo",
      "handled handleInfo: noreply",
    ]);
  });

  it("names the first fifty it misses, the first twenty frames, and who is asked for", async () => {
    const { endpoint, client } = await serveRooms();
    const clients = [];
    for (let n = 1; n <= 55; n++) clients.push(await client(`u${n}`, "room:a"));
    const all = endpoint.trace();
    const last = endpoint.trace({ socketId: "user:u55" });
    endpoint.broadcast("room:a", "intercepted");
    endpoint.broadcast("room:a", "news");
    const [missed, news] = all.take().filter((step) => step.step === "broadcast");
    expect(missed?.skipped).to.have.length(51);
    expect(missed?.skipped.at(-1)).to.include({ socketId: "user:u55" });
    expect(news).to.deep.include({ receivers: 55, deliveries: { sent: 55 } });
    const outs = last.take().filter(({ step, id }) => step === "frame_out" && id === news?.id);
    expect(outs).to.have.length(21);
    expect(outs.at(-1)).to.include({ socketId: "user:u55" });
  });

  it("tells of broadcasts that come from other nodes, under an id of their own", async () => {
    const bus = new Bus();
    const { endpoint, client } = await serveRooms({}, { pubsub: bus.adapter() });
    const other = new Endpoint({ pubsub: bus.adapter() });
    afterTest(() => other.close());
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    other.broadcast("room:a", "news", { a: 1 });
    await ada.next();
    expect(kinds(trace.take())).to.deep.equal(["broadcast: news", "frame_out: broadcast"]);
  });

  it("and a listener of the endpoint's gets it all the same", async () => {
    const { endpoint } = await serveRooms();
    const heard: string[] = [];
    endpoint.subscribe("room:a", ({ event }) => heard.push(event));
    const trace = endpoint.trace();
    endpoint.broadcast("room:a", "news");
    expect(heard).to.deep.equal(["news"]);
    expect(only(trace.take(), "broadcast")).to.deep.include({ receivers: 0, deliveries: { taken: 1 } });
  });
});

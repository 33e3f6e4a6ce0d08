import { expect } from "chai";
import { register as defaultRegistry, Registry } from "prom-client";
import {
  Channel,
  type Endpoint,
  error,
  type MountOptions,
  ok,
  reply,
  Socket,
  telemetry,
} from "../lib/index.ts";
import { collectMetrics } from "../lib/metrics.ts";
import { expectRefused } from "./options/expect-refused.ts";
import { connect, refused } from "./support/client.ts";
import { Gate, turn } from "./support/gate.ts";
import { ManualClock } from "./support/manual-clock.ts";
import { serve } from "./support/server.ts";
import { afterTest } from "./support/teardown.ts";

/** Rooms whose handlers take a quarter of a second each. */
async function serveRooms(options: MountOptions = {}) {
  const clock = new ManualClock();
  const gate = new Gate();
  class Room extends Channel {
    static override overflow = { cursor: "drop" } as const;
    override join(topic: string) {
      if (topic === "room:crash") throw new Error("join");
      return topic === "room:full" ? error() : ok();
    }
    override handleIn(event: string, payload: unknown) {
      clock.advance(250);
      if (event.startsWith("status")) return reply(event);
      return super.handleIn(event, payload);
    }
    static {
      this.on("echo", (payload) => ok(payload));
      this.on("nothing", () => {});
      this.on("boom", () => {
        throw new Error("boom");
      });
      this.on("wait", () => gate.promise.then(() => ok()));
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
  }
  return { ...(await serve(RoomSocket, options, { clock })), clock, gate };
}

/** Collects into a registry of its own, until the test is over. */
function collect(endpoint: Endpoint, prefix?: string) {
  const register = new Registry();
  afterTest(collectMetrics(endpoint, prefix === undefined ? { register } : { register, prefix }));
  return register;
}

/** What a registry answers to a scrape: values by name and labels. */
async function scrape(register: Registry): Promise<Record<string, number>> {
  const lines = (await register.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

const V2 = 'transport="websocket",serializer="V2.JSONSerializer"';

describe("collectMetrics", () => {
  it("counts what happens", async () => {
    const { url, endpoint } = await serveRooms();
    const register = collect(endpoint);
    const [client, leaver] = [await connect(url), await connect(url)];
    await connect(url, "vsn=1.0.0");
    await refused(url, "vsn=9.0.0");
    for (const topic of ["room:a", "room:b", "room:full", "room:crash"]) await client.join(topic);
    for (const event of ["echo", "echo", "unknown"]) await client.ask("1", "2", "room:a", event);
    client.send(["1", "3", "room:a", "nothing", {}]);
    client.send(["1", "4", "room:b", "boom", {}]);
    await client.next();
    await leaver.close(1001);
    while (endpoint.stats().connections > 2) await turn();
    expect(await scrape(register)).to.deep.include({
      [`phoenix_connects_total{${V2}}`]: 2,
      'phoenix_connects_total{transport="websocket",serializer="V1.JSONSerializer"}': 1,
      'phoenix_refusals_total{transport="websocket",cause="vsn"}': 1,
      'phoenix_closes_total{transport="websocket",code="1001"}': 1,
      'phoenix_joins_total{channel="Room",result="ok"}': 2,
      'phoenix_joins_total{channel="Room",result="error"}': 2,
      'phoenix_handler_seconds_count{channel="Room",result="ok"}': 2,
      'phoenix_handler_seconds_sum{channel="Room",result="ok"}': 0.5,
      'phoenix_handler_seconds_bucket{le="0.1",channel="Room",result="ok"}': 0,
      'phoenix_handler_seconds_bucket{le="0.5",channel="Room",result="ok"}': 2,
      'phoenix_handler_seconds_count{channel="Room",result="error"}': 1,
      'phoenix_handler_seconds_count{channel="Room",result="noreply"}': 1,
      'phoenix_handler_seconds_count{channel="Room",result="crash"}': 1,
      'phoenix_channel_errors_total{channel="Room",callback="join"}': 1,
      'phoenix_channel_errors_total{channel="Room",callback="handleIn"}': 1,
      phoenix_connections: 2,
      phoenix_channels: 1,
      phoenix_topics: 1,
      phoenix_queued_messages: 0,
      phoenix_documents: 0,
      phoenix_queued_ops: 0,
      phoenix_buffered_bytes: 0,
      phoenix_dropped_messages_total: 0,
      phoenix_rate_limited_messages_total: 0,
    });
  });

  it("shows frames, bytes, refused messages and queues as stats() does, whenever it is scraped", async () => {
    const { url, endpoint, gate } = await serveRooms({ rateLimit: { limit: 6, interval: 1_000_000 } });
    const before = await connect(url);
    await before.join("room:a");
    const register = collect(endpoint);
    for (const ref of ["2", "3", "4"]) before.send(["1", ref, "room:a", "wait", {}]);
    await before.settle();
    for (let i = 0; i < 2; i++) {
      const { framesIn, framesOut, bytesIn, bytesOut, rateLimited } = endpoint.stats();
      expect(rateLimited).to.equal(2 * i);
      expect(framesIn).to.be.above(0);
      expect(framesOut).to.be.above(0);
      const scraped = await scrape(register);
      expect(scraped).to.include({
        phoenix_frames_in_total: framesIn,
        phoenix_frames_out_total: framesOut,
        phoenix_bytes_in_total: bytesIn,
        phoenix_bytes_out_total: bytesOut,
        phoenix_rate_limited_messages_total: rateLimited,
        phoenix_queued_messages: 2,
      });
      expect(await scrape(register), "a scrape changes nothing").to.deep.equal(scraped);
      // One more is let through, the others are not.
      const refs = i === 0 ? ["5", "6", "7"] : [];
      for (const ref of refs) before.send(["1", ref, "room:b", "echo", {}]);
      await before.take(refs.length);
    }
    gate.open();
    await before.take(3);
    expect(await scrape(register)).to.include({ phoenix_queued_messages: 0 });
  });

  it("shows what slow clients missed", async () => {
    const { port, endpoint } = await serveRooms({ maxBufferedBytes: 100 });
    const register = collect(endpoint);
    const address = `http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`;
    const { token } = (await (await fetch(address)).json()) as { token: string };
    const body = JSON.stringify(["1", "1", "room:a", "phx_join", {}]);
    await fetch(`${address}&token=${token}`, { method: "POST", body });
    for (let i = 0; i < 5; i++) endpoint.broadcast("room:a", "cursor", { text: "x".repeat(100) });
    const { dropped, bufferedBytes } = endpoint.stats();
    expect(dropped).to.be.above(2);
    expect(bufferedBytes).to.be.above(0);
    expect(await scrape(register)).to.include({
      phoenix_dropped_messages_total: dropped,
      phoenix_buffered_bytes: bufferedBytes,
      phoenix_rate_limited_messages_total: 0,
    });
    // What waits would keep the session open.
    await fetch(`${address}&token=${token}`);
  });

  it("walks over the connections once for each scrape", async () => {
    const { endpoint } = await serveRooms();
    const register = collect(endpoint);
    const stats = endpoint.stats.bind(endpoint);
    let walks = 0;
    endpoint.stats = () => {
      walks++;
      return stats();
    };
    for (let i = 1; i <= 3; i++) {
      await register.metrics();
      expect(walks).to.equal(i);
    }
  });

  it("has labels that clients can't make grow: topics, events, statuses and codes don't show", async () => {
    const { url, endpoint } = await serveRooms();
    const register = collect(endpoint);
    const play = async (i: number) => {
      const client = await connect(url, `vsn=2.0.0&a${i}=${i}`);
      await refused(url, `vsn=9.0.${i}`);
      await client.join(`room:${i}`);
      await client.ask("1", "2", `room:${i}`, `event ${i}`);
      await client.ask("1", "3", `room:${i}`, `status ${i}`);
      await client.close(i % 2 === 0 ? 3000 + i : 4999 - i);
      while (endpoint.stats().connections > 0) await turn();
      return scrape(register);
    };
    const first = await play(0);
    let last = first;
    for (let i = 1; i < 10; i++) last = await play(i);
    expect(Object.keys(last)).to.deep.equal(Object.keys(first));
    expect(last).to.include({
      'phoenix_closes_total{transport="websocket",code="other"}': 10,
      'phoenix_handler_seconds_count{channel="Room",result="other"}': 10,
      'phoenix_handler_seconds_count{channel="Room",result="error"}': 10,
      'phoenix_joins_total{channel="Room",result="ok"}': 10,
      'phoenix_refusals_total{transport="websocket",cause="vsn"}': 10,
    });
  });

  it("keeps endpoints apart, by prefix in one registry or by registry", async () => {
    const [one, two] = [await serveRooms(), await serveRooms()];
    const register = new Registry();
    afterTest(collectMetrics(one.endpoint, { register, prefix: "one_" }));
    afterTest(collectMetrics(two.endpoint, { register, prefix: "two_" }));
    const own = collect(two.endpoint);
    for (const { url } of [one, one, two]) await connect(url);
    expect(await scrape(register)).to.include({
      one_connections: 2,
      [`one_connects_total{${V2}}`]: 2,
      two_connections: 1,
      [`two_connects_total{${V2}}`]: 1,
    });
    expect(await scrape(own)).to.include({ phoenix_connections: 1, [`phoenix_connects_total{${V2}}`]: 1 });
  });

  it("uses prom-client's own registry, unless it gets one", async () => {
    const { endpoint } = await serveRooms();
    const stop = collectMetrics(endpoint);
    afterTest(stop);
    expect(await scrape(defaultRegistry)).to.include({ phoenix_connections: 0 });
    stop();
    expect(await defaultRegistry.metrics()).to.not.include("phoenix_");
  });

  it("refuses a second endpoint of the same names in one registry, as prom-client does, and harms neither", async () => {
    const [one, two] = [await serveRooms(), await serveRooms()];
    const register = collect(one.endpoint);
    expect(() => collectMetrics(two.endpoint, { register })).to.throw("already been registered");
    await connect(one.url);
    expect(await scrape(register)).to.include({ [`phoenix_connects_total{${V2}}`]: 1 });
  });

  it("ends with what it returns: nothing is left in the registry, nobody listens, and it may begin anew", async () => {
    const { url, endpoint } = await serveRooms();
    const register = new Registry();
    const stop = collectMetrics(endpoint, { register });
    const listened = Object.entries(telemetry).filter(([, channel]) => channel.hasSubscribers);
    expect(listened.map(([name]) => name)).to.have.members([
      "socketConnected",
      "socketRefused",
      "socketClosed",
      "channelJoined",
      "channelHandledIn",
      "channelErrored",
    ]);
    await connect(url);
    stop();
    expect(await register.metrics()).to.match(/^\s*$/);
    expect(Object.values(telemetry).some((channel) => channel.hasSubscribers)).to.equal(false);
    stop();
    await connect(url);
    afterTest(collectMetrics(endpoint, { register }));
    await connect(url);
    expect(await scrape(register)).to.include({
      phoenix_connections: 3,
      [`phoenix_connects_total{${V2}}`]: 1,
    });
  });

  it("refuses what is no endpoint", () => {
    for (const endpoint of [undefined, null, {}, "endpoint", new Registry()]) {
      expectRefused(() => collectMetrics(endpoint as never), "invalid_argument", [
        "collectMetrics",
        "Endpoint",
        "got",
      ]);
    }
  });
});

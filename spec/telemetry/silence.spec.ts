import { expect } from "chai";
import { Channel, ok, Socket, type SocketConnected, telemetry } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { Gate, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Peer } from "../support/peer.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";

const NAMES = {
  socketConnected: "phoenix:socket_connected",
  socketRefused: "phoenix:socket_refused",
  socketDrained: "phoenix:socket_drained",
  socketClosed: "phoenix:socket_closed",
  channelJoined: "phoenix:channel_joined",
  channelHandledIn: "phoenix:channel_handled_in",
  channelHandledOut: "phoenix:channel_handled_out",
  channelTerminated: "phoenix:channel_terminated",
  channelErrored: "phoenix:channel_errored",
};

/** A clock that knows how often it was asked. */
class CountingClock extends ManualClock {
  asked = 0;

  override now(): number {
    this.asked++;
    return super.now();
  }
}

class Room extends Channel {
  static override intercepts = ["out"];
  override join(topic: string) {
    if (topic === "room:crash") throw new Error("join");
    return ok();
  }
  override handleOut() {}
  static {
    this.on("echo", (payload) => ok(payload));
    this.on("boom", () => {
      throw new Error("boom");
    });
  }
}

class RoomSocket extends Socket {
  static override channels = { "room:*": Room };
}

/** Makes all that is reported happen once. */
async function everything(): Promise<void> {
  const { url, endpoint } = await serve(RoomSocket, {}, { logger: undefined });
  const client = await connect(url);
  await refused(url, "vsn=9.0.0");
  await client.join("room:a");
  await client.join("room:crash");
  await client.ask("1", "2", "room:a", "echo");
  endpoint.broadcast("room:a", "out");
  client.send(["1", "3", "room:a", "boom", {}]);
  await client.next();
  await endpoint.drain();
  await client.closed;
  while (endpoint.stats().connections > 0) await turn();
}

/** Counts what is published, also without a subscriber. */
function countPublished(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const channel of Object.values(telemetry)) {
    const { name } = channel;
    channel.publish = function (message) {
      counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
      Object.getPrototypeOf(this).publish.call(this, message);
    };
    afterTest(() => Reflect.deleteProperty(channel, "publish"));
  }
  return counts;
}

describe("telemetry", () => {
  it("has the names that are documented, on node:diagnostics_channel", () => {
    const names = Object.fromEntries(Object.entries(telemetry).map(([key, { name }]) => [key, name]));
    expect(names).to.deep.equal(NAMES);
  });

  it("makes no message that nobody listens to", async () => {
    const published = countPublished();
    await everything();
    expect([...published]).to.deep.equal([]);
  });

  it("makes one for each event if somebody does, and none any more when he has gone", async () => {
    const published = countPublished();
    const stops = Object.values(telemetry).map((channel) => {
      const listener = () => {};
      channel.subscribe(listener);
      return () => channel.unsubscribe(listener);
    });
    for (const stop of stops) afterTest(stop);
    await everything();
    expect([...published.keys()]).to.have.members(Object.values(NAMES));
    published.clear();
    for (const stop of stops) stop();
    await everything();
    expect([...published]).to.deep.equal([]);
  });

  it("takes no time of messages that nobody listens to, and that nobody logs", async () => {
    const count = async (logger: "quiet" | "recording") => {
      const clock = new CountingClock();
      const { url } = await serve(
        RoomSocket,
        {},
        logger === "quiet" ? { clock, logger: undefined } : { clock },
      );
      const peer = await Peer.connect(url, "2.0.0");
      await peer.join("room:a");
      const { asked } = clock;
      peer.burst(Array.from({ length: 100 }, (_, i) => ["1", `${i}`, "room:a", "echo"]));
      await peer.take(100);
      return clock.asked - asked;
    };
    // One for each chunk that is read, as it keeps the connection alive.
    expect(await count("quiet")).to.be.below(20);
    expect(await count("recording")).to.be.at.least(200);
  });

  it("a listener that throws harms nobody", async () => {
    const uncaught = new Gate<unknown>();
    // Node throws it again, where nobody is in the way.
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => uncaught.open(error));
    afterTest(() => {
      process.removeAllListeners("uncaughtException");
      for (const listener of listeners) process.on("uncaughtException", listener);
    });
    const thrower = () => {
      throw new Error("a listener's");
    };
    telemetry.channelHandledIn.subscribe(thrower);
    afterTest(() => telemetry.channelHandledIn.unsubscribe(thrower));
    const { url } = await serve(RoomSocket);
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "echo", { n: 1 }))[4].response).to.deep.equal({ n: 1 });
    expect(await uncaught.promise).to.have.property("message", "a listener's");
  });

  it("tells endpoints apart", async () => {
    const [one, two] = [await serve(RoomSocket), await serve(RoomSocket)];
    const from: unknown[] = [];
    const listener = (message: unknown) => from.push((message as SocketConnected).endpoint);
    telemetry.socketConnected.subscribe(listener);
    afterTest(() => telemetry.socketConnected.unsubscribe(listener));
    for (const { url } of [one, two, one]) await connect(url);
    expect(from.map((endpoint) => endpoint === one.endpoint)).to.deep.equal([true, false, true]);
  });
});

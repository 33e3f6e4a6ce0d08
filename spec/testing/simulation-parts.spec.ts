import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { type Simulation, simulate, VirtualClock } from "../../lib/testing/index.ts";
import { closeFrame, dataFrame, FrameReader } from "../../lib/testing/simulation/client-frames.ts";
import { ClientTimers } from "../../lib/testing/simulation/client-timers.ts";
import { Link } from "../../lib/testing/simulation/link.ts";
import { frameBytes } from "../../lib/transport/websocket.ts";
import { afterTest } from "../support/teardown.ts";

describe("a simulated link", () => {
  /** A link that takes 10 ms, and what its ends are told. */
  function made() {
    const clock = new VirtualClock(0);
    const told: string[] = [];
    const end = (name: string) => ({
      onBytes: (bytes: Buffer) => told.push(`${clock.now()} ${name} ${bytes}`),
      onEnd: () => told.push(`${clock.now()} ${name} end`),
      onLost: () => told.push(`${clock.now()} ${name} lost`),
    });
    const link = new Link(
      clock,
      { up: end("server"), down: end("client") },
      () => 10,
      () => {},
    );
    return { clock, told, link };
  }

  it("brings bytes and ends in order, when the latency has passed", async () => {
    const { clock, told, link } = made();
    link.send("up", Buffer.from("a"));
    await clock.advance(5);
    link.send("up", Buffer.from("b"));
    link.end("up");
    link.send("down", Buffer.from("c"));
    await clock.advance(20);
    expect(told).to.deep.equal(["10 server a", "15 server b", "15 server end", "15 client c"]);
  });

  it("cuts at the byte: what is before it arrives, and nothing after it, either way", async () => {
    const { clock, told, link } = made();
    link.cutAfter("up", 5);
    link.send("up", Buffer.from("abc"));
    link.send("up", Buffer.from("defg"));
    link.send("up", Buffer.from("hij"));
    link.send("down", Buffer.from("late"));
    await clock.advance(20);
    expect(told).to.deep.equal(["10 server abc", "10 server de", "10 server lost", "10 client lost"]);
    expect(link.isCut).to.equal(true);
  });

  it("tells one side only, and takes what the other still sends", async () => {
    const { clock, told, link } = made();
    let taken = 0;
    link.send("down", Buffer.alloc(65_536));
    link.send("down", Buffer.alloc(10), () => taken++);
    expect(taken).to.equal(0);
    link.cut("down");
    link.send("down", Buffer.alloc(10), () => taken++);
    await clock.advance(20);
    expect(told).to.deep.equal(["0 client lost"]);
    expect(taken).to.equal(2);
  });

  it("lets 64 KiB be on their way, and takes more when they have arrived", async () => {
    const { clock, link } = made();
    const taken: number[] = [];
    for (let n = 0; n < 4; n++) link.send("up", Buffer.alloc(40_000), () => taken.push(clock.now()));
    expect(taken).to.deep.equal([0]);
    await clock.advance(100);
    expect(taken).to.deep.equal([0, 10, 20, 30]);
  });

  it("holds all back while it is partitioned", async () => {
    const { clock, told, link } = made();
    link.send("up", Buffer.from("a"));
    link.partition();
    link.send("up", Buffer.from("b"));
    link.end("up");
    await clock.advance(1_000);
    expect(told).to.deep.equal([]);
    link.heal();
    await clock.advance(10);
    expect(told).to.deep.equal(["1010 server a", "1010 server b", "1010 server end"]);
  });
});

describe("a simulated client's timers", () => {
  it("stand still while it sleeps, and are called once, in order, when it wakes", async () => {
    const clock = new VirtualClock(0);
    const timers = new ClientTimers(clock);
    const calls: string[] = [];
    timers.setInterval(() => calls.push(`interval ${clock.now()}`), 10);
    timers.setTimeout(() => calls.push(`timeout ${clock.now()}`), 25);
    await clock.advance(10);
    timers.sleep();
    timers.whenAwake(() => calls.push("message"));
    await clock.advance(1_000);
    expect(timers.asleep).to.equal(true);
    expect(calls).to.deep.equal(["interval 10"]);
    timers.wake();
    expect(calls).to.deep.equal(["interval 10", "message", "interval 1010", "timeout 1010"]);
    await clock.advance(10);
    expect(calls.at(-1)).to.equal("interval 1020");
  });

  it("can be cleared: before they are due, while the client sleeps, and while it wakes", async () => {
    const clock = new VirtualClock(0);
    const timers = new ClientTimers(clock);
    const calls: string[] = [];
    timers.clearTimeout(timers.setTimeout(() => calls.push("cleared"), 1));
    timers.clearTimeout(undefined);
    let later = 0;
    timers.setTimeout(() => timers.clearTimeout(later), 1);
    later = timers.setTimeout(() => calls.push("cleared in waking"), 2);
    const asleep = timers.setTimeout(() => calls.push("cleared in sleep"), 3);
    timers.sleep();
    await clock.advance(10);
    timers.clearTimeout(asleep);
    timers.wake();
    expect(calls).to.deep.equal([]);
  });

  it("are gone with the client", async () => {
    const clock = new VirtualClock(0);
    const timers = new ClientTimers(clock);
    timers.setInterval(() => expect.fail("it was called"), 1);
    timers.setTimeout(() => expect.fail("it was called"), 1);
    timers.stop();
    await clock.advance(10);
    expect(clock.pending).to.equal(0);
  });
});

describe("a simulated client's frames", () => {
  it("reads the server's, of each length, in pieces of any size", () => {
    const texts = ["", "a", "b".repeat(125), "c".repeat(126), "d".repeat(65_535), "e".repeat(65_536)];
    const bytes = Buffer.concat([...texts.map(frameBytes), frameBytes(new Uint8Array([0, 255]))]);
    for (const size of [1_000_000, 1_000, 7]) {
      const reader = new FrameReader();
      const read: unknown[] = [];
      for (let i = 0; i < bytes.length; i += size) {
        for (const frame of reader.push(bytes.subarray(i, i + size))) read.push(frame);
      }
      expect(read.slice(0, -1)).to.deep.equal(texts.map((data) => ({ kind: "text", data })));
      expect(read.at(-1)).to.deep.equal({ kind: "binary", data: Buffer.from([0, 255]) });
    }
  });

  it("reads closes and pings, and refuses what a server never sends", () => {
    const read = (...bytes: number[]) => new FrameReader().push(Buffer.from(bytes))[0];
    expect(read(0x88, 2, 0x03, 0xe9)).to.deep.equal({ kind: "close", code: 1001, reason: "" });
    expect(read(0x88, 3, 0x0f, 0xa0, 0x78)).to.deep.equal({ kind: "close", code: 4000, reason: "x" });
    expect(read(0x88, 0)).to.deep.equal({ kind: "close", code: 1005, reason: "" });
    expect(read(0x89, 1, 7)).to.deep.equal({ kind: "ping", data: Buffer.from([7]) });
    expect(() => read(0x8b, 0)).to.throw("opcode 11");
  });

  it("masks the client's, as the protocol asks", () => {
    expect([...dataFrame("hi")]).to.deep.equal([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    expect([...dataFrame(new Uint8Array([1]))]).to.deep.equal([0x82, 0x81, 0, 0, 0, 0, 1]);
    expect([...closeFrame(1000, "x")]).to.deep.equal([0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0x78]);
    expect([...dataFrame("x".repeat(300)).subarray(0, 4)]).to.deep.equal([0x81, 0xfe, 0x01, 0x2c]);
    expect([...dataFrame("x".repeat(70_000)).subarray(0, 10)]).to.deep.equal([
      0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70,
    ]);
  });
});

describe("a simulated network", () => {
  class Room extends Channel {
    override join() {
      return ok();
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
  }

  /** A client that is told of its connection, with the time. */
  function begin(idleTimeout: number, options: object = {}) {
    const simulation: Simulation = simulate({
      seed: 1,
      serve: (clock) => {
        const endpoint = new Endpoint({ clock });
        endpoint.socket("/socket", UserSocket, { idleTimeout });
        return endpoint;
      },
    });
    afterTest(() => simulation.close());
    const { socket } = simulation.client("ada", options);
    const told: string[] = [];
    socket.onOpen(() => told.push(`open ${Math.floor(simulation.clock.now() / 1000)}`));
    socket.onClose(({ code }) => told.push(`close ${code} ${Math.floor(simulation.clock.now() / 1000)}`));
    return { simulation, socket, told };
  }

  it("answers the server's pings, as a browser does", async () => {
    const { simulation, socket, told } = begin(600_000, { heartbeatIntervalMs: 300_000 });
    socket.connect();
    await simulation.advance(3_000_000);
    expect(told).to.deep.equal(["open 0"]);
  });

  it("answers the server's close, so that it needn't wait", async () => {
    const { simulation, socket, told } = begin(60_000);
    socket.connect();
    await simulation.advance(1_000);
    const { endpoint } = simulation;
    simulation.fault({ at: 0, kind: "restart", graceful: true, for: 100_000 });
    await simulation.advance(1_000);
    expect(told[1]).to.equal("close 1012 1");
    expect(endpoint.stats().connections).to.equal(0);
  });

  it("kills a server that a client keeps from draining", async () => {
    const { simulation, socket } = begin(60_000);
    socket.connect();
    await simulation.advance(1_000);
    const { endpoint } = simulation;
    simulation.fault({ at: 0, kind: "partition", client: "ada", for: 100_000 });
    simulation.fault({ at: 3_000, kind: "restart", graceful: true, for: 100_000 });
    await simulation.advance(3_100);
    expect(endpoint.stats().connections).to.equal(1);
    await simulation.advance(8_000);
    expect(endpoint.stats().connections).to.equal(0);
  });

  it("lets nobody connect through a partition; the client gives up after 20 s, and comes when it heals", async () => {
    const { simulation, socket, told } = begin(60_000);
    simulation.fault({ at: 0, kind: "partition", client: "ada", for: 30_000 });
    simulation.fault({ at: 1_000, kind: "partition", client: "ada", for: 5_000 });
    await simulation.advance(1);
    socket.connect();
    await simulation.advance(19_000);
    expect(told).to.deep.equal([]);
    await simulation.advance(60_000);
    expect(told[0]).to.equal("close 1006 20");
    expect(told.at(-1)).to.match(/^open [34]\d$/);
  });

  it("gives the client the virtual time", async () => {
    const { simulation, socket } = begin(60_000);
    socket.connect();
    await simulation.advance(1_000);
    simulation.fault({ at: 0, kind: "delay", client: "ada", ms: 1_000, for: 60_000 });
    await simulation.advance(1);
    let took = 0;
    (socket as unknown as { ping(callback: (ms: number) => void): void }).ping((ms) => {
      took = ms;
    });
    await simulation.advance(10_000);
    expect(took).to.be.within(2_000, 4_000);
  });
});

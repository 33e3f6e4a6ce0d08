import { expect } from "chai";
import { Channel, ConfigError, type ConnectParams, Endpoint, error, ok, Socket } from "../../lib/index.ts";
import { Presence } from "../../lib/presence/index.ts";
import {
  type Fault,
  type SimulatedClient,
  type Simulation,
  simulate,
  simulateSeeds,
  type VirtualClock,
} from "../../lib/testing/index.ts";
import { Gate } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";

/** Opened by specs, for the handler of `wait`. */
let gate = new Gate();

/** A server with rooms whose users are present; it remembers nothing of the one before it. */
function serve(clock: VirtualClock): Endpoint {
  const endpoint = new Endpoint({ clock });
  const presence = new Presence(endpoint);
  class Room extends Channel<{ user: string }> {
    override join(_topic: string, { user }: { user: string }) {
      this.assigns.user = user;
      this.sendSelf("after join");
      return ok({ hello: user });
    }
    override async handleInfo() {
      await presence.track(this, this.assigns.user, {});
      this.push("presence_state", await presence.list(this.topic));
    }
    static {
      this.on("echo", (payload) => ok(payload));
      this.on("say", function (payload: object) {
        this.broadcast("said", payload);
        return ok();
      });
      this.on("wait", async () => {
        await gate.promise;
        return ok({ waited: true });
      });
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect({ token }: ConnectParams) {
      return token === "forged" ? error() : ok();
    }
  }
  endpoint.socket("/socket", UserSocket);
  return endpoint;
}

function newSimulation(seed = 1): Simulation {
  gate = new Gate();
  const simulation = simulate({ seed, serve });
  afterTest(() => simulation.close());
  return simulation;
}

/** A client in a room, and all that it is told, each with its time. */
function person(simulation: Simulation, name: string, options: object = {}) {
  const client: SimulatedClient = simulation.client(name, options);
  const told: string[] = [];
  const tell = (what: string) => told.push(`${simulation.clock.now()} ${what}`);
  client.socket.onOpen(() => tell("open"));
  client.socket.onClose(({ code }) => tell(`close ${code}`));
  client.socket.connect();
  const room = client.socket.channel("room:a", { user: name });
  const presence = new client.Presence(room);
  room.on("said", (payload) => tell(`said ${JSON.stringify(payload)}`));
  room.join().receive("ok", () => {
    // The client keeps diffs that came before a list that never came, when the connection was lost in between, and
    // applies them to the list of its next join: whoever has left meanwhile would stay for ever.
    Object.assign(presence, { pendingDiffs: [] });
    tell("joined");
  });
  /** The words of what it was told, without the times. */
  const words = () => told.map((line) => line.replace(/^[\d.]+ /, ""));
  const present = () => presence.list((key, { metas }) => `${key} ${metas.length}`).sort();
  return { client, room, told, words, present };
}

describe("simulate", () => {
  it("connects the official client: joins, pushes, broadcasts, binary pushes", async () => {
    const simulation = newSimulation();
    const [ada, bob] = [person(simulation, "ada"), person(simulation, "bob")];
    await simulation.advance(1_000);
    expect(ada.words()).to.deep.equal(["open", "joined"]);
    expect(simulation.endpoint.stats()).to.include({ connections: 2, channels: 2 });
    ada.room.push("say", { text: "ü".repeat(70_000) });
    await simulation.advance(1_000);
    expect(bob.words().at(-1)).to.have.length('said {"text":""}'.length + 70_000);
    const echoed: unknown[] = [];
    const bytes = new Uint8Array([1, 2, 255]).buffer;
    ada.room.push("echo", bytes).receive("ok", (reply) => echoed.push(reply));
    await simulation.advance(1_000);
    expect(new Uint8Array(echoed[0] as ArrayBuffer)).to.deep.equal(new Uint8Array([1, 2, 255]));
  });

  it("shows a refusal as a browser does, and the client tries again", async () => {
    const simulation = newSimulation();
    const ada = person(simulation, "ada", { params: { token: "forged" } });
    await simulation.advance(1_000);
    expect(ada.words()).to.include("close 1006");
    expect(ada.words().length).to.be.above(2);
    expect(ada.words()).not.to.include("open");
  });

  it("keeps a quiet client for hours, by its heartbeats and the server's pings", async () => {
    const simulation = newSimulation();
    const ada = person(simulation, "ada");
    await simulation.advance(3 * 3_600_000);
    expect(ada.words()).to.deep.equal(["open", "joined"]);
  });

  it("closes cleanly when the client disconnects", async () => {
    const simulation = newSimulation();
    const ada = person(simulation, "ada");
    await simulation.advance(1_000);
    ada.client.socket.disconnect();
    await simulation.advance(5_000);
    expect(simulation.endpoint.stats().connections).to.equal(0);
    expect(ada.client.socket.isConnected()).to.equal(false);
  });

  /** Each fault alone, and what the client is told. */
  const alone: [fault: Fault, told: (string | RegExp)[]][] = [
    [{ at: 0, kind: "drop", client: "ada", direction: "up", bytes: 3 }, ["close 1006", "open", "joined"]],
    [{ at: 0, kind: "drop", client: "ada", direction: "down", bytes: 0 }, ["close 1006", "open", "joined"]],
    [{ at: 0, kind: "half-open", client: "ada", told: "down" }, ["close 1006", "open", "joined"]],
    [{ at: 0, kind: "half-open", client: "ada", told: "up" }, ["open", "joined"]],
    [{ at: 0, kind: "partition", client: "ada", for: 200_000 }, [/close/, "open", "joined"]],
    [{ at: 0, kind: "sleep", client: "ada", for: 3_600_000 }, [/close/, "open", "joined"]],
    [{ at: 0, kind: "close", client: "ada", code: 1001 }, ["close 1001", "open", "joined"]],
    [{ at: 0, kind: "close", client: "ada", code: 4000 }, ["close 4000", "open", "joined"]],
    [{ at: 0, kind: "restart", graceful: true, for: 500 }, ["close 1012", "open", "joined"]],
    [{ at: 0, kind: "restart", graceful: false, for: 5_000 }, ["close 1006", "open", "joined"]],
  ];
  for (const [fault, told] of alone) {
    it(`${JSON.stringify(fault)}: the client is back afterwards`, async () => {
      const simulation = newSimulation();
      const ada = person(simulation, "ada");
      await simulation.advance(1_000);
      const { endpoint } = simulation;
      simulation.fault(fault);
      ada.room.push("say", { n: 1 });
      await simulation.calm();
      const since = ada
        .words()
        .slice(2)
        .filter((word) => !word.startsWith("said"));
      expect(since[0]).to.match(told[0] instanceof RegExp ? told[0] : new RegExp(`^${told[0]}$`));
      expect(since.slice(-2)).to.deep.equal(told.slice(-2));
      expect(ada.room.state).to.equal("joined");
      expect(ada.present()).to.deep.equal(["ada 1"]);
      expect(simulation.endpoint === endpoint).to.equal(fault.kind !== "restart");
      expect(simulation.endpoint.stats()).to.include({ connections: 1, channels: 1 });
      expect(simulation.plan).to.deep.equal([{ ...fault, at: 1_000 }]);
    });
  }

  it("delays, and keeps the order", async () => {
    const simulation = newSimulation();
    const [ada, bob] = [person(simulation, "ada"), person(simulation, "bob")];
    await simulation.advance(1_000);
    simulation.fault({ at: 0, kind: "delay", client: "bob", ms: 3_000, for: 60_000 });
    await simulation.advance(1);
    for (let n = 0; n < 5; n++) ada.room.push("say", { n });
    await simulation.advance(2_900);
    expect(ada.words().filter((word) => word.startsWith("said"))).to.have.length(5);
    expect(bob.words().filter((word) => word.startsWith("said"))).to.have.length(0);
    await simulation.advance(4_000);
    const expected = Array.from({ length: 5 }, (_, n) => `said {"n":${n}}`);
    expect(bob.words().slice(2)).to.deep.equal(expected);
  });

  it("drops at any byte: nothing that was cut arrives", async () => {
    for (let bytes = 0; bytes < 120; bytes += 7) {
      const simulation = newSimulation();
      const [ada, bob] = [person(simulation, "ada"), person(simulation, "bob")];
      await simulation.advance(1_000);
      simulation.fault({ at: 0, kind: "drop", client: "bob", direction: "down", bytes });
      await simulation.advance(1);
      for (let n = 0; n < 5; n++) ada.room.push("say", { n });
      await simulation.advance(50);
      const said = bob.words().filter((word) => word.startsWith("said"));
      // What has come is a beginning of what was sent.
      expect(said).to.deep.equal(Array.from(said, (_, n) => `said {"n":${n}}`));
      expect(said.length).to.be.below(5);
      await simulation.close();
    }
  });

  it("holds the server's writes back while a client doesn't take them", async () => {
    const simulation = newSimulation();
    const [ada, bob] = [person(simulation, "ada"), person(simulation, "bob")];
    await simulation.advance(1_000);
    simulation.fault({ at: 0, kind: "partition", client: "bob", for: 20_000 });
    await simulation.advance(1);
    for (let n = 0; n < 5; n++) ada.room.push("say", { text: "x".repeat(60_000) });
    await simulation.advance(1_000);
    expect(simulation.endpoint.stats().bufferedBytes).to.be.above(100_000);
    await simulation.advance(30_000);
    expect(bob.words().filter((word) => word.startsWith("said"))).to.have.length(5);
    expect(simulation.endpoint.stats().bufferedBytes).to.equal(0);
  });

  /** A server whose process tells what becomes of it. */
  function process(simulation: { events: string[]; close?: () => Promise<void> }) {
    let served = 0;
    return (clock: VirtualClock) => {
      const n = ++served;
      const tell = (what: string) => simulation.events.push(`${clock.now()} ${what} ${n}`);
      const close = async () => {
        tell("close");
        await simulation.close?.();
      };
      return { endpoint: serve(clock), close, kill: () => tell("kill") };
    };
  }

  it("lets a process close behind its endpoint, and kills it at once where it isn't graceful", async () => {
    const events: string[] = [];
    const simulation = simulate({ seed: 1, serve: process({ events }) });
    const { endpoint } = simulation;
    simulation.fault({ at: 1_000, kind: "restart", graceful: false, for: 500 });
    simulation.fault({ at: 2_000, kind: "restart", graceful: true, for: 500 });
    await simulation.advance(10_000);
    expect(simulation.endpoint).not.to.equal(endpoint);
    expect(events).to.deep.equal(["1000 kill 1", "2000 close 2", "2000 kill 2"]);
    await simulation.close();
    expect(events.slice(3)).to.deep.equal(["10000 kill 3"]);
  });

  it("kills a process that doesn't close within half a minute, and passes on what one fails with", async () => {
    const events: string[] = [];
    const closing = new Gate();
    const slow = simulate({ seed: 1, serve: process({ events, close: () => closing.promise }) });
    slow.fault({ at: 1_000, kind: "restart", graceful: true, for: 500 });
    await slow.advance(60_000);
    expect(events).to.deep.equal(["1000 close 1", "31000 kill 1"]);
    await slow.close();

    const close = () => Promise.reject(new Error("the disk is full"));
    const failing = simulate({ seed: 1, serve: process({ events, close }) });
    failing.fault({ at: 1_000, kind: "restart", graceful: true, for: 500 });
    await failing.advance(2_000);
    expect(await failing.close().catch((error: Error) => error.message)).to.equal("the disk is full");
  });

  it("has timers for what a test runs on a client's machine", async () => {
    const simulation = newSimulation();
    const { timers } = simulation.client("ada");
    const rang: number[] = [];
    timers.setTimeout(() => rang.push(simulation.clock.now()), 1_000);
    simulation.fault({ at: 500, kind: "sleep", client: "ada", for: 3_600_000 });
    await simulation.calm();
    expect(rang).to.deep.equal([3_600_500]);
  });

  it("goes on while a handler waits for the test", async () => {
    const simulation = newSimulation();
    const ada = person(simulation, "ada");
    await simulation.advance(1_000);
    const replies: unknown[] = [];
    ada.room.push("wait").receive("ok", (reply) => replies.push(reply));
    await simulation.advance(5_000);
    gate.open();
    await simulation.advance(1_000);
    expect(replies).to.deep.equal([{ waited: true }]);
  });

  it("gives the same run for the same seed, and another for another", async () => {
    const run = async (seed: number) => {
      const simulation = newSimulation(seed);
      const people = ["ada", "bob"].map((name) => person(simulation, name));
      simulation.faults({ count: 8, over: 120_000 });
      for (let n = 0; n < 20; n++) {
        people[n % 2]?.room.push("say", { n });
        await simulation.advance(simulation.random.below(12_000));
      }
      await simulation.calm();
      return { plan: simulation.plan, told: people.map(({ told }) => told) };
    };
    const [first, second, other] = [await run(7), await run(7), await run(8)];
    expect(first.told[0]?.length).to.be.above(5);
    expect(second).to.deep.equal(first);
    expect(other).not.to.deep.equal(first);
  });

  it("says what is wrong with its options", async () => {
    expect(() => simulate({ serve } as never)).to.throw(ConfigError, "needs a seed");
    expect(() => simulate({ seed: -1, serve })).to.throw(ConfigError, "seed");
    expect(() => simulate({ seed: 1, serve: () => new Endpoint() })).to.throw(
      ConfigError,
      "on the clock that it is given",
    );
    const simulation = newSimulation();
    expect(() => simulation.faults()).to.throw("faults: there is no client yet");
    simulation.client("ada");
    expect(() => simulation.client("ada")).to.throw(ConfigError, 'a name that no other has, got "ada"');
    expect(() => simulation.faults({ kinds: ["fire"] } as never)).to.throw(ConfigError, "drop, half-open");
    expect(() => simulation.faults({ many: 1 } as never)).to.throw(ConfigError, "many");
  });
});

describe("simulateSeeds", () => {
  it("presence converges, whatever goes wrong", async function () {
    this.timeout(120_000);
    const seeds = Number(process.env.SEEDS ?? 30);
    await simulateSeeds({ seeds, serve }, async (simulation) => {
      const people = ["ada", "bob", "eve"].map((name) => person(simulation, name));
      simulation.faults({
        count: 12,
        over: 300_000,
        kinds: ["drop", "half-open", "delay", "partition", "close", "restart"],
      });
      await simulation.calm();
      for (const { room, present } of people) {
        expect(room.state).to.equal("joined");
        expect(present()).to.deep.equal(["ada 1", "bob 1", "eve 1"]);
      }
      expect(simulation.endpoint.stats()).to.include({ connections: 3, channels: 3 });
    });
  });

  it("has a world that outlives restarts, for each seed its own", async () => {
    const worlds: { readonly seed: number; served: number }[] = [];
    const world = (seed: number) => {
      const made = { seed, served: 0 };
      worlds.push(made);
      return made;
    };
    const serveIn = (clock: VirtualClock, its: { served: number }) => {
      its.served++;
      return serve(clock);
    };
    await simulateSeeds({ seeds: [4, 5], world, serve: serveIn }, async (simulation, its) => {
      expect(its).to.equal(worlds.at(-1));
      simulation.fault({ at: 0, kind: "restart", graceful: false, for: simulation.seed });
      await simulation.advance(100);
    });
    expect(worlds).to.deep.equal([
      { seed: 4, served: 2 },
      { seed: 5, served: 2 },
    ]);
  });

  it("names the seed that fails, and its faults; the seed alone fails again", async () => {
    const run = async (simulation: Simulation) => {
      simulation.client("ada");
      simulation.faults({ count: 2 });
      if (simulation.seed % 3 === 0) throw new Error("lost");
    };
    const failure = (seeds: number | number[]) =>
      simulateSeeds({ seeds, serve }, run).then(
        () => expect.fail("no seed failed"),
        (error: Error) => error,
      );
    const failed = await failure(10);
    expect(failed.message).to.match(
      /^seed 3 failed \(seeds: \[3\] replays it\): lost\n\nits faults:\n {2}\{"at":\d+,"kind":"\w[^\n]*\n {2}\{"at"/,
    );
    expect((failed.cause as Error).message).to.equal("lost");
    expect((await failure([3])).message).to.equal(failed.message);
    await simulateSeeds({ seeds: [1, 2, 4], serve }, run);
  });
});

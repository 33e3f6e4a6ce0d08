import { expect } from "chai";
import { Channel, error, noreply, ok, reply, Socket, stop, V2JSONSerializer } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serveInMemory } from "../support/memory.ts";
import { Telemetry, type Told } from "./record.ts";

const crash = (what: string): never => {
  throw new Error(what);
};

/** A room that can end in every way there is; its clock moves as its handlers say. */
async function serveRooms() {
  const clock = new ManualClock();
  class Room extends Channel {
    static override intercepts = ["out"];
    override join(topic: string) {
      clock.advance(3);
      if (topic === "room:refused") return error({ reason: "full" });
      return topic === "room:crash" ? crash("join") : ok();
    }
    override handleOut(_event: string, payload: unknown) {
      clock.advance(2);
      const { how } = payload as { how: string };
      if (how === "push") this.push("out");
      if (how === "crash") crash("out");
      if (how === "wrong") return true as never;
      return how === "stop" ? stop() : noreply();
    }
    override handleInfo() {
      crash("info");
    }
    override terminate() {
      if (this.topic === "room:terminate") crash("terminate");
    }
    static {
      this.on("ok", () => {
        clock.advance(4);
        return ok({ a: 1 });
      });
      this.on("error", () => error({ b: 2 }));
      this.on("status", () => reply("maybe"));
      this.on("nothing", () => {});
      this.on("noreply", () => noreply());
      this.on("later", async () => {
        await Promise.resolve();
        clock.advance(5);
        return ok();
      });
      this.on("stop", () => stop());
      this.on("stop_reply", () => stop("shutdown", ok()));
      this.on("kaboom", () => stop("kaboom"));
      this.on("throw", () => crash("thrown"));
      this.on("wrong", () => true as never);
      this.on("defer", function () {
        this.deferReply(Promise.reject(new Error("deferred")));
      });
      this.on("info", function () {
        this.sendSelf("x");
      });
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override id() {
      return "user:1";
    }
    override refresh(): never {
      return crash("refresh");
    }
  }
  const served = serveInMemory(RoomSocket, {}, { clock });
  const told = new Telemetry(served.endpoint);
  const client = await connect(served.url);
  const send = (event: string, payload: unknown = {}, topic = "room:a") =>
    client.send(["1", "2", topic, event, payload]);
  return { ...served, told, client, clock, send };
}

const about = (topic = "room:a") => ({
  socket: "RoomSocket",
  transport: "websocket",
  channel: "Room",
  serializer: V2JSONSerializer.name,
  socketId: "user:1",
  topic,
});

describe("phoenix:channel_joined", () => {
  it("tells of joins that were answered, their params, result and duration", async () => {
    const { client, told } = await serveRooms();
    const joins: [topic: string, result: string][] = [
      ["room:a", "ok"],
      ["room:refused", "error"],
      ["room:crash", "error"],
    ];
    for (const [topic] of joins) await client.join(topic, { token: "t" });
    expect(told.all("channelJoined")).to.deep.equal(
      joins.map(([topic, result]) => ({ ...about(topic), params: { token: "t" }, result, duration: 3 })),
    );
  });

  it("doesn't tell of joins that reach no channel", async () => {
    const { client, told } = await serveRooms();
    await client.join("hall:a");
    expect(told.all("channelJoined")).to.deep.equal([]);
  });
});

describe("phoenix:channel_handled_in", () => {
  for (const [event, result, duration] of [
    ["ok", "ok", 4],
    ["error", "error", 0],
    ["status", "maybe", 0],
    ["nothing", "noreply", 0],
    ["noreply", "noreply", 0],
    ["later", "ok", 5],
    ["stop", "stop", 0],
    ["stop_reply", "stop", 0],
    ["kaboom", "stop", 0],
    ["throw", "crash", 0],
    ["wrong", "crash", 0],
    ["unknown", "error", 0],
    ["access_token", "crash", 0],
  ] as const) {
    it(`tells the result of "${event}": ${result}`, async () => {
      const { client, told, send } = await serveRooms();
      await client.join("room:a");
      const params = { token: "t" };
      send(event, params);
      expect(await told.reaches("channelHandledIn", 1)).to.deep.equal([
        { ...about(), event, params, result, duration },
      ]);
    });
  }

  it("doesn't tell of the protocol's own events, nor of what never reached a handler", async () => {
    const { client, told } = await serveRooms();
    await client.join("room:a");
    client.send(["stale", "2", "room:a", "ok", {}]);
    client.send(["1", "3", "room:b", "ok", {}]);
    client.send(["1", "4", "room:a", "phx_leave", {}]);
    await client.settle();
    expect(told.all("channelHandledIn")).to.deep.equal([]);
  });
});

describe("phoenix:channel_handled_out", () => {
  for (const [how, result] of [
    ["push", "noreply"],
    ["nothing", "noreply"],
    ["stop", "stop"],
    ["crash", "crash"],
    ["wrong", "crash"],
  ] as const) {
    it(`tells the result of an interception: ${how}`, async () => {
      const { client, told, endpoint } = await serveRooms();
      await client.join("room:a");
      endpoint.broadcast("room:a", "not_intercepted", { how });
      endpoint.broadcast("room:a", "out", { how });
      expect(await told.reaches("channelHandledOut", 1)).to.deep.equal([
        { ...about(), event: "out", result, duration: 2 },
      ]);
    });
  }
});

describe("phoenix:channel_terminated", () => {
  type Made = Awaited<ReturnType<typeof serveRooms>>;
  const ways: [how: string, kind: string, reason: string | undefined, end: (made: Made) => unknown][] = [
    ["a leave", "left", undefined, ({ send }) => send("phx_leave")],
    ["the client's close", "closed", "1000", ({ client }) => client.close()],
    ["a disconnect", "closed", "disconnect", ({ endpoint }) => endpoint.disconnect("user:1")],
    ["a stop", "stopped", "normal", ({ send }) => send("stop")],
    ["a shutdown", "stopped", "shutdown", ({ send }) => send("stop_reply")],
    ["a second join", "replaced", undefined, ({ client }) => client.join("room:a", {}, "9")],
    ["a drain", "drain", "drain", ({ endpoint }) => endpoint.drain()],
    ["a throw", "error", undefined, ({ send }) => send("throw")],
    ["a stop with another reason", "error", "kaboom", ({ send }) => send("kaboom")],
  ];
  for (const [how, kind, reason, end] of ways) {
    it(`tells of the end by ${how}, and how long the channel was joined`, async () => {
      const made = await serveRooms();
      await made.client.join("room:a");
      made.clock.advance(1_000);
      await end(made);
      const [message] = await made.told.reaches("channelTerminated", 1);
      // The second join's takes its time before the first one's terminate runs.
      const duration = kind === "replaced" ? 1_003 : 1_000;
      expect(message).to.deep.equal({ ...about(), kind, reason, duration });
    });
  }

  it("tells of a terminate that crashed, too; of a refused join it doesn't", async () => {
    const { client, told, send } = await serveRooms();
    await client.join("room:refused");
    await client.join("room:terminate");
    send("phx_leave", {}, "room:terminate");
    const [message] = await told.reaches("channelTerminated", 1);
    expect(message).to.include({ topic: "room:terminate", kind: "left" });
    await client.settle();
    expect(told.all("channelTerminated")).to.have.length(1);
  });
});

describe("phoenix:channel_errored", () => {
  const message = ({ error }: Told) => (error instanceof Error ? error.message : error);

  for (const [event, callback, words] of [
    ["throw", "handleIn", "thrown"],
    ["wrong", "handleIn", 'Room.handleIn("wrong") returned true'],
    ["access_token", "handleIn", "refresh"],
    ["info", "handleInfo", "info"],
    ["defer", "deferReply", "deferred"],
    ["kaboom", "stop", "kaboom"],
  ] as const) {
    it(`tells of ${callback}: ${words}`, async () => {
      const { client, told, send } = await serveRooms();
      await client.join("room:a");
      send(event, { token: "t" });
      const [told1, ...rest] = await told.reaches("channelErrored", 1);
      expect(rest).to.deep.equal([]);
      const { error: _, ...fields } = told1 as Told;
      expect(fields).to.deep.equal({ ...about(), callback });
      expect(message(told1 as Told)).to.include(words);
    });
  }

  it("tells of join, handleOut and terminate", async () => {
    const { client, told, send, endpoint } = await serveRooms();
    await client.join("room:crash");
    await client.join("room:a");
    endpoint.broadcast("room:a", "out", { how: "crash" });
    await told.reaches("channelErrored", 2);
    await client.join("room:terminate");
    send("phx_leave", {}, "room:terminate");
    const errors = await told.reaches("channelErrored", 3);
    expect(errors.map((told) => [told.callback, told.topic, message(told)])).to.deep.equal([
      ["join", "room:crash", "join"],
      ["handleOut", "room:a", "out"],
      ["terminate", "room:terminate", "terminate"],
    ]);
  });

  it("tells nothing of what ends well", async () => {
    const { client, told, send } = await serveRooms();
    await client.join("room:refused");
    await client.join("room:a");
    for (const event of ["error", "unknown", "stop"]) send(event);
    await client.settle();
    expect(told.all("channelErrored")).to.deep.equal([]);
  });
});

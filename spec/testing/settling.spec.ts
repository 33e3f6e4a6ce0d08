import { expect } from "chai";
import { Channel, ConfigError, Endpoint, ok, Socket, telemetry } from "../../lib/index.ts";
import { channelCase } from "../../lib/testing/index.ts";
import { connect } from "../support/client.ts";
import { Gate } from "../support/gate.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { failureOf, newCase, newRoom, RoomChannel, UserSocket } from "./app.ts";

describe("kit.settle", () => {
  it("waits for handlers, and for the messages behind them", async () => {
    const { kit, room } = await newRoom();
    const refs = [room.push("wait"), room.push("echo"), room.push("later", {})];
    setTimeout(() => RoomChannel.gate.open(), 5);
    await kit.settle();
    for (const ref of refs) await room.assertReply(ref, "ok", undefined, { timeout: 0 });
    await room.assertPush("info", undefined, { timeout: 0 });
  });

  it("waits for deferred replies", async () => {
    const { kit, room } = await newRoom();
    const ref = room.push("defer_promise");
    setTimeout(() => RoomChannel.gate.open(), 5);
    await kit.settle();
    await room.assertReply(ref, "ok", { deferred: true }, { timeout: 0 });
  });

  it("waits for joins and terminates", async () => {
    const joining = new Gate();
    const terminating = new Gate();
    const events: string[] = [];
    class Slow extends Channel {
      override async join() {
        await joining.promise;
        events.push("joined");
        return ok();
      }
      override async terminate() {
        await terminating.promise;
        events.push("terminated");
      }
    }
    const kit = newCase();
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    const join = client.subscribeAndJoin(Slow, "slow");
    setTimeout(() => joining.open(), 5);
    await kit.settle();
    expect(events).to.deep.equal(["joined"]);
    const room = await join;
    room.leave();
    const failed = await failureOf(kit.settle({ timeout: 5 }));
    expect(failed.message).to.include("1 channel(s) that ended still run a handler or terminate");
    setTimeout(() => terminating.open(), 5);
    await kit.settle();
    expect(events).to.deep.equal(["joined", "terminated"]);
  });

  it("waits for a join that outlives its client", async () => {
    const joining = new Gate();
    const events: string[] = [];
    class Slow extends Channel {
      override async join() {
        await joining.promise;
        return ok();
      }
      override terminate({ kind }: { kind: string }) {
        events.push(kind);
      }
    }
    const kit = newCase();
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    const join = failureOf(client.subscribeAndJoin(Slow, "slow"));
    await client.close();
    setTimeout(() => joining.open(), 5);
    await kit.settle();
    expect(events).to.deep.equal(["closed"]);
    expect((await join).message).to.include("the join wasn't answered; the connection was closed with 1000");
  });

  it("fails at the timeout, with all that is at work", async () => {
    const { kit, client, room } = await newRoom({ timeout: 5 });
    const other = await client.subscribeAndJoin("room:b");
    room.push("wait");
    room.push("echo");
    other.push("defer_promise");
    const failed = await failureOf(kit.settle());
    expect(failed.message).to.include(
      [
        "settle(): not all came to rest within 5 ms",
        "",
        "still in flight:",
        '  handleIn("wait") of RoomChannel on room:lobby is running',
        "  1 message(s) wait for RoomChannel on room:lobby",
        "  1 deferred reply(s) of RoomChannel on room:b are pending",
      ].join("\n"),
    );
    await kit.settle({ busy: true });
    RoomChannel.gate.open();
    await kit.settle();
  });

  it("waits for all clients of the app's endpoint, also for those on the network", async () => {
    const { endpoint, url } = await serve(UserSocket);
    const kit = channelCase(endpoint);
    afterTest(() => kit.close());
    RoomChannel.gate = new Gate();
    const client = await connect(url, "vsn=2.0.0&token=ada");
    await client.join("room:a");
    client.send(["1", "2", "room:a", "wait", {}]);
    await client.settle();
    const failed = await failureOf(kit.settle({ timeout: 5 }));
    expect(failed.message).to.include('handleIn("wait") of RoomChannel on room:a is running');
    RoomChannel.gate.open();
    await kit.settle();
  });

  it("doesn't wait for a promise that the app has let go of", async () => {
    const gate = new Gate();
    class Detached extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("go", function () {
          void gate.promise.then(() => this.push("late"));
          return ok();
        });
      }
    }
    const kit = newCase({ timeout: 60_000 });
    const room = await kit.socket(UserSocket, "a", { userId: "a" }).subscribeAndJoin(Detached, "d");
    room.push("go");
    await kit.settle();
    await room.refutePush("late");
    gate.open();
    await room.assertPush("late");
  });

  it("checks its options", async () => {
    const thrown = await newCase()
      .settle({ timeout: "1 s" } as never)
      .catch((error: unknown) => error);
    expect(thrown).to.be.instanceOf(ConfigError);
  });
});

describe("kit.close", () => {
  it("leaves nothing behind: clients, channels, topics, timers", async () => {
    const kit = newCase({ clock: "virtual" });
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    await client.subscribeAndJoin("room:a");
    await kit.connect(UserSocket, { token: "b" });
    const { clock, endpoint } = kit;
    expect(endpoint.stats()).to.include({ connections: 2, channels: 1 });
    expect(kit.close()).to.equal(kit.close());
    await kit.close();
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0, draining: true });
    expect(clock.pending).to.equal(0);
    expect(telemetry.channelErrored.hasSubscribers).to.equal(false);
    expect(() => kit.socket(UserSocket, "a", { userId: "a" })).to.throw("socket: the kit is closed");
  });

  it("leaves the app's own endpoint open", async () => {
    const endpoint = new Endpoint();
    endpoint.socket("/socket", UserSocket);
    const kit = channelCase(endpoint);
    await kit.socket(UserSocket, "a", { userId: "a" }).subscribeAndJoin("room:a");
    await kit.close();
    expect(endpoint.stats()).to.include({ connections: 0, topics: 0, draining: false });
  });

  it("waits for handlers that are running, but not for ever", async () => {
    const { kit, room } = await newRoom({ timeout: 20 });
    let ended = false;
    kit.endpoint.subscribe("ends", () => {
      ended = true;
    });
    room.push("wait");
    setTimeout(() => RoomChannel.gate.open(), 5);
    await kit.close();
    expect(ended).to.equal(true);
    const stuck = await newRoom({ timeout: 20, clock: "virtual" });
    stuck.room.push("wait");
    await stuck.kit.close();
    expect(stuck.kit.endpoint.stats().connections).to.equal(0);
  });

  it("is what `await using` does", async () => {
    const kit = newCase();
    await kit[Symbol.asyncDispose]();
    expect(kit.endpoint.stats().draining).to.equal(true);
  });

  it("lets several kits stand side by side", async () => {
    const [one, other] = [await newRoom(), await newRoom({ clock: "virtual" })];
    one.kit.endpoint.broadcast("room:lobby", "news");
    await one.room.assertPush("news");
    await other.room.refutePush("news");
    other.room.push("crash");
    await other.kit.settle();
    // A crash is told in the transcript of its own kit only.
    expect((await failureOf(one.room.assertPush("x"))).message).not.to.include("crashed");
    await one.kit.close();
    await other.kit.clock.advance(10);
    expect(other.kit.endpoint.stats().connections).to.equal(1);
  });

  it("lets several kits share the app's endpoint", async () => {
    class NamedSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const endpoint = new Endpoint();
    endpoint.socket("/socket", NamedSocket);
    const [one, other] = [channelCase(endpoint), channelCase(endpoint)];
    const mine = await one.socket(NamedSocket).subscribeAndJoin("room:a");
    const theirs = await other.socket(NamedSocket).subscribeAndJoin("room:a");
    mine.broadcastFrom("hello");
    await theirs.assertPush("hello");
    await one.close();
    endpoint.broadcast("room:a", "still");
    await theirs.assertPush("still");
    await other.close();
    expect(endpoint.stats().topics).to.equal(0);
  });
});

import { expect } from "chai";
import { Channel, ConfigError, Endpoint, ok, Socket } from "../../lib/index.ts";
import { channelCase, VirtualClock } from "../../lib/testing/index.ts";
import { afterTest } from "../support/teardown.ts";
import { failureOf, newCase, newRoom, RoomChannel, UserSocket } from "./app.ts";

/** A channel that counts down by messages to itself. */
class Countdown extends Channel<{ now(): number }> {
  override join() {
    this.sendSelf(3, { after: 1000 });
    return ok();
  }
  override async handleInfo(n: unknown) {
    // Time must not go on while this waits for the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    this.push("left", { n, at: this.assigns.now() });
    if ((n as number) > 1) this.sendSelf((n as number) - 1, { after: 1000 });
  }
}

describe("kit.clock", () => {
  it("stands still until the test moves it", async () => {
    const kit = newCase({ clock: "virtual" });
    const start = kit.clock.now();
    expect(Math.abs(start - Date.now())).to.be.below(60_000);
    await kit.clock.advance(1500);
    expect(kit.clock.now()).to.equal(start + 1500);
  });

  it("delivers sendSelf's delayed messages at their own moments, also those that they set off", async () => {
    const clock = new VirtualClock(0);
    const kit = newCase({ clock });
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    Object.assign(client.assigns, { now: () => clock.now() });
    const room = await client.subscribeAndJoin(Countdown, "countdown");
    await kit.clock.advance(999);
    await room.refutePush("left");
    await kit.clock.advance(5000);
    for (const [n, at] of [
      [3, 1000],
      [2, 2000],
      [1, 3000],
    ]) {
      expect(await room.assertPush("left")).to.deep.equal({ n, at });
    }
  });

  it("tells an assertion that fails while a delayed message waits", async () => {
    const kit = newCase({ clock: new VirtualClock(0), heartbeatIntervalMs: false });
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    const room = await client.subscribeAndJoin(Countdown, "countdown");
    const failed = await failureOf(room.assertPush("left"));
    expect(failed.message).to.include(
      "a delayed message waits: kit.clock.advance(1000) brings the next callback",
    );
  });

  it("delivers what is due at once without being moved", async () => {
    class Soon extends Channel {
      override join() {
        this.sendSelf("soon", { after: 0 });
        return ok();
      }
      override handleInfo(message: unknown) {
        this.push("info", { message });
      }
    }
    const kit = newCase({ clock: "virtual" });
    const room = await kit.socket(UserSocket, "a", { userId: "a" }).subscribeAndJoin(Soon, "soon");
    await room.assertPush("info", { message: "soon" });
  });

  it("keeps clients that send heartbeats, and closes those that don't after the idle timeout", async () => {
    const beating = newCase({ clock: "virtual" });
    const alive = beating.socket(UserSocket, "a", { userId: "a" });
    await beating.clock.advance(3_600_000);
    expect(alive.closed).to.equal(null);
    const silent = newCase({ clock: "virtual", heartbeatIntervalMs: false });
    const client = silent.socket(UserSocket, "a", { userId: "a" });
    const room = await client.subscribeAndJoin("room:a");
    await silent.clock.advance(40_000);
    room.push("echo");
    await silent.clock.advance(59_999);
    expect(client.closed).to.equal(null);
    await silent.clock.advance(1);
    expect(await client.assertClosed(1002)).to.deep.equal({ code: 1002, reason: "" });
  });

  it("warns of a token's end, and closes with 1001 then", async () => {
    class TokenSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
      override connect() {
        this.expiresAt = kit.clock.now() + 600_000;
        return ok();
      }
    }
    const kit = newCase({ clock: "virtual" });
    const client = await kit.connect(TokenSocket);
    const room = await client.subscribeAndJoin("room:a");
    await kit.clock.advance(539_000);
    await room.refutePush("token_expiring");
    await kit.clock.advance(1_000);
    await room.assertPush("token_expiring", { expires_in: 60 });
    await kit.clock.advance(60_000);
    expect(await client.assertClosed(1001)).to.deep.equal({ code: 1001, reason: "token expired" });
  });

  it("runs a drain in batches, and its timeout", async () => {
    const { kit, client, room } = await newRoom({ clock: "virtual" });
    const other = kit.socket(UserSocket, "b", { userId: "b" });
    room.push("wait");
    const drained = kit.endpoint.drain({ batchSize: 1, intervalMs: 2_000, timeoutMs: 30_000 });
    await kit.clock.advance(1_999);
    expect(other.closed).to.equal(null);
    await kit.clock.advance(1);
    await other.assertClosed(1012);
    await kit.clock.advance(27_999);
    expect(client.closed).to.equal(null);
    await kit.clock.advance(1);
    await client.assertClosed(1012);
    await drained;
    RoomChannel.gate.open();
  });

  it("goes on while a handler waits for something outside, as a test's own promise", async () => {
    const { kit, room } = await newRoom({ clock: "virtual" });
    const ref = room.push("wait");
    await kit.clock.advance(30_000);
    RoomChannel.gate.open();
    await room.assertReply(ref, "ok");
  });

  it("is the endpoint's, if the app's has a virtual one", async () => {
    const clock = new VirtualClock(5);
    const endpoint = new Endpoint({ clock });
    endpoint.socket("/socket", UserSocket);
    const kit = channelCase(endpoint);
    afterTest(() => kit.close());
    expect(kit.clock).to.equal(clock);
  });
});

describe("VirtualClock", () => {
  it("calls in the order of time, and of scheduling at one moment", async () => {
    const clock = new VirtualClock(100);
    const calls: string[] = [];
    const at = (name: string, ms: number) => clock.schedule(() => calls.push(`${name} ${clock.now()}`), ms);
    at("c", 20);
    at("a", 10);
    at("b", 10);
    at("e", 30);
    const cancel = at("d", 20);
    cancel();
    cancel();
    expect([clock.pending, clock.nextAt]).to.deep.equal([4, 110]);
    await clock.advance(20);
    expect(calls).to.deep.equal(["a 110", "b 110", "c 120"]);
    await clock.advance(10);
    expect(calls.at(-1)).to.equal("e 130");
    expect([clock.pending, clock.nextAt, clock.now()]).to.deep.equal([0, null, 130]);
  });

  it("calls what a callback schedules within the time, and runs calls of advance one after another", async () => {
    const clock = new VirtualClock(0);
    const calls: number[] = [];
    const tick = () => {
      calls.push(clock.now());
      clock.schedule(tick, 10);
    };
    clock.schedule(tick, 10);
    await Promise.all([clock.advance(25), clock.advance(25)]);
    expect(calls).to.deep.equal([10, 20, 30, 40, 50]);
  });

  it("rejects with what a callback throws, and goes on with the next call", async () => {
    const clock = new VirtualClock(0);
    clock.schedule(() => {
      throw new Error("thrown");
    }, 1);
    const error = await clock.advance(5).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal("thrown");
    await clock.advance(5);
    expect(clock.now()).to.equal(6);
  });

  it("runDue calls what is due now, but not what that schedules", () => {
    const clock = new VirtualClock(0);
    let calls = 0;
    const again = () => {
      calls++;
      clock.schedule(again, 0);
    };
    again();
    clock.schedule(() => calls++, 1);
    clock.runDue();
    expect(calls).to.equal(2);
  });

  it("takes numbers", async () => {
    expect(() => new VirtualClock(Number.NaN)).to.throw(ConfigError);
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, "1"]) {
      const error = await new VirtualClock().advance(wrong as number).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ConfigError);
    }
  });
});

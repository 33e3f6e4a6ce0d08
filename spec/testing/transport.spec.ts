import { expect } from "chai";
import { Endpoint, type MountOptions } from "../../lib/index.ts";
import { channelCase, VirtualClock } from "../../lib/testing/index.ts";
import { TestTransport } from "../../lib/testing/test-transport.ts";
import { Gate } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";
import { RoomChannel, UserSocket } from "./app.ts";

/** A client in a room of a mount with options. */
async function roomOf(options: MountOptions) {
  RoomChannel.gate = new Gate();
  const endpoint = new Endpoint();
  endpoint.socket("/socket", UserSocket, options);
  const kit = channelCase(endpoint);
  afterTest(() => kit.close());
  const client = kit.socket(UserSocket, "a", { userId: "a" });
  return { kit, endpoint, client, room: await client.subscribeAndJoin("room:a") };
}

describe("the kit's transport", () => {
  it("closes a client with 1009 for a frame over maxPayload, which no handler sees", async () => {
    const { client, endpoint, room } = await roomOf({ maxPayload: 100 });
    await room.assertReply(room.push("echo", "x".repeat(60)), "ok");
    const ref = room.push("echo", "x".repeat(100));
    await client.assertClosed(1009);
    await room.refuteReply(ref);
    expect(endpoint.stats().connections).to.equal(0);
  });

  it("stops reading when maxQueued messages wait, and goes on in order", async () => {
    const { kit, endpoint, room } = await roomOf({ maxQueued: 2 });
    room.push("wait");
    const refs = Array.from({ length: 10 }, (_, n) => room.push("echo", { n }));
    await kit.settle({ busy: true });
    expect(endpoint.stats().queued).to.equal(3);
    RoomChannel.gate.open();
    for (const [n, ref] of refs.entries()) await room.assertReply(ref, "ok", { n });
  });

  it("tells the connection of the end when the server has closed it", async () => {
    const { endpoint, client } = await roomOf({});
    endpoint.disconnect("a");
    expect(client.closed?.code).to.equal(1001);
    await Promise.resolve();
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0 });
  });

  it("counts frames and bytes", async () => {
    const { endpoint, room } = await roomOf({});
    const before = endpoint.stats();
    await room.assertReply(room.push("echo", "ü"), "ok");
    const { framesIn, framesOut, bytesIn, bytesOut } = endpoint.stats();
    expect([framesIn - before.framesIn, framesOut - before.framesOut]).to.deep.equal([1, 1]);
    expect(bytesIn - before.bytesIn).to.equal(Buffer.byteLength('["1","2","room:a","echo","ü"]'));
    expect(bytesOut - before.bytesOut).to.equal(
      Buffer.byteLength('["1","2","room:a","phx_reply",{"status":"ok","response":"ü"}]'),
    );
  });

  describe("by itself", () => {
    /** A transport with what its two sides are told. */
    function made() {
      const told: string[] = [];
      const clock = new VirtualClock(0);
      const counters = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0 };
      const options = { kind: "websocket" as const, clock, idleTimeout: 100, maxPayload: 100, counters };
      const transport = new TestTransport(
        {
          onFrame: (frame) => told.push(`client ${frame}`),
          onClose: (code) => told.push(`client closed ${code}`),
        },
        options,
      );
      const onFrame = (frame: string | Uint8Array) => {
        told.push(`server ${frame}`);
        if (frame === "pause") transport.pause();
        if (frame === "again") transport.receive("sent meanwhile");
        if (frame === "again") told.push("again is done");
      };
      transport.start({
        onFrame,
        onClose: (code) => told.push(`server closed ${code}`),
        onIdle: () => told.push("idle"),
        onOverflow: () => told.push("overflow"),
      });
      return { transport, told, clock };
    }

    it("passes nothing on after a close, whoever closed, and tells of it once", async () => {
      const { transport, told } = made();
      transport.close(1001, "");
      transport.close(1012, "");
      expect(transport.send("late")).to.equal(false);
      transport.receive("late");
      await Promise.resolve();
      transport.hangUp(1000, "");
      expect(told).to.deep.equal(["client closed 1001", "server closed 1001"]);
      const other = made();
      other.transport.hangUp(1006, "");
      other.transport.hangUp(1006, "");
      other.transport.close(1001, "");
      expect(other.transport.send("late")).to.equal(false);
      await Promise.resolve();
      expect(other.told).to.deep.equal(["server closed 1006"]);
    });

    it("keeps what comes while reading is paused, also when taking it pauses again", () => {
      const { transport, told } = made();
      transport.pause();
      for (const frame of ["1", "pause", "2", "3"]) transport.receive(frame);
      expect(told).to.deep.equal([]);
      transport.resume();
      expect(told).to.deep.equal(["server 1", "server pause"]);
      transport.receive("4");
      transport.resume();
      expect(told.slice(2)).to.deep.equal(["server 2", "server 3", "server 4"]);
    });

    it("takes what is sent while a frame is taken when that is done", () => {
      const { transport, told } = made();
      transport.receive("again");
      expect(told).to.deep.equal(["server again", "again is done", "server sent meanwhile"]);
    });

    it("is idle when nothing has come for idleTimeout; the time rests while reading is paused", async () => {
      const { transport, told, clock } = made();
      await clock.advance(60);
      transport.receive("1");
      await clock.advance(99);
      transport.pause();
      await clock.advance(1000);
      transport.resume();
      await clock.advance(99);
      expect(told).to.deep.equal(["server 1"]);
      await clock.advance(100);
      expect(told).to.deep.equal(["server 1", "idle"]);
    });
  });
});

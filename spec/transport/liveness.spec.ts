import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  type MountOptions,
  ok,
  Socket,
  type TerminateReason,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { CLOSE, clientFrame, PING, PONG, TcpClient, TEXT } from "./tcp-client.ts";

const heartbeat = (ref: string) => clientFrame([null, ref, "phoenix", "heartbeat", {}]);

/** A server on a clock that stands still, and the sockets on its side. */
async function serveRooms(options: MountOptions) {
  const clock = new ManualClock();
  const sockets: TcpSocket[] = [];
  const ends = new Journal<TerminateReason>();
  const gate = new Gate();
  class Room extends Channel {
    override join() {
      return ok();
    }
    override terminate(reason: TerminateReason) {
      ends.add(reason);
    }
    static {
      this.on("wait", async () => {
        await gate.promise;
        return ok();
      });
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect(_params: ConnectParams, info: ConnectInfo) {
      sockets.push(info.request.socket);
      return ok();
    }
  }
  const served = await serve(RoomSocket, options, { clock });
  const client = await TcpClient.open(served.port);
  const socket = sockets[0] as TcpSocket;
  /** Writes bytes, and waits until the server has read them. */
  const write = async (bytes: Buffer) => {
    const until = socket.bytesRead + bytes.length;
    client.socket.write(bytes);
    while (socket.bytesRead < until) await turn();
  };
  return { ...served, clock, client, socket, write, ends, gate };
}

/** The next frame that is no ping. */
async function nextButPings(client: TcpClient) {
  for (;;) {
    const frame = await client.frame();
    if (frame.opcode !== PING) return frame;
  }
}

describe("pings", () => {
  it("go to who is silent for 30 s, and to nobody else", async () => {
    const { clock, client, write } = await serveRooms({ idleTimeout: 600_000 });
    clock.advance(29_999);
    await write(heartbeat("1"));
    expect(await client.message()).to.have.property("1", "1");
    clock.advance(29_999);
    await write(heartbeat("2"));
    // No ping stands between the answers.
    expect(await client.message()).to.have.property("1", "2");
    clock.advance(30_000);
    const { opcode, payload } = await client.frame();
    expect([opcode, payload.length]).to.deep.equal([PING, 0]);
  });

  it("go after half of idleTimeout if that is sooner", async () => {
    const { clock, client, write } = await serveRooms({ idleTimeout: 10_000 });
    clock.advance(4_999);
    await write(heartbeat("1"));
    expect(await client.message()).to.have.property("1", "1");
    clock.advance(4_999);
    await write(clientFrame("x", PING));
    expect((await client.frame()).opcode).to.equal(PONG);
    clock.advance(5_000);
    expect((await client.frame()).opcode).to.equal(PING);
  });

  it("are asked again as long as they are answered", async () => {
    const { clock, client, write, endpoint } = await serveRooms({ idleTimeout: 600_000 });
    for (let i = 0; i < 10; i++) {
      clock.advance(30_000);
      expect((await client.frame()).opcode).to.equal(PING);
      await write(clientFrame("", PONG));
    }
    expect(endpoint.stats().connections).to.equal(1);
  });
});

describe("a half-open connection", () => {
  it("is cut when a ping is followed by silence as long as that before it", async () => {
    const { clock, client, write, socket, ends, endpoint } = await serveRooms({ idleTimeout: 600_000 });
    await write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
    await client.message();
    clock.advance(59_999);
    expect(socket.destroyed).to.equal(false);
    clock.advance(1);
    expect(socket.destroyed).to.equal(true);
    // A ping, and no close frame: nobody is there to read one.
    expect((await client.frame()).opcode).to.equal(PING);
    expect(await client.rest()).to.equal("");
    expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "1006" }]);
    while (endpoint.stats().connections > 0) await turn();
    expect(clock.pending).to.equal(0);
  });

  it("is none if anything follows the ping, be it a part of a frame", async () => {
    const { clock, write, socket } = await serveRooms({ idleTimeout: 600_000 });
    const frame = heartbeat("1");
    for (const bytes of [
      frame,
      frame.subarray(0, 1),
      frame.subarray(1),
      clientFrame("x", PING),
      clientFrame("", PONG),
    ]) {
      clock.advance(59_999);
      await write(bytes);
    }
    clock.advance(59_999);
    expect(socket.destroyed).to.equal(false);
    clock.advance(1);
    expect(socket.destroyed).to.equal(true);
  });
});

describe("an idle connection", () => {
  it("is closed with 1002 at idleTimeout, though it answers pings", async () => {
    const { clock, client, write, socket } = await serveRooms({ idleTimeout: 100_000 });
    for (const _ of [30, 60, 90]) {
      clock.advance(30_000);
      expect((await client.frame()).opcode).to.equal(PING);
      await write(clientFrame("", PONG));
    }
    clock.advance(9_999);
    expect(socket.writableEnded).to.equal(false);
    clock.advance(1);
    expect(await client.close()).to.equal(1002);
  });

  it("so is a browser's, whose WebSocket answers by itself", async () => {
    const { clock, url } = await serveRooms({ idleTimeout: 40_000 });
    const client = await connect(url);
    for (let i = 0; i < 2; i++) {
      const pinged = new Promise((resolve) => client.ws.once("ping", resolve));
      clock.advance(20_000);
      if (i === 0) await pinged;
    }
    expect(await client.closed).to.deep.equal({ code: 1002, reason: "" });
  });

  it("isn't one as long as something comes: a frame, a ping, a part of a frame, a frame behind a pong", async () => {
    const { clock, client, write, socket } = await serveRooms({ idleTimeout: 60_000 });
    const frame = heartbeat("1");
    const parts: Buffer[] = [
      frame,
      clientFrame("x", PING),
      frame.subarray(0, 3),
      frame.subarray(3),
      Buffer.concat([clientFrame("", PONG), frame]),
      Buffer.concat([frame, clientFrame("", PONG)]),
    ];
    for (const bytes of parts) {
      clock.advance(59_999);
      await write(bytes);
    }
    const answers = [TEXT, PONG, TEXT, TEXT, TEXT];
    for (const opcode of answers) expect((await nextButPings(client)).opcode).to.equal(opcode);
    clock.advance(59_999);
    expect(socket.writableEnded).to.equal(false);
    clock.advance(1);
    const { opcode, payload } = await nextButPings(client);
    expect([opcode, payload.readUInt16BE()]).to.deep.equal([CLOSE, 1002]);
  });

  it("is one though it sends pongs that nobody asked for", async () => {
    const { clock, client, write } = await serveRooms({ idleTimeout: 60_000 });
    for (let i = 0; i < 5; i++) {
      clock.advance(10_000);
      await write(clientFrame("", PONG));
    }
    clock.advance(10_000);
    expect((await nextButPings(client)).payload.readUInt16BE()).to.equal(1002);
  });

  it("leaves no timer, also if the client never answers the close", async () => {
    const { clock, client, endpoint } = await serveRooms({ idleTimeout: 60_000, closeTimeout: 1 });
    client.socket.pause();
    clock.advance(60_000);
    expect(clock.pending).to.equal(0);
    while (endpoint.stats().connections > 0) await turn();
    expect(clock.pending).to.equal(0);
  });
});

describe("a congested connection", () => {
  it("is neither idle nor half-open while its reading rests; both begin anew when it goes on", async () => {
    const { clock, client, socket, endpoint, gate } = await serveRooms({ idleTimeout: 60_000, maxQueued: 2 });
    const frames = ["1", "2", "3", "4", "5"].map((ref) =>
      clientFrame(["1", ref, "room:a", ref === "1" ? "phx_join" : "wait", {}]),
    );
    client.socket.write(Buffer.concat(frames));
    expect(await client.message()).to.have.property("1", "1");
    while (!socket.isPaused()) await turn();
    for (let i = 0; i < 100; i++) clock.advance(60_000);
    expect(socket.writableEnded).to.equal(false);
    expect(endpoint.stats()).to.include({ connections: 1, channels: 1 });
    gate.open();
    for (const ref of ["2", "3", "4", "5"]) expect(await client.message()).to.have.property("1", ref);
    // It has sent nothing since.
    clock.advance(59_999);
    expect(socket.writableEnded).to.equal(false);
    clock.advance(1);
    expect((await nextButPings(client)).payload.readUInt16BE()).to.equal(1002);
  });
});

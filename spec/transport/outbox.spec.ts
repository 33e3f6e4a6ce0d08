import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import { Channel, type ConnectInfo, type ConnectParams, ok, Socket } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, turn } from "../support/gate.ts";
import { serve } from "../support/server.ts";
import { clientFrame, PING, PONG, TcpClient, TEXT } from "./tcp-client.ts";

/** Counts what a socket hands to the operating system: each write is one system call. */
function countWrites(socket: TcpSocket): { writes: number } {
  const count = { writes: 0 };
  // biome-ignore lint/suspicious/noExplicitAny: the stream's own seam, which isn't in its types
  const seam = socket as any;
  for (const method of ["_write", "_writev"]) {
    const original = seam[method];
    seam[method] = function (...args: unknown[]) {
      count.writes++;
      return Reflect.apply(original, this, args);
    };
  }
  return count;
}

function room() {
  const sockets: TcpSocket[] = [];
  const gate = new Gate();
  class Room extends Channel {
    override join() {
      return ok();
    }
    static {
      this.on("burst", function () {
        for (let i = 0; i < 10; i++) this.push("n", { i });
        return ok();
      });
      this.on("echo", (payload) => ok(payload));
      this.on("shout", function (payload: object) {
        this.broadcast("shouted", payload);
        return ok();
      });
      this.on("late", async function () {
        await gate.promise;
        this.push("late");
        return ok();
      });
      this.on("bye", function () {
        this.push("last");
        this.socket.disconnect();
      });
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect(_params: ConnectParams, info: ConnectInfo) {
      sockets.push(info.request.socket);
      return ok();
    }
    override id() {
      return "user:1";
    }
  }
  return { RoomSocket, sockets, gate };
}

async function joined(port: number): Promise<TcpClient> {
  const client = await TcpClient.open(port);
  client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
  await client.message();
  return client;
}

describe("the way out", () => {
  it("what a handler pushes leaves with its reply, in one system call", async () => {
    const { RoomSocket, sockets } = room();
    const { port } = await serve(RoomSocket);
    const client = await joined(port);
    const count = countWrites(sockets[0] as TcpSocket);
    client.socket.write(clientFrame(["1", "2", "room:a", "burst", {}]));
    for (let i = 0; i < 10; i++)
      expect(await client.message()).to.deep.equal(["1", null, "room:a", "n", { i }]);
    expect(await client.message()).to.have.property("1", "2");
    expect(count.writes).to.equal(1);
  });

  it("so do the answers to all messages of one packet, and pongs between them, in order", async () => {
    const { RoomSocket, sockets } = room();
    const { port } = await serve(RoomSocket);
    const client = await joined(port);
    const count = countWrites(sockets[0] as TcpSocket);
    const frames = ["2", "3", "4"].flatMap((ref) => [
      clientFrame(["1", ref, "room:a", "echo", {}]),
      clientFrame(`ping ${ref}`, PING),
    ]);
    client.socket.write(Buffer.concat(frames));
    for (const ref of ["2", "3", "4"]) {
      expect(await client.message()).to.have.property("1", ref);
      const { opcode, payload } = await client.frame();
      expect([opcode, payload.toString()]).to.deep.equal([PONG, `ping ${ref}`]);
    }
    expect(count.writes).to.equal(1);
  });

  it("broadcasts of one turn are one system call for each subscriber", async () => {
    const { RoomSocket, sockets } = room();
    const { port, endpoint } = await serve(RoomSocket);
    const clients = [await joined(port), await joined(port), await joined(port)];
    const counts = sockets.map(countWrites);
    for (let i = 0; i < 50; i++) endpoint.broadcast("room:a", "n", { i });
    for (const client of clients) {
      for (let i = 0; i < 50; i++)
        expect(await client.message()).to.deep.equal([null, null, "room:a", "n", { i }]);
    }
    expect(counts.map(({ writes }) => writes)).to.deep.equal([1, 1, 1]);
  });

  it("a turn's writes don't wait for the next turn", async () => {
    const { RoomSocket, gate } = room();
    const { port } = await serve(RoomSocket);
    const client = await joined(port);
    client.socket.write(clientFrame(["1", "2", "room:a", "late", {}]));
    client.socket.write(clientFrame(["1", "3", "room:a", "echo", {}]));
    gate.open();
    expect(await client.message()).to.have.property("3", "late");
    expect(await client.message()).to.have.property("1", "2");
    expect(await client.message()).to.have.property("1", "3");
  });

  it("a close comes behind what was pushed before it", async () => {
    const { RoomSocket } = room();
    const { port } = await serve(RoomSocket);
    const client = await joined(port);
    client.socket.write(clientFrame(["1", "2", "room:a", "bye", {}]));
    expect(await client.message()).to.have.property("3", "last");
    expect(await client.close()).to.equal(1001);
  });

  it("frames of every size arrive whole: each form of the length", async () => {
    const { RoomSocket } = room();
    const { url } = await serve(RoomSocket);
    const client = await connect(url);
    await client.join("room:a");
    const envelope = JSON.stringify(["1", "2", "room:a", "phx_reply", { status: "ok", response: "" }]).length;
    for (const length of [125, 126, 127, 65_535, 65_536, 65_537, 300_000]) {
      const payload = "x".repeat(length - envelope);
      expect((await client.ask("1", "2", "room:a", "echo", payload))[4].response.length).to.equal(
        payload.length,
      );
    }
  });

  it("many sockets written to in one turn are all flushed, again and again", async () => {
    const { RoomSocket } = room();
    const { url, endpoint } = await serve(RoomSocket);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(url)));
    for (const client of clients) await client.join("room:a");
    for (let round = 0; round < 20; round++) {
      endpoint.broadcast("room:a", "round", { round });
      for (const client of clients) expect((await client.next())[4]).to.deep.equal({ round });
    }
  });
});

describe("a client that doesn't read", () => {
  const LIMIT = 64 * 1024;
  const FRAME = 32 * 1024;
  const payload = { text: "x".repeat(FRAME) };

  /** Broadcasts until the first connection is closed; returns how often, and the most that waited for it. */
  async function flood(endpoint: Awaited<ReturnType<typeof serve>>["endpoint"], socket: TcpSocket) {
    let count = 0;
    let most = 0;
    while (socket.writable && !socket.writableEnded) {
      endpoint.broadcast("room:a", "n", { count, ...payload });
      count++;
      most = Math.max(most, endpoint.stats().bufferedBytes);
      await turn();
    }
    return { count, most };
  }

  it("is closed with 1013 when too much waits; others are served, memory is bounded", async () => {
    const { RoomSocket, sockets } = room();
    const { port, url, endpoint, lines } = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    const slow = await joined(port);
    slow.socket.pause();
    const fast = await connect(url);
    await fast.join("room:a");
    const { count, most } = await flood(endpoint, sockets[0] as TcpSocket);
    // Two connections: the limit, and the frame that went over it.
    expect(most).to.be.lessThan(2 * (LIMIT + FRAME + 1_000));
    for (let i = 0; i < count; i++) expect((await fast.next())[4].count).to.equal(i);
    expect(endpoint.stats().channels).to.equal(1);
    expect(lines.filter(({ message }) => message.includes("doesn't read"))).to.have.length(1);
    // It reads after all: what was sent is whole and in order, then the close.
    slow.socket.resume();
    for (let i = 0; ; i++) {
      const { opcode, payload: bytes } = await slow.frame();
      if (opcode !== TEXT) {
        expect(bytes.readUInt16BE()).to.equal(1013);
        break;
      }
      expect(JSON.parse(bytes.toString())[4].count).to.equal(i);
    }
    await fast.settle();
  });

  it("is cut off after closeTimeout if it never reads", async () => {
    const { RoomSocket, sockets } = room();
    const { port, endpoint } = await serve(RoomSocket, { maxBufferedBytes: LIMIT, closeTimeout: 20 });
    const slow = await joined(port);
    slow.socket.pause();
    const socket = sockets[0] as TcpSocket;
    const cut = new Promise((resolve) => socket.once("close", resolve));
    await flood(endpoint, socket);
    await cut;
    expect(endpoint.stats()).to.deep.include({ connections: 0, channels: 0, topics: 0, bufferedBytes: 0 });
  });

  it("is closed for replies as for broadcasts", async () => {
    const { RoomSocket, sockets } = room();
    const { port, endpoint } = await serve(RoomSocket, { maxBufferedBytes: LIMIT, closeTimeout: 20 });
    const slow = await joined(port);
    slow.socket.pause();
    const socket = sockets[0] as TcpSocket;
    const cut = new Promise((resolve) => socket.once("close", resolve));
    let most = 0;
    const echo = clientFrame(["1", "2", "room:a", "echo", payload]);
    while (socket.writable && !socket.writableEnded) {
      slow.socket.write(echo);
      most = Math.max(most, socket.writableLength);
      await turn();
    }
    // One read of the server brings a few messages, each of which is answered before the next is looked at.
    expect(most).to.be.lessThan(LIMIT + 2 * FRAME);
    await cut;
    expect(endpoint.stats().connections).to.equal(0);
  });

  it("is closed for pongs too", async () => {
    const { RoomSocket, sockets } = room();
    const { port, endpoint } = await serve(RoomSocket, { maxBufferedBytes: LIMIT, closeTimeout: 20 });
    const slow = await joined(port);
    slow.socket.pause();
    const socket = sockets[0] as TcpSocket;
    const cut = new Promise((resolve) => socket.once("close", resolve));
    const pings = Buffer.concat(Array.from({ length: 20 }, () => clientFrame("x".repeat(125), PING)));
    let most = 0;
    while (!socket.destroyed && !socket.writableEnded) {
      slow.socket.write(pings);
      most = Math.max(most, socket.writableLength);
      await turn();
    }
    expect(most).to.be.lessThan(2 * LIMIT);
    await cut;
    expect(endpoint.stats().connections).to.equal(0);
  });

  it("a burst larger than the limit reaches a client that does read", async () => {
    const { RoomSocket } = room();
    const { url, endpoint } = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    const client = await connect(url);
    await client.join("room:a");
    // More than the limit in one turn; the system takes it at once.
    for (let i = 0; i < 6; i++) endpoint.broadcast("room:a", "n", { i, ...payload });
    for (let i = 0; i < 6; i++) expect((await client.next())[4].i).to.equal(i);
    await client.settle();
  });
});

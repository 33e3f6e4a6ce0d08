import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import { Channel, type ConnectInfo, type ConnectParams, ok, Socket } from "../../../lib/index.ts";
import { connect } from "../../support/client.ts";
import { Journal, turn } from "../../support/gate.ts";
import { type Served, serve } from "../../support/server.ts";
import { clientFrame, TcpClient, TEXT } from "../../transport/tcp-client.ts";

const LIMIT = 256 * 1024;
const FRAME = 16 * 1024;
const text = "x".repeat(FRAME);

function room() {
  const sockets: TcpSocket[] = [];
  /** What each push returned. */
  const pushed = new Journal<boolean>();
  class Room extends Channel {
    static override overflow = { cursor: "drop", new_msg: "close" } as const;
    override join() {
      return ok();
    }
    static {
      this.on("point", function (payload: object) {
        pushed.add(this.push("cursor", { ...payload, text }));
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
  return { RoomSocket, sockets, pushed };
}

/** A client that has joined room:a, and reads no more. */
async function slowClient(port: number): Promise<TcpClient> {
  const client = await TcpClient.open(port);
  client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
  await client.message();
  client.socket.pause();
  return client;
}

function droppedLines({ lines }: Served): unknown[] {
  return lines.filter(({ message }) => message.includes("dropped"));
}

/** Broadcasts an event until a message of it was dropped; the number of messages. */
async function broadcastUntilDropped({ endpoint }: Served, from = 0): Promise<number> {
  const before = endpoint.stats().dropped;
  let n = from;
  while (endpoint.stats().dropped === before) {
    endpoint.broadcast("room:a", "cursor", { n: n++, text });
    await turn();
  }
  return n;
}

/** The numbers in a client's messages, as they come, until its connection closes or a message has the last. */
async function numbers(client: TcpClient, last: number): Promise<{ numbers: number[]; code: number | null }> {
  const numbers: number[] = [];
  for (;;) {
    const { opcode, payload } = await client.frame();
    if (opcode !== TEXT) return { numbers, code: payload.readUInt16BE() };
    numbers.push(JSON.parse(payload.toString())[4].n);
    if (numbers.at(-1) === last) return { numbers, code: null };
  }
}

describe('static overflow = { event: "drop" }', () => {
  it("leaves broadcasts out for a client that is behind, for it alone, and keeps it", async () => {
    const { RoomSocket, sockets } = room();
    const served = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    const { endpoint, port, url } = served;
    const slow = await slowClient(port);
    const fast = await connect(url);
    await fast.join("room:a");
    const first = await broadcastUntilDropped(served);
    let most = 0;
    for (let n = first; n < first + 200; n++) {
      endpoint.broadcast("room:a", "cursor", { n, text });
      most = Math.max(most, (sockets[0] as TcpSocket).writableLength);
      await turn();
    }
    // Half of what may wait, and the frame that went over it.
    expect(most)
      .to.be.above(LIMIT / 2)
      .and.below(LIMIT / 2 + FRAME + 1000);
    expect(endpoint.stats()).to.include({ connections: 2, channels: 2, dropped: 201 });
    expect(endpoint.stats().bufferedBytes)
      .to.be.at.least(most)
      .and.below(LIMIT / 2 + 2 * FRAME);
    expect(droppedLines(served)).to.have.length(1);
    for (let n = 0; n < first + 200; n++) expect((await fast.next())[4].n).to.equal(n);

    // What it has not missed is whole and in order; and once it has caught up it gets all again.
    slow.socket.resume();
    const { numbers: before } = await numbers(slow, first - 2);
    expect(before).to.deep.equal(Array.from({ length: first - 1 }, (_, n) => n));
    endpoint.broadcast("room:a", "cursor", { n: -1, text });
    expect((await numbers(slow, -1)).numbers).to.deep.equal([-1]);
    expect(endpoint.stats().dropped).to.equal(201);
  });

  it("leaves pushes out, which return false then", async () => {
    const { RoomSocket, pushed, sockets } = room();
    const served = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    const slow = await slowClient(served.port);
    const point = (n: number) => slow.socket.write(clientFrame(["1", null, "room:a", "point", { n }]));
    let n = 0;
    do {
      point(n);
      await pushed.reaches(++n);
    } while (pushed.entries.at(-1));
    for (let i = 0; i < 20; i++) point(n + i);
    await pushed.reaches(n + 20);
    expect(pushed.entries).to.deep.equal([
      ...Array.from({ length: n - 1 }, () => true),
      ...Array.from({ length: 21 }, () => false),
    ]);
    expect((sockets[0] as TcpSocket).writableLength).to.be.below(LIMIT / 2 + FRAME + 1000);
    expect(served.endpoint.stats()).to.include({ connections: 1, dropped: 21 });
    expect(droppedLines(served)).to.have.length(1);
    slow.socket.resume();
    expect((await numbers(slow, n - 2)).numbers).to.have.length(n - 1);
  });

  it("leaves other events as they are: they come between, and close with 1013 when too much waits", async () => {
    const { RoomSocket, sockets } = room();
    const served = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    const { endpoint, port } = served;
    const slow = await slowClient(port);
    const first = await broadcastUntilDropped(served);
    endpoint.broadcast("room:a", "new_msg", { n: -1 });
    endpoint.broadcast("room:a", "unlisted", { n: -2 });
    endpoint.broadcast("room:a", "cursor", { n: -3, text });
    expect(endpoint.stats().connections).to.equal(1);
    const { dropped } = endpoint.stats();
    const socket = sockets[0] as TcpSocket;
    let sent = 0;
    while (!socket.writableEnded) {
      endpoint.broadcast("room:a", "new_msg", { n: 1_000_000 + sent++, text });
      await turn();
    }
    expect(sent).to.be.within(LIMIT / 2 / FRAME - 2, LIMIT / 2 / FRAME + 2);
    expect(endpoint.stats().channels).to.equal(0);
    slow.socket.resume();
    const { numbers: all, code } = await numbers(slow, Number.NaN);
    expect(code).to.equal(1013);
    expect(all.slice(0, first + 1)).to.deep.equal([
      ...Array.from({ length: first - 1 }, (_, n) => n),
      -1,
      -2,
    ]);
    // The one that found too much waiting is lost with the connection.
    expect(all.slice(first + 1)).to.deep.equal(Array.from({ length: sent - 1 }, (_, n) => 1_000_000 + n));
    expect(endpoint.stats().dropped).to.equal(dropped);
  });

  it("is logged once for each connection, and counted for all", async () => {
    const { RoomSocket } = room();
    const served = await serve(RoomSocket, { maxBufferedBytes: LIMIT });
    await slowClient(served.port);
    const n = await broadcastUntilDropped(served);
    await slowClient(served.port);
    const before = served.endpoint.stats().dropped;
    let i = n;
    while (droppedLines(served).length < 2) {
      served.endpoint.broadcast("room:a", "cursor", { n: i++, text });
      await turn();
    }
    // The first misses them all, the second the last one.
    expect(served.endpoint.stats().dropped).to.equal(before + (i - n) + 1);
  });

  it("drops nothing that the system takes at once, however much it is", async () => {
    const { RoomSocket } = room();
    const { endpoint, url } = await serve(RoomSocket, { maxBufferedBytes: 4 * FRAME });
    const client = await connect(url);
    await client.join("room:a");
    // More than half of what may wait, in one turn.
    for (let n = 0; n < 4; n++) endpoint.broadcast("room:a", "cursor", { n, text });
    expect((await client.take(4)).map((frame) => frame[4].n)).to.deep.equal([0, 1, 2, 3]);
    expect(endpoint.stats().dropped).to.equal(0);
  });

  it("holds for long-polling too: what waits for the next poll is bounded", async () => {
    const { RoomSocket } = room();
    const served = await serve(RoomSocket, { maxBufferedBytes: 8 * FRAME });
    const { endpoint, port } = served;
    const address = `http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`;
    type Poll = { token: string; messages: string[] };
    const { token } = (await (await fetch(address)).json()) as Poll;
    const poll = async () => {
      const { messages } = (await (await fetch(`${address}&token=${token}`)).json()) as Poll;
      return messages.map((message) => JSON.parse(message)[4].n);
    };
    const body = JSON.stringify(["1", "1", "room:a", "phx_join", {}]);
    await fetch(`${address}&token=${token}`, { method: "POST", body });
    expect(await poll()).to.have.length(1);
    for (let n = 0; n < 100; n++) endpoint.broadcast("room:a", "cursor", { n, text });
    // Four frames are a little more than half.
    expect(endpoint.stats()).to.include({ connections: 1, dropped: 96 });
    expect(endpoint.stats().bufferedBytes).to.be.within(4 * FRAME, 5 * FRAME);
    expect(await poll()).to.deep.equal([0, 1, 2, 3]);
    endpoint.broadcast("room:a", "cursor", { n: 100 });
    expect(await poll()).to.deep.equal([100]);
    expect(droppedLines(served)).to.have.length(1);
  });
});

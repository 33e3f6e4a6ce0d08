import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  type Encoded,
  ok,
  type Serializer,
  Socket,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { clientFrame, TcpClient } from "../transport/tcp-client.ts";
import { attackable, EchoSocket } from "./attackable.ts";

const beat = (ref: string) => [null, ref, "phoenix", "heartbeat", {}];

/** A channel whose handlers wait, and all that a spec wants to see of it. */
function slowRoom() {
  const sockets: TcpSocket[] = [];
  const handled: unknown[] = [];
  const running = new Journal<unknown>();
  const gate = new Gate();
  const joins = new Gate();
  let decoded = 0;
  class Slow extends Channel {
    override async join(topic: string) {
      if (topic.startsWith("pending:")) await joins.promise;
      return ok();
    }
    static {
      this.on("slow", async (payload) => {
        running.add(payload);
        await gate.promise;
        handled.push(payload);
        return ok(payload);
      });
    }
  }
  class SlowSocket extends Socket {
    static override channels = { "*": Slow };
    override connect(_params: ConnectParams, info: ConnectInfo) {
      sockets.push(info.request.socket);
      return ok();
    }
    override id() {
      return "user:1";
    }
  }
  /** Counts what has been taken in. */
  const counting: Serializer = {
    ...V2JSONSerializer,
    decode(frame: Encoded) {
      decoded++;
      return V2JSONSerializer.decode(frame);
    },
  };
  return { SlowSocket, sockets, handled, running, gate, joins, counting, decoded: () => decoded };
}

/** Waits until a server's socket reads no more: paused, and what was under way has been read. */
async function isHeldBack(socket: TcpSocket): Promise<void> {
  while (!socket.isPaused()) await turn();
  for (let read = -1; read !== socket.bytesRead; await turn()) {
    read = socket.bytesRead;
    for (let i = 0; i < 5; i++) await turn();
  }
}

describe("floods", () => {
  describe("of joins", () => {
    it("maxChannels refuses the next; a join again, and one after a leave, are no more", async () => {
      const { url, endpoint } = await attackable(EchoSocket, { maxChannels: 3 });
      const client = await connect(url);
      for (const n of [1, 2, 3]) expect((await client.join(`room:${n}`))[4].status).to.equal("ok");
      expect(await client.join("room:4", {}, "4")).to.deep.equal([
        "4",
        "4",
        "room:4",
        "phx_reply",
        { status: "error", response: { reason: "too many channels joined" } },
      ]);
      expect((await client.join("room:3", {}, "5"))[4].status).to.equal("ok");
      expect((await client.next())[3]).to.equal("phx_close");
      client.send(["1", "6", "room:1", "phx_leave", {}]);
      await client.take(2);
      expect((await client.join("room:4", {}, "7"))[4].status).to.equal("ok");
      expect(endpoint.stats().channels).to.equal(3);
    });

    it("pending joins count", async () => {
      const { SlowSocket, joins } = slowRoom();
      const { url } = await attackable(SlowSocket, { maxChannels: 2 });
      const client = await connect(url);
      client.send(["1", "1", "pending:1", "phx_join", {}]);
      client.send(["2", "2", "pending:2", "phx_join", {}]);
      expect((await client.join("room:3", {}, "3"))[4].response).to.deep.equal({
        reason: "too many channels joined",
      });
      joins.open();
      expect((await client.take(2)).map((frame) => frame[4].status)).to.deep.equal(["ok", "ok"]);
    });

    it("10,000 in one burst are each answered, in order", async () => {
      const { port, endpoint } = await attackable(EchoSocket);
      const client = await TcpClient.open(port);
      const frames = Array.from({ length: 10_000 }, (_, i) =>
        clientFrame([`${i}`, `${i}`, `room:${i}`, "phx_join", {}]),
      );
      client.socket.write(Buffer.concat(frames));
      for (let i = 0; i < 10_000; i++) {
        const [, ref, , , { status }] = (await client.message()) as [
          string,
          string,
          string,
          string,
          { status: string },
        ];
        expect(ref).to.equal(`${i}`);
        expect(status).to.equal(i < 100 ? "ok" : "error");
      }
      expect(endpoint.stats().channels).to.equal(100);
    });

    it("10,000 of one topic: each ends the one before", async () => {
      const { port, endpoint } = await attackable(EchoSocket);
      const client = await TcpClient.open(port);
      const frames = Array.from({ length: 10_000 }, (_, i) =>
        clientFrame([`${i}`, `${i}`, "room:a", "phx_join", {}]),
      );
      client.socket.write(Buffer.concat(frames));
      expect(await client.message()).to.have.property("1", "0");
      for (let i = 1; i < 10_000; i++) {
        expect(((await client.message()) as unknown[]).slice(1, 4)).to.deep.equal([
          `${i}`,
          "room:a",
          "phx_reply",
        ]);
        expect(((await client.message()) as unknown[]).slice(1, 4)).to.deep.equal([
          `${i - 1}`,
          "room:a",
          "phx_close",
        ]);
      }
      expect(endpoint.stats()).to.include({ channels: 1 });
    });

    it("3,000 of one topic behind one that is pending: all answered in order, once it is", async () => {
      const { SlowSocket, joins, sockets } = slowRoom();
      const { port, endpoint } = await attackable(SlowSocket, { maxQueued: 200 });
      const client = await TcpClient.open(port);
      const frames = Array.from({ length: 3_000 }, (_, i) =>
        clientFrame([`${i}`, `${i}`, "pending:a", "phx_join", {}]),
      );
      client.socket.write(Buffer.concat(frames));
      await isHeldBack(sockets[0] as TcpSocket);
      joins.open();
      expect(await client.message()).to.have.property("1", "0");
      for (let i = 1; i < 3_000; i++) {
        expect(((await client.message()) as unknown[]).slice(1, 4)).to.deep.equal([
          `${i}`,
          "pending:a",
          "phx_reply",
        ]);
        expect(((await client.message()) as unknown[])[3]).to.equal("phx_close");
      }
      expect(endpoint.stats().channels).to.equal(1);
    });
  });

  it("beyond rateLimit: what is allowed is handled, what is over it refused, and a flood closes with 1008", async () => {
    const clock = new ManualClock();
    let handled = 0;
    class Counting extends Channel {
      override join() {
        return ok();
      }
      override handleIn() {
        handled++;
      }
    }
    class CountingSocket extends Socket {
      static override channels = { "*": Counting };
    }
    const rateLimit = { limit: 10, interval: 1_000, hardLimit: 30 };
    const { port, lines, endpoint } = await attackable(CountingSocket, { rateLimit }, { clock });
    const client = await TcpClient.open(port);
    client.socket.write(
      Buffer.concat([
        clientFrame(["1", "1", "room:a", "phx_join", {}]),
        ...Array.from({ length: 500 }, (_, i) => clientFrame(["1", `${i}`, "room:a", "x", {}])),
      ]),
    );
    await client.message();
    for (let i = 9; i < 29; i++) {
      const answer = { status: "error", response: { reason: "rate_limited", retry_after: 0.1 } };
      expect(await client.message()).to.deep.equal(["1", `${i}`, "room:a", "phx_reply", answer]);
    }
    expect(await client.close()).to.equal(1008);
    expect(handled).to.equal(9);
    expect(endpoint.stats().rateLimited).to.equal(20);
    expect(lines.filter(({ message }) => message.includes("rateLimit"))).to.have.length(2);
  });

  describe("into a slow handler", () => {
    const COUNT = 8_000;
    const payload = (n: number) => ({ n, text: "x".repeat(1_000) });

    it("pause reading at maxQueued: memory is bounded, and all is handled in order when it goes on", async () => {
      const clock = new ManualClock();
      const { SlowSocket, sockets, handled, running, gate, counting, decoded } = slowRoom();
      const options = {
        maxQueued: 100,
        serializers: [counting],
        idleTimeout: 1_000,
        maxBufferedBytes: 2 ** 27,
      };
      const { port, url } = await attackable(SlowSocket, options, { clock });
      const client = await TcpClient.open(port);
      const other = await connect(url);
      client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
      await client.message();
      // 8 MB.
      for (let n = 0; n < COUNT; n++)
        client.socket.write(clientFrame(["1", `${n}`, "room:a", "slow", payload(n)]));
      client.socket.write(clientFrame(beat("behind")));
      await running.reaches(1);
      const socket = sockets[0] as TcpSocket;
      await isHeldBack(socket);
      // The limit, and what the last reads brought: 64 KiB each, that is some 60 messages.
      expect(decoded()).to.be.lessThan(100 + 3 * 64);
      expect(socket.bytesRead).to.be.lessThan(1_000_000);
      await other.settle();
      // Its silence isn't the client's fault.
      clock.advance(999);
      await other.settle();
      clock.advance(999);
      expect(socket.writable).to.equal(true);
      expect(running.entries).to.have.length(1);
      gate.open();
      let behind = -1;
      for (let n = 0; n < COUNT; ) {
        const [, ref, , , { response }] = (await client.message()) as [
          0,
          string,
          0,
          0,
          { response: { n: number } },
        ];
        if (ref === "behind") behind = n;
        else if (ref !== `${n}` || response.n !== n++) throw new Error(`message ${n} was answered as ${ref}`);
      }
      // The heartbeat passes those that wait for the channel, not those that weren't read.
      expect(behind).to.be.greaterThan(COUNT - 300);
      expect(handled).to.have.length(COUNT);
    });

    it("reading goes on when half of maxQueued is left", async () => {
      const { SlowSocket, sockets, running } = slowRoom();
      const steps: Gate[] = [];
      class Stepping extends Channel {
        override join() {
          return ok();
        }
        override handleIn(_event: string, n: unknown) {
          const gate = new Gate();
          steps.push(gate);
          running.add(n);
          return gate.promise;
        }
      }
      class SteppingSocket extends SlowSocket {
        static override channels = { "*": Stepping } as never;
      }
      const { port } = await attackable(SteppingSocket, { maxQueued: 10 });
      const client = await TcpClient.open(port);
      client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
      await client.message();
      const socket = sockets[0] as TcpSocket;
      // One runs, ten wait: at the limit, not over it.
      const frames = (from: number, to: number) =>
        Buffer.concat(
          Array.from({ length: to - from }, (_, i) => clientFrame(["1", null, "room:a", "x", from + i])),
        );
      client.socket.write(frames(0, 11));
      await running.reaches(1);
      client.socket.write(clientFrame(beat("at the limit")));
      expect(await client.message()).to.have.property("1", "at the limit");
      client.socket.write(frames(11, 12));
      while (!socket.isPaused()) await turn();
      // Eleven wait. Reading goes on when five are left, which is when the sixth is taken.
      for (let n = 1; n <= 6; n++) {
        expect(socket.isPaused(), `before ${n}`).to.equal(true);
        steps[n - 1]?.open();
        await running.reaches(n + 1);
      }
      while (socket.isPaused()) await turn();
      client.socket.write(clientFrame(beat("behind")));
      expect(await client.message()).to.have.property("1", "behind");
      for (let n = 7; n < 12; n++) {
        steps[n - 1]?.open();
        await running.reaches(n + 1);
      }
      steps[11]?.open();
      expect(running.entries).to.deep.equal(Array.from({ length: 12 }, (_, n) => n));
    });

    it("two slow channels: reading goes on when both are relieved", async () => {
      const { SlowSocket, sockets, running, gate, joins } = slowRoom();
      const { port } = await attackable(SlowSocket, { maxQueued: 10 });
      const client = await TcpClient.open(port);
      const frames = [
        clientFrame(["1", "1", "room:a", "phx_join", {}]),
        clientFrame(["2", "2", "pending:b", "phx_join", {}]),
      ];
      for (let n = 0; n < 30; n++)
        frames.push(
          clientFrame(["1", null, "room:a", "slow", n]),
          clientFrame(["2", null, "pending:b", "slow", n]),
        );
      client.socket.write(Buffer.concat(frames));
      await running.reaches(1);
      const socket = sockets[0] as TcpSocket;
      await isHeldBack(socket);
      joins.open();
      gate.open();
      await running.reaches(60);
      client.socket.write(clientFrame(beat("behind")));
      for (let answers = 0; ; answers++) {
        const [, ref] = (await client.message()) as unknown[];
        if (ref !== "behind") continue;
        expect(answers).to.equal(62);
        break;
      }
    });

    it("a disconnect closes a connection that isn't read, and runs nothing that waits", async () => {
      const { SlowSocket, sockets, handled, running, gate } = slowRoom();
      const { port, endpoint } = await attackable(SlowSocket, { maxQueued: 10 });
      const client = await TcpClient.open(port);
      client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
      await client.message();
      for (let n = 0; n < 1_000; n++)
        client.socket.write(clientFrame(["1", null, "room:a", "slow", payload(n)]));
      await running.reaches(1);
      await isHeldBack(sockets[0] as TcpSocket);
      endpoint.disconnect("user:1");
      expect(await client.close()).to.equal(1001);
      client.socket.write(clientFrame(Uint8Array.of(0x03, 0xe9), 8));
      await client.closed;
      gate.open();
      while (endpoint.stats().connections > 0) await turn();
      expect(handled).to.deep.equal([payload(0)]);
    });

    it("a channel that ends lets reading go on", async () => {
      const { SlowSocket, sockets, running, gate } = slowRoom();
      const { port } = await attackable(SlowSocket, { maxQueued: 10 });
      const client = await TcpClient.open(port);
      const frames = Array.from({ length: 50 }, (_, n) => clientFrame(["1", `${n}`, "room:a", "slow", n]));
      client.socket.write(Buffer.concat([clientFrame(["1", "1", "room:a", "phx_join", {}]), ...frames]));
      await client.message();
      await running.reaches(1);
      await isHeldBack(sockets[0] as TcpSocket);
      client.socket.write(clientFrame(beat("behind")));
      gate.fail(new Error("no database"));
      expect(((await client.message()) as unknown[])[3]).to.equal("phx_error");
      for (let n = 1; n < 50; n++) {
        expect(await client.message()).to.deep.equal([
          null,
          `${n}`,
          "room:a",
          "phx_reply",
          { status: "error", response: { reason: "unmatched topic" } },
        ]);
      }
      expect(await client.message()).to.have.property("1", "behind");
    });
  });
});

import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  ok,
  Socket,
  type TerminateReason,
} from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { BINARY, CLOSE, clientFrame, PING, PONG, TcpClient, TEXT } from "./tcp-client.ts";

const beat = (ref: string, payload: unknown = {}) => [null, ref, "phoenix", "heartbeat", payload];

/** A channel, and what its mount and its end let a spec see. */
function room() {
  const ends = new Journal<TerminateReason>();
  const sockets: TcpSocket[] = [];
  const gate = new Gate();
  class Room extends Channel {
    override join() {
      return ok();
    }
    override terminate(reason: TerminateReason) {
      ends.add(reason);
    }
    static {
      this.on("bye", function () {
        this.socket.disconnect("go away");
      });
      this.on("wait", () => gate.promise);
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
  return { RoomSocket, ends, sockets, gate };
}

describe("limits of a connection", () => {
  describe("maxPayload", () => {
    it("a frame of so many bytes is taken, one more closes with 1009", async () => {
      const { RoomSocket, ends } = room();
      const { url, endpoint } = await serve(RoomSocket, { maxPayload: 1_000 });
      const client = await connect(url);
      await client.join("room:a");
      const frame = (length: number) => {
        const empty = JSON.stringify(beat("2", ""));
        return JSON.stringify(beat("2", "x".repeat(length - empty.length)));
      };
      client.send(frame(1_000));
      expect((await client.next())[1]).to.equal("2");
      client.send(frame(1_001));
      expect((await client.closed).code).to.equal(1009);
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "1009" }]);
      while (endpoint.stats().connections > 0) await turn();
    });

    it("counts bytes, not characters; binary frames; and all fragments of a message together", async () => {
      const { RoomSocket } = room();
      const { port } = await serve(RoomSocket, { maxPayload: 100 });
      for (const frames of [
        [clientFrame(JSON.stringify(beat("1", "é".repeat(60))))],
        [clientFrame(new Uint8Array(101), BINARY)],
        [clientFrame("x".repeat(60), TEXT, false), clientFrame("x".repeat(60), 0, true)],
      ]) {
        const client = await TcpClient.open(port);
        client.socket.write(Buffer.concat(frames));
        expect(await client.close()).to.equal(1009);
      }
    });

    it("a length is believed: nobody waits for the bytes", async () => {
      const { RoomSocket } = room();
      const { port } = await serve(RoomSocket);
      for (const length of [2n ** 20n + 1n, 2n ** 40n, 2n ** 63n - 1n]) {
        const client = await TcpClient.open(port);
        const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        header.writeBigUInt64BE(length, 2);
        client.socket.write(header);
        expect(await client.close()).to.equal(1009);
      }
    });

    it("is 1 MiB", async () => {
      const { RoomSocket } = room();
      const { port } = await serve(RoomSocket);
      const client = await TcpClient.open(port);
      const frame = JSON.stringify(beat("1", ""));
      client.socket.write(clientFrame(JSON.stringify(beat("1", "x".repeat(2 ** 20 - frame.length)))));
      expect(((await client.message()) as unknown[])[1]).to.equal("1");
      client.socket.write(clientFrame(new Uint8Array(2 ** 20 + 1), BINARY));
      expect(await client.close()).to.equal(1009);
    });
  });

  describe("idleTimeout", () => {
    it("closes a silent client with 1002", async () => {
      const clock = new ManualClock();
      const { RoomSocket, ends } = room();
      const { url } = await serve(RoomSocket, { idleTimeout: 5_000 }, { clock });
      const client = await connect(url);
      await client.join("room:a");
      clock.advance(4_999);
      expect(client.ws.readyState).to.equal(client.ws.OPEN);
      clock.advance(1);
      expect((await client.closed).code).to.equal(1002);
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "idle timeout" }]);
      expect(clock.pending).to.equal(0);
    });

    /** The next frame that isn't one of the server's own pings. */
    async function afterPings(client: TcpClient) {
      for (;;) {
        const frame = await client.frame();
        if (frame.opcode !== PING) return frame;
      }
    }

    it("is 60 s, and any byte puts it off: a heartbeat, a ping, a part of a frame", async () => {
      const clock = new ManualClock();
      const { RoomSocket, sockets } = room();
      const { port } = await serve(RoomSocket, {}, { clock });
      const client = await TcpClient.open(port);
      const socket = sockets[0] as TcpSocket;
      const whole = clientFrame(beat("1"));
      let read = socket.bytesRead;
      for (const bytes of [whole, clientFrame("", PING), whole.subarray(0, 1), whole.subarray(1)]) {
        clock.advance(59_999);
        client.socket.write(bytes);
        read += bytes.length;
        while (socket.bytesRead < read) await turn();
      }
      for (const opcode of [TEXT, PONG, TEXT]) expect((await afterPings(client)).opcode).to.equal(opcode);
      clock.advance(59_999);
      expect(socket.writable).to.equal(true);
      clock.advance(1);
      const { opcode, payload } = await afterPings(client);
      expect([opcode, payload.readUInt16BE()]).to.deep.equal([CLOSE, 1002]);
    });

    it("isn't put off by a pong, which answers the server's own ping", async () => {
      const clock = new ManualClock();
      const { RoomSocket, sockets } = room();
      const { port } = await serve(RoomSocket, {}, { clock });
      const client = await TcpClient.open(port);
      clock.advance(30_000);
      expect((await client.frame()).opcode).to.equal(PING);
      const pong = clientFrame("", PONG);
      const read = (sockets[0] as TcpSocket).bytesRead + pong.length;
      client.socket.write(pong);
      while ((sockets[0] as TcpSocket).bytesRead < read) await turn();
      clock.advance(30_000);
      const { opcode, payload } = await afterPings(client);
      expect([opcode, payload.readUInt16BE()]).to.deep.equal([CLOSE, 1002]);
    });

    it("is put off by what comes together with a pong, before or behind it", async () => {
      for (const frames of [
        [clientFrame("", PONG), clientFrame(beat("1"))],
        [clientFrame(beat("1")), clientFrame("", PONG)],
      ]) {
        const clock = new ManualClock();
        const { RoomSocket, sockets } = room();
        const { port } = await serve(RoomSocket, {}, { clock });
        const client = await TcpClient.open(port);
        const socket = sockets[0] as TcpSocket;
        clock.advance(30_000);
        const chunk = Buffer.concat(frames);
        const read = socket.bytesRead + chunk.length;
        client.socket.write(chunk);
        while (socket.bytesRead < read) await turn();
        clock.advance(59_999);
        expect(socket.writable && !socket.writableEnded).to.equal(true);
      }
    });

    it("isn't put off by what the server sends", async () => {
      const clock = new ManualClock();
      const { RoomSocket } = room();
      const { url, endpoint } = await serve(RoomSocket, {}, { clock });
      const client = await connect(url);
      await client.join("room:a");
      clock.advance(30_000);
      endpoint.broadcast("room:a", "news");
      await client.next();
      clock.advance(30_000);
      expect((await client.closed).code).to.equal(1002);
    });

    it("leaves no timer behind when the client goes first", async () => {
      const clock = new ManualClock();
      const { RoomSocket } = room();
      const { url, endpoint } = await serve(RoomSocket, {}, { clock });
      const client = await connect(url);
      expect(clock.pending).to.equal(1);
      await client.close();
      while (endpoint.stats().connections > 0) await turn();
      expect(clock.pending).to.equal(0);
    });
  });

  describe("close codes", () => {
    it("1001: endpoint.disconnect, a disconnect broadcast, socket.disconnect with its reason", async () => {
      const { RoomSocket } = room();
      const { url, endpoint } = await serve(RoomSocket);
      const ways: [reason: string, go: (client: { send(frame: unknown): void }) => void][] = [
        ["", () => endpoint.disconnect("user:1")],
        ["", () => endpoint.broadcast("user:1", "disconnect")],
        ["go away", (client) => client.send(["1", "2", "room:a", "bye", {}])],
      ];
      for (const [reason, go] of ways) {
        const client = await connect(url);
        await client.join("room:a");
        go(client);
        expect(await client.closed).to.deep.equal({ code: 1001, reason });
      }
    });

    it("1011: a frame that isn't a message", async () => {
      const { RoomSocket, ends } = room();
      const { url } = await serve(RoomSocket);
      const client = await connect(url);
      await client.join("room:a");
      client.send("hello");
      expect(await client.closed).to.deep.equal({ code: 1011, reason: "" });
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "malformed frame" }]);
    });

    it("1008: more frames than rateLimit's hardLimit", async () => {
      const clock = new ManualClock();
      const { RoomSocket, ends } = room();
      const rateLimit = { limit: 3, interval: 1_000, hardLimit: 3 };
      const { url } = await serve(RoomSocket, { rateLimit }, { clock });
      const client = await connect(url);
      await client.join("room:a");
      await client.settle();
      await client.settle();
      clock.advance(334);
      await client.settle();
      client.send(beat("over"));
      expect(await client.closed).to.deep.equal({ code: 1008, reason: "" });
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "rate limit exceeded" }]);
    });

    it("1012: a drain", async () => {
      const { RoomSocket, ends } = room();
      const { url, endpoint } = await serve(RoomSocket);
      const client = await connect(url);
      await client.join("room:a");
      await endpoint.drain();
      expect(await client.closed).to.deep.equal({ code: 1012, reason: "" });
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "drain", reason: "drain" }]);
    });

    it("WebSocket's own: 1002 for what breaks its framing, 1007 for text that isn't UTF-8", async () => {
      const { RoomSocket } = room();
      const { port, endpoint } = await serve(RoomSocket);
      const unmasked = Buffer.from([0x81, 0x02, 0x7b, 0x7d]);
      const reserved = clientFrame("{}");
      reserved[0] = 0xf1;
      const cases: [bytes: Buffer, code: number][] = [
        [unmasked, 1002],
        [reserved, 1002],
        [clientFrame("{}", 3), 1002],
        [clientFrame("{}", 0), 1002],
        [Buffer.concat([clientFrame("{", TEXT, false), clientFrame("}", TEXT)]), 1002],
        [clientFrame("", PING, false), 1002],
        [clientFrame("x".repeat(126), PING), 1002],
        [clientFrame(Uint8Array.of(3), CLOSE), 1002],
        [clientFrame(Uint8Array.of(0, 1), CLOSE), 1002],
        [clientFrame(Uint8Array.of(0xff)), 1007],
        [Buffer.concat([clientFrame(Uint8Array.of(0xc3), TEXT, false), clientFrame("x", 0)]), 1007],
        [clientFrame(Uint8Array.of(0x03, 0xe8, 0xff), CLOSE), 1007],
      ];
      for (const [i, [bytes, code]] of cases.entries()) {
        const client = await TcpClient.open(port);
        client.socket.write(bytes);
        expect(await client.close(), `case ${i}`).to.equal(code);
        client.socket.destroy();
      }
      while (endpoint.stats().connections > 0) await turn();
    });

    it("the client's is echoed, and reaches terminate", async () => {
      const { RoomSocket, ends } = room();
      const { url, port } = await serve(RoomSocket);
      for (const code of [1000, 1001, 3000, 4999]) {
        const client = await connect(url);
        await client.join("room:a");
        await client.close(code);
        expect((await client.closed).code).to.equal(code);
      }
      const gone = await TcpClient.open(port);
      gone.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
      await gone.message();
      gone.socket.resetAndDestroy();
      expect((await ends.reaches(5)).map(({ kind, reason }) => `${kind} ${reason}`)).to.deep.equal([
        "closed 1000",
        "closed 1001",
        "closed 3000",
        "closed 4999",
        "closed 1006",
      ]);
    });

    it("a close by the server is followed by the end of its side, so that nobody has to wait", async () => {
      const { RoomSocket } = room();
      const { port, endpoint } = await serve(RoomSocket);
      const client = await TcpClient.open(port);
      const ended = new Promise((resolve) => client.socket.once("end", resolve));
      endpoint.disconnect("user:1");
      expect(await client.close()).to.equal(1001);
      await ended;
    });
  });
});

import type { Socket as TcpSocket } from "node:net";
import { expect } from "chai";
import {
  type ConnectInfo,
  type ConnectParams,
  type ConnectResult,
  error,
  ok,
  Socket,
} from "../../lib/index.ts";
import { refused } from "../support/client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { clientFrame, TcpClient, upgradeRequest } from "./tcp-client.ts";

const beat = (ref: string) => clientFrame([null, ref, "phoenix", "heartbeat", {}]);

/** Connects that wait for the spec. */
function pendingConnects() {
  const gate = new Gate<ConnectResult>();
  const calls = new Journal<ConnectInfo>();
  const aborted = new Journal();
  class Pending extends Socket {
    override connect(_params: ConnectParams, info: ConnectInfo) {
      info.signal.addEventListener("abort", () => aborted.add("abort"));
      calls.add(info);
      return gate.promise;
    }
  }
  return { Pending, gate, calls, aborted };
}

/** Waits until the server has read so many bytes of a client. */
async function hasRead(socket: TcpSocket, bytes: number): Promise<void> {
  while (socket.bytesRead < bytes) await turn();
}

/** A client whose connect has been asked. */
async function asked(port: number, calls: Journal<ConnectInfo>) {
  const client = await TcpClient.connect(port);
  const count = calls.entries.length;
  client.socket.write(upgradeRequest());
  await calls.reaches(count + 1);
  const info = calls.entries[count] as ConnectInfo;
  return { client, info, socket: info.request.socket };
}

describe("while connect is pending", () => {
  it("the client waits, and is then let in", async () => {
    const { Pending, gate, calls } = pendingConnects();
    const { port, endpoint } = await serve(Pending);
    const { client, info } = await asked(port, calls);
    expect(client.chunks).to.deep.equal([]);
    expect(endpoint.stats().connections).to.equal(0);
    gate.open(ok());
    expect(await client.answer()).to.include({ status: 101 });
    expect(endpoint.stats().connections).to.equal(1);
    expect(info.signal.aborted).to.equal(false);
  });

  it("other clients don't", async () => {
    const { Pending, calls } = pendingConnects();
    const { port, endpoint } = await serve(Pending);
    endpoint.socket("/other", class extends Socket {});
    await asked(port, calls);
    await TcpClient.open(port, "/other/websocket?vsn=2.0.0");
  });

  it("frames that come meanwhile are kept, in order, with those of the request's packet", async () => {
    const { Pending, gate, calls } = pendingConnects();
    const { port } = await serve(Pending);
    const client = await TcpClient.connect(port);
    const request = Buffer.concat([Buffer.from(upgradeRequest()), beat("1"), beat("2").subarray(0, 9)]);
    client.socket.write(request);
    await calls.reaches(1);
    const { socket } = (calls.entries[0] as ConnectInfo).request;
    const second = Buffer.concat([beat("2").subarray(9), beat("3")]);
    client.socket.write(second);
    await hasRead(socket, request.length + second.length);
    client.socket.write(beat("4"));
    await hasRead(socket, request.length + second.length + beat("4").length);
    gate.open(ok());
    expect(await client.answer()).to.include({ status: 101 });
    client.socket.write(beat("5"));
    for (const ref of ["1", "2", "3", "4", "5"]) expect(await client.message()).to.have.property("1", ref);
  });

  it("many of them wait in the network, not in memory, and none is lost", async () => {
    const { Pending, gate, calls } = pendingConnects();
    const { port } = await serve(Pending);
    const { client, socket } = await asked(port, calls);
    const payload = "x".repeat(10_000);
    for (let i = 0; i < 500; i++) {
      client.socket.write(clientFrame([null, i, "phoenix", "heartbeat", { payload }]));
    }
    // 5 MB.
    while (!socket.isPaused()) await turn();
    // A read may be under way.
    for (let i = 0; i < 5; i++) await turn();
    const read = socket.bytesRead;
    for (let i = 0; i < 20; i++) await turn();
    expect(socket.bytesRead).to.equal(read).and.to.be.lessThan(1_000_000);
    gate.open(ok());
    await client.answer();
    for (let i = 0; i < 500; i++) expect(((await client.message()) as unknown[])[1]).to.equal(i);
  });

  it("a refusal is answered though frames came", async () => {
    const { Pending, gate, calls } = pendingConnects();
    const { port, endpoint } = await serve(Pending);
    const { client, socket } = await asked(port, calls);
    client.socket.write(beat("1"));
    await hasRead(socket, upgradeRequest().length + beat("1").length);
    gate.open(error("no"));
    expect(await client.answer()).to.include({ status: 403 });
    await client.closed;
    expect(endpoint.stats().connections).to.equal(0);
  });

  for (const [how, go] of [
    ["resets", (socket: TcpSocket) => socket.resetAndDestroy()],
    ["closes", (socket: TcpSocket) => socket.end()],
    ["is cut off", (socket: TcpSocket) => socket.destroy()],
  ] as const) {
    describe(`a client that ${how}`, () => {
      it("aborts info.signal, and a later ok opens nothing", async () => {
        const { Pending, gate, calls, aborted } = pendingConnects();
        const { port, endpoint, lines } = await serve(Pending);
        const { client, socket } = await asked(port, calls);
        go(client.socket);
        await aborted.reaches(1);
        expect(socket.destroyed).to.equal(true);
        gate.open(ok());
        for (let i = 0; i < 5; i++) await turn();
        expect(endpoint.stats()).to.include({ connections: 0, topics: 0 });
        expect(aborted.entries).to.have.length(1);
        expect(lines.filter(({ level }) => level === "error")).to.deep.equal([]);
        await TcpClient.open(port);
      });

      it("a later throw does no harm", async () => {
        const { Pending, gate, calls, aborted } = pendingConnects();
        const { port, endpoint } = await serve(Pending);
        const { client } = await asked(port, calls);
        go(client.socket);
        await aborted.reaches(1);
        gate.fail(new Error("gave up"));
        for (let i = 0; i < 5; i++) await turn();
        expect(endpoint.stats().connections).to.equal(0);
      });

      it("in the turn in which connect answers", async () => {
        const { Pending, gate, calls } = pendingConnects();
        const { port, endpoint } = await serve(Pending);
        const { client, socket } = await asked(port, calls);
        const closed = new Promise((resolve) => socket.once("close", resolve));
        go(client.socket);
        gate.open(ok());
        await closed;
        while (endpoint.stats().connections > 0) await turn();
        expect(endpoint.stats()).to.include({ channels: 0, topics: 0 });
      });
    });
  }

  it("a socket that is destroyed in the stack of the answer opens nothing", async () => {
    const { Pending, gate, calls } = pendingConnects();
    const { port, endpoint } = await serve(Pending);
    const { client, socket } = await asked(port, calls);
    socket.destroy();
    gate.open(ok());
    await client.closed;
    for (let i = 0; i < 5; i++) await turn();
    expect(endpoint.stats()).to.include({ connections: 0, topics: 0 });
  });

  describe("connectTimeout", () => {
    it("answers 503, aborts info.signal, logs, and takes no later answer", async () => {
      const clock = new ManualClock();
      const { Pending, gate, calls, aborted } = pendingConnects();
      const { url, endpoint, lines } = await serve(Pending, { connectTimeout: 3_000 }, { clock });
      const answer = refused(url);
      await calls.reaches(1);
      clock.advance(2_999);
      expect(aborted.entries).to.deep.equal([]);
      clock.advance(1);
      expect(aborted.entries).to.deep.equal(["abort"]);
      expect(await answer).to.include({ status: 503, body: "" });
      expect(lines.map(({ details }) => details.cause)).to.deep.equal(["connect_timeout"]);
      gate.open(ok());
      for (let i = 0; i < 5; i++) await turn();
      expect(endpoint.stats().connections).to.equal(0);
      expect(clock.pending).to.equal(0);
    });

    it("is 10 s, and isn't asked onRefused about", async () => {
      const clock = new ManualClock();
      const { Pending, calls } = pendingConnects();
      const { url } = await serve(Pending, { onRefused: () => ({ status: 418 }) }, { clock });
      const answer = refused(url);
      await calls.reaches(1);
      clock.advance(10_000);
      expect(await answer).to.include({ status: 503 });
    });

    it("isn't put off by frames", async () => {
      const clock = new ManualClock();
      const { Pending, calls } = pendingConnects();
      const { port } = await serve(Pending, {}, { clock });
      const { client, socket } = await asked(port, calls);
      clock.advance(9_999);
      client.socket.write(beat("1"));
      await hasRead(socket, upgradeRequest().length + beat("1").length);
      clock.advance(1);
      expect(await client.answer()).to.include({ status: 503 });
    });

    it("leaves no timer behind, however connect ends", async () => {
      const clock = new ManualClock();
      const { Pending, gate, calls } = pendingConnects();
      const { port } = await serve(Pending, {}, { clock });
      const { client } = await asked(port, calls);
      gate.open(error("no"));
      await client.closed;
      expect(clock.pending).to.equal(0);
    });
  });

  describe("a drain", () => {
    it("answers 503 when connect has said ok, and opens nothing", async () => {
      const { Pending, gate, calls } = pendingConnects();
      const { port, endpoint } = await serve(Pending);
      const { client } = await asked(port, calls);
      await endpoint.drain();
      gate.open(ok());
      expect(await client.answer()).to.include({ status: 503 });
      expect(endpoint.stats().connections).to.equal(0);
    });

    it("isn't held up: close resolves though connect never answers", async () => {
      const { Pending, calls } = pendingConnects();
      const { port, endpoint } = await serve(Pending, { connectTimeout: 60_000 });
      await asked(port, calls);
      await endpoint.close();
    });
  });
});

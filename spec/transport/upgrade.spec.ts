import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { type ConnectInfo, type ConnectParams, Endpoint, ok, Socket } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { clientFrame, rawUpgrade, TcpClient, upgradeRequest } from "./tcp-client.ts";

class Anyone extends Socket {}

/** A socket class that keeps what connect is given. */
function recording() {
  const calls: { params: ConnectParams; info: ConnectInfo }[] = [];
  class Recording extends Socket {
    override connect(params: ConnectParams, info: ConnectInfo) {
      calls.push({ params, info });
      return ok();
    }
  }
  return { Recording, calls };
}

/** An HTTP server of the app's, with an endpoint attached. */
async function attached() {
  const server = createServer((_request, response) => response.end("the app"));
  const endpoint = new Endpoint();
  endpoint.socket("/socket", Anyone);
  endpoint.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterTest(async () => {
    await endpoint.close({ timeoutMs: 0 });
    server.closeAllConnections();
    server.close();
  });
  return { server, endpoint, port: (server.address() as AddressInfo).port };
}

describe("the upgrade", () => {
  describe("paths", () => {
    it("a trailing slash, and slashes twice, make no difference", async () => {
      const { port } = await serve(Anyone);
      for (const path of ["/socket/websocket", "/socket/websocket/", "//socket//websocket"]) {
        expect(await rawUpgrade(port, `${path}?vsn=2.0.0`), path).to.include({ status: 101 });
      }
    });

    it("anything else is 404", async () => {
      const { port } = await serve(Anyone);
      for (const path of [
        "/",
        "/socket",
        "/socket/websocket/x",
        "/Socket/websocket",
        "/socket/websocke%74",
        "/x",
      ]) {
        expect(await rawUpgrade(port, path), path).to.include({ status: 404 });
      }
    });

    it("segments with a colon are params, decoded; they count before the query's", async () => {
      const { Recording, calls } = recording();
      const endpoint = new Endpoint();
      endpoint.socket("/ws/:id/of/:place", Recording);
      const { port } = await endpoint.listen(0, "127.0.0.1");
      afterTest(() => endpoint.close({ timeoutMs: 0 }));
      const path = "/ws/a%2Fb/of/M%C3%BCnchen/websocket?vsn=2.0.0&id=mine&more=1";
      expect(await rawUpgrade(port, path)).to.include({ status: 101 });
      expect({ ...calls[0]?.params }).to.deep.equal({ vsn: "2.0.0", id: "a/b", place: "München", more: "1" });
      expect(await rawUpgrade(port, "/ws/%ff/of/x/websocket")).to.include({ status: 404 });
      expect(await rawUpgrade(port, "/ws//of/x/websocket")).to.include({ status: 404 });
    });

    it("a mount without websocket is none", async () => {
      const { port } = await serve(Anyone, { websocket: false });
      expect(await rawUpgrade(port)).to.include({ status: 404 });
    });
  });

  describe("attached to a server of the app's", () => {
    it("unknown paths get 404 if there is no other upgrade listener", async () => {
      const { port } = await attached();
      expect(await rawUpgrade(port, "/other")).to.include({ status: 404 });
      await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    });

    it("and are left alone if there is one", async () => {
      const { port, server } = await attached();
      server.on("upgrade", (request, socket) => {
        if (request.url === "/other") socket.end("HTTP/1.1 418 I'm a teapot\r\n\r\n");
      });
      expect(await rawUpgrade(port, "/other")).to.include({ status: 418 });
      await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    });

    it("plain requests stay the app's, but for those of a mount's path", async () => {
      const { port, endpoint } = await attached();
      const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
      for (const path of ["/", "/socket", "/socket/websocket/x"]) {
        expect(await (await get(path)).text(), path).to.equal("the app");
      }
      expect((await get("/socket/websocket")).status).to.equal(400);
      await endpoint.close();
      expect(await (await get("/socket/websocket")).text()).to.equal("the app");
    });

    it("a client that resets an upgrade of an unknown path does no harm", async () => {
      const { port } = await attached();
      const client = await TcpClient.connect(port);
      client.socket.write(upgradeRequest("/other"));
      client.socket.resetAndDestroy();
      await client.closed;
      await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    });
  });

  describe("plain requests on a server of its own", () => {
    it("get 400 on the WebSocket path and 404 elsewhere", async () => {
      const { port } = await serve(Anyone);
      for (const method of ["GET", "POST", "DELETE"]) {
        const response = await fetch(`http://127.0.0.1:${port}/socket/websocket?vsn=2.0.0`, { method });
        expect(response.status).to.equal(400);
        expect(await response.text()).to.include("WebSockets");
      }
      expect((await fetch(`http://127.0.0.1:${port}/other`)).status).to.equal(404);
    });

    it("that ask for another protocol, or badly for this one, never reach connect", async () => {
      const { Recording, calls } = recording();
      const { port } = await serve(Recording);
      const cases: [headers: Record<string, string | undefined>, status: number][] = [
        [{ Upgrade: "h2c" }, 400],
        [{ "Sec-WebSocket-Key": undefined }, 400],
        [{ "Sec-WebSocket-Key": "short" }, 400],
        [{ "Sec-WebSocket-Version": undefined }, 400],
        [{ "Sec-WebSocket-Version": "7" }, 400],
      ];
      for (const [headers, status] of cases) {
        expect(await rawUpgrade(port, undefined, headers), JSON.stringify(headers)).to.include({ status });
      }
      const client = await TcpClient.connect(port);
      client.socket.write(upgradeRequest().replace("GET", "POST"));
      expect(await client.answer()).to.include({ status: 405 });
      expect(calls).to.deep.equal([]);
    });
  });

  it("info tells of the client what Phoenix's connect_info does", async () => {
    const { Recording, calls } = recording();
    const { port } = await serve(Recording);
    await rawUpgrade(port, "/socket/websocket?vsn=2.0.0&a=%20b", {
      Host: "example.com:81",
      "User-Agent": "spec",
      "X-Real-IP": "10.0.0.1",
    });
    const { info } = calls[0] as { info: ConnectInfo };
    expect(info).to.include({
      transport: "websocket",
      remoteAddress: "127.0.0.1",
      userAgent: "spec",
      authToken: null,
    });
    expect(info.headers["x-real-ip"]).to.equal("10.0.0.1");
    expect(info.uri.href).to.equal("http://example.com:81/socket/websocket?vsn=2.0.0&a=%20b");
    expect(info.request.url).to.equal("/socket/websocket?vsn=2.0.0&a=%20b");
    expect(info.signal.aborted).to.equal(false);
  });

  it("takes any Host header, also one that is no host", async () => {
    const { Recording, calls } = recording();
    const { port } = await serve(Recording);
    for (const host of ["[::1]:4000", "a b", "%", "[", "", "user@host", "x".repeat(1000)]) {
      expect(await rawUpgrade(port, undefined, { Host: host }), host).to.include({ status: 101 });
    }
    expect(calls).to.have.length(7);
  });

  it("frames in the packet of the request are not lost", async () => {
    const { port } = await serve(Anyone);
    const client = await TcpClient.connect(port);
    const beats = ["1", "2", "3"].map((ref) => clientFrame([null, ref, "phoenix", "heartbeat", {}]));
    client.socket.write(Buffer.concat([Buffer.from(upgradeRequest()), ...beats]));
    expect(await client.answer()).to.include({ status: 101 });
    for (const ref of ["1", "2", "3"]) expect(await client.message()).to.have.property("1", ref);
  });

  it("a request in pieces of one byte is one request", async () => {
    const { port } = await serve(Anyone);
    const client = await TcpClient.connect(port);
    for (const byte of Buffer.concat([
      Buffer.from(upgradeRequest()),
      clientFrame([null, "1", "phoenix", "heartbeat", {}]),
    ])) {
      client.socket.write(Uint8Array.of(byte));
    }
    expect(await client.answer()).to.include({ status: 101 });
    expect(await client.message()).to.have.property("1", "1");
  });

  it("compression isn't taken up", async () => {
    const { port } = await serve(Anyone);
    const { headers } = await rawUpgrade(port, undefined, {
      "Sec-WebSocket-Extensions": "permessage-deflate",
    });
    expect(headers).not.to.have.property("sec-websocket-extensions");
  });

  it("gets 503 once the endpoint drains", async () => {
    const { url, endpoint } = await serve(Anyone);
    const drained = endpoint.drain();
    expect(await refused(url)).to.include({ status: 503, body: "" });
    await drained;
  });
});

describe("clients that reset in the handshake", () => {
  /** Each kind of answer to an upgrade request, and clients that don't wait for it. */
  const targets = {
    accepted: "/socket/websocket?vsn=2.0.0",
    "refused by vsn": "/socket/websocket?vsn=9.9.9",
    "refused by its query": "/socket/websocket?vsn=%ff",
    "of a long-polling address": "/socket/longpoll?vsn=2.0.0",
    "of no mount": "/other",
  };
  for (const [name, path] of Object.entries(targets)) {
    it(`do no harm (${name})`, async () => {
      const { port, endpoint } = await serve(Anyone);
      for (let i = 0; i < 50; i++) {
        const client = await TcpClient.connect(port);
        client.socket.write(upgradeRequest(path));
        // At different moments: at once, or when the server may be in the middle of its answer.
        for (let turns = 0; turns < i % 5; turns++) await turn();
        client.socket.resetAndDestroy();
        await client.closed;
      }
      while (endpoint.stats().connections > 0) await turn();
      await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    });
  }

  it("do no harm while the server drains", async () => {
    const { port, endpoint } = await serve(Anyone);
    await endpoint.drain();
    for (let i = 0; i < 50; i++) {
      const client = await TcpClient.connect(port);
      client.socket.write(upgradeRequest());
      for (let turns = 0; turns < i % 5; turns++) await turn();
      client.socket.resetAndDestroy();
      await client.closed;
    }
    expect(await rawUpgrade(port)).to.include({ status: 503 });
  });
});

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { expect } from "chai";
import { Endpoint } from "../../lib/index.ts";
import { expectRefusal, thrownBy } from "../options/expect-refused.ts";
import { connect } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { recordingLogger } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { rawUpgrade } from "../transport/tcp-client.ts";
import { appServer, page, RoomSocket } from "./app.ts";

function endpointAt(...paths: string[]) {
  const { logger, lines } = recordingLogger();
  const endpoint = new Endpoint({ logger });
  for (const path of paths) endpoint.socket(path, RoomSocket);
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  return { endpoint, lines };
}

/** What of a server an endpoint could change. */
function shape(server: Server): object {
  const listeners = server.eventNames().map((name) => [name, server.listeners(name)]);
  return { listeners, own: Object.hasOwn(server, "emit"), emit: server.emit };
}

describe("endpoint.attach", () => {
  it("takes its mounts' requests, and leaves the others to the app", async () => {
    const { server, port } = await appServer();
    const { endpoint } = endpointAt("/socket");
    endpoint.attach(server);
    const client = await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    expect((await client.join("room:a"))[4].status).to.equal("ok");
    expect(JSON.parse(await page(port, "/socket/longpoll?vsn=2.0.0"))).to.have.property("status", 410);
    for (const path of ["/", "/socket", "/socket/other", "/other/longpoll"]) {
      expect(await page(port, path)).to.equal("app");
    }
  });

  it("twice is once", async () => {
    const { server, port } = await appServer();
    const before = server.listenerCount("upgrade");
    const { endpoint, lines } = endpointAt("/socket");
    for (let i = 0; i < 3; i++) endpoint.attach(server);
    expect(server.listenerCount("upgrade")).to.equal(before + 1);
    await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    expect(lines.filter(({ message }) => message.startsWith("CONNECTED"))).to.have.length(1);
    await endpoint.close();
    expect(server.listenerCount("upgrade")).to.equal(before);
  });

  it("may be to several servers", async () => {
    const { endpoint } = endpointAt("/socket");
    for (const { server, port } of [await appServer(), await appServer()]) {
      endpoint.attach(server);
      await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    }
    expect(endpoint.stats().connections).to.equal(2);
  });

  it("is undone by close: the server is as it was, and still serves", async () => {
    const { server, port } = await appServer();
    const before = shape(server);
    const { endpoint } = endpointAt("/socket");
    endpoint.attach(server);
    expect(shape(server)).to.not.deep.equal(before);
    await endpoint.close();
    expect(shape(server)).to.deep.equal(before);
    expect(await page(port, "/socket/longpoll")).to.equal("app");
  });

  it("keeps an emit that the app had put there itself", async () => {
    const { server, port } = await appServer();
    const seen: string[] = [];
    const { emit } = server;
    server.emit = ((event: string, ...args: unknown[]) => {
      seen.push(event);
      return Reflect.apply(emit, server, [event, ...args]);
    }) as typeof server.emit;
    const before = shape(server);
    const { endpoint } = endpointAt("/socket");
    endpoint.attach(server);
    await page(port, "/");
    expect(seen).to.include("request");
    await endpoint.close();
    expect(shape(server)).to.deep.equal(before);
  });

  for (const [first, second] of [
    [0, 1],
    [1, 0],
  ] as const) {
    it(`may be of two endpoints; each goes by itself (${first}, then ${second})`, async () => {
      const { server, port } = await appServer();
      const { listeners } = shape(server) as { listeners: unknown };
      const both = [endpointAt("/a"), endpointAt("/b")].map(({ endpoint }) => endpoint);
      const paths = ["/a", "/b"];
      for (const endpoint of both) endpoint.attach(server);
      const serves = async (i: number) => (await page(port, `${paths[i]}/longpoll?vsn=2.0.0`)) !== "app";
      for (const i of [0, 1]) expect(await serves(i), `${i}`).to.equal(true);
      await both[first]?.close();
      expect(await serves(first)).to.equal(false);
      expect(await serves(second)).to.equal(true);
      await connect(`ws://127.0.0.1:${port}${paths[second]}/websocket`);
      await both[second]?.close({ timeoutMs: 0 });
      for (const i of [0, 1]) expect(await serves(i), `${i}`).to.equal(false);
      expect(shape(server)).to.have.deep.property("listeners", listeners);
    });
  }

  it("answers 404 to upgrades of no mount, unless the app listens for them too", async () => {
    const { server, port } = await appServer();
    const { endpoint } = endpointAt("/socket");
    endpoint.attach(server);
    expect((await rawUpgrade(port, "/elsewhere")).status).to.equal(404);
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
      if (request.url === "/elsewhere") socket.end("HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n");
    });
    expect((await rawUpgrade(port, "/elsewhere")).status).to.equal(418);
    expect((await rawUpgrade(port, "/socket/websocket?vsn=2.0.0")).status).to.equal(101);
  });

  it("refuses what is no server", () => {
    const { endpoint } = endpointAt("/socket");
    for (const server of [undefined, null, {}, 4000, "server"]) {
      expectRefusal(
        thrownBy(() => endpoint.attach(server as never)),
        "invalid_argument",
        ["attach", "got"],
      );
    }
  });
});

describe("endpoint.handleUpgrade and handleRequest", () => {
  /** An app that asks the endpoint itself, and answers what it didn't take. */
  async function asking(...paths: string[]) {
    const { endpoint } = endpointAt(...paths);
    const { server, port } = await appServer();
    const taken: boolean[] = [];
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const took = endpoint.handleUpgrade(request, socket, head);
      taken.push(took);
      if (!took) socket.end("HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n");
    });
    server.removeAllListeners("request");
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const took = endpoint.handleRequest(request, response);
      taken.push(took);
      if (!took) response.end(response.headersSent ? "spoilt" : "app");
    });
    return { endpoint, port, taken };
  }

  it("return whether they took an upgrade; one they didn't take is left as it was", async () => {
    const { port, taken } = await asking("/socket", "/rooms/:room");
    for (const [path, status] of [
      ["/socket/websocket?vsn=2.0.0", 101],
      ["//socket/websocket/?vsn=2.0.0", 101],
      ["/rooms/7/websocket?vsn=2.0.0", 101],
      // It is a mount's address, and takes no upgrades.
      ["/socket/longpoll", 400],
      ["/socket", 418],
      ["/socket/websocket/more", 418],
      ["/rooms/websocket", 418],
      ["/", 418],
    ] as const) {
      expect((await rawUpgrade(port, path)).status, path).to.equal(status);
      expect(taken.pop(), path).to.equal(status !== 418);
    }
  });

  it("return whether they took a request; one they didn't take is left as it was", async () => {
    const { port, taken } = await asking("/socket");
    for (const [path, beginning] of [
      ["/socket/longpoll?vsn=2.0.0", '{"status":410'],
      ["/socket/longpoll/", '{"status":'],
      ["/socket/websocket", "This address takes WebSockets"],
      ["/socket", "app"],
      ["/socket/longpoll/more", "app"],
      ["/", "app"],
    ] as const) {
      expect((await page(port, path)).startsWith(beginning), path).to.equal(true);
      expect(taken.pop(), path).to.equal(beginning !== "app");
    }
  });

  it("answer 503 once the endpoint drains", async () => {
    const { endpoint, port, taken } = await asking("/socket");
    await endpoint.close();
    expect((await rawUpgrade(port)).status).to.equal(503);
    expect((await fetch(`http://127.0.0.1:${port}/socket/longpoll`)).status).to.equal(503);
    expect(taken).to.deep.equal([true, true]);
  });

  it("a client that is gone before it has its answer harms nobody", async () => {
    const { endpoint } = endpointAt("/socket");
    for (const url of ["/socket/longpoll", "/socket/websocket"]) {
      const socket = new Duplex({
        read() {},
        write(_chunk, _encoding, done) {
          done(new Error("EPIPE"));
        },
      });
      const request = { url, method: "GET", headers: {}, httpVersion: "1.1", socket };
      expect(endpoint.handleUpgrade(request as never, socket, Buffer.alloc(0))).to.equal(true);
      while (!socket.destroyed) await turn();
    }
    await turn();
  });
});

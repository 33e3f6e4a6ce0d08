import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { Channel, Endpoint, ok, type PubSubAdapter, Socket } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { answer, inbox } from "../support/official-client.ts";
import { afterTest } from "../support/teardown.ts";
import { example } from "./markdown.ts";
import { connectClient, type Running, run, workshop } from "./workshop.ts";

const PAGE = "docs/getting-started.md";

async function start(file: string, packages: readonly string[] = []): Promise<Running> {
  return run(await workshop(packages), file, example(PAGE, file));
}

describe("the examples in docs/getting-started.md", function () {
  this.timeout(60_000);

  it("first.mjs: a room, and what it prints when somebody has gone", async () => {
    const server = await start("first.mjs");
    const socket = connectClient(await server.port());
    const room = socket.channel("room:lobby", { name: "ada" });
    expect(await answer(room.join())).to.deep.equal({ status: "ok", response: { topic: "room:lobby" } });
    const message = inbox(room, "new_msg");
    await answer(room.push("new_msg", { body: "hello" }));
    expect(await message.next()).to.deep.equal({ name: "ada", body: "hello" });
    socket.disconnect();
    await server.line(/^ada is gone from room:lobby: closed$/);
  });

  it("auth.mjs: tokens in the params and as authToken, and rooms that not all may enter", async () => {
    const server = await start("auth.mjs");
    const port = await server.port();
    for (const options of [{ params: { token: "token-of-ada" } }, { authToken: "token-of-ada" }]) {
      const socket = connectClient(port, options);
      expect(await answer(socket.channel("room:lobby").join())).to.deep.equal({
        status: "ok",
        response: { you: "ada" },
      });
      expect(await answer(socket.channel("room:admins").join())).to.deep.equal({
        status: "error",
        response: { reason: "unauthorized" },
      });
    }
    const url = `ws://127.0.0.1:${port}/socket/websocket`;
    expect(await refused(url, "vsn=2.0.0&token=wrong")).to.have.property("status", 401);
    await server.line(/REFUSED CONNECTION TO UserSocket/);
  });

  it("http.mjs: attached to a server of node:http", async () => {
    const port = await (await start("http.mjs")).port();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal("hello");
    expect(await answer(connectClient(port).channel("room:lobby").join())).to.deep.equal({
      status: "ok",
      response: {},
    });
  });

  it("express.mjs: attached to Express, whose routes broadcast", async () => {
    const port = await (await start("express.mjs", ["express"])).port();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal("hello");
    const room = connectClient(port).channel("room:lobby");
    expect(await answer(room.join())).to.deep.equal({ status: "ok", response: {} });
    const announcement = inbox(room, "announcement");
    const { status } = await fetch(`http://127.0.0.1:${port}/announce`, { method: "POST" });
    expect(status).to.equal(204);
    expect(await announcement.next()).to.deep.equal({ body: "closing soon" });
  });

  it("fastify.mjs: attached to Fastify", async () => {
    const port = await (await start("fastify.mjs", ["fastify"])).port();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).to.equal("hello");
    expect(await answer(connectClient(port).channel("room:lobby").join())).to.deep.equal({
      status: "ok",
      response: {},
    });
  });

  it("server.mts: schemas check joins and events", async () => {
    const port = await (await start("server.mts", ["zod"])).port();
    const socket = connectClient(port);
    const { status, response } = await answer(socket.channel("room:lobby", { nick: "" }).join());
    expect(status).to.equal("error");
    expect(response).to.have.property("reason", "invalid payload");
    expect(response).to.have.nested.property("issues[0].path").that.deep.equals(["nick"]);

    const room = socket.channel("room:one", { nick: "ada" });
    expect(await answer(room.join())).to.deep.equal({ status: "ok", response: { nick: "ada" } });
    const message = inbox(room, "new_msg");
    expect(await answer(room.push("new_msg", { body: " hi " }))).to.deep.equal({
      status: "ok",
      response: { length: 2 },
    });
    expect(await message.next()).to.deep.equal({ from: "ada", body: "hi" });
    const admins = socket.channel("room:admins", { nick: "ada" });
    expect(await answer(admins.join())).to.deep.equal({
      status: "error",
      response: { reason: "unauthorized" },
    });
  });

  it("bus.mjs: an adapter that joins two endpoints", async () => {
    class RoomChannel extends Channel {
      join() {
        return ok();
      }
    }
    class UserSocket extends Socket {
      static override channels = { "room:*": RoomChannel };
    }
    const file = join(await workshop(), "bus.mjs");
    await writeFile(file, example(PAGE, "bus.mjs"));
    const { Bus } = (await import(pathToFileURL(file).href)) as {
      Bus: new () => { adapter(name: string): PubSubAdapter };
    };
    const bus = new Bus();
    const clients = [];
    const endpoints = [];
    for (const name of ["one", "two"]) {
      const endpoint = new Endpoint({ pubsub: bus.adapter(name) });
      endpoint.socket("/socket", UserSocket);
      const { port } = await endpoint.listen(0, "127.0.0.1");
      afterTest(() => endpoint.close({ timeoutMs: 0 }));
      const client = await connect(`ws://127.0.0.1:${port}/socket/websocket`);
      await client.join("room:lobby");
      endpoints.push(endpoint);
      clients.push(client);
    }
    endpoints[0]?.broadcast("room:lobby", "new_msg", { body: "to both" });
    endpoints[0]?.broadcast("room:empty", "new_msg", { body: "to none" });
    for (const client of clients) {
      expect(await client.settle()).to.deep.equal([
        [null, null, "room:lobby", "new_msg", { body: "to both" }],
      ]);
    }
    endpoints[1]?.localBroadcast("room:lobby", "new_msg", { body: "to one" });
    expect(await clients[0]?.settle()).to.deep.equal([]);
    expect(await clients[1]?.settle()).to.have.length(1);
  });
});

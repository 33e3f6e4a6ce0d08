import { once } from "node:events";
import { expect } from "chai";
import { connect, refused } from "../support/client.ts";
import { example } from "./markdown.ts";
import { run, workshop } from "./workshop.ts";

describe("the example in docs/deploying.md", function () {
  this.timeout(60_000);

  it("deploy.mjs: drains at SIGTERM, and ends by itself", async () => {
    const server = await run(await workshop(), "deploy.mjs", example("docs/deploying.md", "deploy.mjs"));
    const port = await server.port();
    const url = `ws://127.0.0.1:${port}/socket/websocket`;
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).to.equal(200);
    const client = await connect(url);
    expect((await client.join("room:lobby"))[4]).to.deep.equal({ status: "ok", response: {} });
    const ended = once(server.child, "exit");
    server.child.kill("SIGTERM");
    expect((await client.closed).code).to.equal(1012);
    await server.line(/^closed$/);
    expect(await ended).to.deep.equal([0, null]);
  });

  it("deploy.mjs: its health check fails while it drains", async () => {
    // A drain that has to wait.
    const program = example("docs/deploying.md", "deploy.mjs").replace(
      "class RoomChannel extends Channel {",
      "class RoomChannel extends Channel {\n  terminate() { return new Promise(() => {}); }",
    );
    const server = await run(await workshop(), "deploy.mjs", program);
    const port = await server.port();
    const url = `ws://127.0.0.1:${port}/socket/websocket`;
    const client = await connect(url);
    await client.join("room:lobby");
    server.child.kill("SIGTERM");
    await server.line(/DRAINING 1 of 1/);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).to.equal(503);
    expect((await refused(url)).status).to.equal(503);
    expect(await client.settle()).to.deep.equal([]);
  });
});

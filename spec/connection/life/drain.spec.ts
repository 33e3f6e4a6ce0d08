import { expect } from "chai";
import { Channel, ok, Socket } from "../../../lib/index.ts";
import { connect, refused } from "../../support/client.ts";
import { Gate, Journal } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";
import { serve } from "../../support/server.ts";

function room() {
  const events = new Journal();
  const handler = new Gate();
  const terminating = new Gate();
  const joining = new Gate<ReturnType<typeof ok>>();
  class Room extends Channel {
    override join(topic: string) {
      events.add(`join ${topic}`);
      this.signal.addEventListener("abort", () => events.add(`abort ${topic}`));
      return topic === "room:pending" ? joining.promise : ok();
    }
    override async terminate({ kind }: { kind: string }) {
      events.add(`terminate ${this.topic} ${kind}`);
      if (this.topic === "room:slow") await terminating.promise;
    }
    static {
      this.on("wait", async () => {
        events.add("wait");
        await handler.promise;
        return ok({ waited: true });
      });
      this.on("echo", (payload) => ok(payload));
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": Room };
  }
  return { UserSocket, events, handler, terminating, joining };
}

describe("rule 12: drain", () => {
  it("handles what was received, starts no join, and closes with 1012 when handlers and terminates are done", async () => {
    const { UserSocket, events, handler, terminating } = room();
    const { url, endpoint } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:slow");
    client.send(["1", "2", "room:slow", "wait", {}]);
    client.send(["1", "3", "room:slow", "echo", { n: 3 }]);
    await events.reaches(2);
    await client.settle();
    const drained = endpoint.drain();
    expect(endpoint.drain()).to.equal(drained);
    expect(endpoint.stats().draining).to.equal(true);
    client.send(["9", "9", "room:new", "phx_join", {}]);
    expect(await client.settle()).to.deep.equal([]);
    handler.open();
    expect(await client.take(2)).to.deep.equal([
      ["1", "2", "room:slow", "phx_reply", { status: "ok", response: { waited: true } }],
      ["1", "3", "room:slow", "phx_reply", { status: "ok", response: { n: 3 } }],
    ]);
    await events.reaches(4);
    expect(events.entries.filter((entry) => !entry.startsWith("abort"))).to.deep.equal([
      "join room:slow",
      "wait",
      "terminate room:slow drain",
    ]);
    // terminate still waits: the connection is open, and answers.
    await client.settle();
    terminating.open();
    expect((await client.closed).code).to.equal(1012);
    await drained;
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0 });
  });

  it("aborts pending joins and doesn't wait for them", async () => {
    const { UserSocket, events, joining } = room();
    const { url, endpoint } = serveInMemory(UserSocket);
    const client = await connect(url);
    client.send(["1", "1", "room:pending", "phx_join", {}]);
    await events.reaches(1);
    await endpoint.drain();
    expect((await client.closed).code).to.equal(1012);
    expect(events.entries).to.include("abort room:pending");
    joining.open(ok());
    await events.reaches(3);
    expect(events.entries.at(-1)).to.equal("terminate room:pending drain");
  });

  it("closes connections without channels too, and refuses new ones with 503", async () => {
    const { UserSocket } = room();
    const { url, endpoint } = await serve(UserSocket);
    const client = await connect(url);
    await endpoint.drain();
    expect((await client.closed).code).to.equal(1012);
    expect((await refused(url)).status).to.equal(503);
  });

  it("closes what isn't done at timeoutMs", async () => {
    const { UserSocket, events } = room();
    const { url, endpoint } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    client.send(["1", "2", "room:a", "wait", {}]);
    await events.reaches(2);
    await endpoint.drain({ timeoutMs: 1 });
    expect((await client.closed).code).to.equal(1012);
  });

  it("waits for the terminate of a channel whose client is gone already", async () => {
    const { UserSocket, events, terminating } = room();
    const { url, endpoint } = await serve(UserSocket);
    const client = await connect(url);
    await client.join("room:slow");
    await client.close();
    await events.reaches(2);
    let drained = false;
    const drain = endpoint.drain().then(() => {
      drained = true;
    });
    await refused(url);
    expect(drained).to.equal(false);
    terminating.open();
    await drain;
  });
});

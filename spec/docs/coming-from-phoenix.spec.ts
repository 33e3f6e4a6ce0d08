import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import type { EndpointOptions, SocketClass } from "../../lib/index.ts";
import { connect, type RawClient } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { afterTest } from "../support/teardown.ts";
import { example } from "./markdown.ts";
import { workshop } from "./workshop.ts";

const PAGE = "docs/coming-from-phoenix.md";

type Library = typeof import("../../lib/index.ts");
// biome-ignore lint/suspicious/noExplicitAny: the examples are JavaScript
type Example = any;

/** Loads an example beside the built library, and serves its channel at room:*. */
async function serveExample(file: string, channel: string, options: EndpointOptions = {}) {
  const directory = await workshop();
  const load = async (name: string, program: string): Promise<Example> => {
    await writeFile(join(directory, name), program);
    return import(pathToFileURL(join(directory, name)).href);
  };
  const example_ = await load(file, example(PAGE, file));
  const library: Library = await load("library.mjs", 'export * from "phoenix-channels-server";');
  class UserSocket extends library.Socket<{ userId: unknown }> {
    static override channels = { "room:*": example_[channel] };
    override connect(params: Record<string, unknown>) {
      this.assigns.userId = params.user;
      return library.ok();
    }
  }
  const endpoint = new library.Endpoint(options);
  endpoint.socket("/socket", UserSocket as SocketClass);
  const { port } = await endpoint.listen(0, "127.0.0.1");
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  const client = (user: string): Promise<RawClient> =>
    connect(`ws://127.0.0.1:${port}/socket/websocket`, `vsn=2.0.0&user=${user}`);
  return { endpoint, client, example: example_ };
}

describe("the examples in docs/coming-from-phoenix.md", function () {
  this.timeout(60_000);

  it("side-by-side.mjs: join, after the join, an event, an interception", async () => {
    const { client } = await serveExample("side-by-side.mjs", "RoomChannel");
    const ada = await client("ada");
    expect(await ada.join("room:1")).to.deep.equal([
      "1",
      "1",
      "room:1",
      "phx_reply",
      { status: "ok", response: { id: "1" } },
    ]);
    expect(await ada.next()).to.deep.equal(["1", null, "room:1", "welcome", { room: "1" }]);
    ada.send(["1", "2", "room:1", "new_msg", { body: "hi" }]);
    expect(await ada.take(2)).to.deep.equal([
      ["1", "2", "room:1", "phx_reply", { status: "ok", response: {} }],
      ["1", null, "room:1", "new_msg", { body: "hi", room: "1" }],
    ]);
  });

  it("after-join.mjs: a push to the client, and a broadcast to the others", async () => {
    const { client } = await serveExample("after-join.mjs", "RoomChannel");
    const ada = await client("ada");
    await ada.join("room:1");
    expect(await ada.settle()).to.deep.equal([["1", null, "room:1", "welcome", { topic: "room:1" }]]);
    const bob = await client("bob");
    await bob.join("room:1");
    expect(await bob.settle()).to.have.length(1);
    expect(await ada.settle()).to.deep.equal([[null, null, "room:1", "user_entered", { user: "bob" }]]);
  });

  it("ticker.mjs: a push every second, until the channel ends", async () => {
    const clock = new ManualClock();
    const { client } = await serveExample("ticker.mjs", "TickerChannel", { clock });
    const ada = await client("ada");
    await ada.join("room:1");
    expect(await ada.settle()).to.deep.equal([]);
    for (const count of [1, 2, 3]) {
      clock.advance(1000);
      expect(await ada.next()).to.deep.equal(["1", null, "room:1", "tick", { count }]);
    }
    const joined = clock.pending;
    ada.send(["1", "2", "room:1", "phx_leave", {}]);
    await ada.take(2);
    expect(clock.pending).to.equal(joined - 1);
  });

  it("defer.mjs: later messages are answered meanwhile, and a rejection is an error reply", async () => {
    const { client } = await serveExample("defer.mjs", "ReportChannel");
    const ada = await client("ada");
    await ada.join("room:1");
    ada.send(["1", "2", "room:1", "build", { of: "whales" }]);
    ada.send(["1", "3", "room:1", "ping", {}]);
    ada.send(["1", "4", "room:1", "build", {}]);
    const replies = Object.fromEntries((await ada.take(3)).map((frame) => [frame[1], frame[4]]));
    expect(replies).to.deep.equal({
      2: { status: "ok", response: { report: "all about whales" } },
      3: { status: "ok", response: {} },
      4: { status: "error", response: { reason: "no subject" } },
    });
  });

  it("remove.mjs: one user leaves one room, and doesn't come in again", async () => {
    const { endpoint, client, example } = await serveExample("remove.mjs", "RoomChannel");
    const [ada, bob] = [await client("ada"), await client("bob")];
    for (const topic of ["room:1", "room:2"]) {
      await ada.join(topic);
      await bob.join(topic);
    }
    await example.removeUser(endpoint, "room:1", "ada", "spam");
    expect(await ada.take(2)).to.deep.equal([
      ["1", null, "room:1", "removed", { reason: "spam" }],
      ["1", "1", "room:1", "phx_close", {}],
    ]);
    expect(await bob.settle()).to.deep.equal([]);
    expect(await ada.join("room:1", {}, "5")).to.deep.equal([
      "5",
      "5",
      "room:1",
      "phx_reply",
      { status: "error", response: { reason: "removed" } },
    ]);
    endpoint.broadcast("room:2", "still", {});
    expect(await ada.settle()).to.deep.equal([[null, null, "room:2", "still", {}]]);
    expect(endpoint.stats().topics, "room:1, room:2 and the control topics of who is in").to.equal(5);
  });

  it("history.mjs: each message once, for who was away too", async () => {
    const { client } = await serveExample("history.mjs", "RoomChannel");
    const joined = async (name: string, payload: object) => {
      const peer = await client(name);
      peer.send(["1", "1", "room:1", "phx_join", payload]);
      return peer;
    };
    const say = (peer: RawClient, ...bodies: string[]) => {
      for (const body of bodies) peer.send(["1", body, "room:1", "new_msg", { body }]);
    };
    /** The bodies that arrive, up to and with this one. */
    const heardUntil = async (peer: RawClient, last: string) => {
      const bodies: string[] = [];
      while (bodies.at(-1) !== last) {
        const [, , , event, payload] = await peer.next();
        if (event === "new_msg") bodies.push(payload.body);
      }
      return bodies;
    };
    const ada = await joined("ada", {});
    say(ada, "a", "b");
    expect(await heardUntil(ada, "b")).to.deep.equal(["a", "b"]);

    const bob = await joined("bob", { lastId: 1 });
    say(bob, "c", "d");
    say(ada, "e", "f");
    const both = [await heardUntil(ada, "d"), await heardUntil(bob, "d")];
    // What was said before is out by now, once for each, in front of this.
    say(ada, "last");
    for (const [i, peer] of [ada, bob].entries()) both[i]?.push(...(await heardUntil(peer, "last")));
    expect(both[0]?.sort()).to.deep.equal(["c", "d", "e", "f", "last"]);
    expect(both[1]?.sort()).to.deep.equal(["b", "c", "d", "e", "f", "last"]);
  });
});

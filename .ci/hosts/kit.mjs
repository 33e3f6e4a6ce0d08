// A test by the kit from the package, for any runner: it takes the runner's own functions.
import assert from "node:assert/strict";
import { Endpoint } from "phoenix-channels-server";
import { channelCase, simulateSeeds } from "phoenix-channels-server/testing";
import { documentCase } from "phoenix-channels-server/testing/documents";
import { UserSocket } from "./sockets.mjs";

export function kitTests({ test, afterEach }) {
  let kit;
  afterEach(() => kit.close());

  test("a message is answered and broadcast", async () => {
    kit = channelCase();
    const room = await kit.socket(UserSocket).subscribeAndJoin("room:lobby");
    assert.deepEqual(room.joinReply, { hello: "room" });
    await room.assertReply(room.push("new_msg", { body: "hi" }), "ok", { body: kit.any(String) });
    await room.assertBroadcast("new_msg", { body: /^h/ });
    await room.assertPush("new_msg", { body: "hi" });
    await room.refutePush("error");
  });

  test("the official client survives faults", async () => {
    kit = channelCase();
    const serve = (clock) => {
      const endpoint = new Endpoint({ clock });
      endpoint.socket("/socket", UserSocket);
      return endpoint;
    };
    await simulateSeeds({ seeds: 3, serve }, async (simulation) => {
      const { socket } = simulation.client("ada");
      socket.connect();
      const room = socket.channel("room:lobby");
      room.join();
      simulation.faults({ kinds: ["drop", "close", "restart"] });
      await simulation.calm();
      assert.equal(room.state, "joined");
    });
  });

  test("an op of a document is answered, and gets to the other client", async () => {
    kit = documentCase();
    const ada = await kit.connectDocument();
    const ben = await kit.connectDocument();
    await ada.assertReply(ada.submitOp({ contents: "hi" }), "ok");
    await ben.assertOp({ contents: "hi" });
  });

  test("time is virtual, and a failure says what was sent", async () => {
    kit = channelCase({ clock: "virtual", heartbeatIntervalMs: false });
    const client = kit.socket(UserSocket);
    const room = await client.subscribeAndJoin("room:lobby");
    room.push("new_msg", { body: "hi" });
    const failed = await room.assertPush("new_msg", { body: "ho" }).catch((error) => error);
    assert.equal(failed.name, "AssertionError");
    assert.match(failed.message, /\.body: expected 'ho', got 'hi'/);
    assert.deepEqual(failed.actual, { body: "hi" });
    await kit.clock.advance(60_000);
    await client.assertClosed(1002);
  });
}

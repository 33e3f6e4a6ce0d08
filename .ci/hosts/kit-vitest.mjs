import { channelCase } from "phoenix-channels-server/testing";
import { afterEach, expect, test } from "vitest";
import { kitTests } from "./kit.mjs";
import { UserSocket } from "./sockets.mjs";

kitTests({ test, afterEach });

test("vitest's own matchers are patterns", async () => {
  const kit = channelCase();
  const room = await kit.socket(UserSocket).subscribeAndJoin("room:lobby");
  await room.assertReply(room.push("new_msg", { n: 1 }), "ok", { n: expect.any(Number) });
  await expect(room.assertPush("new_msg", { n: expect.any(String) })).rejects.toThrow(/\.n: expected/);
  await kit.close();
});

// The official client against a host app: connects, joins, pushes, and hears the broadcast.
import assert from "node:assert/strict";
import { Socket } from "phoenix";
import { WebSocket } from "ws";

const socket = new Socket(`ws://127.0.0.1:${process.argv[2]}/socket`, { transport: WebSocket });
const failed = (what) => () => {
  console.error(what);
  process.exit(1);
};
setTimeout(failed("timeout"), 10_000).unref();
socket.connect();
const channel = socket.channel("room:lobby");
const heard = new Promise((resolve) => channel.on("new_msg", resolve));
const joined = await new Promise((resolve) =>
  channel.join().receive("ok", resolve).receive("error", failed("join")),
);
assert.deepEqual(joined, { hello: "room" });
const reply = await new Promise((resolve) => channel.push("new_msg", { body: "hi" }).receive("ok", resolve));
assert.deepEqual(reply, { body: "hi" });
assert.deepEqual(await heard, { body: "hi" });
process.exit(0);

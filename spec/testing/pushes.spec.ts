import { expect } from "chai";
import { Channel, ok } from "../../lib/index.ts";
import { failureOf, newCase, newRoom, RoomChannel, UserSocket } from "./app.ts";

describe("assertPush", () => {
  it("gives the payload of the first message that matches, and takes it", async () => {
    const { room } = await newRoom();
    for (const n of [1, 2, 3]) room.push("push", { event: "n", n });
    expect(await room.assertPush("n", { n: 2 })).to.deep.equal({ n: 2 });
    expect(await room.assertPush("n")).to.deep.equal({ n: 1 });
    expect(await room.assertPush("n")).to.deep.equal({ n: 3 });
    const failed = await failureOf(room.assertPush("n"));
    expect(failed.message).to.include(
      'no message "n" came besides 3 taken by earlier assertions on "room:lobby", and nothing is in flight',
    );
    expect(failed.message).to.include("n  { n: 2 } ✓");
  });

  it("takes broadcasts too, since the client gets them as messages", async () => {
    const { kit, room } = await newRoom();
    kit.endpoint.broadcast("room:lobby", "news", { n: 1 });
    expect(await room.assertPush("news", { n: 1 })).to.deep.equal({ n: 1 });
  });

  it("takes the end of a channel", async () => {
    const { room } = await newRoom();
    room.push("crash");
    expect(await room.assertPush("phx_error")).to.deep.equal({ reason: "channel_crash" });
  });

  it("waits for what a handler has yet to send", async () => {
    const { kit, room } = await newRoom();
    const pushed = room.assertPush("news");
    setTimeout(() => RoomChannel.gate.open(), 5);
    void RoomChannel.gate.promise.then(() => kit.endpoint.broadcast("room:lobby", "news"));
    room.push("wait");
    await pushed;
  });

  it("waits for a delayed message under the system's clock", async () => {
    class Delayed extends Channel {
      override join() {
        this.sendSelf("late", { after: 10 });
        return ok();
      }
      override handleInfo(message: unknown) {
        this.push("info", { message });
      }
    }
    const room = await newCase()
      .socket(UserSocket, "a", { userId: "a" })
      .subscribeAndJoin(Delayed, "delayed");
    await room.assertPush("info", { message: "late" });
  });

  it("fails with the nearest message: of the event, with the fewest differences", async () => {
    const { kit, room } = await newRoom();
    room.push("push", { event: "msg", body: "ho", user: { id: 1, name: "ada" }, list: [1] });
    room.push("push", { event: "msg", body: "other", user: { id: 2, name: "bob" }, list: [] });
    const failed = await failureOf(
      room.assertPush("msg", {
        body: /^hi/,
        user: { name: "ada", id: (id: number) => id > 1 },
        list: [kit.any()],
      }),
    );
    expect(failed.message).to.include('no message "msg" that matches came on "room:lobby"');
    expect(failed.message).to.include(
      "nearest: msg  { body: 'ho', user: { id: 1, name: 'ada' }, list: [ 1 ] }",
    );
    expect(failed.message).to.include(".body: expected a string that matches /^hi/, got 'ho'");
    expect(failed.message).to.include(".user.id: expected what id() says true to, got 1");
    expect(failed.actual).to.deep.include({ body: "ho", list: [1] });
    expect(failed.expected).to.deep.include({ body: "<a string that matches /^hi/>", list: [1] });
  });

  it("fails with a message of another event, if that one's payload matches", async () => {
    const { room } = await newRoom();
    room.push("push", { event: "new_message", body: "hi" });
    const failed = await failureOf(room.assertPush("new_msg", { body: "hi" }));
    expect(failed.message).to.include('no message "new_msg" came on');
    expect(failed.message).to.include("nearest: new_message  { body: 'hi' }");
  });

  it("leaves what other channels and clients get to them", async () => {
    const { kit, client, room } = await newRoom();
    const other = await client.subscribeAndJoin("room:b");
    const bob = await kit.socket(UserSocket, "user:bob", { userId: "bob" }).subscribeAndJoin("room:lobby");
    bob.push("push", { event: "for_bob" });
    kit.endpoint.broadcast("room:lobby", "for_all");
    await bob.assertPush("for_bob");
    await bob.assertPush("for_all");
    await room.assertPush("for_all");
    await room.refutePush("for_bob");
    await other.refutePush("for_all");
  });

  it("names clients of one id apart in the transcript", async () => {
    const { kit } = await newRoom();
    const second = await kit.socket(UserSocket, "user:ada", { userId: "ada" }).subscribeAndJoin("room:lobby");
    const failed = await failureOf(second.assertPush("x"));
    expect(failed.message).to.match(/→ user:ada {2}room:lobby[\s\S]*→ user:ada#2 {2}room:lobby/);
  });

  it("shows the latest part of a long transcript", async () => {
    const { room } = await newRoom();
    for (let n = 0; n < 100; n++) room.push("push", { event: "n", n });
    const failed = await failureOf(room.assertPush("x"));
    expect(failed.message).to.include("… 142 earlier");
    expect(failed.message).to.include(" 202 ← user:ada  room:lobby  n  { n: 99 }");
    expect(failed.message).not.to.match(/^ *142 /m);
  });
});

describe("refutePush", () => {
  it("passes if no such message has come when all is at rest", async () => {
    const { room } = await newRoom();
    room.push("push", { event: "n", n: 1 });
    await room.refutePush("other");
    await room.refutePush("n", { n: 2 });
    await room.assertPush("n");
    await room.refutePush("n");
  });

  it("fails with a message that has come, or comes while it waits", async () => {
    const { room } = await newRoom();
    room.push("push", { event: "n", n: 1 });
    const failed = await failureOf(room.refutePush("n", { n: Number.isInteger }));
    expect(failed.message).to.match(
      /^refutePush\('n', \{ n: \[Function: isInteger\] \}\): n \{ n: 1 \} came on "room:lobby"/,
    );
    room.push("later", {});
    expect((await failureOf(room.refutePush("info"))).message).to.include("info { message: 'tick' } came");
  });

  it("waits for handlers that are running, and fails if they don't come to an end", async () => {
    const { room } = await newRoom();
    room.push("wait");
    const failed = await failureOf(room.refutePush("x", undefined, { timeout: 5 }));
    expect(failed.message).to.include("not all came to rest within 5 ms, so more may come");
    await room.refutePush("x", undefined, { busy: true });
    setTimeout(() => RoomChannel.gate.open(), 5);
    await room.refutePush("x");
  });
});

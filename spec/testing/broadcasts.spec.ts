import { expect } from "chai";
import { failureOf, newRoom, UserSocket } from "./app.ts";

describe("assertBroadcast", () => {
  it("gives the payload of a broadcast on the topic, whoever sent it", async () => {
    const { kit, room } = await newRoom();
    room.push("new_msg", { body: "hi" });
    expect(await room.assertBroadcast("new_msg", { body: "hi" })).to.deep.equal({ body: "hi", from: "ada" });
    kit.endpoint.broadcast("room:lobby", "news", { n: 1 });
    await room.assertBroadcast("news", { n: 1 });
    room.push("others", { n: 2 });
    await room.assertBroadcast("others", { n: 2 });
  });

  it("takes each broadcast once, for each channel", async () => {
    const { kit, room } = await newRoom();
    const bob = await kit.socket(UserSocket, "user:bob", { userId: "bob" }).subscribeAndJoin("room:lobby");
    kit.endpoint.broadcast("room:lobby", "news");
    await room.assertBroadcast("news");
    await bob.assertBroadcast("news");
    const failed = await failureOf(room.assertBroadcast("news"));
    expect(failed.message).to.include('no broadcast "news" came besides 1 taken by earlier assertions');
    // One broadcast, and one message to each client.
    expect(failed.message.match(/« all {2}room:lobby {2}news/g)).to.have.length(1);
    expect(failed.message.match(/← user:\w+ {2}room:lobby {2}news/g)).to.have.length(2);
  });

  it("fails with the nearest broadcast", async () => {
    const { room } = await newRoom();
    room.push("new_msg", { body: "hi" });
    const failed = await failureOf(room.assertBroadcast("new_msg", { from: "bob" }));
    expect(failed.message).to.include('no broadcast "new_msg" that matches came on "room:lobby"');
    expect(failed.message).to.include(".from: expected 'bob', got 'ada'");
  });

  it("doesn't take what a channel pushes to its client alone", async () => {
    const { room } = await newRoom();
    room.push("push", { event: "mine" });
    await room.assertPush("mine");
    await failureOf(room.assertBroadcast("mine"));
  });
});

describe("broadcastFrom and assertBroadcastFrom", () => {
  it("broadcastFrom reaches all but this client", async () => {
    const { kit, room } = await newRoom();
    const bob = await kit.socket(UserSocket, "user:bob", { userId: "bob" }).subscribeAndJoin("room:lobby");
    room.broadcastFrom("typing", { who: "ada" });
    await bob.assertPush("typing", { who: "ada" });
    await room.refutePush("typing");
  });

  it("assertBroadcastFrom takes only a broadcast that leaves this client out", async () => {
    const { kit, room } = await newRoom();
    const bob = await kit.socket(UserSocket, "user:bob", { userId: "bob" }).subscribeAndJoin("room:lobby");
    kit.endpoint.broadcast("room:lobby", "others", { n: 1 });
    bob.push("others", { n: 2 });
    room.push("others", { n: 3 });
    expect(await room.assertBroadcastFrom("others")).to.deep.equal({ n: 3 });
    expect(await bob.assertBroadcastFrom("others")).to.deep.equal({ n: 2 });
    const failed = await failureOf(room.assertBroadcastFrom("others", { n: 1 }));
    expect(failed.message).to.include('no broadcast from it "others" that matches came');
  });
});

describe("refuteBroadcast", () => {
  it("passes if there was no such broadcast, and fails with the one that was", async () => {
    const { kit, room } = await newRoom();
    await room.refuteBroadcast("news");
    kit.endpoint.broadcast("elsewhere", "news");
    await room.refuteBroadcast("news");
    kit.endpoint.broadcast("room:lobby", "news", { n: 1 });
    await room.refuteBroadcast("news", { n: 2 });
    const failed = await failureOf(room.refuteBroadcast("news", { n: 1 }));
    expect(failed.message).to.match(
      /^refuteBroadcast\('news', \{ n: 1 \}\): news \{ n: 1 \} came on "room:lobby"/,
    );
  });
});

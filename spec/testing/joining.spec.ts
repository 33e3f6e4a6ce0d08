import { expect } from "chai";
import { Channel, ConfigError, ok, Socket, StateError } from "../../lib/index.ts";
import { Gate } from "../support/gate.ts";
import { failureOf, newCase, newRoom, RoomChannel, UserSocket } from "./app.ts";

describe("subscribeAndJoin", () => {
  it("gives the channel, its assigns and the join's reply", async () => {
    const { room, client } = await newRoom();
    expect(room.topic).to.equal("room:lobby");
    expect(room.joinRef).to.equal("1");
    expect(room.joinReply).to.deep.equal({ room: "lobby" });
    expect(room.channel).to.be.instanceOf(RoomChannel);
    expect(room.channel.joinRef).to.equal("1");
    expect(room.assigns).to.deep.equal({ userId: "ada", room: "lobby" });
    expect(room.socket).to.equal(client);
  });

  it("finds the class by the topic, if none is named", async () => {
    const kit = newCase();
    const room = await kit
      .socket(UserSocket, "a", { userId: "a" })
      .subscribeAndJoin("room:9", { greet: true });
    expect(room.channel).to.be.instanceOf(RoomChannel);
    expect(await room.assertPush("info")).to.deep.equal({ message: "greet" });
  });

  it("takes a class that the socket doesn't route, for this client alone", async () => {
    class Other extends Channel<{ other: true }> {
      override join(topic: string) {
        this.assigns.other = true;
        return ok({ other: topic });
      }
    }
    const kit = newCase();
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    expect((await client.subscribeAndJoin(Other, "unrouted")).joinReply).to.deep.equal({ other: "unrouted" });
    expect((await client.subscribeAndJoin(Other, "room:a")).assigns.other).to.equal(true);
    const next = kit.socket(UserSocket, "b", { userId: "b" });
    expect((await next.subscribeAndJoin("room:a")).channel).to.be.instanceOf(RoomChannel);
    expect(await next.join("unrouted")).to.deep.include({
      status: "error",
      payload: { reason: "unmatched topic" },
    });
  });

  it("keeps the assigns of the route, if the class named is the route's", async () => {
    class Doc extends Channel<{ db: string }> {
      override join() {
        return ok({ db: this.assigns.db });
      }
    }
    class DocSocket extends Socket {
      static override channels = { "doc:*": { channel: Doc, assigns: { db: "main" } } };
    }
    const room = await newCase().socket(DocSocket).subscribeAndJoin(Doc, "doc:1");
    expect(room.joinReply).to.deep.equal({ db: "main" });
  });

  it("fails with the reply if the join is refused", async () => {
    const client = newCase().socket(UserSocket, "a", { userId: "a" });
    const failed = await failureOf(client.subscribeAndJoin(RoomChannel, "room:a", { token: "wrong" }));
    expect(failed.message).to.include(
      "subscribeAndJoin('room:a'): the join was refused: { reason: 'unauthorized' }",
    );
    expect(failed.message).to.match(/→ a {2}room:a {2}phx_join \(ref 1\) {2}\{ token: '\[FILTERED\]' \}/);
    expect(failed.actual).to.deep.equal({ status: "error", payload: { reason: "unauthorized" } });
  });

  it("fails with what is at work if the join isn't answered", async () => {
    const gate = new Gate<ReturnType<typeof ok>>();
    class Slow extends Channel {
      override join() {
        return gate.promise;
      }
    }
    const client = newCase({ timeout: 10 }).socket(UserSocket, "a", { userId: "a" });
    const failed = await failureOf(client.subscribeAndJoin(Slow, "slow"));
    expect(failed.message).to.include("subscribeAndJoin('slow'): the join wasn't answered");
    expect(failed.message).to.include("join of Slow on slow hasn't answered");
    gate.open(ok());
  });

  it("refuses a class that is no channel, and a topic that is none", async () => {
    const client = newCase().socket(UserSocket, "a", { userId: "a" });
    const thrown = await client
      .subscribeAndJoin(UserSocket as never, "room:a")
      .catch((error: unknown) => error);
    expect((thrown as ConfigError).code).to.equal("invalid_channel");
    const topicless = await client.subscribeAndJoin(RoomChannel, 7 as never).catch((error: unknown) => error);
    expect((topicless as ConfigError).code).to.equal("invalid_argument");
  });

  it("joins again: the old channel ends as replaced", async () => {
    const { kit, room, client } = await newRoom();
    const again = await client.subscribeAndJoin("room:lobby");
    expect(again.joinRef).to.equal("2");
    await room.assertPush("phx_close");
    await again.refutePush("phx_close");
    await again.assertReply(again.push("echo"), "ok");
    kit.endpoint.broadcast("room:lobby", "news");
    await again.assertPush("news");
    await room.refutePush("news");
    // What the old one sends is stale, and isn't answered.
    await room.refuteReply(room.push("echo"));
  });
});

describe("join", () => {
  it("gives the reply and the channel", async () => {
    const client = newCase().socket(UserSocket, "a", { userId: "a" });
    const outcome = await client.join(RoomChannel, "room:a");
    expect(outcome.status).to.equal("ok");
    expect(outcome.payload).to.deep.equal({ room: "a" });
    if (outcome.status === "ok") expect(outcome.channel.assigns.room).to.equal("a");
  });

  it("gives the reply of a join that is refused, and no channel", async () => {
    const kit = newCase();
    const client = kit.socket(UserSocket, "a", { userId: "a" });
    expect(await client.join(RoomChannel, "room:a", { token: "wrong" })).to.deep.equal({
      status: "error",
      payload: { reason: "unauthorized" },
      channel: null,
    });
    expect(kit.endpoint.stats()).to.include({ channels: 0, topics: 1 });
  });
});

describe("leave and close", () => {
  it("leave is answered ok, and phx_close follows", async () => {
    const { kit, room } = await newRoom();
    const ended: unknown[] = [];
    kit.endpoint.subscribe("ends", ({ payload }) => ended.push(payload));
    await room.assertReply(room.leave(), "ok", {});
    await room.assertPush("phx_close");
    await kit.settle();
    expect(ended).to.deep.equal([{ topic: "room:lobby", kind: "left" }]);
    expect(await room.assertReply(room.push("echo"), "error")).to.deep.equal({ reason: "unmatched topic" });
  });

  it("close ends all channels of the client, and resolves when terminate has run", async () => {
    const { kit, client, room } = await newRoom();
    await client.subscribeAndJoin("room:b");
    const ended: unknown[] = [];
    kit.endpoint.subscribe("ends", ({ payload }) => ended.push(payload));
    await room.close();
    expect(ended).to.deep.equal([
      { topic: "room:lobby", kind: "closed" },
      { topic: "room:b", kind: "closed" },
    ]);
    expect(client.closed).to.deep.equal({ code: 1000, reason: "" });
    expect(kit.endpoint.stats()).to.include({ connections: 0, channels: 0 });
    expect(() => room.push("echo")).to.throw(StateError, "the connection of user:ada was closed with 1000");
    await client.close();
  });

  it("assertClosed gives code and reason, and fails if they are others, or the connection is open", async () => {
    const { room, client } = await newRoom();
    const open = await failureOf(client.assertClosed());
    expect(open.message).to.include("assertClosed(): the connection of user:ada is open");
    room.channel.socket.disconnect("go away");
    expect(await client.assertClosed(1001)).to.deep.equal({ code: 1001, reason: "go away" });
    const other = await failureOf(client.assertClosed(1000));
    expect(other.message).to.include("the connection of user:ada was closed with 1001");
    expect([other.actual, other.expected]).to.deep.equal([1001, 1000]);
    expect(other.message).to.include("! user:ada closed by the server with 1001 (go away)");
  });

  it("close takes a close code", async () => {
    const { client } = await newRoom();
    const wrong = await client.close(7).catch((error: unknown) => error);
    expect(wrong).to.be.instanceOf(ConfigError);
    await client.close(4001);
    expect(client.closed?.code).to.equal(4001);
  });
});

import { expect } from "chai";
import { ConfigError, ok, StateError } from "../../lib/index.ts";
import { failureOf, newRoom, RoomChannel } from "./app.ts";

describe("assertReply", () => {
  it("gives the payload, and takes a part of it as the pattern", async () => {
    const { kit, room } = await newRoom();
    const ref = room.push("new_msg", { body: "hi" });
    expect(await room.assertReply(ref, "ok", { id: kit.any(String) })).to.deep.equal({
      id: "m1",
      at: 7,
      body: "hi",
    });
    expect(await room.assertReply(room.push("fail"), "error")).to.deep.equal({ reason: "no" });
    expect(await room.assertReply(room.push("stop"), "bye", { n: 1 })).to.deep.equal({ n: 1 });
  });

  it("brings any JSON value there and back, encoded as on the wire", async () => {
    const { room } = await newRoom();
    for (const value of [
      "text",
      7,
      null,
      [1, { a: [] }],
      { date: new Date(0) },
      "é\u0000",
      { __proto__: null, a: 1 },
    ]) {
      const back = await room.assertReply(room.push("echo", value), "ok");
      expect(back).to.deep.equal(JSON.parse(JSON.stringify(value)));
    }
    expect(await room.assertReply(room.push("echo"), "ok")).to.deep.equal({});
  });

  it("brings bytes there and back", async () => {
    const { room } = await newRoom();
    const bytes = new Uint8Array([0, 1, 2, 255]);
    expect(await room.assertReply(room.push("bytes", bytes), "ok", bytes)).to.deep.equal(bytes);
    expect(await room.assertPush("bytes", new Uint8Array([0, 1, 2, 255]))).to.deep.equal(bytes);
    await room.assertPush("all_bytes", bytes);
    await room.assertBroadcast("all_bytes", bytes);
    expect(() => room.push("x".repeat(256), bytes)).to.throw(ConfigError, "names of at most 255 bytes");
  });

  it("tells pushes apart by ref, in any order", async () => {
    const { room } = await newRoom();
    const [first, second] = [room.push("echo", { n: 1 }), room.push("echo", { n: 2 })];
    await room.assertReply(second, "ok", { n: 2 });
    await room.assertReply(first, "ok", { n: 1 });
    await room.assertReply(first, "ok", { n: 1 });
  });

  it("fails at once on another status, with both", async () => {
    const { room } = await newRoom();
    const failed = await failureOf(room.assertReply(room.push("fail"), "ok"));
    expect(failed.message).to.include(
      'assertReply(\'2\', \'ok\'): "fail" on "room:lobby" was answered with "error"',
    );
    expect(failed.message).to.include("nearest: reply error  { reason: 'no' }");
    expect(failed.operator).to.equal("assertReply");
  });

  it("fails at once on another payload, with what differs", async () => {
    const { kit, room } = await newRoom();
    const failed = await failureOf(
      room.assertReply(room.push("new_msg", { body: "hi", tags: ["a", "b"] }), "ok", {
        id: kit.any(Number),
        body: "ho",
        tags: ["a", "c"],
      }),
    );
    expect(failed.message).to.include("was answered with another payload");
    expect(failed.message).to.include(".id: expected any Number, got 'm1'");
    expect(failed.message).to.include(".body: expected 'ho', got 'hi'");
    expect(failed.message).to.include(".tags[1]: expected 'c', got 'b'");
    // So that a runner's diff shows these and nothing else.
    expect(failed.actual).to.deep.equal({ id: "m1", at: 7, body: "hi", tags: ["a", "b"] });
    expect(failed.expected).to.deep.equal({ id: "<any Number>", at: 7, body: "ho", tags: ["a", "c"] });
  });

  it("fails as soon as all is at rest without a reply, with the transcript", async () => {
    const { room } = await newRoom({ timeout: 60_000 });
    const failed = await failureOf(room.assertReply(room.push("silent"), "ok"));
    expect(failed.message).to.include('"silent" on "room:lobby" wasn\'t answered, and nothing is in flight');
    expect(failed.message).to.match(
      /1 → .*phx_join.*\n.*2 ← .*reply to ref 1: ok.*\n.*3 → .*silent \(ref 2\)/,
    );
  });

  it("shows the app's crash in the transcript, and as the cause", async () => {
    const { room } = await newRoom();
    const failed = await failureOf(room.assertReply(room.push("crash"), "ok"));
    expect(failed.message).to.match(
      /! handleIn of RoomChannel on room:lobby crashed: Error: boom\n.*app\.ts/,
    );
    expect(failed.message).to.include("phx_error  { reason: 'channel_crash' }");
    expect((failed.cause as Error).message).to.equal("boom");
  });

  it("waits for a handler that is running, and fails at the timeout with what it waits for", async () => {
    const { room } = await newRoom();
    const ref = room.push("wait");
    const failed = await failureOf(room.assertReply(ref, "ok", undefined, { timeout: 10 }));
    expect(failed.message).to.include('"wait" on "room:lobby" wasn\'t answered\n');
    expect(failed.message).to.include(
      'still in flight:\n  handleIn("wait") of RoomChannel on room:lobby is running',
    );
    const reply = room.assertReply(ref, "ok", { waited: true });
    RoomChannel.gate.open();
    await reply;
  });

  it("waits for a deferred reply, whether the app has given a promise or holds the function", async () => {
    const { room } = await newRoom();
    const promised = room.push("defer_promise");
    const held = room.push("defer");
    const failed = await failureOf(room.assertReply(promised, "ok", undefined, { timeout: 5 }));
    expect(failed.message).to.include("1 deferred reply(s) of RoomChannel on room:lobby are pending");
    const replies = Promise.all([
      room.assertReply(promised, "ok", { deferred: true }),
      room.assertReply(held, "ok", { held: true }),
    ]);
    RoomChannel.gate.open();
    setTimeout(() => RoomChannel.answers[0]?.(ok({ held: true })), 5);
    await replies;
    const again = room.push("defer");
    const unheld = await failureOf(room.assertReply(again, "ok", undefined, { timeout: 5 }));
    expect(unheld.message).to.include("a deferred reply is in the app's hands");
  });

  it("refuses a ref that isn't its own, and options that it doesn't know", async () => {
    const { room, client } = await newRoom();
    const other = await client.subscribeAndJoin("room:b");
    const ref = other.push("echo");
    const wrong = await room.assertReply(ref, "ok").catch((error: unknown) => error);
    expect(wrong).to.be.instanceOf(ConfigError);
    expect((wrong as ConfigError).message).to.include(
      'the ref that push or leave of this channel returned, got "3"',
    );
    const unknown = await other
      .assertReply(ref, "ok", {}, { within: 1 } as never)
      .catch((error: unknown) => error);
    expect((unknown as ConfigError).code).to.equal("unknown_option");
  });
});

describe("refuteReply", () => {
  it("passes if no reply has come, or another one", async () => {
    const { room } = await newRoom();
    await room.refuteReply(room.push("silent"));
    const ref = room.push("new_msg", { body: "hi" });
    await room.refuteReply(ref, "error");
    await room.refuteReply(ref, "ok", { body: "ho" });
  });

  it("fails with the reply", async () => {
    const { room } = await newRoom();
    const ref = room.push("new_msg", { body: "hi" });
    const failed = await failureOf(room.refuteReply(ref));
    expect(failed.message).to.include("refuteReply('2'): was answered ok { id: 'm1', at: 7, body: 'hi' }");
    await failureOf(room.refuteReply(ref, "ok"));
    await failureOf(room.refuteReply(ref, "ok", { body: "hi" }));
  });

  it("passes while the answer is in the app's hands", async () => {
    const { room } = await newRoom();
    const ref = room.push("defer");
    await room.refuteReply(ref);
    RoomChannel.answers[0]?.(ok());
    await room.assertReply(ref, "ok");
  });

  it("fails while a handler is running, unless the test says that it may", async () => {
    const { room } = await newRoom();
    const ref = room.push("wait");
    const failed = await failureOf(room.refuteReply(ref, undefined, undefined, { timeout: 5 }));
    expect(failed.message).to.include("not all came to rest within 5 ms");
    expect(failed.message).to.include('handleIn("wait") of RoomChannel on room:lobby is running');
    expect(failed.message).to.include("{busy: true}");
    await room.refuteReply(ref, undefined, undefined, { busy: true });
    RoomChannel.gate.open();
    await failureOf(room.refuteReply(ref));
  });
});

describe("a client's push", () => {
  it("needs an event, and an open connection", async () => {
    const { room, client } = await newRoom();
    expect(() => room.push(7 as never)).to.throw(ConfigError);
    await client.close();
    expect(() => room.push("echo")).to.throw(StateError);
  });
});

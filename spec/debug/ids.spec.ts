import { expect } from "chai";
import { turn } from "../support/gate.ts";
import { kinds, ofEvent, only, serveRooms } from "./rooms.ts";

/** Ada, who sends, and Bob, who is in the same room, with a trace. */
async function serveTwo() {
  const rooms = await serveRooms();
  const ada = await rooms.client("ada", "room:a");
  const bob = await rooms.client("bob", "room:a");
  return { ...rooms, ada, bob, trace: rooms.endpoint.trace() };
}

const SHOUTED = ["broadcast: shouted", "frame_out: broadcast", "frame_out: broadcast"];

describe("the id of a message", () => {
  it("goes on to the broadcast of its handler, and to each frame of that", async () => {
    const { trace, ada, bob } = await serveTwo();
    ada.send(["1", "2", "room:a", "shout", { a: 1 }]);
    await bob.next();
    const steps = ofEvent(trace.take(), "shout");
    expect(kinds(steps).slice(4)).to.deep.equal([...SHOUTED, "handled handleIn: noreply"]);
    expect(only(steps, "broadcast")).to.deep.include({
      topic: "room:a",
      payload: { a: 1 },
      receivers: 2,
      deliveries: { sent: 2 },
      skipped: [],
    });
    const outs = steps.filter(({ step }) => step === "frame_out");
    expect(outs.map(({ connection, socketId }) => [connection, socketId])).to.deep.equal([
      [1, "user:ada"],
      [2, "user:bob"],
    ]);
  });

  for (const [event, how] of [
    ["shout_later", "the channel's broadcast"],
    ["shout_by_endpoint", "the endpoint's broadcast"],
  ]) {
    it(`goes on through an asynchronous handler, to ${how}`, async () => {
      const { trace, ada, bob, gate } = await serveTwo();
      ada.send(["1", "2", "room:a", event, {}]);
      await ada.settle();
      gate.open();
      await bob.next();
      await turn();
      const steps = ofEvent(trace.take(), String(event));
      expect(kinds(steps).slice(3, 7)).to.deep.equal(["handling handleIn", ...SHOUTED]);
    });
  }

  it("goes on to a deferred reply", async () => {
    const { trace, ada, gate } = await serveTwo();
    ada.send(["1", "2", "room:a", "defer", {}]);
    await ada.settle();
    gate.open();
    await ada.next();
    expect(kinds(ofEvent(trace.take(), "defer")).slice(3)).to.deep.equal([
      "handling handleIn",
      "deferred",
      "handled handleIn: noreply",
      "reply: ok",
      "frame_out: reply",
    ]);
  });

  for (const [event, advance] of [
    ["to_self", 0],
    ["to_self_later", 1_000],
  ] as const) {
    it(`goes on to handleInfo, by ${event}, and to what that broadcasts`, async () => {
      const { trace, ada, bob, clock } = await serveTwo();
      ada.send(["1", "2", "room:a", event, {}]);
      await ada.settle();
      clock.advance(advance);
      await bob.next();
      const steps = ofEvent(trace.take(), event);
      expect(kinds(steps).slice(3)).to.deep.equal([
        "handling handleIn",
        "handled handleIn: noreply",
        "handling handleInfo",
        "broadcast: from_info",
        "frame_out: broadcast",
        "frame_out: broadcast",
        "handled handleInfo: noreply",
      ]);
    });
  }

  it("goes on to the interceptions of a broadcast, and to what they push", async () => {
    const { trace, ada, bob } = await serveTwo();
    ada.send(["1", "2", "room:a", "intercept", {}]);
    await bob.next();
    await ada.next();
    const steps = ofEvent(trace.take(), "intercept");
    expect(only(steps, "broadcast")).to.deep.include({
      receivers: 0,
      deliveries: { intercepted: 2 },
      skipped: [
        { connection: 1, socketId: "user:ada", why: "intercepted" },
        { connection: 2, socketId: "user:bob", why: "intercepted" },
      ],
    });
    const pushed = steps.filter(({ step }) => step === "handling" || step === "push");
    expect(pushed.map(({ step, event, socketId }) => `${step} ${event} ${socketId}`)).to.have.members([
      "handling intercept user:ada",
      "handling intercepted user:ada",
      "push intercepted user:ada",
      "handling intercepted user:bob",
      "push intercepted user:bob",
    ]);
  });

  it("is one for each message, also of handlers that overlap", async () => {
    const { trace, gate, client } = await serveTwo();
    const clients = await Promise.all(["c", "d", "e"].map((user) => client(user, "room:b")));
    trace.take();
    for (const peer of clients) peer.send(["1", "2", "room:b", "shout_later", {}]);
    for (const peer of clients) await peer.settle();
    gate.open();
    for (const peer of clients) await peer.take(4);
    const steps = trace.take();
    const decoded = steps.filter((step) => step.step === "decoded" && step.event === "shout_later");
    expect(new Set(decoded.map(({ id }) => id)).size).to.equal(3);
    for (const { id, socketId } of decoded) {
      const own = steps.filter((step) => step.id === id);
      expect(kinds(own)).to.deep.equal([
        "frame_in",
        "decoded",
        "routed to channel",
        "handling handleIn",
        "broadcast: shouted",
        ...Array(3).fill("frame_out: broadcast"),
        "handled handleIn: ok",
        "reply: ok",
        "frame_out: reply",
      ]);
      expect(only(own, "reply").socketId).to.equal(socketId);
    }
  });

  it("is a new one for what the app broadcasts of its own accord", async () => {
    const { trace, endpoint, bob } = await serveTwo();
    endpoint.broadcast("room:a", "news", { a: 1 });
    endpoint.broadcast("room:a", "news", { a: 2 });
    endpoint.broadcast("room:nobody", "news");
    await bob.next();
    const steps = trace.take();
    const broadcasts = steps.filter((step) => step.step === "broadcast");
    expect(new Set(broadcasts.map(({ id }) => id)).size).to.equal(3);
    expect(broadcasts.map(({ receivers }) => receivers)).to.deep.equal([2, 2, 0]);
  });

  it("is that of the second join for the end of the channel that it replaces", async () => {
    const { trace, ada } = await serveTwo();
    await ada.join("room:a", {}, "9");
    await ada.next();
    const join = ofEvent(trace.take(), "phx_join");
    expect(kinds(join)).to.include.members([
      "ended: replaced",
      "handling join",
      "reply: ok",
      "push: phx_close",
    ]);
  });
});

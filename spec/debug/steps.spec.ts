import { expect } from "chai";
import { connect, refused } from "../support/client.ts";
import { kinds, ofEvent, only, serveRooms } from "./rooms.ts";

/** What all steps of ada's first connection say. */
const whom = { connection: 1, socketId: "user:ada", transport: "websocket" };

describe("the steps of a trace", () => {
  it("tell all of a message that is answered at once", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    await ada.ask("1", "2", "room:a", "echo", { n: 1 });
    const steps = trace.take();
    const [first] = steps;
    const message = { topic: "room:a", joinRef: "1", ref: "2", event: "echo" };
    const called = { ...message, callback: "handleIn", channel: "Room" };
    const frameIn = '["1","2","room:a","echo",{"n":1}]';
    const frameOut = '["1","2","room:a","phx_reply",{"status":"ok","response":{"n":1}}]';
    expect(steps).to.deep.equal(
      [
        { step: "frame_in", size: frameIn.length, binary: false },
        { step: "decoded", ...message, payload: { n: 1 } },
        { step: "routed", to: "channel", ...message, channel: "Room", waiting: 0 },
        { step: "handling", ...called, waited: 0 },
        { step: "handled", ...called, result: "ok", duration: 0 },
        { step: "reply", topic: "room:a", joinRef: "1", ref: "2", status: "ok", payload: { n: 1 } },
        { step: "frame_out", of: "reply", topic: "room:a", size: frameOut.length, binary: false },
      ].map((step, i) => ({ seq: (first?.seq ?? 0) + i, at: 0, id: first?.id, ...whom, ...step })),
    );
  });

  it("tell of clients that are let in, and of those that aren't, with secrets hidden", async () => {
    const { endpoint, url } = await serveRooms();
    const trace = endpoint.trace();
    await connect(url, "vsn=2.0.0&user=ada&token=t");
    await refused(url, "vsn=2.0.0&user=mallory");
    await refused(url, "vsn=9.0.0");
    const [connected, byApp, byVersion] = trace.take();
    expect(connected).to.include({ step: "connected", socket: "UserSocket", ...whom });
    expect(connected).to.have.deep.property("params", { vsn: "2.0.0", user: "ada", token: "[FILTERED]" });
    expect(byApp).to.include({ step: "refused", code: "connect", status: 403, connection: null });
    expect(byApp).to.have.deep.property("reason", { banned: true, password: "[FILTERED]" });
    expect(byVersion).to.include({ step: "refused", code: "vsn", status: 403 });
    expect(byVersion).to.have.deep.property("details", { vsn: '"9.0.0"', spoken: "1.0.0, 2.0.0" });
  });

  it("tell of a join: what waits at its door, its outcome, and what comes after", async () => {
    const { endpoint, client, gate, clock } = await serveRooms();
    const ada = await client("ada");
    const trace = endpoint.trace();
    ada.send(["1", "1", "room:slow", "phx_join", {}]);
    ada.send(["1", "2", "room:slow", "echo", {}]);
    await ada.settle();
    clock.advance(70);
    gate.open();
    await ada.take(2);
    const steps = trace.take();
    expect(kinds(ofEvent(steps, "phx_join"))).to.deep.equal([
      "frame_in",
      "decoded",
      "routed to join",
      "handling join",
      "handled join: ok",
      "joined: ok",
      "reply: ok",
      "frame_out: reply",
    ]);
    const echo = ofEvent(steps, "echo");
    expect(kinds(echo)).to.deep.equal([
      "frame_in",
      "decoded",
      "routed to door",
      "routed to channel",
      "handling handleIn",
      "handled handleIn: ok",
      "reply: ok",
      "frame_out: reply",
    ]);
    expect(only(echo, "handling").waited).to.equal(70);
    expect(only(ofEvent(steps, "phx_join"), "handled").duration).to.equal(70);
  });

  it("tell how long a message waited behind a slow handler", async () => {
    const { endpoint, client, gate, clock } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    for (const [ref, event] of [
      ["2", "later"],
      ["3", "echo"],
      ["4", "echo"],
    ]) {
      ada.send(["1", ref, "room:a", event, {}]);
    }
    await ada.settle();
    clock.advance(40);
    gate.open();
    await ada.take(3);
    const steps = trace.take();
    const waiting = steps.flatMap((step) => (step.step === "routed" ? (step.waiting ?? []) : []));
    expect(waiting).to.deep.equal([0, 0, 1]);
    const waited = steps.flatMap((step) => (step.step === "handling" ? step.waited : []));
    expect(waited).to.deep.equal([0, 40, 40]);
  });

  const NOWHERE: [what: string, frame: unknown[], steps: string[]][] = [
    [
      "a join that no channel matches",
      ["1", "2", "hall:a", "phx_join", {}],
      ["unrouted: unmatched_topic", "denied: unmatched_topic", "reply: error", "frame_out: reply"],
    ],
    [
      "a message to a topic that isn't joined",
      ["1", "2", "room:b", "echo", {}],
      ["unrouted: not_joined", "denied: unmatched_topic", "reply: error", "frame_out: reply"],
    ],
    ["a message of an earlier join", ["0", "2", "room:a", "echo", {}], ["unrouted: stale"]],
    [
      "a leave of what isn't joined",
      ["1", "2", "room:b", "phx_leave", {}],
      ["routed to leave", "reply: ok", "frame_out: reply"],
    ],
    [
      "a heartbeat",
      [null, "2", "phoenix", "heartbeat", {}],
      ["routed to heartbeat", "reply: ok", "frame_out: reply"],
    ],
  ];
  for (const [what, frame, expected] of NOWHERE) {
    it(`tell why ${what} goes no further`, async () => {
      const { endpoint, client } = await serveRooms();
      const ada = await client("ada", "room:a");
      const trace = endpoint.trace({ connection: 1 });
      ada.send(frame);
      await ada.settle();
      const [first, ...rest] = trace.take();
      const own = [first, ...rest].filter((step) => step !== undefined && step.id === first?.id);
      expect(kinds(own as never)).to.deep.equal(["frame_in", "decoded", ...expected]);
    });
  }

  it("tell of a join over the limit, and of a message over the rate", async () => {
    const { endpoint, client } = await serveRooms({
      maxChannels: 1,
      rateLimit: { limit: 3, interval: 1_000 },
    });
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    await ada.join("room:b", {}, "2");
    await ada.ask("1", "3", "room:a", "echo");
    await ada.ask("1", "4", "room:a", "echo");
    const all = kinds(trace.take());
    expect(all).to.include.members(["unrouted: too_many_channels", "denied: too_many_channels_joined"]);
    expect(all.slice(-6)).to.deep.equal([
      "frame_in",
      "decoded",
      "unrouted: rate_limited",
      "denied: rate_limited",
      "reply: error",
      "frame_out: reply",
    ]);
  });

  it("tell of error replies and crashes, with secrets hidden", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    await ada.ask("1", "2", "room:a", "deny", { password: "p", name: "ada" });
    const denied = trace.take();
    expect(only(denied, "decoded").payload).to.deep.equal({ password: "[FILTERED]", name: "ada" });
    expect(only(denied, "reply").payload).to.deep.equal({ reason: "not today", token: "[FILTERED]" });
    expect(only(denied, "denied")).to.include({ code: "error", reason: "not today", channel: "Room" });
    await ada.ask("1", "3", "room:a", "boom");
    await ada.settle();
    const crashed = ofEvent(trace.take(), "boom");
    expect(kinds(crashed)).to.deep.equal([
      "frame_in",
      "decoded",
      "routed to channel",
      "handling handleIn",
      "handled handleIn: crash",
      "crashed: handleIn",
      "ended: error",
      "push: phx_error",
      "frame_out: push",
      "handling terminate",
      "handled terminate: noreply",
    ]);
    expect(only(crashed, "crashed").error).to.deep.equal({ name: "TypeError", message: "boom" });
    expect(crashed[4]).to.have.deep.property("error", { name: "TypeError", message: "boom" });
  });

  it("tell of a close, by whom, and of the channels that it ends", async () => {
    const { endpoint, client, terminated, clock } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    endpoint.disconnect("user:ada");
    await ada.closed;
    await terminated.reaches(1);
    const steps = trace.take();
    expect(only(steps, "closed")).to.include({ code: "disconnect", status: 1001, reason: "", ...whom });
    expect(kinds(steps.filter(({ id }) => id === only(steps, "closed").id))).to.deep.equal([
      "closed: disconnect",
      "ended: closed",
      "broadcast: disconnect",
      "handling terminate",
      "handled terminate: noreply",
    ]);
    const idle = await client("idle", "room:a");
    trace.take();
    clock.advance(60_000);
    await idle.closed;
    await terminated.reaches(2);
    const ended = trace.take();
    expect(only(ended, "ended")).to.include({ kind: "closed", reason: "idle timeout" });
    expect(only(ended, "ended").id).to.equal(only(ended, "closed").id);
    const bob = await client("bob", "room:a");
    trace.take();
    await bob.close(1000);
    await terminated.reaches(3);
    const left = trace.take();
    expect(only(left, "closed")).to.include({ code: "client", status: 1000, socketId: "user:bob" });
    expect(only(left, "ended")).to.include({ kind: "closed", reason: "1000", id: only(left, "closed").id });
  });

  it("tell of a frame that isn't a message, without what it said", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    ada.send('["1", "my password"');
    await ada.closed;
    const steps = trace.take();
    expect(kinds(steps).slice(0, 2)).to.deep.equal(["frame_in", "closed: malformed"]);
    expect(JSON.stringify(steps)).not.to.include("my password");
  });

  it("tell of binary frames, and show bytes by their number", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    ada.send(
      Buffer.concat([Uint8Array.of(0, 1, 1, 6, 4), Buffer.from("12room:aecho"), Uint8Array.of(7, 7, 7)]),
    );
    await ada.next();
    const steps = trace.take();
    expect(only(steps, "frame_in")).to.include({ size: 20, binary: true });
    expect(only(steps, "decoded").payload).to.equal("<3 bytes>");
    expect(only(steps, "reply").payload).to.equal("<3 bytes>");
    expect(only(steps, "frame_out").binary).to.equal(true);
  });

  it("tell of replies that come too late for their client", async () => {
    const { endpoint, client, gate, terminated } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    ada.send(["1", "2", "room:a", "later", {}]);
    await ada.settle();
    await ada.close();
    gate.open();
    await terminated.reaches(1);
    expect(kinds(ofEvent(trace.take(), "later")).slice(-3)).to.deep.equal([
      "handled handleIn: ok",
      "reply: ok",
      "lost: closed",
    ]);
  });
});

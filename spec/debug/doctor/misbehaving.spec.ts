import { expect } from "chai";
import { ManualClock } from "../../support/manual-clock.ts";
import { type Behaviour, handServer } from "../support/hand-server.ts";
import { listenTcp } from "../support/listen.ts";
import { doctor, expectFault, run } from "../support/run.ts";

const TOPIC = ["--topic", "room:a"];
const TIMEOUT = 10_000;

describe("doctor: a server that isn't ours", () => {
  it("is healthy where the server is", async () => {
    const { url } = await handServer();
    expect((await doctor([url, ...TOPIC, "--push", "echo", "{}", "--expect", "echo"])).healthy).to.equal(
      true,
    );
  });

  /** A server that misbehaves at one event. */
  function misbehaving(event: string, behaviour: Behaviour) {
    return handServer((received) => {
      if (received.event !== event) return false;
      behaviour(received);
      return true;
    });
  }

  /** A server that doesn't answer an event: time passes there. */
  async function silentAt(event: string) {
    const clock = new ManualClock();
    const { url } = await misbehaving(event, () => clock.advance(TIMEOUT));
    return { url, clock };
  }

  it("1. never answers the join", async () => {
    const { url, clock } = await silentAt("phx_join");
    await expectFault("join_timeout", "join", [url, ...TOPIC], ["no answer to the join"], { clock });
  });

  it("2. answers nothing at all", async () => {
    const clock = new ManualClock();
    const { url } = await handServer(() => {
      clock.advance(TIMEOUT);
      return true;
    });
    await expectFault("heartbeat_unanswered", "join", [url, ...TOPIC], ["nor to a heartbeat"], { clock });
  });

  it("3. answers no heartbeat", async () => {
    const { url, clock } = await silentAt("heartbeat");
    const words = ["no answer to a heartbeat within 10 seconds"];
    await expectFault("heartbeat_unanswered", "heartbeat", [url, ...TOPIC], words, { clock });
  });

  it("4. breaks the connection", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => ws.terminate());
    await expectFault("connection_lost", "join", [url, ...TOPIC], ["without a close frame"]);
  });

  it("5. breaks the connection as soon as it is open", async () => {
    const { url } = await handServer(
      () => true,
      (ws) => ws.terminate(),
    );
    await expectFault("connection_lost", "join", [url, ...TOPIC]);
  });

  it("6. can't decode the frames, and says so", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => ws.close(1003, "binary only"));
    await expectFault("frame_refused", "join", [url, ...TOPIC], ["1003", "binary only"]);
  });

  it("7. echoes", async () => {
    const { url } = await misbehaving("phx_join", ({ ws, frame }) => ws.send(JSON.stringify(frame)));
    await expectFault("not_phoenix", "join", [url, ...TOPIC], ["phx_join comes back"]);
  });

  it("8. speaks another protocol", async () => {
    const { url } = await handServer(
      () => true,
      (ws) => ws.send('0{"sid":"abc","upgrades":[]}'),
    );
    await expectFault("not_phoenix", "join", [url, ...TOPIC], ["sid"]);
  });

  it("9. answers in version 1", async () => {
    const { url } = await misbehaving("phx_join", ({ ws, frame: [, ref, topic] }) =>
      ws.send(JSON.stringify({ ref, topic, event: "phx_reply", payload: { status: "ok", response: {} } })),
    );
    await expectFault("version_ignored", "join", [url, ...TOPIC], ["phx_reply"]);
  });

  it("10. returns a string ref as a number", async () => {
    const clock = new ManualClock();
    const { url } = await handServer(({ event, ws, frame: [joinRef, ref, topic] }) => {
      if (event === "heartbeat") clock.advance(TIMEOUT);
      if (event !== "phx_join") return false;
      ws.send(JSON.stringify([joinRef, Number(ref), topic, "phx_reply", { status: "ok", response: {} }]));
      // Behind it on the wire: the client has the reply when it gets the ping.
      ws.once("pong", () => clock.advance(TIMEOUT));
      ws.ping();
      return true;
    });
    await expectFault("reply_misaddressed", "join", [url, ...TOPIC], ["the ref 1, which nobody"], { clock });
  });

  it("11. answers with a status of its own", async () => {
    const { url } = await misbehaving("phx_join", ({ ws, frame: [joinRef, ref, topic] }) =>
      ws.send(JSON.stringify([joinRef, ref, topic, "phx_reply", { status: "welcome", response: {} }])),
    );
    const report = await expectFault("unknown", "join", [url, ...TOPIC], ["welcome"]);
    expect(report.trace?.map(({ direction, event }) => `${direction} ${event}`)).to.deep.equal([
      "out phx_join",
      "in phx_reply",
    ]);
  });

  it("12. crashes the channel behind the join", async () => {
    const { url } = await handServer(({ event, reply, push }) => {
      if (event === "phx_join") {
        reply("ok");
        push("phx_error", {});
        return true;
      }
      if (event === "echo") reply("error", { reason: "unmatched topic" });
      return event === "echo";
    });
    const argv = [url, ...TOPIC, "--push", "echo"];
    await expectFault("channel_crashed", "push", argv, ["phx_error came before it"]);
  });

  it("13. has forgotten the channel", async () => {
    const { url } = await misbehaving("echo", ({ reply }) => reply("error", { reason: "unmatched topic" }));
    await expectFault("channel_gone", "push", [url, ...TOPIC, "--push", "echo"], ["unmatched topic"]);
  });

  it("14. answers no leave", async () => {
    const { url, clock } = await silentAt("phx_leave");
    await expectFault("leave_unanswered", "leave", [url, ...TOPIC], ["no answer to the leave"], { clock });
  });

  it("15. refuses to leave", async () => {
    const { url } = await misbehaving("phx_leave", ({ reply }) => reply("error"));
    await expectFault("unknown", "leave", [url, ...TOPIC]);
  });

  it("16. answers a leave with phx_close only", async () => {
    const { url } = await handServer(({ event, ws, frame: [joinRef, ref, topic], reply }) => {
      if (event !== "phx_leave") return false;
      ws.send(JSON.stringify([joinRef, joinRef, topic, "phx_close", {}]));
      if (ref !== null) reply("ok");
      return true;
    });
    expect((await doctor([url, ...TOPIC])).healthy).to.equal(true);
  });

  it("16b. reports the end of an earlier join, which is no fault", async () => {
    const { url } = await handServer(({ event, ws, topic, reply }) => {
      if (event !== "echo") return false;
      ws.send(JSON.stringify(["99", "99", topic, "phx_close", {}]));
      reply("ok");
      return true;
    });
    expect((await doctor([url, ...TOPIC, "--push", "echo"])).healthy).to.equal(true);
  });

  it("17. broadcasts under another topic", async () => {
    const clock = new ManualClock();
    const { url } = await handServer(({ event, server, reply }) => {
      if (event !== "shout") return false;
      server.broadcast("room:A", "shouted", {});
      reply("ok");
      return true;
    });
    const { stdout, code } = await run(
      ["doctor", url, ...TOPIC, "--push", "shout", "{}", "--expect", "shouted"],
      { clock, onLine: (line) => /✓ push/.test(line) && clock.advance(TIMEOUT) },
    );
    expect(stdout)
      .to.include("broadcast_wrong_topic: ")
      .and.include('with the topic "room:A"; joined is "room:a"');
    expect(code).to.equal(8);
  });

  it("18. shuts down meanwhile", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => ws.close(1012));
    await expectFault("draining", "join", [url, ...TOPIC], ["1012"]);
  });

  it("19. puts the client out with a code of its own", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => ws.close(4401, "Unauthorized"));
    await expectFault("disconnected", "join", [url, ...TOPIC], ["4401", "Unauthorized"]);
  });

  it("20. refuses by policy, which is no rate", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => ws.close(1008, "token required"));
    await expectFault("disconnected", "join", [url, ...TOPIC], ["token required"]);
  });

  it("21. breaks the WebSocket protocol", async () => {
    const { url } = await misbehaving("phx_join", ({ ws }) => {
      const socket = (ws as unknown as { _socket: { write(data: Buffer): void } })._socket;
      // A frame with reserved bits.
      socket.write(Buffer.from([0xf1, 0]));
    });
    await expectFault("broken_frames", "join", [url, ...TOPIC], ["RSV"]);
  });

  it("22. hangs up in the middle of the handshake", async () => {
    const { url } = await listenTcp((socket) => socket.once("data", () => socket.end("HTTP/1.1 101 Swit")));
    await expectFault("hung_up", "connect", [url]);
  });

  it("shows terminals nothing that they would obey", async () => {
    const { url } = await misbehaving("phx_join", ({ reply }) =>
      reply("error", { reason: "\u001b[2J\u0007\u009b2Jcleared\u202e" }),
    );
    const { stdout } = await run(["doctor", url, ...TOPIC]);
    expect(stdout).to.include("join_refused").and.include("cleared");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });
});

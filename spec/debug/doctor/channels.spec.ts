import { expect } from "chai";
import * as z from "zod";
import { Channel, error, ok, Socket, stop } from "../../../lib/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serve } from "../../support/server.ts";
import { doctor, expectFault, run } from "../support/run.ts";

/** The clock of the doctor, which the server's channels move. */
let clock: ManualClock;

class Room extends Channel {
  static {
    this.on("echo", (payload) => ok(payload as object));
    this.on("shout", function (payload) {
      this.broadcast("shouted", payload as object);
      return ok();
    });
    this.on("to-others", function (payload) {
      this.broadcastFrom("shouted", payload as object);
    });
    this.on("whisper", function (payload) {
      this.push("shouted", payload as object);
      return ok();
    });
    this.on("elsewhere", function () {
      this.endpoint.broadcast("room:other", "shouted", {});
      return ok();
    });
    this.on("refuse", () => error({ reason: "too loud" }));
    this.on("crash", () => {
      throw new Error("crash");
    });
    this.on("stop", () => stop());
    this.on("typed", z.object({ body: z.string() }), () => ok());
    this.on("hang", () => {
      clock.advance(10_000);
    });
    this.on("slow", () => {
      clock.advance(1_500);
      return ok();
    });
  }

  override join(topic: string, { secret }: { secret?: string } = {}) {
    switch (topic) {
      case "room:private":
        return secret === "sesame" ? ok() : error({ reason: "unauthorized" });
      case "room:crash":
        throw new Error("crash");
      case "room:hang":
        clock.advance(10_000);
        return new Promise<never>(() => {});
      default:
        return ok();
    }
  }
}

class TypedRoom extends Channel {
  static override joinSchema = z.object({ user: z.object({ name: z.string() }) });
  override join() {
    return ok();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room, "typed:*": TypedRoom };
}

describe("doctor: channels of this library", () => {
  let mount: string;

  beforeEach(async () => {
    clock = new ManualClock();
    ({ mount } = await serve(UserSocket));
  });

  const names = ({ steps }: { steps: readonly { name: string }[] }) => steps.map(({ name }) => name);

  it("is healthy: connect, join, heartbeat, leave", async () => {
    const report = await doctor([mount, "--topic", "room:a"]);
    expect(report).to.include({ healthy: true, exitCode: 0, diagnosis: null, topic: "room:a" });
    expect(names(report)).to.deep.equal(["connect", "join", "heartbeat", "leave"]);
    expect(report.steps.map(({ status }) => status)).to.deep.equal(["ok", "ok", "ok", "ok"]);
  });

  it("is healthy without a topic: connect, heartbeat", async () => {
    expect(names(await doctor([mount]))).to.deep.equal(["connect", "heartbeat"]);
  });

  it("is healthy with a push, and what a second connection gets for it", async () => {
    const push = [mount, "--topic", "room:a", "--push", "shout", '{"body":"hi"}', "--expect", "shouted"];
    const report = await doctor(push);
    expect(report.healthy).to.equal(true);
    expect(names(report)).to.deep.equal([
      "connect",
      "join",
      "heartbeat",
      "second connection",
      "push",
      "broadcast",
      "leave",
    ]);
    const without = [mount, "--topic", "room:a", "--push", "to-others", "--no-reply", "--expect", "shouted"];
    expect((await doctor(without)).healthy).to.equal(true);
  });

  it("gives the join its payload", async () => {
    const argv = [mount, "--topic", "room:private"];
    expect((await doctor([...argv, "--join", '{"secret":"sesame"}'])).healthy).to.equal(true);
  });

  it("topic_unmatched", () =>
    expectFault("topic_unmatched", "join", [mount, "--topic", "rooms:a"], ["rooms:a", "unmatched topic"]));

  it("join_refused, with the reason", () =>
    expectFault("join_refused", "join", [mount, "--topic", "room:private"], ["unauthorized"]));

  it("join_payload_refused, with the issues", () =>
    expectFault("join_payload_refused", "join", [mount, "--topic", "typed:a"], [/^user: "Invalid input/m]));

  it("join_crashed", () => expectFault("join_crashed", "join", [mount, "--topic", "room:crash"]));

  it("join_timeout: heartbeats are answered", () =>
    expectFault(
      "join_timeout",
      "join",
      [mount, "--topic", "room:hang"],
      ["no answer to the join within 10 seconds", "heartbeat sent then was answered"],
      { clock },
    ));

  it("too_many_channels", async () => {
    const served = await serve(UserSocket, { maxChannels: 1 });
    // The doctor joins one topic, which the limit always allows.
    const { code, stderr } = await run(["tap", served.mount, "-t", "room:a", "-t", "room:b"]);
    expect(stderr).to.include("too_many_channels");
    expect(code).to.equal(4);
  });

  const push = (event: string, ...more: string[]) => [mount, "--topic", "room:a", "--push", event, ...more];

  it("event_unmatched", () => expectFault("event_unmatched", "push", push("ehco"), ["unmatched event"]));

  it("payload_refused, with the issues", () =>
    expectFault("payload_refused", "push", push("typed", '{"body":1}'), [/^body: "Invalid input/m]));

  it("push_refused, with the reason", () =>
    expectFault("push_refused", "push", push("refuse"), ["too loud"]));

  it("push_unanswered", () =>
    expectFault("push_unanswered", "push", push("hang"), ["heartbeat sent then was answered"], { clock }));

  it("channel_crashed", () => expectFault("channel_crashed", "push", push("crash"), ["phx_error"]));

  it("channel_closed", () => expectFault("channel_closed", "push", push("stop"), ["phx_close"]));

  it("rate_limited, and for how long", async () => {
    const limited = await serve(UserSocket, { rateLimit: { limit: 2, interval: 60_000 } });
    // The join and the heartbeat are two.
    const argv = [limited.mount, "--topic", "room:a", "--push", "echo"];
    await expectFault("rate_limited", "push", argv, ["rate_limited", /try again in \d+(\.\d+)? s/]);
  });

  it("rate_limited, where the connection is closed for it", async () => {
    const limited = await serve(UserSocket, { rateLimit: { limit: 1, interval: 60_000, hardLimit: 2 } });
    const argv = [limited.mount, "--topic", "room:a", "--push", "echo"];
    await expectFault("rate_limited", "push", argv, ["1008"]);
  });

  it("message_too_large", async () => {
    const small = await serve(UserSocket, { maxPayload: 1_000 });
    const body = JSON.stringify({ body: "a".repeat(1_000) });
    const argv = [small.mount, "--topic", "room:a", "--push", "echo", body];
    await expectFault("message_too_large", "push", argv, ["1009"]);
  });

  it("disconnected", async () => {
    class Closing extends Room {
      override join(): never {
        this.socket.disconnect("signed out");
        return undefined as never;
      }
    }
    class ClosingSocket extends Socket {
      static override channels = { "room:*": Closing };
    }
    const closing = await serve(ClosingSocket);
    await expectFault("disconnected", "join", [closing.mount, "--topic", "room:a"], ["1001", "signed out"]);
  });

  it("slow_server: all steps pass", () =>
    expectFault("slow_server", "leave", push("slow"), ["push took 1500 ms", "more than 1000 ms"], { clock }));

  it("slow_server, by the limit that is given", async () => {
    const report = await doctor([...push("slow"), "--slow", "2000"], { clock });
    expect(report.healthy).to.equal(true);
  });

  const expected = (event: string) => push(event, "{}", "--expect", "shouted");
  /** Time passes when the push is answered. */
  const passes = () => ({
    clock,
    onLine: (line: string) => {
      if (/✓ push/.test(line)) clock.advance(10_000);
    },
  });

  /** The doctor's report for people has the moment at which the push is done. */
  async function missing(argv: string[]): Promise<string> {
    const { code, stdout } = await run(["doctor", ...argv], passes());
    expect(code).to.equal(8);
    expect(stdout).to.match(/✗ broadcast/);
    return stdout;
  }

  it("broadcast_missing", async () => {
    expect(await missing(expected("echo")))
      .to.include("broadcast_missing: ")
      .and.include("the second connection got nothing within 10 seconds")
      .and.include("nor did the first");
  });

  it("broadcast_missing, with the events that came instead", async () => {
    const argv = push("shout", "{}", "--expect", "shout");
    expect(await missing(argv))
      .to.include("broadcast_missing: ")
      .and.include('it got other events: "shouted"');
  });

  it("broadcast_not_subscribed", async () => {
    expect(await missing(expected("whisper")))
      .to.include("broadcast_not_subscribed: ")
      .and.include("the first connection got it");
  });

  it("broadcast_missing, where it goes to a topic that nobody joined", async () => {
    expect(await missing(expected("elsewhere"))).to.include("broadcast_missing: ");
  });
});

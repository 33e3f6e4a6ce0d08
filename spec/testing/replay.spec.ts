import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  Channel,
  ConfigError,
  type ConnectParams,
  Endpoint,
  error,
  ok,
  Socket,
  type TraceOptions,
  type TraceStep,
} from "../../lib/index.ts";
import { type ReplayOptions, replay, VirtualClock } from "../../lib/testing/index.ts";
import { connect } from "../support/client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { failureOf } from "./app.ts";

/** What differs between the app that was recorded and the one that a trace is replayed on. */
interface Version {
  /** The id of the next thing that is made. */
  readonly id?: () => string;
  readonly echo?: (payload: unknown) => unknown;
  readonly silent?: boolean;
  readonly chatty?: boolean;
  readonly banned?: string;
}

function app({ id = () => "x1", echo = (payload) => payload, silent, chatty, banned }: Version = {}) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });

  class Room extends Channel {
    override join(topic: string) {
      return topic === "room:full" ? error({ reason: "full" }) : ok({ topic });
    }
    override handleInfo(message: unknown) {
      this.push("reminder", { message });
    }
    static {
      this.on("echo", (payload) => ok(echo(payload) as object));
      this.on("shout", function (payload) {
        if (!silent) this.broadcast("shouted", payload as object);
        if (chatty) this.push("done");
        return ok();
      });
      this.on("make", () => ok({ id: id(), size: 1 }));
      this.on("slow", async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return ok();
      });
      this.on("held", () => released.then(() => ok()));
      this.on("release", () => {
        release();
        return ok();
      });
      this.on("remind", function ({ after }: { after: number }) {
        this.sendSelf("tea", { after });
      });
      this.on("follow", function () {
        this.subscribe("news", { fastlane: true });
        return ok();
      });
      this.on("tell", function (payload) {
        this.endpoint.broadcast("news", "told", payload as object);
      });
      this.on("bytes", (payload) => ok(payload as Uint8Array));
    }
  }
  class UserSocket extends Socket<{ user: string }> {
    static override channels = { "room:*": Room };
    override connect({ user }: ConnectParams) {
      if (user === banned) return error("banned");
      this.assigns.user = String(user);
      return ok();
    }
    override id() {
      return `user:${this.assigns.user}`;
    }
  }
  return UserSocket;
}

function server(version?: Version): ReplayOptions["serve"] {
  return (clock) => {
    const endpoint = new Endpoint({ clock });
    endpoint.socket("/socket", app(version));
    return endpoint;
  };
}

/** A server on a real port, with a trace. */
async function record(options?: TraceOptions, version?: Version, clock?: VirtualClock) {
  const { endpoint, url } = await serve(app(version), {}, clock === undefined ? {} : { clock });
  const trace = endpoint.trace(options);
  const enter = async (user: string, topic = "room:a") => {
    const client = await connect(url, `vsn=2.0.0&user=${user}`);
    await client.join(topic);
    return client;
  };
  return { endpoint, url, trace, enter };
}

/** Two users who talk, as a trace has it. */
async function conversation(): Promise<TraceStep[]> {
  const { trace, enter } = await record();
  const ada = await enter("ada");
  const bob = await enter("bob");
  ada.send(["1", "2", "room:a", "shout", { text: "hi", list: [1, { deep: true }] }]);
  await bob.next();
  await ada.next();
  await ada.next();
  ada.send([null, "3", "phoenix", "heartbeat", {}]);
  await ada.next();
  bob.send(["1", "2", "room:a", "slow", {}]);
  await bob.next();
  bob.send(["1", "3", "room:a", "phx_leave", {}]);
  await bob.next();
  await bob.next();
  await bob.close();
  await ada.settle();
  return trace.take();
}

async function refusal(promise: Promise<unknown>, code: string): Promise<string> {
  const thrown = await promise.then(
    () => expect.fail("it was replayed"),
    (error: unknown) => error,
  );
  expect(thrown).to.be.instanceOf(ConfigError);
  expect((thrown as ConfigError).code).to.equal(code);
  return (thrown as ConfigError).message;
}

describe("replay", () => {
  it("plays what real clients did, and finds the same answers", async () => {
    const steps = await conversation();
    const { clients, sent, compared, left } = await replay(steps, { serve: server() });
    expect({ clients, sent, left }).to.deep.equal({ clients: 2, sent: 7, left: [] });
    // 2 joins, a broadcast to two and its reply, 2 heartbeats, the replies of slow and leave, and phx_close.
    expect(compared).to.equal(10);
  });

  it("reads the file that toJSONL writes", async () => {
    const directory = await mkdtemp(join(tmpdir(), "phoenix-channels-replay-"));
    afterTest(() => rm(directory, { recursive: true }));
    const file = join(directory, "trace.jsonl");
    await writeFile(file, (await conversation()).map((step) => `${JSON.stringify(step)}\n`).join(""));
    expect(await replay(file, { serve: server() })).to.include({ clients: 2, sent: 7, compared: 10 });
  });

  it("takes steps in the order in which they happened, however they are told", async () => {
    // A filter that matches late tells what came before late, too.
    const steps = (await conversation()).reverse();
    expect(await replay(steps, { serve: server() })).to.include({ clients: 2, sent: 7, compared: 10 });
  });

  it("fails where a reply differs, with the difference and the transcript", async () => {
    const { trace, enter } = await record();
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "echo", { user: { name: "ada", age: 36 } }]);
    await ada.next();
    const echo = () => ({ user: { name: "ada", age: 37 }, more: 1 });
    const failed = await failureOf(replay(trace.take(), { serve: server({ echo }) }));
    expect(failed.message)
      .to.match(/^replay: step \d+ \(id \S+\): connection 1 \(\w+, user:ada\) gets another payload/)
      .and.include('the reply ok to ref 2 on "room:a"')
      .and.include(".user.age: expected 36, got 37")
      .and.include(".more: expected undefined, got 1")
      .and.include("room:a  echo (ref 2)");
    expect(failed.actual).to.deep.equal(echo());
    expect(failed.expected).to.deep.equal({ user: { name: "ada", age: 36 } });
  });

  it("fails where something doesn't come, and where something comes that the trace doesn't have", async () => {
    const steps = await conversation();
    const missing = await failureOf(replay(steps, { serve: server({ silent: true }) }));
    expect(missing.message).to.include(
      'doesn\'t get "shouted" on "room:a"; what came is the reply ok to ref 2',
    );
    // What comes in the place of another is a difference; here it comes last.
    const { trace, enter } = await record();
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "shout", {}]);
    await ada.next();
    await ada.next();
    const upTo = trace.take();
    const last = upTo.findLastIndex(({ step }) => step === "reply");
    const more = await failureOf(replay(upTo.slice(0, last), { serve: server() }));
    expect(more.message).to.include('gets the reply ok to ref 2 on "room:a", which the trace doesn\'t have');
    const chatty = await failureOf(replay(steps, { serve: server({ chatty: true }) }));
    expect(chatty.message).to.include('what came is "done" on "room:a"');
  });

  it("fails where a client was let in, and isn't any more", async () => {
    const { trace, enter } = await record();
    await enter("ada");
    const failed = await failureOf(replay(trace.take(), { serve: server({ banned: "ada" }) }));
    expect(failed.message).to.include("the client was refused with 403 (connect): 'banned'");
  });

  it("sends messages while an earlier one is being handled, if that is what happened", async () => {
    const { trace, enter } = await record();
    const ada = await enter("ada");
    const bob = await enter("bob", "room:b");
    ada.send(["1", "2", "room:a", "held", {}]);
    await ada.settle();
    // Releases what the first waits for.
    bob.send(["1", "2", "room:b", "release", {}]);
    await bob.next();
    await ada.next();
    expect(await replay(trace.take(), { serve: server() })).to.include({ compared: 5, sent: 5 });
  });

  it("compares broadcasts that reach clients from other topics", async () => {
    const { trace, enter } = await record();
    const ada = await enter("ada");
    await ada.ask("1", "2", "room:a", "follow", {});
    ada.send(["1", "3", "room:a", "tell", { n: 1 }]);
    await ada.next();
    const steps = trace.take();
    expect(await replay(steps, { serve: server() })).to.include({ compared: 3 });
    const other = steps.map((step) => (step.step === "broadcast" ? { ...step, payload: { n: 2 } } : step));
    const failed = await failureOf(replay(other, { serve: server() }));
    expect(failed.message)
      .to.include('gets another payload with "told"')
      .and.include(".n: expected 2, got 1");
  });

  it("takes other values of volatile keys, and sends the new ones back where the old ones were sent", async () => {
    const { trace, enter } = await record({}, { id: () => "old-1" });
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "make", {}]);
    await ada.next();
    ada.send(["1", "3", "room:a", "shout", { about: ["old-1"], "old-1": true }]);
    await ada.next();
    ada.send(["2", "4", "room:old-1", "phx_join", {}]);
    await ada.settle();
    const steps = trace.take();
    const serveNew = server({ id: () => "new-1" });
    const failed = await failureOf(replay(steps, { serve: serveNew }));
    expect(failed.message).to.include(".id: expected 'old-1', got 'new-1'");
    const topics: unknown[] = [];
    const { compared } = await replay(steps, {
      serve(clock) {
        const endpoint = serveNew(clock);
        endpoint.subscribe("room:a", ({ payload }) => topics.push(payload));
        return endpoint;
      },
      volatile: ["id"],
    });
    expect(compared).to.equal(6);
    expect(topics).to.deep.equal([{ about: ["new-1"], "new-1": true }]);
  });

  it("compares a text of JSON by what is in it", async () => {
    const { trace, enter } = await record({}, { id: () => "old-1" });
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "make", {}]);
    await ada.next();
    ada.send(["1", "3", "room:a", "echo", { data: '{"about":"old-1"}', text: "{a" }]);
    await ada.next();
    const steps = trace.take();
    const options = { serve: server({ id: () => "new-1" }), volatile: ["id"] };
    expect(await replay(steps, options)).to.include({ compared: 3 });
    const echo = () => ({ data: '{"about":"other"}', text: "{a" });
    const failed = await failureOf(replay(steps, { ...options, serve: server({ id: () => "new-1", echo }) }));
    expect(failed.message).to.include(".data.about: expected 'new-1', got 'other'");
  });

  it("lets virtual time pass as it passed", async () => {
    const clock = new VirtualClock(1_000_000);
    const { trace, enter, endpoint } = await record({}, {}, clock);
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "remind", { after: 50_000 }]);
    await ada.settle();
    await clock.advance(30_000);
    ada.send([null, "3", "phoenix", "heartbeat", {}]);
    await ada.next();
    await clock.advance(30_000);
    expect(await ada.next()).to.deep.equal(["1", null, "room:a", "reminder", { message: "tea" }]);
    // Idle since the heartbeat.
    await clock.advance(60_000);
    await ada.closed;
    const steps = trace.take();
    expect(steps.findLast(({ step }) => step === "closed")).to.include({ code: "idle" });
    await endpoint.close({ timeoutMs: 0 });
    const times: number[] = [];
    const { compared } = await replay(steps, {
      serve(virtual) {
        times.push(virtual.now());
        virtual.schedule(() => times.push(virtual.now()), 90_000);
        return server()(virtual);
      },
    });
    expect(compared).to.equal(4);
    expect(times).to.deep.equal([1_000_000, 1_090_000]);
    const lazy = steps.map((step) =>
      step.step === "closed" ? ({ ...step, status: 1001, code: "expired" } as TraceStep) : step,
    );
    const failed = await failureOf(replay(lazy, { serve: server() }));
    expect(failed.message).to.include("is closed with 1002, and was closed with 1001 (expired)");
  });

  it("closes a connection over a frame that wasn't a message, as then", async () => {
    const { trace, enter } = await record();
    const ada = await enter("ada");
    ada.transmit("{");
    await ada.closed;
    const steps = trace.take();
    expect(steps.findLast(({ step }) => step === "closed")).to.include({ code: "malformed" });
    expect(await replay(steps, { serve: server() })).to.include({ sent: 1, compared: 1 });
  });

  it("leaves to the app what no client has caused, and asks it to do it again", async () => {
    const { trace, enter, endpoint } = await record();
    const ada = await enter("ada");
    endpoint.broadcast("room:a", "closing", { inMinutes: 5 });
    await ada.next();
    endpoint.disconnect("user:ada");
    await ada.closed;
    const steps = trace.take();
    const failed = await failureOf(replay(steps, { serve: server(), timeout: 50 }));
    expect(failed.message).to.include('doesn\'t get "closing" on "room:a"');
    const { compared } = await replay(steps, {
      serve: server(),
      outside(step, app) {
        if (step.step === "broadcast")
          app.broadcast(step.topic as string, step.event as string, step.payload as object);
        else app.disconnect(step.socketId as string);
      },
    });
    expect(compared).to.equal(2);
  });

  it("leaves out clients that had connected before, with all that came of their messages", async () => {
    const { endpoint, trace: first, enter } = await record();
    first.close();
    const old = await enter("old");
    const trace = endpoint.trace();
    const ada = await enter("ada");
    old.send(["1", "2", "room:a", "shout", {}]);
    await ada.next();
    ada.send(["1", "2", "room:a", "echo", { n: 1 }]);
    await ada.next();
    const { clients, compared, left } = await replay(trace.take(), { serve: server() });
    expect({ clients, compared }).to.deep.equal({ clients: 1, compared: 2 });
    expect(left).to.deep.equal(["connection 1: it had connected before the trace began"]);
  });

  it("names params and payloads that were filtered, and takes them from the options", async () => {
    const { trace, url } = await record();
    const ada = await connect(url, "vsn=2.0.0&user=ada&token=t0ken");
    ada.send(["1", "1", "room:a", "phx_join", { user: { password: "secret" } }]);
    await ada.next();
    ada.send(["1", "2", "room:a", "echo", { password: "secret" }]);
    await ada.next();
    const steps = trace.take();
    const message = await refusal(replay(steps, { serve: server() }), "unreplayable_trace");
    expect(message)
      .to.include("connection 1 connected with token, which was filtered: give the option connect")
      .and.include('message 1 ("phx_join" on "room:a") of connection 1: user.password was filtered');
    const still = { serve: server(), connect: () => undefined, payload: () => undefined };
    expect(await refusal(replay(steps, still), "unreplayable_trace")).to.include(
      "connection 1 connected with token, which was filtered, and the option connect doesn't give it",
    );
    const known = { ...still, connect: () => ({ params: { user: "ada" } }) };
    expect(await refusal(replay(steps, known), "unreplayable_trace")).to.match(
      /connection 1 .* sent "phx_join", and user.password was filtered.*; the option payload doesn't give it/,
    );
    const payloads: unknown[] = [];
    const { compared } = await replay(steps, {
      serve: server({ echo: (payload) => payloads.push(payload) && payload }),
      connect: (step) => ({ params: { ...(step.params as object), token: "t1" } }),
      payload: ({ event }) => (event === "echo" ? { password: "p2" } : {}),
    });
    expect(payloads).to.deep.equal([{ password: "p2" }]);
    expect(compared).to.equal(2);
  });

  it("names messages that were cut or binary, and takes them from the options", async () => {
    const text = "x".repeat(3_000);
    const { trace, enter } = await record();
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "echo", { text }]);
    await ada.next();
    ada.transmit(pushOf("1", "3", "room:a", "bytes", Buffer.from([1, 2, 3])));
    await ada.next();
    const steps = trace.take();
    const message = await refusal(replay(steps, { serve: server() }), "unreplayable_trace");
    expect(message)
      .to.include("its payload of 3011 characters was cut: record with trace({ maxPayload })")
      .and.include("its payload was recorded as <3 bytes>");
    const { compared, left } = await replay(steps, {
      serve: server(),
      payload: ({ event }) => (event === "echo" ? { text } : Buffer.from([4, 5, 6])),
    });
    expect(left).to.deep.equal(['the payload of a reply on "room:a": it was cut']);
    expect(compared).to.equal(2);
    const failed = await failureOf(
      replay(steps, {
        serve: server(),
        payload: ({ event }) => (event === "echo" ? { text } : Buffer.from([4])),
      }),
    );
    expect(failed.message).to.include("expected '<3 bytes>'");
  });

  it("finds all of long payloads in a trace with maxPayload", async () => {
    const text = "x".repeat(100_000);
    const { trace, enter } = await record({ maxPayload: 200_000 });
    const ada = await enter("ada");
    ada.send(["1", "2", "room:a", "echo", { text }]);
    await ada.next();
    expect(await replay(trace.take(), { serve: server() })).to.deep.include({ compared: 2, left: [] });
  });

  it("says of a broadcast to many that the trace doesn't name all who got it", async () => {
    const { trace, enter } = await record();
    const clients = [];
    for (let i = 0; i < 22; i++) clients.push(await enter(`u${i}`));
    clients[0]?.send(["1", "2", "room:a", "shout", {}]);
    for (const client of clients) await client.next();
    await clients[0]?.next();
    const { compared, left } = await replay(trace.take(), { serve: server() });
    expect(compared).to.equal(22 + 20 + 1);
    expect(left).to.deep.equal(['who got "shouted" on "room:a": it went to 22 clients, the trace names 20']);
  });

  it("refuses what isn't a trace, has holes, or has no clients", async () => {
    const options = { serve: server() };
    const directory = await mkdtemp(join(tmpdir(), "phoenix-channels-replay-"));
    afterTest(() => rm(directory, { recursive: true }));
    const file = join(directory, "trace.jsonl");
    await writeFile(file, '{"step":"frame_in","seq":1,"at":1,"id":"a"}\nhello\n');
    expect(await refusal(replay(file, options), "invalid_trace")).to.include('line 2 isn\'t JSON ("hello")');
    await writeFile(file, "\n[1]\n");
    expect(await refusal(replay(file, options), "invalid_trace")).to.include("line 2 isn't a step");
    expect(await refusal(replay(7 as never, options), "invalid_argument")).to.include("got 7");
    expect(await refusal(replay([], options), "unreplayable_trace")).to.include("no client connects in it");
    const holes = [{ step: "dropped", seq: 1, at: 1, id: "", count: 12 } as TraceStep];
    expect(await refusal(replay(holes, options), "unreplayable_trace")).to.include("12 steps are missing");
    const missing = await replay(join(directory, "none"), options).catch((error: unknown) => error);
    expect(missing).to.include({ code: "ENOENT" });
  });

  it("checks its options, and what serve makes", async () => {
    const steps = await conversation();
    await refusal(replay(steps, undefined as never), "invalid_option");
    await refusal(replay(steps, { serve: server(), speed: 2 } as never), "unknown_option");
    await refusal(replay(steps, { serve: server(), volatile: "id" } as never), "invalid_option");
    expect(await refusal(replay(steps, { serve: () => new Endpoint() }), "invalid_option")).to.include(
      "on the clock that it is given",
    );
    const elsewhere: ReplayOptions["serve"] = (clock) => new Endpoint({ clock });
    expect(await refusal(replay(steps, { serve: elsewhere }), "unreplayable_trace")).to.include(
      "connected to UserSocket, and serve's endpoint mounts no class of that name",
    );
  });
});

/** A binary push of version 2.0.0. */
function pushOf(joinRef: string, ref: string, topic: string, event: string, payload: Buffer): Buffer {
  const names = [joinRef, ref, topic, event].map((name) => Buffer.from(name));
  return Buffer.concat([Buffer.from([0, ...names.map(({ length }) => length)]), ...names, payload]);
}

import { expect } from "chai";
import { Channel, ok, Socket } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { attackable, EchoSocket } from "./attackable.ts";

/** Names that find something on any object of JavaScript, or of this library. */
const NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "__defineGetter__",
  "then",
  "join",
  "handleIn",
  "handleOut",
  "handleInfo",
  "terminate",
  "push",
  "broadcast",
  "assigns",
  "socket",
  "endpoint",
  "length",
  "0",
  "",
  " ",
  "null",
  "undefined",
  "*",
];

/** Names whose writing is difficult. */
const STRANGE = [
  "\ud800", // lone surrogates: no UTF-8 of their own
  "\udfff\ud800",
  "a\u0000b",
  "line\r\nbreak",
  "\u2028\u2029",
  '"quoted\\"',
  "😀é\u202e",
  "\ufeff",
  "x".repeat(100_000), // 100 KB
  "é".repeat(50_000),
];

describe("hostile names", () => {
  it("are topics as any other", async () => {
    const { url, endpoint } = await attackable(EchoSocket);
    const client = await connect(url);
    for (const [i, topic] of [...NAMES, ...STRANGE].entries()) {
      const ref = `j${i}`;
      expect(await client.join(topic, { i }, ref)).to.deep.equal([
        ref,
        ref,
        topic,
        "phx_reply",
        { status: "ok", response: { i } },
      ]);
      endpoint.broadcast(topic, "n", { i });
      expect(await client.next()).to.deep.equal([null, null, topic, "n", { i }]);
      expect((await client.ask(ref, "2", topic, "echo", i))[4].response).to.equal(i);
    }
    expect(endpoint.stats().channels).to.equal(NAMES.length + STRANGE.length);
    for (const [i, topic] of [...NAMES, ...STRANGE].entries()) {
      client.send([`j${i}`, "9", topic, "phx_leave", {}]);
      expect((await client.take(2)).map((frame) => frame[3])).to.deep.equal(["phx_reply", "phx_close"]);
    }
    expect(await client.settle()).to.deep.equal([]);
  });

  it("are events that no handler takes, and never reach the channel's own methods", async () => {
    const called: string[] = [];
    class Guarded extends Channel {
      override join() {
        return ok();
      }
      override terminate({ kind }: { kind: string }) {
        called.push(`terminate ${kind}`);
      }
      override handleInfo() {
        called.push("handleInfo");
      }
      override handleOut() {
        called.push("handleOut");
      }
      private secret() {
        called.push("secret");
      }
      static {
        this.on("ping", function () {
          return ok({ own: typeof this.secret });
        });
      }
    }
    class GuardedSocket extends Socket {
      static override channels = { "*": Guarded };
    }
    const { url } = await attackable(GuardedSocket);
    const client = await connect(url);
    await client.join("room:a");
    for (const event of [
      ...NAMES,
      ...STRANGE,
      "secret",
      "phx_reply",
      "phx_close",
      "phx_error",
      "phx_unknown",
    ]) {
      expect(
        (await client.ask("1", "2", "room:a", event))[4],
        JSON.stringify(event.slice(0, 20)),
      ).to.deep.equal({
        status: "error",
        response: { reason: "unmatched event" },
      });
    }
    expect(called).to.deep.equal([]);
    expect((await client.ask("1", "3", "room:a", "ping"))[4].response).to.deep.equal({ own: "function" });
  });

  it("may be handled, if the app gives one a handler", async () => {
    class Named extends Channel {
      override join() {
        return ok();
      }
      static {
        for (const name of NAMES) this.on(name, () => ok({ name }));
      }
    }
    class NamedSocket extends Socket {
      static override channels = { "*": Named };
    }
    const { url } = await attackable(NamedSocket);
    const client = await connect(url);
    await client.join("room:a");
    for (const name of NAMES) {
      expect((await client.ask("1", "2", "room:a", name))[4]).to.deep.equal({
        status: "ok",
        response: { name },
      });
    }
  });

  it("are pushed and broadcast as given", async () => {
    const { url, endpoint } = await attackable(EchoSocket);
    for (const vsn of ["1.0.0", "2.0.0"]) {
      const client = await connect(url, `vsn=${vsn}`);
      client.send(
        vsn === "2.0.0"
          ? ["1", "1", "t", "phx_join", {}]
          : { topic: "t", event: "phx_join", payload: {}, ref: "1" },
      );
      await client.next();
      for (const event of [...NAMES, ...STRANGE]) {
        endpoint.broadcast("t", event, { [event]: event });
        const frame = await client.next();
        const [name, payload] = vsn === "2.0.0" ? [frame[3], frame[4]] : [frame.event, frame.payload];
        expect(name === event).to.equal(true);
        expect(Object.entries(payload)).to.deep.equal([[event, event]]);
      }
      await client.close();
    }
  });

  it("of the library's own keys (NUL) can be neither joined nor broadcast to", async () => {
    const { url, endpoint } = await attackable(EchoSocket);
    const client = await connect(url);
    for (const topic of ["\0", "\0presence", "\0room:a"]) {
      expect(await client.join(topic)).to.deep.equal([
        null,
        "1",
        topic,
        "phx_reply",
        { status: "error", response: { reason: "unmatched topic" } },
      ]);
      for (const call of [
        () => endpoint.broadcast(topic, "e"),
        () => endpoint.localBroadcast(topic, "e"),
        () => endpoint.subscribe(topic, () => {}),
        () => endpoint.disconnect(topic),
      ]) {
        expect(call).to.throw("NUL");
      }
    }
    expect(endpoint.stats().channels).to.equal(0);
  });

  it("of the library's own keys can't be subscribed to by a channel that takes a client's word", async () => {
    class Follower extends Channel {
      override join() {
        return ok();
      }
      static {
        this.on("follow", function (topic: string) {
          this.subscribe(topic);
          return ok();
        });
      }
    }
    class FollowerSocket extends Socket {
      static override channels = { "*": Follower };
    }
    const { url, endpoint } = await attackable(FollowerSocket);
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "follow", "\0presence"))[3]).to.equal("phx_error");
    expect(endpoint.stats().topics).to.equal(0);
  });

  it("in payloads come back verbatim and pollute nothing", async () => {
    const { url } = await attackable(EchoSocket);
    const client = await connect(url);
    const payload =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"toJSON":"x","then":{},"a":[{"__proto__":null}]}';
    client.ws.once("message", () => {});
    let text = "";
    client.ws.on("message", (data) => {
      text = data.toString();
    });
    client.send(`["1","1","room:a","phx_join",${payload}]`);
    await client.next();
    expect(text).to.equal(`["1","1","room:a","phx_reply",{"status":"ok","response":${payload}}]`);
    client.send(`["1","2","room:a","echo",${payload}]`);
    await client.next();
    expect(text).to.equal(`["1","2","room:a","phx_reply",{"status":"ok","response":${payload}}]`);
    client.send(`["1","3","room:a","shout",${payload}]`);
    await client.next();
    expect(text).to.equal(`[null,null,"room:a","shouted",${payload}]`);
    expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
    expect(Object.hasOwn(Object.prototype, "polluted")).to.equal(false);
  });

  it("lone surrogates in payloads come back as they were", async () => {
    const { url } = await attackable(EchoSocket);
    const client = await connect(url);
    await client.join("room:a");
    for (const text of STRANGE) {
      const response = (await client.ask("1", "2", "room:a", "echo", { [text]: [text] }))[4].response;
      expect(Object.entries(response)).to.deep.equal([[text, [text]]]);
    }
  });

  it("in log lines break no line, and no line is longer for a longer name", async () => {
    const served = await attackable(EchoSocket);
    const client = await connect(served.url);
    for (const name of [
      "room:\n[error] forged",
      "room:\r\nforged",
      `room:${"x".repeat(100_000)}`,
      `\0\n${"x".repeat(100_000)}`,
    ]) {
      await client.join(name);
      client.send(["1", "2", name, "echo", {}]);
      await client.next();
      client.send(["1", "3", name, name, {}]);
      await client.next();
      client.send(["1", "4", name, "boom", {}]);
      await client.next();
    }
    for (const { message } of served.lines) {
      expect(message).not.to.match(/[\r\n]/);
      expect(message.length).to.be.lessThan(500);
    }
  });

  it("join payloads may be any JSON", async () => {
    const { url } = await attackable(EchoSocket);
    const client = await connect(url);
    for (const payload of [null, 0, "", "text", true, false, [], [1, [null]], {}]) {
      expect((await client.join("room:a", payload))[4]).to.deep.equal({ status: "ok", response: payload });
      client.send(["1", "2", "room:a", "phx_leave", payload]);
      await client.take(2);
    }
  });
});

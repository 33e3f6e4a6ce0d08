import { expect } from "chai";
import { Channel, ok, Socket } from "../../../lib/index.ts";
import { connect } from "../../support/client.ts";
import { Journal } from "../../support/gate.ts";
import { serveInMemory } from "../../support/memory.ts";

class Room extends Channel {
  override join() {
    return ok();
  }
  static {
    this.on("echo", function (payload) {
      return ok({ payload, ref: this.ref, joinRef: this.joinRef });
    });
    this.on("push", function () {
      this.push("pushed", { ref: this.ref });
    });
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

describe("rule 10: refs", () => {
  for (const value of ["", "x", 0, 7, -1.5, 1e300, true, "ü"]) {
    it(`come back as sent, and match with ===: ${JSON.stringify(value)}`, async () => {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url);
      expect(await client.join("room:a", {}, value)).to.deep.equal([
        value,
        value,
        "room:a",
        "phx_reply",
        { status: "ok", response: {} },
      ]);
      const reply = await client.ask(value, value, "room:a", "echo");
      expect(reply.slice(0, 2)).to.deep.equal([value, value]);
      expect(reply[4].response).to.deep.equal({ payload: {}, ref: value, joinRef: value });
      client.send([
        value === "x" ? "y" : String(value) === value ? 0 : String(value),
        "9",
        "room:a",
        "echo",
        {},
      ]);
      expect(await client.settle()).to.deep.equal([]);
    });
  }

  it("a join without join_ref: its ref is the joinRef, but matching, phx_close and phx_error go by null", async () => {
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    expect(await client.ask(null, "5", "room:a", "phx_join")).to.deep.equal([
      null,
      "5",
      "room:a",
      "phx_reply",
      { status: "ok", response: {} },
    ]);
    client.send(["5", "6", "room:a", "echo", {}]);
    expect(await client.settle()).to.deep.equal([]);
    expect((await client.ask(null, "7", "room:a", "echo")).slice(0, 2)).to.deep.equal(["5", "7"]);
    client.send([null, "8", "room:a", "phx_leave", {}]);
    expect(await client.take(2)).to.deep.equal([
      ["5", "8", "room:a", "phx_reply", { status: "ok", response: {} }],
      [null, null, "room:a", "phx_close", {}],
    ]);
  });

  it("a null ref is answered with a null ref", async () => {
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    const reply = await client.ask("1", null, "room:a", "echo", { a: 1 });
    expect(reply).to.deep.equal([
      "1",
      null,
      "room:a",
      "phx_reply",
      { status: "ok", response: { payload: { a: 1 }, ref: null, joinRef: "1" } },
    ]);
  });

  it("more than five elements: the rest is ignored", async () => {
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    client.send(["1", "1", "room:a", "phx_join", {}, "more", { and: "more" }]);
    expect((await client.next())[3]).to.equal("phx_reply");
  });

  for (const frame of [
    [{}, "1", "room:a", "phx_join", {}],
    ["1", {}, "room:a", "phx_join", {}],
    ["1", [], "room:a", "phx_join", {}],
    ["1", "1", 7, "phx_join", {}],
    ["1", "1", null, "phx_join", {}],
    ["1", "1", "room:a", ["phx_join"], {}],
    ["1", "1", "room:a", null, {}],
    { topic: "room:a", event: "phx_join", payload: {}, ref: "1" },
    ["1", "1", "room:a", "phx_join"],
    [],
    7,
    "text",
    null,
  ]) {
    it(`closes with 1011: ${JSON.stringify(frame)}`, async () => {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url);
      client.send(JSON.stringify(frame));
      expect(await client.closed).to.deep.equal({ code: 1011, reason: "" });
    });
  }

  for (const frame of [
    { event: "phx_join", payload: {}, ref: "1" },
    { topic: "room:a", payload: {}, ref: "1" },
    { topic: "room:a", event: "phx_join", ref: "1" },
    { topic: "room:a", event: "phx_join", payload: {} },
    { topic: {}, event: "phx_join", payload: {}, ref: "1" },
    ["1", "1", "room:a", "phx_join", {}],
  ]) {
    it(`V1 closes with 1011: ${JSON.stringify(frame)}`, async () => {
      const { url } = serveInMemory(UserSocket);
      const client = await connect(url, "vsn=1.0.0");
      client.send(JSON.stringify(frame));
      expect(await client.closed).to.deep.equal({ code: 1011, reason: "" });
    });
  }
});

describe("rule 11: a connection that ends", () => {
  it("sends no phx_close or phx_error", async () => {
    const ended = new Journal();
    class Quiet extends Room {
      override terminate({ kind }: { kind: string }) {
        ended.add(kind);
      }
    }
    class QuietSocket extends Socket {
      static override channels = { "room:*": Quiet };
      override id() {
        return "user:1";
      }
    }
    for (const [end, code, kind] of [
      ["disconnect", 1001, "closed"],
      ["malformed", 1011, "closed"],
      ["drain", 1012, "drain"],
    ] as const) {
      const { url, endpoint } = serveInMemory(QuietSocket);
      const client = await connect(url);
      await client.join("room:a");
      if (end === "disconnect") endpoint.disconnect("user:1");
      if (end === "malformed") client.send("{");
      if (end === "drain") await endpoint.drain();
      expect((await client.closed).code).to.equal(code);
      expect(client.unread).to.deep.equal([]);
      expect(ended.entries.at(-1)).to.equal(kind);
    }
  });
});

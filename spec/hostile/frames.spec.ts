import { expect } from "chai";
import { connect, type RawClient } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { BINARY, CLOSE, clientFrame, TcpClient, TEXT } from "../transport/tcp-client.ts";
import { attackable, Echo, EchoSocket } from "./attackable.ts";

/** A client's binary push. */
function binaryPush(names: readonly (string | number[])[], payload: number[] = []): Buffer {
  const encoded = names.map((name) => Buffer.from(name as string));
  return Buffer.concat([
    Uint8Array.of(0, ...encoded.map(({ length }) => length)),
    ...encoded,
    Buffer.from(payload),
  ]);
}

async function closesWith(code: number, url: string, frames: readonly unknown[], query = "vsn=2.0.0") {
  for (const [i, frame] of frames.entries()) {
    const client = await connect(url, query);
    client.send(frame);
    expect((await client.closed).code, `frame ${i}`).to.equal(code);
  }
}

/** A reply to an echo, with binary payload if it came as bytes. */
async function echoes(client: RawClient, ref: string, payload: unknown): Promise<unknown> {
  const frame = await client.ask("1", ref, "room:a", "echo", payload);
  expect(frame.slice(0, 4)).to.deep.equal(["1", ref, "room:a", "phx_reply"]);
  return frame[4].response;
}

describe("hostile frames", () => {
  it("malformed JSON closes with 1011", async () => {
    const { url } = await attackable(EchoSocket);
    const frames = [
      "",
      " ",
      "{",
      "[",
      "nul",
      "undefined",
      "NaN",
      "[,]",
      "'a'",
      '["1","1","t","e",{}',
      '["\\x"]',
      "\0",
      "\ufeff[]",
    ];
    await closesWith(1011, url, frames);
    await closesWith(1011, url, frames, "vsn=1.0.0");
  });

  it("JSON that isn't a message closes with 1011", async () => {
    const { url } = await attackable(EchoSocket);
    const values = [null, true, 0, '"text"', [], [[]], [[], [], [], [], []], {}, { topic: "t" }];
    await closesWith(
      1011,
      url,
      values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))),
    );
    await closesWith(
      1011,
      url,
      values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))),
      "vsn=1.0.0",
    );
  });

  it("a value of the wrong type in any place closes with 1011; refs may be any scalar", async () => {
    const { url } = await attackable(EchoSocket);
    const good = ["1", "2", "phoenix", "heartbeat", {}];
    const wrong: Record<number, unknown[]> = {
      0: [{}, [], [null], { a: 1 }],
      1: [{}, [], ["2"]],
      2: [null, 0, true, {}, [], ["phoenix"]],
      3: [null, 0, false, {}, []],
    };
    for (const [at, values] of Object.entries(wrong)) {
      await closesWith(
        1011,
        url,
        values.map((value) => Object.assign([...good], { [at]: value })),
      );
    }
    const client = await connect(url);
    for (const ref of [null, 0, -1, 1.5, true, false, "", "x".repeat(1000)]) {
      const answer = await client.ask(ref, ref, "phoenix", "heartbeat");
      expect(answer).to.deep.equal([null, ref, "phoenix", "phx_reply", { status: "ok", response: {} }]);
    }
  });

  it("missing elements close with 1011, more than five are ignored", async () => {
    const { url } = await attackable(EchoSocket);
    const good = [null, "2", "phoenix", "heartbeat", {}];
    await closesWith(
      1011,
      url,
      [0, 1, 2, 3, 4].map((length) => good.slice(0, length)),
    );
    const v1 = { topic: "phoenix", event: "heartbeat", payload: {}, ref: "2" };
    await closesWith(
      1011,
      url,
      Object.keys(v1).map((key) => ({ ...v1, [key]: undefined })),
      "vsn=1.0.0",
    );
    const client = await connect(url);
    client.send([...good, {}, [], "more"]);
    expect((await client.next())[1]).to.equal("2");
  });

  it("an attack on one connection leaves the others of its user alone", async () => {
    const { url } = await attackable(EchoSocket);
    const bystander = await connect(url);
    await bystander.join("room:a");
    await closesWith(1011, url, ["{", [], [1, 2, 3]]);
    expect(await echoes(bystander, "2", { still: "here" })).to.deep.equal({ still: "here" });
    expect(await bystander.settle()).to.deep.equal([]);
  });

  describe("nested 200,000 deep", () => {
    const LEVELS = 200_000;
    const lists = "[".repeat(LEVELS) + "]".repeat(LEVELS);
    const objects = `${'{"a":'.repeat(LEVELS)}1${"}".repeat(LEVELS)}`;

    for (const [name, nested] of [
      ["lists", lists],
      ["objects", objects],
    ] as const) {
      it(`${name}: what a handler can't send back ends its channel alone`, async () => {
        const served = await attackable(EchoSocket, { maxPayload: 4_000_000 });
        const client = await connect(served.url);
        await client.join("room:a");
        await client.join("room:b", {}, "2");
        client.send(`["1","3","room:a","echo",${nested}]`);
        expect(await client.next()).to.deep.equal([
          "1",
          "1",
          "room:a",
          "phx_error",
          { reason: "channel_crash" },
        ]);
        client.send(`["3","3","room:c","phx_join",${nested}]`);
        expect((await client.next())[4]).to.deep.equal({
          status: "error",
          response: { reason: "join crashed" },
        });
        client.send(`["2","4","room:b","nobody handles this",${nested}]`);
        expect((await client.next())[4].response).to.deep.equal({ reason: "unmatched event" });
        expect(await client.settle()).to.deep.equal([]);
      });

      it(`${name}: where a ref, a topic or an event belongs closes with 1011`, async () => {
        const { url } = await attackable(EchoSocket, { maxPayload: 4_000_000 });
        await closesWith(1011, url, [
          nested,
          `[${nested},"1","t","e",{}]`,
          `["1",${nested},"t","e",{}]`,
          `["1","1",${nested},"e",{}]`,
          `["1","1","t",${nested},{}]`,
        ]);
        await closesWith(1011, url, [nested.slice(0, LEVELS)], "vsn=1.0.0");
      });
    }

    it("in the params of a connection", async () => {
      const { url } = await attackable(EchoSocket);
      const client = await connect(url, `vsn=2.0.0&a${"[b]".repeat(4_000)}=1&c${"[]".repeat(1_000)}=2`);
      await client.settle();
    });
  });

  describe("binary", () => {
    const frame = binaryPush(["1", "2", "room:a", "echo"], [7, 8, 9]);

    it("cut at every byte: 1011, or a shorter payload", async () => {
      const { url } = await attackable(EchoSocket);
      const header = frame.length - 3;
      await closesWith(
        1011,
        url,
        Array.from({ length: header }, (_, length) => frame.subarray(0, length)),
      );
      const client = await connect(url);
      await client.join("room:a");
      for (let length = header; length <= frame.length; length++) {
        client.send(frame.subarray(0, length));
        const reply: Buffer = await client.next();
        expect([...reply.subarray(reply.length - (length - header))]).to.deep.equal(
          [7, 8, 9].slice(0, length - header),
        );
      }
    });

    it("lengths that overrun, other kinds, invalid UTF-8 in each name: 1011", async () => {
      const { url } = await attackable(EchoSocket);
      const at = (index: number, byte: number) => {
        const changed = Buffer.from(frame);
        changed[index] = byte;
        return changed;
      };
      await closesWith(
        1011,
        url,
        [1, 2, 3, 4].map((index) => at(index, 255)),
      );
      await closesWith(
        1011,
        url,
        [1, 2, 3, 128, 255].map((kind) => at(0, kind)),
      );
      await closesWith(
        1011,
        url,
        [5, 6, 7, 13].map((index) => at(index, 0xff)),
      );
    });

    it("for V1, which reads JSON from it: 1011 if it isn't", async () => {
      const { url } = await attackable(EchoSocket);
      await closesWith(1011, url, [frame, Buffer.from([0xff]), Buffer.alloc(0)], "vsn=1.0.0");
      const client = await connect(url, "vsn=1.0.0");
      client.send(Buffer.from('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'));
      expect((await client.next()).ref).to.equal("1");
    });

    it("joins, leaves and heartbeats work in it, and their answers are text", async () => {
      const { url } = await attackable(EchoSocket);
      const client = await connect(url);
      client.send(binaryPush(["", "1", "phoenix", "heartbeat"]));
      expect(await client.next()).to.deep.equal([
        null,
        "1",
        "phoenix",
        "phx_reply",
        { status: "ok", response: {} },
      ]);
      await client.join("room:a");
      client.send(binaryPush(["1", "2", "room:a", "phx_leave"], [1]));
      expect((await client.take(2)).map(([, ref, , event]) => [ref, event])).to.deep.equal([
        ["2", "phx_reply"],
        ["1", "phx_close"],
      ]);
    });

    it("an answer it can't name (over 255 bytes) is lost for this client alone, and logged", async () => {
      const served = await attackable(EchoSocket);
      const topic = `room:${"x".repeat(300)}`;
      const client = await connect(served.url);
      await client.join(topic);
      // The topic of a binary frame has at most 255 bytes, so only the server can try: a broadcast of bytes.
      served.endpoint.broadcast(topic, "bytes", Uint8Array.of(1));
      served.endpoint.broadcast(topic, "text", {});
      expect((await client.next())[3]).to.equal("text");
      expect(served.lines.filter(({ level }) => level === "error")).to.have.length(1);
    });
  });

  it("over maxPayload closes with 1009, before the frame has arrived", async () => {
    const { url } = await attackable(EchoSocket, { maxPayload: 10_000 });
    await closesWith(1009, url, ["x".repeat(10_001), new Uint8Array(10_001)]);
  });

  it("behind a frame that closes are not handled", async () => {
    let handled = 0;
    class Counting extends Echo {
      override handleIn() {
        handled++;
      }
    }
    class CountingSocket extends EchoSocket {
      static override channels = { "*": Counting };
    }
    const { port, endpoint } = await attackable(CountingSocket);
    const client = await TcpClient.open(port);
    client.socket.write(clientFrame(["1", "1", "room:a", "phx_join", {}]));
    await client.message();
    const push = clientFrame(["1", "2", "room:a", "x", {}]);
    client.socket.write(Buffer.concat([push, clientFrame("not a message"), push, push]));
    expect(await client.close()).to.equal(1011);
    client.socket.write(Buffer.concat([push, clientFrame(Uint8Array.of(3, 0xe8), CLOSE), push]));
    await client.closed;
    while (endpoint.stats().connections > 0) await turn();
    expect(handled).to.equal(1);
  });

  it("behind the client's own close are not handled; those before it are", async () => {
    const handled: unknown[] = [];
    class Recording extends Echo {
      override handleIn(_event: string, payload: unknown) {
        handled.push(payload);
      }
    }
    class RecordingSocket extends EchoSocket {
      static override channels = { "*": Recording };
    }
    const { port } = await attackable(RecordingSocket);
    const client = await TcpClient.open(port);
    const frame = (n: number) => clientFrame(["1", `${n}`, "room:a", "x", n]);
    client.socket.write(
      Buffer.concat([
        clientFrame(["1", "1", "room:a", "phx_join", {}]),
        frame(1),
        frame(2),
        clientFrame(Uint8Array.of(0x03, 0xe8), CLOSE),
        frame(3),
      ]),
    );
    await client.message();
    expect(await client.close()).to.equal(1000);
    await client.closed;
    expect(handled).to.deep.equal([1, 2]);
  });

  it("in fragments, with control frames between them, and of no bytes", async () => {
    const { port } = await attackable(EchoSocket);
    const client = await TcpClient.open(port);
    const text = JSON.stringify([null, "é😀", "phoenix", "heartbeat", {}]);
    const bytes = Buffer.from(text);
    const parts = [...bytes].map((byte, i) => clientFrame(Uint8Array.of(byte), i === 0 ? TEXT : 0, false));
    const nothing = clientFrame("", 0, false);
    client.socket.write(
      Buffer.concat([...parts.flatMap((part) => [part, nothing]), clientFrame("", 0, true)]),
    );
    expect(await client.message()).to.have.property("1", "é😀");
  });

  it("in fragments without end: closed, and memory isn't filled", async () => {
    const { port } = await attackable(EchoSocket);
    const client = await TcpClient.open(port);
    client.socket.write(clientFrame("x", BINARY, false));
    const more = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame("x", 0, false)));
    const closed = client.close();
    let code: number | undefined;
    void closed.then((got) => {
      code = got;
    });
    while (code === undefined) {
      client.socket.write(more);
      await turn();
    }
    expect(code).to.be.oneOf([1008, 1009]);
  });

  it("cut off in the middle, at any byte, by a reset", async () => {
    const { port, endpoint } = await attackable(EchoSocket);
    const bytes = clientFrame(["1", "1", "room:a", "phx_join", {}]);
    for (let length = 0; length <= bytes.length; length += 5) {
      const client = await TcpClient.open(port);
      client.socket.write(bytes.subarray(0, length));
      client.socket.resetAndDestroy();
      await client.closed;
    }
    while (endpoint.stats().connections > 0) await turn();
  });
});

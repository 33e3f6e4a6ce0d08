import { expect } from "chai";
import { Channel, ok, Socket } from "../../lib/index.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { afterTest } from "../support/teardown.ts";
import { TcpClient } from "../transport/tcp-client.ts";
import { attackable, EchoSocket } from "./attackable.ts";

/** The JSON of a long-poll answer. */
interface Answer {
  readonly status: number;
  readonly token?: string;
  readonly messages?: readonly string[];
}

async function ask(port: number, query: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0${query}`, init);
  return (await response.json()) as Answer;
}

async function open(port: number): Promise<string> {
  const { token = "" } = await ask(port, "");
  return encodeURIComponent(token);
}

const ndjson = (frames: readonly unknown[]): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/x-ndjson" },
  body: frames.map((frame) => JSON.stringify(frame)).join("\n"),
});

describe("hostile long-polling", () => {
  it("floods into a slow handler are bounded, also from many requests at once, and handled when it goes on", async () => {
    const gate = new Gate();
    const running = new Journal<unknown>();
    class Slow extends Channel {
      override join() {
        return ok();
      }
      override async handleIn(_event: string, payload: unknown) {
        running.add(payload);
        await gate.promise;
      }
    }
    class SlowSocket extends Socket {
      static override channels = { "*": Slow };
    }
    const clock = new ManualClock();
    const { port, endpoint } = await attackable(SlowSocket, { maxQueued: 100 }, { clock });
    afterTest(() => {
      gate.open();
      clock.advance(60_000);
    });
    const token = await open(port);
    await ask(port, `&token=${token}`, ndjson([["1", "1", "room:a", "phx_join", {}]]));
    const batch = Array.from({ length: 200 }, (_, n) => ["1", null, "room:a", "x", n]);
    const posts = [ask(port, `&token=${token}`, ndjson(batch))];
    await running.reaches(1);
    while (endpoint.stats().queued < 100) await turn();
    for (let i = 0; i < 20; i++) posts.push(ask(port, `&token=${token}`, ndjson(batch)));
    // Each of these is answered behind the requests above.
    for (let i = 0; i < 5; i++) await open(port);
    expect(endpoint.stats().queued).to.be.lessThan(2 * 200);
    gate.open();
    expect((await Promise.all(posts)).map(({ status }) => status)).to.deep.equal(posts.map(() => 200));
    await running.reaches(21 * 200);
    clock.advance(60_000); // ends the sessions
  });

  it("bodies of any kind are answered, and only those that aren't messages end the session", async () => {
    const clock = new ManualClock();
    const { port } = await attackable(EchoSocket, { maxPayload: 1_000 }, { clock });
    for (const [body, status] of [
      ["", 400],
      ["{", 400],
      ["[]", 400],
      ["null", 400],
      ["\0\xff", 400],
      ["[".repeat(900), 400],
      ['["1","1","room:a","phx_join",{}]', 200],
    ] as const) {
      const token = await open(port);
      expect(
        (await ask(port, `&token=${token}`, { method: "POST", body })).status,
        body.slice(0, 40),
      ).to.equal(status);
    }
    const token = await open(port);
    const url = `http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0&token=${token}`;
    expect((await fetch(url, { method: "POST", body: "x".repeat(1_001) })).status).to.equal(413);
    for (const method of ["PUT", "DELETE", "PATCH"])
      expect((await fetch(url, { method })).status).to.equal(400);
    clock.advance(60_000); // ends the sessions
  });

  it("tokens that are none, or another's, find no session", async () => {
    const clock = new ManualClock();
    const { port } = await attackable(EchoSocket, {}, { clock });
    const token = await open(port);
    const other = await open(port);
    const [id] = decodeURIComponent(token).split(".");
    const [, signature] = decodeURIComponent(other).split(".");
    for (const forged of [
      "",
      "x",
      ".",
      `${id}.`,
      `${id}.${signature}`,
      `.${signature}`,
      "__proto__.x",
      "é.é",
      "%00",
      token.slice(0, -1),
    ]) {
      const answer = await ask(port, `&token=${forged}`, { method: "POST", body: "[]" });
      expect(answer.status, forged).to.equal(410);
    }
    clock.advance(60_000); // ends the sessions
  });

  it("a client that goes in the middle of its body, or of its poll, does no harm", async () => {
    const clock = new ManualClock();
    const { port } = await attackable(EchoSocket, {}, { clock });
    const token = await open(port);
    for (const [method, length, body] of [
      ["POST", 1000, '["1","1",'],
      ["GET", 0, ""],
    ] as const) {
      const client = await TcpClient.connect(port);
      client.socket.write(
        `${method} /socket/longpoll?vsn=2.0.0&token=${token} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n${body}`,
      );
      // The server has it when it answers what came behind it.
      await open(port);
      client.socket.resetAndDestroy();
      await client.closed;
    }
    expect(
      (await ask(port, `&token=${token}`, ndjson([["1", "1", "room:a", "phx_join", {}]]))).status,
    ).to.equal(200);
    const { messages } = await ask(port, `&token=${token}`);
    expect(JSON.parse(messages?.[0] ?? "[]")[3]).to.equal("phx_reply");
    clock.advance(60_000); // ends the sessions
  });
});

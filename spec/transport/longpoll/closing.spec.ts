import { expect } from "chai";
import { LongPollSession } from "../../../lib/transport/longpoll-session.ts";
import { HttpClient } from "../../support/http-client.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import type { LogLine } from "../../support/server.ts";
import { chat, reply, shout } from "./chat.ts";
import { bodyOf, messagesOf, servePolling } from "./polling-client.ts";

const TOPIC = "room:1";

async function joined() {
  const { ChatSocket, ...rest } = chat();
  const server = await servePolling(ChatSocket, { closeTimeout: 3000 });
  const client = await server.open();
  await client.join(TOPIC);
  return { ...server, ...rest, client };
}

const warnings = (lines: readonly LogLine[]) =>
  lines.filter(({ level }) => level === "warn" || level === "error").map(({ message }) => message);

describe("long-polling: a disconnect", () => {
  it("wakes a waiting poll with 410", async () => {
    const { client, endpoint, events } = await joined();
    const poll = await client.waitingPoll();
    endpoint.disconnect("user:7");
    expect(bodyOf(await poll.answer)).to.deep.equal({ status: 410, token: client.token, messages: [] });
    expect(events.entries.at(-1)).to.equal(`terminate ${TOPIC} closed: disconnect`);
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0 });
  });

  it("lets what is queued go first", async () => {
    const { client, endpoint } = await joined();
    const poll = await client.waitingPoll();
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    endpoint.disconnect("user:7");
    endpoint.broadcast(TOPIC, "shout", { n: 2 });
    expect(await messagesOf(poll)).to.deep.equal([shout(TOPIC, { n: 1 })]);
    expect(bodyOf(await client.poll().answer)).to.deep.equal({
      status: 410,
      token: client.token,
      messages: [],
    });
    expect(endpoint.stats()).to.include({ connections: 0 });
  });

  it("lets what is queued go first, if it has to be sent again too", async () => {
    const { client, endpoint } = await joined();
    const poll = await client.waitingPoll();
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    endpoint.disconnect("user:7");
    poll.abort();
    await client.http.roundTrip();
    expect(await client.take()).to.deep.equal([shout(TOPIC, { n: 1 })]);
    expect(bodyOf(await client.poll().answer).status).to.equal(410);
  });

  it("between polls ends an empty session at once, and one with messages after closeTimeout", async () => {
    const { client, clock, endpoint } = await joined();
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    endpoint.disconnect("user:7");
    expect(endpoint.stats()).to.include({ connections: 1, channels: 0 });
    clock.advance(2999);
    expect(endpoint.stats()).to.include({ connections: 1 });
    clock.advance(1);
    expect(endpoint.stats()).to.include({ connections: 0, bufferedBytes: 0 });
    await client.expectGone();
    expect(endpoint.stats()).to.include({ connections: 1 });
    endpoint.disconnect("user:7");
    expect(endpoint.stats()).to.include({ connections: 0 });
  });

  it("by the client's own message answers that as taken, and the frames behind it with 410", async () => {
    const { client } = await joined();
    const kick = ["1", "2", TOPIC, "kick_me", {}];
    expect(await client.send(kick)).to.equal(200);
    expect(await client.take()).to.deep.equal([["1", null, TOPIC, "last_words", {}]]);
    await client.expectGone();
    const again = await joined();
    expect(await again.client.send(kick, ["1", "3", TOPIC, "echo", {}])).to.equal(410);
  });

  it("of a session whose poll has gone ends it", async () => {
    const { client, endpoint } = await joined();
    const poll = await client.waitingPoll();
    poll.abort();
    endpoint.disconnect("user:7");
    await client.http.roundTrip();
    expect(endpoint.stats()).to.include({ connections: 0 });
  });
});

describe("long-polling: a session that is closing", () => {
  it("takes no messages any more, and closes once", () => {
    const clock = new ManualClock();
    const closes: unknown[] = [];
    const session = new LongPollSession(
      "token",
      {
        clock,
        maxBufferedBytes: 100,
        windowMs: 1000,
        closeTimeout: 500,
        counters: { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0 },
      },
      () => closes.push("end"),
    );
    session.start({
      onFrame: () => {},
      onOverflow: () => closes.push("overflow"),
      onIdle: () => closes.push("idle"),
      onClose: (code, reason) => closes.push([code, reason]),
    });
    expect(session.send("[]")).to.equal(true);
    session.close(1001, "bye");
    session.close(1012, "again");
    expect(session.send("[]")).to.equal(false);
    expect(session.bufferedBytes).to.equal(2);
    clock.advance(500);
    expect(closes).to.deep.equal(["end", [1001, "bye"]]);
    expect(session.send("[]")).to.equal(false);
    session.close(1001, "");
    expect(closes).to.have.length(2);
    expect(clock.pending).to.equal(0);
  });
});

describe("long-polling: a binary message to the client", () => {
  it("is refused and logged once, and nothing else of the poll is lost", async () => {
    const { client, endpoint, lines } = await joined();
    await client.send(["1", "2", TOPIC, "push_bytes", {}], ["1", "3", TOPIC, "bytes", {}]);
    endpoint.broadcast(TOPIC, "shout", Buffer.from([1, 2, 3]));
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    expect(await client.take()).to.deep.equal([
      ["1", null, TOPIC, "before", {}],
      ["1", null, TOPIC, "after", {}],
      reply("2", TOPIC),
      shout(TOPIC, { n: 1 }),
    ]);
    expect(warnings(lines)).to.deep.equal([
      "binary messages lost: long-polling can't carry them to the client",
    ]);
  });
});

describe("long-polling: drain", () => {
  it("answers waiting polls with what is queued, then 410, and new sessions with 503", async () => {
    const { client, endpoint, events, handler, port } = await joined();
    const poll = await client.waitingPoll();
    await client.send(["1", "2", TOPIC, "wait", { n: 1 }], ["1", "3", TOPIC, "echo", { n: 2 }]);
    await events.reaches(2);
    const drained = endpoint.drain();
    // The session goes on until its handlers are done.
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    expect(await messagesOf(poll)).to.deep.equal([shout(TOPIC, { n: 1 })]);
    const next = await client.waitingPoll();
    const { status, text } = await new HttpClient(port).ask({ path: "/socket/longpoll?vsn=2.0.0" }).answer;
    expect({ status, text }).to.deep.equal({ status: 503, text: "" });
    handler.open();
    expect(await messagesOf(next)).to.deep.equal([reply("2", TOPIC, { n: 1 }), reply("3", TOPIC, { n: 2 })]);
    await drained;
    expect(events.entries.at(-1)).to.match(/^terminate room:1 drain/);
    expect(bodyOf(await client.poll().answer)).to.deep.equal({
      status: 410,
      token: client.token,
      messages: [],
    });
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0 });
    // From then on it is unknown, as any other.
    expect((await client.poll().answer).status).to.equal(503);
  });

  it("wakes the poll of a session without channels", async () => {
    const { ChatSocket } = chat();
    const { open, endpoint } = await servePolling(ChatSocket);
    const client = await open();
    const poll = await client.waitingPoll();
    await endpoint.drain();
    expect(bodyOf(await poll.answer).status).to.equal(410);
  });

  it("at close answers the polls before the server goes", async () => {
    const { client, endpoint } = await joined();
    const poll = await client.waitingPoll();
    await endpoint.close();
    expect(bodyOf(await poll.answer)).to.deep.equal({ status: 410, token: client.token, messages: [] });
  });
});

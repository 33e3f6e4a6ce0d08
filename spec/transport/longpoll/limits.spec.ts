import { once } from "node:events";
import { request } from "node:http";
import { expect } from "chai";
import { chat, reply, shout } from "./chat.ts";
import { bodyOf, type PollingClient, servePolling, TOKEN, WINDOW } from "./polling-client.ts";

const TOPIC = "room:1";
const MAX = 2000;
const MAX_BATCH = 8 * 1024 * 1024;

async function joined(options: Parameters<typeof servePolling>[1] = { maxPayload: MAX }) {
  const { ChatSocket, events, handler } = chat();
  const server = await servePolling(ChatSocket, options);
  const client = await server.open();
  await client.join(TOPIC);
  return { ...server, client, events, handler };
}

const note = (n: number, length = 0) =>
  JSON.stringify(["1", `${n}`, TOPIC, "note", { n, ...(length > 0 && { text: "x".repeat(length) }) }]);

/** A POST whose body has no length, of one chunk after another until the answer is there. */
async function endlessPost(client: PollingClient, type: string): Promise<{ status: number; sent: number }> {
  const post = request({
    port: client.http.port,
    method: "POST",
    path: client.path,
    agent: client.http.agent,
    headers: { [TOKEN]: client.token, "content-type": type },
  });
  const chunk = Buffer.alloc(65_536, "x");
  let sent = 0;
  const answered = once(post, "response");
  let open = true;
  void answered.then(() => {
    open = false;
  });
  while (open) {
    sent += chunk.length;
    if (!post.write(chunk)) await Promise.race([once(post, "drain"), answered]);
  }
  const [response] = await answered;
  post.end();
  response.resume();
  await once(response, "end");
  return { status: response.statusCode, sent };
}

describe("long-polling: limits", () => {
  describe("maxPayload", () => {
    it("takes a frame of just that size", async () => {
      const { client, events } = await joined();
      const frame = note(1, MAX - note(1, 1).length + 1);
      expect(frame.length).to.equal(MAX);
      expect(await client.sendBody(frame)).to.equal(200);
      expect(await client.sendBody(frame, "text/plain")).to.equal(200);
      expect(events.entries.slice(1)).to.deep.equal(["note 1", "note 1"]);
    });

    it("counts the bytes of a binary frame, not those of its base64", async () => {
      const { client, events } = await joined();
      const names = ["1", "2", TOPIC, "note"];
      const head = [0, ...names.map((name) => name.length), ...Buffer.from(names.join(""))];
      const frame = Buffer.from([...head, ...new Uint8Array(MAX - head.length)]);
      expect(await client.send(frame)).to.equal(200);
      expect(events.entries).to.have.length(2);
      const post = client.post(Buffer.concat([frame, Buffer.alloc(1)]).toString("base64"));
      expect((await post.answer).status).to.equal(413);
    });

    const TOO_LARGE: [what: string, body: string, type: string][] = [
      ["in a batch", `${note(1)}\n${note(2, MAX)}\n${note(3)}`, "application/x-ndjson"],
      ["in a body of its own", note(2, MAX), "text/plain"],
    ];
    for (const [what, body, type] of TOO_LARGE) {
      it(`a larger frame ${what} is answered 413, and closes the session`, async () => {
        const { client, events, lines, endpoint } = await joined();
        const { status, text } = await client.post(body, type).answer;
        expect({ status, text }).to.deep.equal({ status: 413, text: "" });
        const before = type === "text/plain" ? [] : ["note 1"];
        expect(events.entries).to.deep.equal([`join ${TOPIC}`, ...before, `terminate ${TOPIC} closed: 1009`]);
        expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).to.deep.equal([
          "closed a long-poll session: a frame, or a batch, is too large",
        ]);
        await client.expectGone();
        expect(endpoint.stats()).to.include({ channels: 0 });
      });
    }

    it("a body whose length says that it is too large isn't read", async () => {
      const { client, endpoint } = await joined();
      const post = request({
        port: client.http.port,
        method: "POST",
        path: client.path,
        headers: { [TOKEN]: client.token, "content-type": "text/plain", "content-length": MAX + 1 },
      });
      post.on("error", () => {});
      post.flushHeaders();
      const [response] = await once(post, "response");
      expect(response.statusCode).to.equal(413);
      expect(endpoint.stats().channels).to.equal(0);
      post.destroy();
    });

    for (const [type, limit] of [
      ["text/plain", MAX],
      ["application/x-ndjson", MAX_BATCH],
    ] as const) {
      it(`a body of ${type} without a length is given up at the limit`, async () => {
        const { client, endpoint } = await joined();
        const { status, sent } = await endlessPost(client, type);
        expect(status).to.equal(413);
        // What is on its way in both systems' buffers comes on top.
        expect(sent).to.be.greaterThan(limit);
        expect(endpoint.stats().channels).to.equal(0);
      });
    }
  });

  it("a client that hangs up in the middle of a body is no error", async () => {
    const { client, lines, events } = await joined();
    const post = request({
      port: client.http.port,
      method: "POST",
      path: client.path,
      headers: { [TOKEN]: client.token, "content-type": "application/x-ndjson", "content-length": 1000 },
    });
    post.on("error", () => {});
    await new Promise((resolve) => post.write(`${note(1)}\n`, resolve));
    await client.http.roundTrip();
    post.destroy();
    await client.http.roundTrip();
    await client.http.roundTrip();
    // A part of a batch counts for nothing.
    expect(events.entries).to.deep.equal([`join ${TOPIC}`]);
    expect(lines.filter(({ level }) => level === "warn" || level === "error")).to.deep.equal([]);
    expect(await client.settle()).to.deep.equal([]);
  });

  describe("maxBufferedBytes", () => {
    it("closes the session of a client that doesn't poll; what waits may still be polled for", async () => {
      const { client, endpoint, events, lines } = await joined({ maxBufferedBytes: 3000 });
      const text = "x".repeat(1000);
      for (let n = 0; n < 10; n++) endpoint.broadcast(TOPIC, "shout", { n, text });
      expect((await events.reaches(2)).at(-1)).to.equal(`terminate ${TOPIC} closed: slow consumer`);
      expect(lines.map(({ message }) => message)).to.include("closed a connection whose client doesn't read");
      expect(await client.take()).to.deep.equal([0, 1, 2].map((n) => shout(TOPIC, { n, text })));
      expect(bodyOf(await client.poll().answer).status).to.equal(410);
      expect(endpoint.stats()).to.include({ connections: 0, bufferedBytes: 0 });
    });

    it("doesn't close that of a client whose poll waits, however much a turn writes", async () => {
      const { client, endpoint } = await joined({ maxBufferedBytes: 3000 });
      await client.waitingPoll();
      const text = "x".repeat(5000);
      const poll = await client.waitingPoll();
      endpoint.broadcast(TOPIC, "shout", { n: 1, text });
      endpoint.broadcast(TOPIC, "shout", { n: 2 });
      expect(bodyOf(await poll.answer).messages).to.have.length(1);
      expect(await client.settle()).to.deep.equal([shout(TOPIC, { n: 2 })]);
    });
  });

  it("a flood of frames is answered 400, and closes the session", async () => {
    const { client, events } = await joined({ rateLimit: { limit: 3, interval: 1000, hardLimit: 5 } });
    const frames = Array.from({ length: 10 }, (_, n) => note(n));
    expect(await client.sendBody(frames.join("\n"))).to.equal(400);
    expect(events.entries.at(-1)).to.equal(`terminate ${TOPIC} closed: rate limit exceeded`);
  });

  describe("maxQueued", () => {
    it("holds the answer to a POST while a channel can't keep up", async () => {
      const { client, handler, events } = await joined({ maxQueued: 4 });
      const wait = (n: number) => ["1", `${n}`, TOPIC, "wait", { n }];
      const frames = Array.from({ length: 10 }, (_, n) => wait(n));
      const post = client.post(frames.map((frame) => JSON.stringify(frame)).join("\n"));
      await events.reaches(2);
      await client.http.settle(post);
      expect(post.answered).to.equal(false);
      // Other POSTs wait too, polls don't.
      const next = client.post(JSON.stringify(wait(10)));
      await client.http.settle(next);
      expect(next.answered).to.equal(false);
      const poll = client.poll();
      await client.http.settle(poll);
      handler.open();
      expect(bodyOf(await post.answer).status).to.equal(200);
      expect(bodyOf(await next.answer).status).to.equal(200);
      const replies = (bodyOf(await poll.answer).messages ?? []).map((message) => JSON.parse(message));
      while (replies.length < 11) replies.push(...(await client.take()));
      expect(replies).to.deep.equal(Array.from({ length: 11 }, (_, n) => reply(`${n}`, TOPIC, { n })));
    });

    it("holds the answer to the POST that brought it there, to the last frame", async () => {
      const { client, handler, events } = await joined({ maxQueued: 4 });
      const frames = Array.from({ length: 6 }, (_, n) => ["1", `${n}`, TOPIC, "wait", { n }]);
      const post = client.post(frames.map((frame) => JSON.stringify(frame)).join("\n"));
      await events.reaches(2);
      await client.http.settle(post);
      expect(post.answered).to.equal(false);
      handler.open();
      expect(bodyOf(await post.answer).status).to.equal(200);
    });

    it("a session that expires meanwhile lets its POSTs go", async () => {
      const { client, clock, events } = await joined({ maxQueued: 4 });
      const frames = Array.from({ length: 10 }, (_, n) =>
        JSON.stringify(["1", `${n}`, TOPIC, "wait", { n }]),
      );
      const post = client.post(frames.join("\n"));
      await events.reaches(2);
      await client.http.settle(post);
      clock.advance(2 * WINDOW);
      expect(bodyOf(await post.answer).status).to.equal(410);
    });

    it("a session that is closed meanwhile lets its POSTs go, with 410 if frames were left", async () => {
      const { client, endpoint, events } = await joined({ maxQueued: 4 });
      const frames = Array.from({ length: 10 }, (_, n) =>
        JSON.stringify(["1", `${n}`, TOPIC, "wait", { n }]),
      );
      const post = client.post(frames.join("\n"));
      await events.reaches(2);
      await client.http.settle(post);
      endpoint.disconnect("user:7");
      expect(bodyOf(await post.answer).status).to.equal(410);
    });
  });
});

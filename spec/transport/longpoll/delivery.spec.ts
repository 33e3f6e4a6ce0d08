import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { expect } from "chai";
import { turn } from "../../support/gate.ts";
import type { HttpExchange } from "../../support/http-client.ts";
import { afterTest } from "../../support/teardown.ts";
import { chat, shout } from "./chat.ts";
import { bodyOf, messagesOf, type PollingClient, servePolling, TOKEN, WINDOW } from "./polling-client.ts";

const TOPIC = "room:1";

async function joined() {
  const server = await servePolling(chat().ChatSocket, { maxBufferedBytes: 64 * 1024 * 1024 });
  const client = await server.open();
  await client.join(TOPIC);
  const say = (n: number) => server.endpoint.broadcast(TOPIC, "shout", { n });
  return { ...server, client, say };
}

/** A message came once, and the next poll has nothing of it. */
async function expectOnce(client: PollingClient, ...numbers: number[]): Promise<void> {
  expect(await client.take()).to.deep.equal(numbers.map((n) => shout(TOPIC, { n })));
  expect(await client.settle()).to.deep.equal([]);
}

/** More than the buffers of the system take in. */
const LARGE = 16 * 1024 * 1024;

/** A poll over bare TCP, which reads nothing by itself. */
function barePoll(port: number, token: string): Socket {
  const socket = connectTcp({ port, host: "127.0.0.1" });
  afterTest(() => socket.destroy());
  socket.on("error", () => {});
  ask(socket, token);
  return socket;
}

function ask(socket: Socket, token: string): void {
  socket.write(`GET /socket/longpoll HTTP/1.1\r\nHost: localhost\r\n${TOKEN}: ${token}\r\n\r\n`);
}

/** Calls back when the server has handed the answer of a request to the system, before its client has read it. */
function whenSent({ request }: HttpExchange, callback: () => void): void {
  const number = request.getHeader("x-request-number");
  const onFinish = (message: unknown) => {
    const { headers } = (message as { request: IncomingMessage }).request;
    if (headers["x-request-number"] === String(number)) callback();
  };
  subscribe("http.server.response.finish", onFinish);
  afterTest(() => unsubscribe("http.server.response.finish", onFinish));
}

describe("long-polling: a message for a poll that has gone comes with the next poll, once", () => {
  const HANG_UPS: [how: string, hangUp: (poll: HttpExchange) => void][] = [
    ["hangs up", (poll) => poll.abort()],
    ["resets the connection", (poll) => poll.request.socket?.resetAndDestroy()],
  ];
  for (const [how, hangUp] of HANG_UPS) {
    describe(`a client that ${how}`, () => {
      it("while the poll waits", async () => {
        const { client, say } = await joined();
        const poll = await client.waitingPoll();
        hangUp(poll);
        await client.http.roundTrip();
        say(1);
        await client.http.roundTrip();
        say(2);
        await expectOnce(client, 1, 2);
      });

      it("right before the message", async () => {
        const { client, say } = await joined();
        const poll = await client.waitingPoll();
        hangUp(poll);
        say(1);
        await expectOnce(client, 1);
      });

      it("right after the message", async () => {
        const { client, say } = await joined();
        const poll = await client.waitingPoll();
        say(1);
        hangUp(poll);
        await expectOnce(client, 1);
      });

      it("a turn of the event loop after the message", async () => {
        const { client, say } = await joined();
        const poll = await client.waitingPoll();
        say(1);
        await turn();
        hangUp(poll);
        await expectOnce(client, 1);
      });

      it("when the answer has left the server and isn't read", async () => {
        const { client, say } = await joined();
        const poll = await client.waitingPoll();
        whenSent(poll, () => hangUp(poll));
        say(1);
        const failed = await poll.answer.then(
          () => false,
          () => true,
        );
        expect(failed).to.equal(true);
        say(2);
        await expectOnce(client, 1, 2);
      });

      it("before what waits for it is sent", async () => {
        const { client, say } = await joined();
        say(1);
        const poll = client.poll();
        await poll.reached.promise;
        hangUp(poll);
        await expectOnce(client, 1);
      });
    });
  }

  it("right behind its request, while another poll is about to be answered", async () => {
    const { client, port, say } = await joined();
    say(1);
    const sockets = [connectTcp(port, "127.0.0.1"), connectTcp(port, "127.0.0.1")];
    for (const socket of sockets) {
      afterTest(() => socket.destroy());
      await once(socket, "connect");
    }
    const [first, second] = sockets.map((socket) => () => ask(socket, client.token));
    const started = () => {
      unsubscribe("http.server.request.start", started);
      second?.();
      sockets[1]?.destroy();
    };
    subscribe("http.server.request.start", started);
    first?.();
    await once(sockets[1] as Socket, "close");
    await client.http.roundTrip();
    await expectOnce(client, 1);
  });

  it("in the middle of an answer that it reads too slowly", async () => {
    const { client, port, endpoint } = await joined();
    const text = "x".repeat(LARGE);
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text });
    await once(socket, "readable");
    expect(endpoint.stats().bufferedBytes).to.be.greaterThan(0);
    socket.destroy();
    await client.http.roundTrip();
    expect(endpoint.stats().bufferedBytes).to.be.greaterThan(LARGE);
    expect(await client.take()).to.deep.equal([shout(TOPIC, { text })]);
    expect(await client.settle()).to.deep.equal([]);
    expect(endpoint.stats().bufferedBytes).to.equal(0);
  });

  it("in the middle of an answer whose connection the server's host cuts", async () => {
    const { client, port, endpoint } = await joined();
    const text = "x".repeat(LARGE);
    let cut = () => {};
    const onStart = (message: unknown) => {
      const { socket } = (message as { request: IncomingMessage }).request;
      cut = () => socket.destroy();
    };
    subscribe("http.server.request.start", onStart);
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text });
    await once(socket, "readable");
    unsubscribe("http.server.request.start", onStart);
    cut();
    await client.http.roundTrip();
    expect(await client.take()).to.deep.equal([shout(TOPIC, { text })]);
  });

  it("with a newer poll, while the answer of an older one is stuck", async () => {
    const { client, port, endpoint } = await joined();
    const text = "x".repeat(LARGE);
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text });
    await once(socket, "readable");
    expect(await client.take()).to.deep.equal([shout(TOPIC, { text })]);
    // The older answer ends short of its end.
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    await once(socket, "close");
    expect(received).to.be.lessThan(LARGE);
    expect(await client.settle()).to.deep.equal([]);
  });

  it("in the middle of the last answer of a session that is closed", async () => {
    const { client, port, endpoint } = await joined();
    const text = "x".repeat(LARGE);
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text });
    await once(socket, "readable");
    endpoint.disconnect("user:7");
    socket.destroy();
    await client.http.roundTrip();
    expect(await client.take()).to.deep.equal([shout(TOPIC, { text })]);
    expect(bodyOf(await client.poll().answer)).to.deep.equal({
      status: 410,
      token: client.token,
      messages: [],
    });
  });
});

describe("long-polling: an answer that takes long to read", () => {
  it("keeps its session alive, which expires two windows after it", async () => {
    const { client, port, endpoint, clock } = await joined();
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text: "x".repeat(LARGE) });
    await once(socket, "readable");
    clock.advance(5 * WINDOW);
    expect(endpoint.stats()).to.include({ connections: 1 });
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    while (received < LARGE) await once(socket, "data");
    await client.http.roundTrip();
    clock.advance(2 * WINDOW - 1);
    expect(endpoint.stats()).to.include({ connections: 1 });
    clock.advance(1);
    expect(endpoint.stats()).to.include({ connections: 0 });
  });

  it("doesn't keep it when its client has gone", async () => {
    const { client, port, endpoint, clock } = await joined();
    const socket = barePoll(port, client.token);
    endpoint.broadcast(TOPIC, "shout", { text: "x".repeat(LARGE) });
    await once(socket, "readable");
    clock.advance(5 * WINDOW);
    socket.destroy();
    await client.http.roundTrip();
    clock.advance(2 * WINDOW);
    expect(endpoint.stats()).to.include({ connections: 0, bufferedBytes: 0 });
  });
});

describe("long-polling: a message that has been read isn't sent again", () => {
  for (const end of ["end", "resetAndDestroy"] as const) {
    it(`when the client calls ${end} on the connection after its next poll`, async () => {
      const { client, port, say } = await joined();
      const socket = barePoll(port, client.token);
      say(1);
      const [answer] = await once(socket, "data");
      expect(String(answer)).to.include("shout");
      const poll = await client.waitingPoll();
      socket[end]();
      await client.http.roundTrip();
      say(2);
      expect(await messagesOf(poll)).to.deep.equal([shout(TOPIC, { n: 2 })]);
    });
  }

  it("when the client has a connection for each poll", async () => {
    const { client, port, say } = await joined();
    const socket = barePoll(port, client.token);
    say(1);
    const [answer] = await once(socket, "data");
    expect(String(answer)).to.include("shout");
    socket.end();
    await client.http.roundTrip();
    expect(await client.settle()).to.deep.equal([]);
  });
});

describe("long-polling: two polls at the same time", () => {
  it("the newer gets the messages, the older nothing when its window is over", async () => {
    const { client, clock, say } = await joined();
    const older = await client.waitingPoll();
    clock.advance(WINDOW / 2);
    const newer = await client.waitingPoll();
    say(1);
    expect(await messagesOf(newer)).to.deep.equal([shout(TOPIC, { n: 1 })]);
    clock.advance(WINDOW / 2 - 1);
    await client.http.settle(older);
    expect(older.answered).to.equal(false);
    clock.advance(1);
    expect(bodyOf(await older.answer)).to.deep.equal({ status: 204, token: client.token, messages: [] });
    expect(await client.settle()).to.deep.equal([]);
  });

  it("what waits goes to one of them", async () => {
    const { client, clock, say } = await joined();
    say(1);
    say(2);
    const polls = [client.poll(), client.poll()];
    for (const poll of polls) await client.http.settle(poll);
    clock.advance(WINDOW);
    const bodies = await Promise.all(polls.map(async (poll) => bodyOf(await poll.answer)));
    expect(bodies.map(({ status }) => status)).to.have.members([200, 204]);
    const messages = bodies.flatMap((body) => body.messages ?? []).map((message) => JSON.parse(message));
    expect(messages).to.deep.equal([shout(TOPIC, { n: 1 }), shout(TOPIC, { n: 2 })]);
  });

  it("messages stay for the next poll when the newer hangs up", async () => {
    const { client, say } = await joined();
    await client.waitingPoll();
    const newer = await client.waitingPoll();
    newer.abort();
    await client.http.roundTrip();
    say(1);
    await expectOnce(client, 1);
  });
});

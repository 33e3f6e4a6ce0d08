import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { expect } from "chai";
import {
  type ConnectInfo,
  type ConnectParams,
  error,
  ok,
  Socket as PhoenixSocket,
} from "../../../lib/index.ts";
import { Gate, Journal } from "../../support/gate.ts";
import { HttpClient } from "../../support/http-client.ts";
import { afterTest } from "../../support/teardown.ts";
import { chat } from "./chat.ts";
import { bodyOf, PollingClient, servePolling, TOKEN, WINDOW } from "./polling-client.ts";

const TOPIC = "room:1";
const PATH = "/socket/longpoll";

/** Sockets that are let in, refused, or neither, as their params say. */
function door() {
  const infos: ConnectInfo[] = [];
  const events = new Journal();
  const gate = new Gate();
  class DoorSocket extends PhoenixSocket {
    override connect(params: ConnectParams, info: ConnectInfo) {
      infos.push(info);
      events.add(`connect ${params.as}`);
      info.signal.addEventListener("abort", () => events.add(`abort ${params.as}`));
      if (params.as === "refused") return error({ reason: "no" });
      if (params.as === "crash") throw new Error("boom");
      if (params.as === "wrong") return undefined as unknown as ReturnType<typeof ok>;
      return params.as === "slow" ? gate.promise.then(() => ok()) : ok();
    }
  }
  return { DoorSocket, infos, events, gate };
}

describe("long-polling: tokens", () => {
  async function session() {
    const { ChatSocket } = chat();
    const server = await servePolling(ChatSocket);
    const client = await server.open();
    await client.join(TOPIC);
    const with_ = (token: string) => new PollingClient(client.http, PATH, token);
    return { ...server, client, with_ };
  }

  it("are all different, and safe in a query", async () => {
    const { open } = await session();
    const tokens = await Promise.all(Array.from({ length: 20 }, async () => (await open()).token));
    expect(new Set(tokens).size).to.equal(20);
    for (const token of tokens) expect(encodeURIComponent(token)).to.equal(token);
  });

  it("that are forged, cut or longer belong to no session", async () => {
    const { client, with_ } = await session();
    const [id = "", signature = ""] = client.token.split(".");
    const spoilt = (text: string) => (text.startsWith("A") ? "B" : "A") + text.slice(1);
    const FORGED = [
      "",
      ".",
      id,
      `${id}.`,
      `.${signature}`,
      `${id}.${signature.slice(0, -1)}`,
      `${id}.${spoilt(signature)}`,
      `${spoilt(id)}.${signature}`,
      `${client.token}.`,
      `${client.token}.${signature}`,
      `${client.token}A`,
      client.token.toLowerCase(),
    ];
    for (const token of FORGED) {
      const forger = with_(token);
      expect(await forger.send(["1", "9", TOPIC, "echo", {}]), token).to.equal(410);
      const { status, token: other } = bodyOf(await forger.poll().answer);
      expect(status, token).to.equal(410);
      expect(other, token).not.to.equal(client.token);
    }
    expect(await client.settle()).to.deep.equal([]);
  });

  it("of another endpoint, or of another mount, belong to no session", async () => {
    const { client, endpoint, with_ } = await session();
    const other = await session();
    expect(await with_(other.client.token).send(["1", "9", TOPIC, "echo", {}])).to.equal(410);
    endpoint.socket("/admin", chat().ChatSocket);
    const admin = await PollingClient.open(client.http.port, "vsn=2.0.0", {}, "/admin/longpoll");
    expect(await with_(admin.token).send(["1", "9", TOPIC, "echo", {}])).to.equal(410);
    expect(await admin.send([null, "1", "phoenix", "heartbeat", {}])).to.equal(200);
  });

  it("are taken from the query too, unless there is one in the header", async () => {
    const { client } = await session();
    const post = (query: string, headers: Record<string, string>) =>
      client.http.ask({
        method: "POST",
        path: `${PATH}?${query}`,
        headers,
        body: '[null,"1","phoenix","heartbeat",{}]',
      });
    expect(bodyOf(await post(`vsn=2.0.0&token=${client.token}`, {}).answer).status).to.equal(200);
    expect(bodyOf(await post(`token=${client.token}`, { [TOKEN]: "x.y" }).answer).status).to.equal(410);
    expect(bodyOf(await post(`token[]=${client.token}`, {}).answer).status).to.equal(410);
    expect(bodyOf(await post("token=%", {}).answer).status).to.equal(410);
  });

  it("never show in the logs", async () => {
    const { client, lines } = await session();
    await client.sendBody("hello");
    expect(lines).not.to.deep.equal([]);
    expect(JSON.stringify(lines)).not.to.include(client.token).and.not.include(client.token.split(".")[0]);
  });
});

describe("long-polling: a session that isn't polled for", () => {
  it("expires after two windows: its channels end, and nothing is left of it", async () => {
    const { ChatSocket, events } = chat();
    const { open, clock, endpoint } = await servePolling(ChatSocket);
    const client = await open();
    await client.join(TOPIC);
    endpoint.broadcast(TOPIC, "shout", {});
    clock.advance(2 * WINDOW - 1);
    expect(endpoint.stats()).to.include({ connections: 1, channels: 1 });
    clock.advance(1);
    expect(await events.reaches(2)).to.deep.equal([
      `join ${TOPIC}`,
      `terminate ${TOPIC} closed: session expired`,
    ]);
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0, bufferedBytes: 0 });
    expect(await client.send(["1", "2", TOPIC, "echo", {}])).to.equal(410);
    // The clock is all that the endpoint still had.
    expect(clock.pending).to.equal(0);
  });

  it("expires if it was never polled for", async () => {
    const { open, clock, endpoint } = await servePolling(chat().ChatSocket);
    await open();
    clock.advance(2 * WINDOW);
    expect(endpoint.stats()).to.include({ connections: 0, topics: 0 });
  });

  it("doesn't live on its POSTs", async () => {
    const { open, clock, endpoint } = await servePolling(chat().ChatSocket);
    const client = await open();
    clock.advance(WINDOW);
    expect(await client.send([null, "1", "phoenix", "heartbeat", {}])).to.equal(200);
    clock.advance(WINDOW);
    expect(endpoint.stats()).to.include({ connections: 0 });
  });

  it("lives as long as it is polled for, and counts from the last poll", async () => {
    const { open, clock, endpoint } = await servePolling(chat().ChatSocket);
    const client = await open();
    for (let i = 0; i < 5; i++) {
      clock.advance(2 * WINDOW - 1);
      const poll = await client.waitingPoll();
      clock.advance(WINDOW);
      expect(bodyOf(await poll.answer)).to.deep.equal({ status: 204, token: client.token, messages: [] });
    }
    const poll = await client.waitingPoll();
    clock.advance(WINDOW / 2);
    poll.abort();
    await client.http.roundTrip();
    clock.advance(2 * WINDOW - 1);
    expect(endpoint.stats()).to.include({ connections: 1 });
    clock.advance(1);
    expect(endpoint.stats()).to.include({ connections: 0 });
  });
});

describe("long-polling: many polls of a session", () => {
  it("leave neither timers nor listeners behind", async () => {
    const { ChatSocket } = chat();
    const { open, clock, endpoint } = await servePolling(ChatSocket);
    const sockets = new Map<Socket, number>();
    const onStart = (message: unknown) => {
      const { socket } = (message as { request: IncomingMessage }).request;
      if (!sockets.has(socket)) sockets.set(socket, socket.listenerCount("error"));
    };
    subscribe("http.server.request.start", onStart);
    afterTest(() => unsubscribe("http.server.request.start", onStart));
    const client = await open();
    await client.join(TOPIC);
    await client.settle();
    const { pending } = clock;
    for (let i = 0; i < 20; i++) await client.settle();
    expect(clock.pending).to.equal(pending);
    endpoint.disconnect("user:7");
    expect(sockets.size).to.be.greaterThan(0);
    for (const [socket, count] of sockets) expect(socket.listenerCount("error")).to.equal(count);
  });
});

describe("long-polling: connect", () => {
  async function ask(as: string, options = {}) {
    const { DoorSocket, ...rest } = door();
    const server = await servePolling(DoorSocket, options);
    const http = new HttpClient(server.port);
    return { ...server, ...rest, http, request: http.ask({ path: `${PATH}?vsn=2.0.0&as=${as}` }) };
  }

  const REFUSALS: [as: string, status: number][] = [
    ["refused", 403],
    ["wrong", 403],
    // The client tries again after 500.
    ["crash", 500],
  ];
  for (const [as, status] of REFUSALS) {
    it(`that doesn't let a client in (${as}) is answered 200, with ${status} in the body`, async () => {
      const { request, endpoint } = await ask(as);
      const answer = await request.answer;
      expect(answer.status).to.equal(200);
      expect(bodyOf(answer)).to.deep.equal({ status });
      expect(endpoint.stats()).to.include({ connections: 0 });
    });
  }

  it("that takes longer than connectTimeout is aborted, and answered with 500 in the body", async () => {
    const { request, events, clock, gate, endpoint } = await ask("slow", { connectTimeout: 3000 });
    await events.reaches(1);
    clock.advance(2999);
    expect(events.entries).to.deep.equal(["connect slow"]);
    clock.advance(1);
    expect(bodyOf(await request.answer)).to.deep.equal({ status: 500 });
    expect(events.entries).to.deep.equal(["connect slow", "abort slow"]);
    gate.open();
    await gate.promise;
    expect(endpoint.stats()).to.include({ connections: 0 });
    expect(clock.pending).to.equal(0);
  });

  it("of a client that hangs up meanwhile is aborted, and opens nothing", async () => {
    const { request, events, gate, endpoint, clock } = await ask("slow");
    await events.reaches(1);
    request.abort();
    await events.reaches(2);
    gate.open();
    await gate.promise;
    expect(endpoint.stats()).to.include({ connections: 0 });
    expect(clock.pending).to.equal(0);
  });

  it("that lets a client in late opens its session", async () => {
    const { request, events, gate, endpoint } = await ask("slow");
    await events.reaches(1);
    gate.open();
    expect(bodyOf(await request.answer)).to.include({ status: 410 });
    expect(endpoint.stats()).to.include({ connections: 1 });
    expect(events.entries).to.deep.equal(["connect slow"]);
  });

  it("that is under way when a drain begins is aborted, and answered with 503 as new clients are", async () => {
    const { request, events, gate, endpoint } = await ask("slow");
    await events.reaches(1);
    await endpoint.drain();
    const { status, text } = await request.answer;
    expect({ status, text }).to.deep.equal({ status: 503, text: "" });
    expect(events.entries).to.deep.equal(["connect slow", "abort slow"]);
    gate.open();
    await gate.promise;
    expect(endpoint.stats()).to.include({ connections: 0 });
    await endpoint.close();
  });

  it("knows the transport, and the auth token only with the option", async () => {
    for (const authToken of [true, false]) {
      const { DoorSocket, infos } = door();
      const { open } = await servePolling(DoorSocket, { authToken });
      await open("vsn=2.0.0", { "x-phoenix-authtoken": "s3cret +/=_-" });
      await open();
      expect(infos.map(({ transport }) => transport)).to.deep.equal(["longpoll", "longpoll"]);
      expect(infos.map((info) => info.authToken)).to.deep.equal([authToken ? "s3cret +/=_-" : null, null]);
    }
  });

  it("isn't asked by a poll or a POST", async () => {
    const { DoorSocket, events } = door();
    const { open } = await servePolling(DoorSocket);
    const client = await open("vsn=2.0.0&as=once");
    await client.settle();
    expect(events.entries).to.deep.equal(["connect once"]);
  });
});

describe("long-polling: origins", () => {
  const ORIGINS: [checkOrigin: boolean | string[], origin: string, allowed: boolean][] = [
    [["https://example.com"], "https://example.com", true],
    [["https://example.com"], "https://example.org", false],
    [["//*.example.com"], "https://app.example.com", true],
    [true, "http://127.0.0.1:1234", true],
    [true, "https://example.com", false],
    [false, "https://example.com", true],
  ];
  for (const [checkOrigin, origin, allowed] of ORIGINS) {
    it(`checkOrigin ${JSON.stringify(checkOrigin)}: ${origin} ${allowed ? "may" : "may not"} use it`, async () => {
      const { open, port, lines } = await servePolling(chat().ChatSocket, { checkOrigin });
      const client = await open();
      const http = new HttpClient(port);
      const body = '[null,"1","phoenix","heartbeat",{}]';
      const session = { origin, [TOKEN]: client.token };
      const answers = [
        await http.ask({ path: `${PATH}?vsn=2.0.0`, headers: { origin } }).answer,
        await http.ask({ method: "POST", path: PATH, headers: session, body }).answer,
        ...(allowed ? [await http.ask({ path: PATH, headers: session }).answer] : []),
      ];
      // Browsers show an answer to the page only if it says so.
      for (const { headers } of answers) expect(headers["access-control-allow-origin"]).to.equal("*");
      expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
      const statuses = answers.map((answer) => bodyOf(answer).status);
      expect(statuses).to.deep.equal(allowed ? [410, 200, 200] : [403, 403]);
      expect(lines.some(({ details }) => details.cause === "origin")).to.equal(!allowed);
      if (!allowed) expect(await client.settle()).to.deep.equal([]);
    });
  }

  it("preflights are answered to those that may", async () => {
    const { port } = await servePolling(chat().ChatSocket, { checkOrigin: ["https://example.com"] });
    const http = new HttpClient(port);
    const preflight = (origin: string) =>
      http.ask({
        method: "OPTIONS",
        path: PATH,
        headers: { origin, "access-control-request-headers": "content-type, x-phoenix-authtoken" },
      }).answer;
    const { status, headers, text } = await preflight("https://example.com");
    expect({ status, text }).to.deep.equal({ status: 200, text: "" });
    expect(headers).to.include({
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "content-type, x-phoenix-authtoken",
      "access-control-allow-methods": "get, post, options",
    });
    const refused = await preflight("https://example.org");
    expect(bodyOf(refused)).to.deep.equal({ status: 403 });
    expect(refused.headers).not.to.have.property("access-control-allow-headers");
  });
});

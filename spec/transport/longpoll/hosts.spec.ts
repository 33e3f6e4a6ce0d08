import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import express, { type Express } from "express";
import fastify from "fastify";
import { Endpoint } from "../../../lib/index.ts";
import { HttpClient } from "../../support/http-client.ts";
import { recordingLogger } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";
import { chat, reply } from "./chat.ts";
import { bodyOf, PollingClient } from "./polling-client.ts";

const TOPIC = "room:1";

function makeEndpoint(path = "/socket") {
  const { logger, lines } = recordingLogger();
  const endpoint = new Endpoint({ logger });
  endpoint.socket(path, chat().ChatSocket, { closeTimeout: 1 });
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  return { endpoint, lines };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTest(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Joins, and has messages answered, in each form in which a client may post them. */
async function expectServed(port: number, path = "/socket/longpoll"): Promise<void> {
  const client = await PollingClient.open(port, "vsn=2.0.0", {}, path);
  expect(await client.send(["1", "1", TOPIC, "phx_join", {}])).to.equal(200);
  const TYPES = ["application/x-ndjson", "application/json", "text/plain", "application/octet-stream"];
  const replies: unknown[] = [reply("1", TOPIC)];
  for (const [i, type] of TYPES.entries()) {
    const ref = String(i + 2);
    const payload = { text: `${type} é😀`, list: [1, "2", null] };
    expect(await client.sendBody(JSON.stringify(["1", ref, TOPIC, "echo", payload]), type), type).to.equal(
      200,
    );
    replies.push(reply(ref, TOPIC, payload));
  }
  const two = [7, 8].map((ref) => JSON.stringify(["1", String(ref), TOPIC, "echo", {}]));
  expect(await client.sendBody(two.join("\n"))).to.equal(200);
  replies.push(reply("7", TOPIC), reply("8", TOPIC));
  expect(await client.take()).to.deep.equal(replies);
}

describe("long-polling under Express", () => {
  async function serveExpress(
    build: (app: Express, endpoint: Endpoint) => void,
    path?: string,
  ): Promise<number> {
    const app = express();
    const { endpoint } = makeEndpoint(path);
    build(app, endpoint);
    app.get("/hello", (_request, response) => {
      response.send("world");
    });
    return listen(createServer(app));
  }

  it("as a middleware", async () => {
    const port = await serveExpress((app, endpoint) => {
      app.use((request, response, next) => {
        if (!endpoint.handleRequest(request, response)) next();
      });
    });
    await expectServed(port);
    expect((await new HttpClient(port).ask({ path: "/hello" }).answer).text).to.equal("world");
    expect((await new HttpClient(port).ask({ path: "/socket/other" }).answer).status).to.equal(404);
  });

  it("at a mount path of the app, which is part of the endpoint's", async () => {
    const port = await serveExpress((app, endpoint) => {
      app.use("/realtime", (request, response, next) => {
        if (!endpoint.handleRequest(request, response)) next();
      });
    }, "/realtime/socket");
    await expectServed(port, "/realtime/socket/longpoll");
    expect((await new HttpClient(port).ask({ path: "/socket/longpoll" }).answer).status).to.equal(404);
  });

  const PARSERS: [name: string, parser: express.RequestHandler[]][] = [
    ["express.json()", [express.json()]],
    ['express.text({ type: "*/*" })', [express.text({ type: "*/*" })]],
    ['express.raw({ type: "*/*" })', [express.raw({ type: "*/*" })]],
    ["express.json(), urlencoded() and text()", [express.json(), express.urlencoded(), express.text()]],
    // As body-parser did before its version 2, for bodies that it leaves alone.
    [
      "a parser that makes a body of nothing",
      [
        (request, _response, next) => {
          request.body ??= {};
          next();
        },
      ],
    ],
  ];
  for (const [name, parsers] of PARSERS) {
    it(`behind ${name}`, async () => {
      const port = await serveExpress((app, endpoint) => {
        app.use(...parsers);
        app.use((request, response, next) => {
          if (!endpoint.handleRequest(request, response)) next();
        });
      });
      await expectServed(port);
    });
  }

  it("says what is wrong if a body was read and left nowhere", async () => {
    const { endpoint, lines } = makeEndpoint();
    const app = express();
    app.use((request, response) => {
      request.resume().once("end", () => endpoint.handleRequest(request, response));
    });
    const port = await listen(createServer(app));
    const client = await PollingClient.open(port);
    const { status, text } = await client.post("[]").answer;
    expect({ status, text }).to.deep.equal({ status: 500, text: "" });
    const { err } = lines.find(({ level }) => level === "error")?.details ?? {};
    expect(String(err)).to.match(/body was read before .*request\.body/);
    // The session isn't closed for it.
    const poll = client.poll();
    await client.http.settle(poll);
    expect(poll.answered).to.equal(false);
  });
});

describe("long-polling under Fastify", () => {
  it("attached to its server", async () => {
    const { endpoint } = makeEndpoint();
    const app = fastify();
    app.get("/hello", () => "world");
    endpoint.attach(app.server);
    await app.ready();
    const port = await listen(app.server);
    await expectServed(port);
    expect((await new HttpClient(port).ask({ path: "/hello" }).answer).text).to.equal("world");
  });

  it("in a route, whose bodies are left to it", async () => {
    const { endpoint } = makeEndpoint();
    const app = fastify();
    await app.register((scope, _options, done) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
      scope.all("/socket/longpoll", (request, answer) => {
        answer.hijack();
        endpoint.handleRequest(request.raw, answer.raw);
      });
      done();
    });
    app.get("/hello", () => "world");
    await app.ready();
    const port = await listen(app.server);
    await expectServed(port);
    expect((await new HttpClient(port).ask({ path: "/hello" }).answer).text).to.equal("world");
  });
});

describe("long-polling on a server of the app's", () => {
  const app: RequestListener = (request, response) => {
    response.writeHead(request.url === "/hello" ? 200 : 404).end(`app: ${request.url}`);
  };

  for (const when of ["before", "after"] as const) {
    it(`whose own listener is added ${when} attach`, async () => {
      const { endpoint } = makeEndpoint();
      const server = createServer();
      const seen: unknown[] = [];
      const own: RequestListener = (request, response) => {
        seen.push(request.url);
        app(request, response);
      };
      if (when === "before") server.on("request", own);
      endpoint.attach(server);
      if (when === "after") server.on("request", own);
      const port = await listen(server);
      await expectServed(port);
      expect(seen).to.deep.equal([]);
      const http = new HttpClient(port);
      expect((await http.ask({ path: "/hello" }).answer).text).to.equal("app: /hello");
      expect((await http.ask({ path: "/socket/websocket" }).answer).status).to.equal(400);
      expect(seen).to.deep.equal(["/hello"]);
    });
  }

  it("gets its paths back when the endpoint closes", async () => {
    const { endpoint } = makeEndpoint();
    const server = createServer(app);
    endpoint.attach(server);
    const port = await listen(server);
    const client = await PollingClient.open(port);
    const poll = await client.waitingPoll();
    await endpoint.close();
    expect(bodyOf(await poll.answer).status).to.equal(410);
    expect((await new HttpClient(port).ask({ path: "/socket/longpoll" }).answer).text).to.equal(
      "app: /socket/longpoll",
    );
    expect(server.listening).to.equal(true);
  });

  it("with two endpoints, of which each closes by itself", async () => {
    const first = makeEndpoint("/first").endpoint;
    const second = makeEndpoint("/second").endpoint;
    const server = createServer(app);
    first.attach(server);
    second.attach(server);
    const port = await listen(server);
    await expectServed(port, "/first/longpoll");
    await expectServed(port, "/second/longpoll");
    await first.close();
    await expectServed(port, "/second/longpoll");
    const http = new HttpClient(port);
    expect((await http.ask({ path: "/first/longpoll" }).answer).text).to.equal("app: /first/longpoll");
    await second.close();
    expect((await http.ask({ path: "/second/longpoll" }).answer).text).to.equal("app: /second/longpoll");
  });
});

import { createHash } from "node:crypto";
import { request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import { expect } from "chai";
import { Channel, error, ok, Socket, V1JSONSerializer } from "../../../lib/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { serve } from "../../support/server.ts";
import { handServer } from "../support/hand-server.ts";
import { listen, listenHttp, listenTcp } from "../support/listen.ts";
import { doctor, expectFault } from "../support/run.ts";
import { selfSigned } from "../support/self-signed.ts";

class Room extends Channel {
  override join() {
    return ok();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("doctor: reaching the server", () => {
  it("address_unknown", () =>
    expectFault("address_unknown", "connect", ["ws://no-such-host.invalid/socket"], [/ENOTFOUND|EAI_AGAIN/]));

  it("connection_refused", async () => {
    const port = await freePort();
    await expectFault("connection_refused", "connect", [`ws://127.0.0.1:${port}/socket`], [`port ${port}`]);
  });

  it("host_unreachable, when no connection comes about in time", async () => {
    const clock = new ManualClock();
    const waiting = doctor(["ws://127.0.0.1:9/socket"], { clock });
    // Time passes before the system can tell anything.
    while (clock.pending === 0) await Promise.resolve();
    clock.advance(10_000);
    const report = await waiting;
    expect(report.diagnosis?.fault).to.equal("host_unreachable");
    expect(report.diagnosis?.evidence).to.deep.equal(["127.0.0.1, port 9 didn't answer within 10 seconds"]);
  });

  it("wrong_scheme: wss:// to a port without TLS", async () => {
    const { port } = await serve(UserSocket);
    await expectFault("wrong_scheme", "connect", [`wss://127.0.0.1:${port}/socket`], ["try ws://"]);
  });

  it("wrong_scheme: ws:// to a port with TLS", async () => {
    const port = await listen(createTlsServer(selfSigned()));
    await expectFault("wrong_scheme", "connect", [`ws://127.0.0.1:${port}/socket`], ["try wss://"]);
  });

  it("certificate_refused, which --insecure looks past", async () => {
    const port = await listen(
      createTlsServer(selfSigned(), (_request, response) => response.writeHead(404).end()),
    );
    const url = `wss://127.0.0.1:${port}/socket`;
    await expectFault("certificate_refused", "connect", [url], ["DEPTH_ZERO_SELF_SIGNED_CERT"]);
    await expectFault("wrong_path", "connect", [url, "--insecure"]);
  });

  it("not_http", async () => {
    const { url } = await listenTcp((socket) => socket.end("220 mail.example ESMTP\r\n"));
    await expectFault("not_http", "connect", [url]);
  });

  it("hung_up", async () => {
    const { url } = await listenTcp((socket) => socket.once("data", () => socket.destroy()));
    await expectFault("hung_up", "connect", [url]);
  });

  it("handshake_unanswered", async () => {
    const clock = new ManualClock();
    const { url } = await listenTcp((socket) => socket.once("data", () => clock.advance(10_000)));
    await expectFault("handshake_unanswered", "connect", [url], ["within 10 seconds"], { clock });
  });

  it("not_websocket: a page", async () => {
    const { url } = await listenHttp((_request, response) =>
      response.writeHead(200, { "Content-Type": "text/html" }).end("<h1>Shop</h1>"),
    );
    await expectFault("not_websocket", "connect", [url], ["200, a web page"]);
  });

  it("not_websocket: an upgrade is refused otherwise than a plain request", async () => {
    const { url } = await listenHttp((_request, response) =>
      response.writeHead(_request.headers.upgrade === undefined ? 200 : 501).end(),
    );
    await expectFault("not_websocket", "connect", [url], ["a plain GET gets 200"]);
  });

  it("bad_handshake", async () => {
    const { url } = await listenHttp(
      () => {},
      (server) =>
        server.on("upgrade", (_request, socket) =>
          socket.end(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: cached\r\n\r\n",
          ),
        ),
    );
    await expectFault("bad_handshake", "connect", [url], ["Sec-WebSocket-Accept"]);
  });

  it("wrong_path, and where the socket is", async () => {
    const { port } = await serve(UserSocket);
    await expectFault(
      "wrong_path",
      "connect",
      [`ws://127.0.0.1:${port}/sokcet`],
      ["404", `give the address ws://127.0.0.1:${port}/socket`],
    );
  });

  it("wrong_path: a prefix that the proxy should strip", async () => {
    const { port } = await serve(UserSocket);
    await expectFault("wrong_path", "connect", [`ws://127.0.0.1:${port}/app/socket`], ["/socket/websocket"]);
  });

  it("wrong_path: a mount without WebSockets", async () => {
    const { mount } = await serve(UserSocket, { websocket: false });
    await expectFault("wrong_path", "connect", [mount], ["/socket/longpoll is answered"]);
  });

  it("wrong_path, without a guess where there is nothing", async () => {
    const { url } = await listenHttp((_request, response) => response.writeHead(404).end());
    const report = await expectFault("wrong_path", "connect", [url]);
    expect(report.diagnosis?.evidence).to.deep.equal(["the answer is 404 at /socket/websocket"]);
  });

  it("redirected", async () => {
    const { url } = await listenHttp((_request, response) =>
      response.writeHead(301, { Location: "https://example.com/login" }).end(),
    );
    await expectFault("redirected", "connect", [url], ["301", "https://example.com/login"]);
  });

  it("login_required", async () => {
    const { url } = await listenHttp((_request, response) =>
      response.writeHead(401, { "WWW-Authenticate": "Basic" }).end(),
    );
    await expectFault("login_required", "connect", [url], ["401"]);
  });

  it("proxy_eats_upgrade, before a server of this library", async () => {
    const { port } = await serve(UserSocket);
    const { url } = await listenHttp((incoming, response) => {
      const { upgrade: _, connection: __, ...headers } = incoming.headers;
      const onward = request({ port, host: "127.0.0.1", path: incoming.url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, { ...answer.headers, via: "1.1 proxy" });
        answer.pipe(response);
      });
      onward.end();
    });
    await expectFault("proxy_eats_upgrade", "connect", [url], ["400", "a plain GET", "Via: 1.1 proxy"]);
  });

  it("bad_gateway", async () => {
    const { url } = await listenHttp((_request, response) => response.writeHead(502).end("Bad Gateway"));
    await expectFault("bad_gateway", "connect", [url], ["502", "Bad Gateway"]);
  });

  it("message_too_large: headers that are", async () => {
    const { url } = await serve(UserSocket);
    const header = `x-long: ${"a".repeat(20_000)}`;
    await expectFault("message_too_large", "connect", [url, "--header", header], ["431"]);
  });

  it("unknown, honestly: a status that means nothing here", async () => {
    const { url } = await listenHttp((_request, response) => response.writeHead(418).end("teapot"));
    const report = await expectFault("unknown", "connect", [url], ["418", "teapot"]);
    expect(report.trace).to.deep.equal([]);
  });
});

describe("doctor: being let in", () => {
  it("origin_refused: what a page of another origin gets", async () => {
    const { mount, port } = await serve(UserSocket);
    const argv = [mount, "--origin", "https://evil.example"];
    await expectFault("origin_refused", "connect", argv, [
      "https://evil.example",
      "without Origin is let in",
    ]);
    const own = await doctor([mount, "--origin", `http://127.0.0.1:${port}`]);
    expect(own.healthy).to.equal(true);
  });

  it("origin_refused: a server that wants one", async () => {
    const { url } = await listenHttp(
      () => {},
      (server) =>
        server.on("upgrade", (incoming, socket) => {
          if (incoming.headers.origin === undefined)
            socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
          else upgrade(incoming.headers["sec-websocket-key"], socket);
        }),
    );
    await expectFault("origin_refused", "connect", [url], ["without Origin", "is let in"]);
  });

  it("version_refused", async () => {
    const { mount } = await serve(UserSocket, { serializers: [V1JSONSerializer] });
    await expectFault("version_refused", "connect", [mount], ["vsn=1.0.0 is let in"]);
  });

  it("query_refused", async () => {
    const { mount } = await serve(UserSocket);
    await expectFault("query_refused", "connect", [`${mount}?name=%ff`], ["400"]);
  });

  it("connect_refused, with the names of what was given", async () => {
    class Guarded extends UserSocket {
      override connect({ token }: { token?: unknown }) {
        return token === "right" ? ok() : error();
      }
    }
    const { mount } = await serve(Guarded);
    await expectFault("connect_refused", "connect", [mount], ["403", "no params"]);
    const wrong = [mount, "--param", "token=wrong", "--param", "a=1"];
    await expectFault("connect_refused", "connect", wrong, ["the params token, a"]);
    expect((await doctor([mount, "--token", "right"])).healthy).to.equal(true);
  });

  it("connect_crashed", async () => {
    class Crashing extends UserSocket {
      override connect(): never {
        throw new Error("no database");
      }
    }
    const { mount } = await serve(Crashing);
    await expectFault("connect_crashed", "connect", [mount], ["500"]);
  });

  it("connect_slow", async () => {
    const clock = new ManualClock();
    class Slow extends UserSocket {
      override connect() {
        clock.advance(3_000);
        return new Promise<never>(() => {});
      }
    }
    const { mount } = await serve(Slow, { connectTimeout: 1 });
    await expectFault("connect_slow", "connect", [mount], ["503 after 3 seconds"], { clock });
  });

  it("draining", async () => {
    const { endpoint, mount } = await serve(UserSocket);
    await endpoint.drain();
    await expectFault("draining", "connect", [mount], ["503 after no wait"]);
  });

  it("rate_limited by what stands before the server", async () => {
    const { url } = await listenHttp((_request, response) =>
      response.writeHead(429, { "Retry-After": "30" }).end(),
    );
    await expectFault("rate_limited", "connect", [url], ["429", "Retry-After: 30"]);
  });

  it("auth_token_unanswered, where a mount doesn't take one", async () => {
    const argv = ["--token", "abc", "--token-as", "auth-token"];
    const without = await serve(UserSocket);
    await expectFault("auth_token_unanswered", "connect", [without.mount, ...argv]);
    class Authenticated extends UserSocket {
      override connect(_params: object, { authToken }: { authToken: string | null }) {
        return authToken === "abc" ? ok() : error();
      }
    }
    const served = await serve(Authenticated, { authToken: true });
    expect((await doctor([served.mount, ...argv])).healthy).to.equal(true);
  });

  it("takes the WebSocket's own address, and http, too", async () => {
    const { port } = await handServer();
    for (const url of [`ws://127.0.0.1:${port}/socket/websocket`, `http://127.0.0.1:${port}/socket/`]) {
      const report = await doctor([url]);
      expect(report.healthy).to.equal(true);
      expect(report.url).to.equal(`ws://127.0.0.1:${port}/socket/websocket`);
    }
  });
});

function upgrade(key: string | undefined, socket: Duplex): void {
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

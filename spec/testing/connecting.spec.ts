import { expect } from "chai";
import {
  Channel,
  ConfigError,
  type ConnectInfo,
  type ConnectParams,
  Endpoint,
  ok,
  Socket,
  type SocketRefused,
  StateError,
  telemetry,
} from "../../lib/index.ts";
import { channelCase } from "../../lib/testing/index.ts";
import { afterTest } from "../support/teardown.ts";
import { failureOf, newCase, RoomChannel, UserSocket } from "./app.ts";

/** Keeps what connect is asked with. */
function curious() {
  const asked: { params: ConnectParams; info: ConnectInfo }[] = [];
  class CuriousSocket extends Socket<{ n?: number }> {
    override connect(params: ConnectParams, info: ConnectInfo) {
      asked.push({ params, info });
      return ok();
    }
  }
  return { CuriousSocket, asked };
}

describe("kit.connect", () => {
  it("runs connect and id, and gives the socket's assigns", async () => {
    const kit = newCase();
    const client = await kit.connect(UserSocket, { token: "ada" });
    expect(client.id).to.equal("user:ada");
    expect(client.assigns).to.deep.equal({ userId: "ada" });
    expect(client.socket).to.be.instanceOf(UserSocket);
    expect(kit.endpoint.stats().connections).to.equal(1);
  });

  it("waits for an asynchronous connect", async () => {
    class SlowSocket extends Socket<{ at: string }> {
      override async connect() {
        await new Promise((resolve) => setTimeout(resolve, 5));
        this.assigns.at = "last";
        return ok();
      }
    }
    const client = await newCase().connect(SlowSocket);
    expect(client.assigns.at).to.equal("last");
    expect(client.id).to.equal(null);
  });

  it("brings params as the official client's address does: nested, and as text", async () => {
    const { CuriousSocket, asked } = curious();
    await newCase().connect(CuriousSocket, {
      n: 7,
      user: { id: 1, "a b": "ü&=" },
      none: undefined,
      list: ["x"],
    });
    expect(JSON.parse(JSON.stringify(asked[0]?.params))).to.deep.equal({
      vsn: "2.0.0",
      n: "7",
      user: { id: "1", "a b": "ü&=" },
      list: { "0": "x" },
    });
  });

  it("brings what the test says of the client", async () => {
    const { CuriousSocket, asked } = curious();
    const kit = newCase();
    await kit.connect(CuriousSocket);
    await kit.connect(
      CuriousSocket,
      {},
      { transport: "longpoll", remoteAddress: "10.1.2.3", headers: { Cookie: "a=1", "user-agent": "spec" } },
    );
    const [plain, told] = asked.map(({ info }) => info);
    expect(plain?.transport).to.equal("websocket");
    expect(plain?.remoteAddress).to.equal("127.0.0.1");
    expect(plain?.uri.href).to.equal("http://localhost/socket/websocket?vsn=2.0.0");
    expect(plain?.authToken).to.equal(null);
    expect(plain?.signal.aborted).to.equal(false);
    expect(told?.transport).to.equal("longpoll");
    expect(told?.remoteAddress).to.equal("10.1.2.3");
    expect(told?.headers).to.deep.equal({ host: "localhost", cookie: "a=1", "user-agent": "spec" });
    expect(told?.userAgent).to.equal("spec");
    expect(told?.request.headers.cookie).to.equal("a=1");
    expect(told?.request.url).to.equal("/socket/longpoll?vsn=2.0.0");
  });

  it("puts params into the path of a mount that has them", async () => {
    const { CuriousSocket, asked } = curious();
    const kit = newCase();
    kit.endpoint.socket("/tenants/:tenant/socket", CuriousSocket);
    await kit.connect(CuriousSocket, { tenant: "a/b", x: 1 });
    expect({ ...asked[0]?.params }).to.deep.equal({ vsn: "2.0.0", tenant: "a/b", x: "1" });
    expect(asked[0]?.info.uri.pathname).to.equal("/tenants/a%2Fb/socket/websocket");
    const missing = await kit.connect(CuriousSocket).catch((error: unknown) => error);
    expect((missing as ConfigError).message).to.equal(
      "connect: the path /tenants/:tenant/socket needs the param tenant",
    );
  });

  it("brings an authToken only to a mount that takes them", async () => {
    const { CuriousSocket, asked } = curious();
    const kit = newCase();
    const refused = await kit.connect(CuriousSocket, {}, { authToken: "t" }).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(ConfigError);
    expect((refused as ConfigError).message).to.include("authToken: true");
    const endpoint = new Endpoint();
    endpoint.socket("/socket", CuriousSocket, { authToken: true });
    const own = channelCase(endpoint);
    afterTest(() => own.close());
    await own.connect(CuriousSocket, {}, { authToken: "t" });
    expect(asked.at(-1)?.info.authToken).to.equal("t");
  });

  it("fails with status, cause and reason if the client is refused, and with the error if connect threw", async () => {
    const kit = newCase();
    const refused = await failureOf(kit.connect(UserSocket));
    expect(refused.message).to.include(
      "connect(UserSocket): the client was refused with 403 (connect): { reason: 'no token' }",
    );
    expect(refused.actual).to.deep.equal({ status: 403, cause: "connect", reason: { reason: "no token" } });
    const crashed = await failureOf(kit.connect(UserSocket, { token: "throw" }));
    expect(crashed.message).to.include("refused with 500 (connect_crashed): Error: no database");
    expect((crashed.cause as Error).message).to.equal("no database");
    expect(kit.endpoint.stats().connections).to.equal(0);
  });

  it("tells telemetry of a refusal, as of any other", async () => {
    const causes: unknown[] = [];
    const listener = (message: unknown) => causes.push((message as SocketRefused).cause);
    telemetry.socketRefused.subscribe(listener);
    afterTest(() => telemetry.socketRefused.unsubscribe(listener));
    await newCase().assertRefused(UserSocket);
    expect(causes).to.deep.equal(["connect"]);
  });

  it("fails, and aborts info.signal, if connect doesn't answer", async () => {
    const { asked } = curious();
    class HangingSocket extends Socket {
      override connect(params: ConnectParams, info: ConnectInfo) {
        asked.push({ params, info });
        return new Promise<ReturnType<typeof ok>>(() => {});
      }
    }
    const failed = await failureOf(newCase({ timeout: 10 }).connect(HangingSocket));
    expect(failed.message).to.include("connect(HangingSocket): connect didn't answer within 10 ms");
    expect(asked[0]?.info.signal.aborted).to.equal(true);
  });

  it("is refused by an endpoint that drains", async () => {
    const kit = newCase();
    await kit.endpoint.drain();
    expect(await kit.assertRefused(UserSocket, { token: "ada" })).to.deep.equal({
      status: 503,
      cause: "draining",
      reason: undefined,
    });
  });

  it("says what is wrong with its arguments", async () => {
    const kit = newCase();
    const code = (promise: Promise<unknown>) =>
      promise.then(
        () => "",
        (error: ConfigError) => error.code,
      );
    expect(await code(kit.connect(UserSocket, null as never))).to.equal("invalid_argument");
    expect(await code(kit.connect(UserSocket, {}, { header: {} } as never))).to.equal("unknown_option");
    expect(await code(kit.connect(UserSocket, {}, { headers: { a: 1 } } as never))).to.equal(
      "invalid_option",
    );
    expect(await code(kit.connect(UserSocket, {}, { transport: "tcp" } as never))).to.equal("invalid_option");
    expect(await code(kit.connect(Channel as never))).to.equal("invalid_socket");
  });
});

describe("kit.assertRefused", () => {
  it("gives what connect refused with", async () => {
    expect(await newCase().assertRefused(UserSocket, {})).to.deep.equal({
      status: 403,
      cause: "connect",
      reason: { reason: "no token" },
    });
  });

  it("fails if the client is let in, and leaves no client behind", async () => {
    const kit = newCase();
    const failed = await failureOf(kit.assertRefused(UserSocket, { token: "ada" }));
    expect(failed.message).to.include('assertRefused(UserSocket): the client was let in, as "user:ada"');
    expect(failed.actual).to.deep.equal({ id: "user:ada", assigns: { userId: "ada" } });
    expect(kit.endpoint.stats().connections).to.equal(0);
  });
});

describe("kit.socket", () => {
  it("skips connect, and takes the id and the assigns", async () => {
    const kit = newCase();
    const client = kit.socket(UserSocket, "user:7", { userId: "7", admin: true });
    expect(client.id).to.equal("user:7");
    expect(client.assigns).to.deep.equal({ userId: "7", admin: true });
    const room = await client.subscribeAndJoin(RoomChannel, "room:a");
    expect(room.assigns).to.deep.equal({ userId: "7", admin: true, room: "a" });
  });

  it("gives a socket that endpoint.disconnect reaches by its id", async () => {
    const kit = newCase();
    const client = kit.socket(UserSocket, "user:7", { userId: "7" });
    const other = kit.socket(UserSocket, "user:8", { userId: "8" });
    kit.endpoint.disconnect("user:7");
    expect(await client.assertClosed(1001)).to.deep.equal({ code: 1001, reason: "" });
    expect(other.closed).to.equal(null);
  });

  it("needs no id, and no assigns where the class has none that must be there", () => {
    const { CuriousSocket } = curious();
    const kit = newCase();
    expect(kit.socket(CuriousSocket).id).to.equal(null);
    expect(kit.socket(CuriousSocket, null, { n: 1 }).assigns).to.deep.equal({ n: 1 });
  });

  it("says what is wrong with its arguments", () => {
    const kit = newCase();
    expect(() => kit.socket(UserSocket, 7 as never, { userId: "" })).to.throw(
      ConfigError,
      "an id is a string or null, got 7",
    );
    expect(() => kit.socket(UserSocket, "", { userId: "" })).to.throw(ConfigError, 'got ""');
    expect(() => kit.socket(UserSocket, "x", "admin" as never)).to.throw(
      ConfigError,
      'assigns are an object, got "admin"',
    );
  });
});

describe("channelCase", () => {
  it("takes the app's endpoint, with its mounts and their options", async () => {
    const endpoint = new Endpoint();
    endpoint.socket("/socket", UserSocket, { websocket: { maxChannels: 1 }, longpoll: false });
    const kit = channelCase(endpoint);
    afterTest(() => kit.close());
    expect(kit.endpoint).to.equal(endpoint);
    const client = kit.socket(UserSocket, "user:7", { userId: "7" });
    await client.subscribeAndJoin("room:a");
    const outcome = await client.join("room:b");
    expect(outcome).to.deep.equal({
      status: "error",
      payload: { reason: "too many channels joined" },
      channel: null,
    });
    const polling = await kit
      .connect(UserSocket, { token: "x" }, { transport: "longpoll" })
      .catch((e: unknown) => e);
    expect((polling as ConfigError).message).to.equal("connect: the mount at /socket has no longpoll");
  });

  it("connects over long-polling where a mount has nothing else", async () => {
    const endpoint = new Endpoint();
    endpoint.socket("/socket", UserSocket, { websocket: false });
    const kit = channelCase(endpoint);
    afterTest(() => kit.close());
    const room = await kit.socket(UserSocket, "a", { userId: "a" }).subscribeAndJoin("room:a");
    // Which carries no bytes to the client.
    room.push("bytes", new Uint8Array([1]));
    await room.refutePush("bytes");
  });

  it("refuses a class that the app's endpoint doesn't mount", () => {
    const kit = channelCase(new Endpoint());
    afterTest(() => kit.close());
    expect(() => kit.socket(UserSocket, "a", { userId: "a" })).to.throw(
      ConfigError,
      "socket: function UserSocket isn't mounted on the endpoint; mount it by endpoint.socket, or use channelCase()",
    );
  });

  it("checks its options", () => {
    expect(() => channelCase({ timeOut: 1 } as never)).to.throw(
      ConfigError,
      'channelCase has no option "timeOut"',
    );
    expect(() => channelCase({ clock: "fake" } as never)).to.throw(
      ConfigError,
      '"system", "virtual" or a VirtualClock',
    );
    expect(() => channelCase({ timeout: -1 })).to.throw(ConfigError, "channelCase: timeout");
    expect(() => channelCase({ heartbeatIntervalMs: 0 })).to.throw(ConfigError, "heartbeatIntervalMs");
    expect(() => channelCase(new Endpoint(), { clock: "virtual" } as never)).to.throw(
      ConfigError,
      "clock is the endpoint's own",
    );
    expect(() => newCase().clock).to.throw(StateError, 'channelCase({clock: "virtual"})');
  });
});

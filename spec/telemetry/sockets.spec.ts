import { expect } from "chai";
import {
  Channel,
  type ConnectParams,
  type ConnectResult,
  error,
  type MountOptions,
  ok,
  type RefusalCause,
  Socket,
  type SocketClass,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { Gate, Journal } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { clientFrame, TcpClient } from "../transport/tcp-client.ts";
import { Telemetry } from "./record.ts";

class Room extends Channel {
  override join() {
    return ok();
  }
}

/** A socket whose connect the spec writes. */
function socketOf(
  answer: (params: ConnectParams) => ConnectResult | Promise<ConnectResult>,
  id: () => string | null = () => null,
): SocketClass {
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect(params: ConnectParams) {
      return answer(params);
    }
    override id() {
      return id();
    }
  }
  return RoomSocket;
}

const about = { socket: "RoomSocket", transport: "websocket" } as const;
const serializer = V2JSONSerializer.name;

async function serveOn(socketClass: SocketClass, options: MountOptions = {}) {
  const clock = new ManualClock();
  const served = await serve(socketClass, options, { clock });
  return { ...served, clock, told: new Telemetry(served.endpoint) };
}

describe("phoenix:socket_connected", () => {
  it("tells of a client that connected: its serializer, its params as they are, and how long connect took", async () => {
    const clock = new ManualClock();
    const RoomSocket = socketOf(async () => {
      clock.advance(7);
      return ok();
    });
    const { endpoint, url } = await serve(RoomSocket, {}, { clock });
    const told = new Telemetry(endpoint);
    await connect(url, "vsn=2.0.0&token=abc&user[id]=7");
    const params = { vsn: "2.0.0", token: "abc", user: { id: "7" } };
    expect(await told.reaches("socketConnected", 1)).to.deep.equal([
      { ...about, serializer, params, result: "ok", duration: 7 },
    ]);
    expect(told.all("socketRefused")).to.deep.equal([]);
  });

  it("tells of long-polling clients too", async () => {
    const { port, told } = await serveOn(socketOf(() => ok()));
    await fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`);
    const params = { vsn: "2.0.0" };
    expect(told.all("socketConnected")).to.deep.equal([
      { ...about, transport: "longpoll", serializer, params, result: "ok", duration: 0 },
    ]);
  });
});

describe("phoenix:socket_refused", () => {
  const accepting = socketOf(() => ok());
  const crashing = (): never => {
    throw new Error("no database");
  };
  class Picky extends (accepting as typeof Socket) {
    static override paramsSchema = {
      "~standard": { version: 1, vendor: "spec", validate: () => ({ issues: [{ message: "no" }] }) },
    } as never;
  }
  Object.defineProperty(Picky, "name", { value: "RoomSocket" });

  const CASES: {
    readonly [C in Exclude<RefusalCause, "connect_timeout" | "draining">]: {
      readonly socket?: SocketClass;
      readonly options?: MountOptions;
      readonly query?: string;
      readonly headers?: Record<string, string>;
      readonly status: number;
      readonly reason?: unknown;
    };
  } = {
    connect: { socket: socketOf(() => error({ why: "banned" })), status: 403, reason: { why: "banned" } },
    connect_crashed: { socket: socketOf(crashing), status: 500 },
    invalid_id: {
      socket: socketOf(
        () => ok(),
        () => "",
      ),
      status: 403,
    },
    invalid_query: { query: "vsn=2.0.0&a=%ff", status: 400 },
    invalid_return: { socket: socketOf(() => true as never), status: 403 },
    origin: { headers: { Origin: "https://elsewhere.example" }, status: 403 },
    origin_crashed: {
      options: { checkOrigin: crashing },
      headers: { Origin: "https://a.example" },
      status: 500,
    },
    params: {
      socket: Picky as SocketClass,
      status: 403,
      reason: { reason: "invalid payload", issues: [{ message: "no", path: [] }] },
    },
    subprotocol: {
      options: { authToken: true },
      headers: { "Sec-WebSocket-Protocol": "other" },
      status: 403,
    },
    vsn: { query: "vsn=9.0.0", status: 403 },
  };

  for (const [cause, { socket = accepting, options, query, headers, status, reason }] of Object.entries(
    CASES,
  )) {
    it(`tells of the cause ${cause}`, async () => {
      const { url, told } = await serveOn(socket, options);
      expect((await refused(url, query, { headers })).status).to.equal(status);
      expect(told.all("socketRefused")).to.deep.equal([
        { ...about, cause, status, reason, result: "error", duration: 0 },
      ]);
      expect(told.all("socketConnected")).to.deep.equal([]);
    });
  }

  it("tells of the cause connect_timeout, and how long it was", async () => {
    const asked = new Journal();
    const RoomSocket = socketOf(() => {
      asked.add("asked");
      return new Gate<ConnectResult>().promise;
    });
    const { url, clock, told } = await serveOn(RoomSocket, { connectTimeout: 3_000 });
    const answer = refused(url);
    await asked.reaches(1);
    clock.advance(3_000);
    expect((await answer).status).to.equal(503);
    expect(told.all("socketRefused")).to.deep.equal([
      {
        ...about,
        cause: "connect_timeout",
        status: 503,
        reason: undefined,
        result: "error",
        duration: 3_000,
      },
    ]);
  });

  it("tells of the cause draining, on both transports", async () => {
    const { url, port, endpoint, told } = await serveOn(accepting);
    await endpoint.drain();
    expect((await refused(url)).status).to.equal(503);
    expect((await fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`)).status).to.equal(503);
    const draining = { cause: "draining", status: 503, reason: undefined, result: "error", duration: 0 };
    expect(told.all("socketRefused")).to.deep.equal([
      { ...about, ...draining },
      { ...about, ...draining, transport: "longpoll" },
    ]);
  });

  it("tells the status that onRefused picked", async () => {
    const { url, told } = await serveOn(
      socketOf(() => error("busy")),
      { onRefused: () => ({ status: 429 }) },
    );
    await refused(url);
    expect(told.all("socketRefused")).to.deep.equal([
      { ...about, cause: "connect", status: 429, reason: "busy", result: "error", duration: 0 },
    ]);
  });

  it("tells of long-polling clients too", async () => {
    const { port, told } = await serveOn(socketOf(() => error("banned")));
    await fetch(`http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`);
    expect(told.all("socketRefused")).to.deep.equal([
      {
        ...about,
        transport: "longpoll",
        cause: "connect",
        status: 403,
        reason: "banned",
        result: "error",
        duration: 0,
      },
    ]);
  });
});

describe("phoenix:socket_closed", () => {
  const named = socketOf(
    () => ok(),
    () => "user:1",
  );
  const closed = { ...about, serializer, socketId: "user:1" };

  it("tells the client's code and reason, and how long it was connected", async () => {
    const { url, clock, told } = await serveOn(named);
    const client = await connect(url);
    clock.advance(1_500);
    client.ws.close(4001, "bye");
    expect(await told.reaches("socketClosed", 1)).to.deep.equal([
      { ...closed, code: 4001, reason: "bye", duration: 1_500 },
    ]);
  });

  it("tells of a network that failed as 1006, and of a close without a code as 1005", async () => {
    const { url, port, told } = await serveOn(named);
    (await TcpClient.open(port)).socket.resetAndDestroy();
    await told.reaches("socketClosed", 1);
    (await connect(url)).ws.close();
    expect((await told.reaches("socketClosed", 2)).map(({ code }) => code)).to.deep.equal([1006, 1005]);
  });

  const flood = Buffer.concat(["1", "2"].map((ref) => clientFrame([null, ref, "phoenix", "heartbeat", {}])));
  const ways: [
    code: number,
    close: (client: TcpClient, served: Awaited<ReturnType<typeof serveOn>>) => unknown,
  ][] = [
    [1001, (_client, { endpoint }) => endpoint.disconnect("user:1")],
    [1002, (_client, { clock }) => clock.advance(60_000)],
    [1008, (client) => client.socket.write(flood)],
    [1011, (client) => client.socket.write(clientFrame("[]"))],
    [1012, (_client, { endpoint }) => endpoint.drain()],
  ];
  for (const [code, close] of ways) {
    it(`tells the server's ${code}, though the client doesn't answer it`, async () => {
      const rateLimit = code === 1008 && { limit: 1, interval: 1000, hardLimit: 1 };
      const served = await serveOn(named, { closeTimeout: 1, rateLimit });
      const client = await TcpClient.open(served.port);
      close(client, served);
      const [message] = await served.told.reaches("socketClosed", 1);
      expect(message).to.include({ ...closed, code, reason: "" });
    });
  }

  it("tells once of each", async () => {
    const { url, port, endpoint, told } = await serveOn(named, { maxPayload: 100 });
    const client = await connect(url);
    client.send("x".repeat(101));
    await client.closed;
    const raw = await TcpClient.open(port);
    endpoint.disconnect("user:1");
    await raw.close();
    raw.socket.destroy();
    await told.reaches("socketClosed", 2);
    await endpoint.close();
    expect(told.all("socketClosed").map(({ code }) => code)).to.deep.equal([1009, 1001]);
  });
});

describe("phoenix:socket_drained", () => {
  it("tells of each batch", async () => {
    const { url, endpoint, clock, told } = await serveOn(socketOf(() => ok()));
    for (let i = 0; i < 5; i++) await connect(url);
    const drained = endpoint.drain({ batchSize: 2, intervalMs: 100 });
    const batch = (index: number, count: number) => ({ count, total: 5, index, rounds: 3, intervalMs: 100 });
    expect(told.all("socketDrained")).to.deep.equal([batch(1, 2)]);
    clock.advance(100);
    await told.reaches("socketDrained", 2);
    clock.advance(100);
    await drained;
    expect(told.all("socketDrained")).to.deep.equal([batch(1, 2), batch(2, 2), batch(3, 1)]);
  });

  it("tells nothing if nobody is connected", async () => {
    const { endpoint, told } = await serveOn(socketOf(() => ok()));
    await endpoint.drain();
    expect(told.all("socketDrained")).to.deep.equal([]);
  });
});

import { expect } from "chai";
import {
  Channel,
  type ChannelClass,
  type ConnectParams,
  type ConnectResult,
  error,
  ok,
  Socket,
  type TerminateReason,
} from "../../lib/index.ts";
import { expectRefusal, thrownBy } from "../options/expect-refused.ts";
import { connect, refused } from "../support/client.ts";
import type { Frame, FrameClient } from "../support/frame-client.ts";
import { Gate, Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serveInMemory } from "../support/memory.ts";
import { forEachVsn, Peer } from "../support/peer.ts";

type Refresh = (socket: Socket<{ user: string }>, token: string) => ConnectResult | Promise<ConnectResult>;

/** Rooms on a socket whose `connect` and `refresh` the spec writes. */
function rooms(options: { refresh?: Refresh; onConnect?: (socket: Socket<{ user: string }>) => void } = {}) {
  const { refresh, onConnect = () => {} } = options;
  const ends = new Journal<TerminateReason>();
  const sockets: Socket<{ user: string }>[] = [];
  class Room extends Channel<object, Socket<{ user: string }>> {
    override join(topic: string) {
      return topic === "room:pending" ? new Promise<never>(() => {}) : ok();
    }
    override terminate(reason: TerminateReason) {
      ends.add(reason);
    }
    static {
      this.on("whoami", function () {
        return ok({ user: this.socket.assigns.user });
      });
    }
  }
  class OwnRoom extends Room {
    static {
      this.on("access_token", (payload) => ok({ own: payload }));
    }
  }
  class RoomSocket extends Socket<{ user: string }> {
    static override channels: Record<string, ChannelClass> = { "room:*": Room, "own:*": OwnRoom };
    override connect(_params: ConnectParams) {
      sockets.push(this);
      onConnect(this);
      return ok();
    }
    override id() {
      return "user:1";
    }
  }
  class RefreshingSocket extends RoomSocket {
    override refresh(token: string) {
      return (refresh as Refresh)(this, token);
    }
  }
  return { UserSocket: refresh === undefined ? RoomSocket : RefreshingSocket, ends, sockets };
}

describe("access_token and Socket.refresh", () => {
  forEachVsn((vsn) => {
    it("answers with what refresh returns, sooner or later, on any channel; the socket's assigns are its own", async () => {
      const gate = new Gate();
      const { UserSocket } = rooms({
        async refresh(socket, token) {
          if (token === "bad") return error({ reason: "expired" });
          if (token === "slow") await gate.promise;
          socket.assigns.user = token;
          return ok({ token });
        },
      });
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      for (const topic of ["room:a", "room:b"]) await peer.join(topic);
      expect(await peer.ask("1", "2", "room:a", "access_token", { token: "ada" })).to.deep.equal(
        peer.reply("1", "2", "room:a", "ok", { token: "ada" }),
      );
      peer.send("1", "3", "room:b", "access_token", { token: "slow" });
      peer.send("1", "4", "room:b", "whoami");
      expect(await peer.settle()).to.deep.equal([]);
      gate.open();
      expect(await peer.take(2)).to.deep.equal([
        peer.reply("1", "3", "room:b", "ok", { token: "slow" }),
        peer.reply("1", "4", "room:b", "ok", { user: "slow" }),
      ]);
      expect(await peer.ask("1", "5", "room:a", "access_token", { token: "bad" })).to.deep.equal(
        peer.reply("1", "5", "room:a", "error", { reason: "expired" }),
      );
      expect(await peer.ask("1", "6", "room:a", "whoami")).to.deep.equal(
        peer.reply("1", "6", "room:a", "ok", { user: "slow" }),
      );
    });

    it("a refresh that throws, rejects or returns nothing ends the channel with phx_error, and no more", async () => {
      const { UserSocket, ends } = rooms({
        refresh(_socket, token) {
          if (token === "throw") throw new Error("no keys");
          if (token === "nothing") return undefined as never;
          return Promise.reject(new Error("no network"));
        },
      });
      const { url, lines } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      for (const topic of ["room:a", "room:b", "room:c", "room:d"]) await peer.join(topic);
      for (const [topic, token] of [
        ["room:a", "throw"],
        ["room:b", "reject"],
        ["room:c", "nothing"],
      ] as const) {
        expect(await peer.ask("1", "2", topic, "access_token", { token })).to.deep.equal(
          peer.ending("1", topic, "phx_error"),
        );
      }
      expect(await peer.ask("1", "3", "room:d", "whoami")).to.have.property("event", "phx_reply");
      expect((await ends.reaches(3)).map((end) => (end.error as Error).message)).to.deep.equal([
        "no keys",
        "no network",
        "RefreshingSocket.refresh returned undefined; expected ok() or error(reason?)",
      ]);
      expect(lines.filter(({ level }) => level === "error")).to.have.length(3);
    });

    it("without a refresh the event is the channel's: unmatched, or handled", async () => {
      const { UserSocket } = rooms();
      const { url } = serveInMemory(UserSocket);
      const peer = await Peer.connect(url, vsn);
      for (const topic of ["room:a", "own:a"]) await peer.join(topic);
      expect(await peer.ask("1", "2", "room:a", "access_token", { token: "x" })).to.deep.equal(
        peer.reply("1", "2", "room:a", "error", { reason: "unmatched event" }),
      );
      expect(await peer.ask("1", "3", "own:a", "access_token", { token: "x" })).to.deep.equal(
        peer.reply("1", "3", "own:a", "ok", { own: { token: "x" } }),
      );
    });
  });

  it("a token that is none is refused before refresh sees it", async () => {
    const tokens: string[] = [];
    const { UserSocket } = rooms({
      refresh(_socket, token) {
        tokens.push(token);
        return ok();
      },
    });
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    for (const payload of [
      {},
      null,
      "token",
      5,
      [],
      ["token"],
      { token: 5 },
      { token: null },
      { token: { a: 1 } },
    ]) {
      expect(await client.ask("1", "2", "room:a", "access_token", payload)).to.deep.equal([
        "1",
        "2",
        "room:a",
        "phx_reply",
        { status: "error", response: { reason: "malformed_token" } },
      ]);
    }
    expect(tokens).to.deep.equal([]);
    expect((await client.ask("1", "3", "room:a", "access_token", { token: "" }))[4].status).to.equal("ok");
    expect(tokens).to.deep.equal([""]);
  });

  it("a channel with a handler of its own for access_token keeps it", async () => {
    const { UserSocket } = rooms({ refresh: () => error({ reason: "not asked" }) });
    const { url } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("own:a");
    const payload = { token: "x" };
    expect((await client.ask("1", "2", "own:a", "access_token", payload))[4].response).to.deep.equal({
      own: payload,
    });
  });

  it("the token is hidden in the log", async () => {
    const { UserSocket } = rooms({ refresh: () => ok() });
    const { url, lines } = serveInMemory(UserSocket);
    const client = await connect(url);
    await client.join("room:a");
    await client.ask("1", "2", "room:a", "access_token", { token: "hush" });
    const line = lines.find(({ message }) => message.includes("access_token"));
    expect(line?.details).to.deep.equal({ params: { token: "[FILTERED]" } });
    expect(JSON.stringify(lines)).to.not.include("hush");
  });
});

describe("socket.expiresAt", () => {
  /** Lets time pass for a client that is alive: it would be taken for gone if it answered nothing for so long. */
  async function pass(clock: ManualClock, client: FrameClient, ms: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let left = ms; left > 0; left -= 20_000) {
      clock.advance(Math.min(left, 20_000));
      frames.push(...(await client.settle()));
    }
    return frames;
  }

  const expiring = (topic: string, seconds: number) => [
    "1",
    null,
    topic,
    "token_expiring",
    { expires_in: seconds },
  ];

  async function serveRooms(options: Parameters<typeof rooms>[0] = {}) {
    const clock = new ManualClock();
    const { UserSocket, ...made } = rooms(options);
    const served = serveInMemory(UserSocket, {}, { clock });
    const client = await connect(served.url);
    await client.join("room:a");
    return { ...served, ...made, clock, client, socket: made.sockets[0] as Socket<{ user: string }> };
  }

  it("tells each joined channel 60 s before, and closes with 1001", async () => {
    const { clock, client, ends } = await serveRooms({
      onConnect: (socket) => {
        socket.expiresAt = 200_000;
      },
    });
    await client.join("room:b");
    client.send(["9", "9", "room:pending", "phx_join", {}]);
    expect(await pass(clock, client, 139_999)).to.deep.equal([]);
    clock.advance(1);
    expect(await client.settle()).to.deep.equal([expiring("room:a", 60), expiring("room:b", 60)]);
    expect(await pass(clock, client, 59_999)).to.deep.equal([]);
    clock.advance(1);
    expect(await client.closed).to.deep.equal({ code: 1001, reason: "token expired" });
    const end = { kind: "closed", reason: "token expired" };
    expect(await ends.reaches(2)).to.deep.equal([end, end]);
  });

  for (const [what, value] of [
    ["a number", 20_000],
    ["a Date", new Date(20_000)],
  ] as const) {
    it(`tells at half of the time if that is later than 60 s before (${what})`, async () => {
      const { clock, client, socket } = await serveRooms({
        onConnect: (opened) => {
          opened.expiresAt = value;
        },
      });
      expect(socket.expiresAt).to.equal(value);
      clock.advance(9_999);
      expect(await client.settle()).to.deep.equal([]);
      clock.advance(1);
      expect(await client.settle()).to.deep.equal([expiring("room:a", 10)]);
      clock.advance(10_000);
      expect(await client.closed).to.deep.equal({ code: 1001, reason: "token expired" });
    });
  }

  it("is moved by refresh, before the client was told and after", async () => {
    const { clock, client } = await serveRooms({
      onConnect: (socket) => {
        socket.expiresAt = 20_000;
      },
      refresh(socket, token) {
        socket.expiresAt = Number(token);
        return ok();
      },
    });
    const refresh = (at: number) => client.ask("1", "2", "room:a", "access_token", { token: `${at}` });
    clock.advance(9_000);
    await refresh(29_000);
    clock.advance(9_999);
    expect(await client.settle()).to.deep.equal([]);
    clock.advance(1);
    expect(await client.settle()).to.deep.equal([expiring("room:a", 10)]);
    await refresh(39_000);
    clock.advance(9_999);
    expect(await client.settle()).to.deep.equal([]);
    clock.advance(1);
    expect(await client.settle()).to.deep.equal([expiring("room:a", 10)]);
    // Sooner is as well as later.
    await refresh(31_000);
    clock.advance(1_000);
    expect(await client.settle()).to.deep.equal([expiring("room:a", 1)]);
    clock.advance(1_000);
    expect((await client.closed).code).to.equal(1001);
  });

  it("isn't moved by a refresh that refuses", async () => {
    const { clock, client } = await serveRooms({
      onConnect: (socket) => {
        socket.expiresAt = 10_000;
      },
      refresh: () => error({ reason: "no" }),
    });
    await client.ask("1", "2", "room:a", "access_token", { token: "x" });
    clock.advance(10_000);
    await client.next();
    expect((await client.closed).code).to.equal(1001);
  });

  it("null is no end: nothing is scheduled for it", async () => {
    const { clock, client, socket } = await serveRooms();
    const idle = clock.pending;
    expect(socket.expiresAt).to.equal(null);
    socket.expiresAt = 20_000;
    expect(clock.pending).to.equal(idle + 1);
    socket.expiresAt = null;
    expect(clock.pending).to.equal(idle);
    expect(await pass(clock, client, 100_000)).to.deep.equal([]);
  });

  it("that has passed lets the client in, and closes at once", async () => {
    const clock = new ManualClock();
    clock.advance(5_000);
    const { UserSocket } = rooms({
      onConnect: (socket) => {
        socket.expiresAt = 4_999;
      },
    });
    const { url } = serveInMemory(UserSocket, {}, { clock });
    const client = await connect(url);
    clock.advance(0);
    expect(await client.closed).to.deep.equal({ code: 1001, reason: "token expired" });
  });

  it("refuses values that are no time, and keeps the one it has", async () => {
    const values = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "2030-01-01",
      {},
      true,
      5n,
      new Date(Number.NaN),
      [1],
    ];
    for (const value of values) {
      const set = (socket: Socket<{ user: string }>) => {
        socket.expiresAt = value as number;
      };
      const { clock, socket } = await serveRooms();
      socket.expiresAt = 30_000;
      const { pending } = clock;
      expectRefusal(
        thrownBy(() => set(socket)),
        "invalid_argument",
        ["expiresAt", "exp times 1000"],
      );
      expect(socket.expiresAt).to.equal(30_000);
      expect(clock.pending).to.equal(pending);
      const { UserSocket } = rooms({ onConnect: set });
      const { url } = serveInMemory(UserSocket);
      expect((await refused(url)).status).to.equal(500);
    }
  });

  it("leaves no timer behind, however the connection ends, and sets none after it", async () => {
    const ways: [name: string, end: (made: Awaited<ReturnType<typeof serveRooms>>) => unknown][] = [
      ["the client closes", ({ client }) => client.close()],
      ["the server disconnects", ({ endpoint }) => endpoint.disconnect("user:1")],
      ["it expires", ({ clock }) => clock.advance(20_000)],
      ["a drain", ({ endpoint }) => endpoint.drain()],
    ];
    for (const [name, end] of ways) {
      const made = await serveRooms({
        onConnect: (socket) => {
          socket.expiresAt = 20_000;
        },
      });
      expect(made.clock.pending).to.equal(2);
      await end(made);
      await made.client.closed;
      while (made.endpoint.stats().connections > 0) await turn();
      expect(made.clock.pending, name).to.equal(0);
      made.socket.expiresAt = 50_000;
      expect(made.clock.pending, name).to.equal(0);
    }
  });
});

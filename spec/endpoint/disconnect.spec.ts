import { expect } from "chai";
import { Channel, type ConnectParams, ok, Socket, type TerminateReason } from "../../lib/index.ts";
import { expectRefusal, thrownBy } from "../options/expect-refused.ts";
import { connect, refused } from "../support/client.ts";
import { Journal, turn } from "../support/gate.ts";
import { serve } from "../support/server.ts";

function rooms(onConnect: (socket: Socket) => void = () => {}) {
  const ends = new Journal<TerminateReason>();
  const sockets: Socket[] = [];
  class Room extends Channel {
    override join() {
      return ok();
    }
    override terminate(reason: TerminateReason) {
      ends.add(reason);
    }
  }
  class RoomSocket extends Socket<{ id?: unknown }> {
    static override channels = { "room:*": Room };
    override connect({ id }: ConnectParams) {
      this.assigns.id = id;
      onConnect(this);
      sockets.push(this);
      return ok();
    }
    override id() {
      return typeof this.assigns.id === "string" ? this.assigns.id : null;
    }
  }
  return { RoomSocket, ends, sockets };
}

describe("socket.disconnect", () => {
  for (const [given, reason] of [
    [undefined, ""],
    ["", ""],
    ["signed out", "signed out"],
    ["x".repeat(123), "x".repeat(123)],
    ["é".repeat(61), "é".repeat(61)],
  ] as const) {
    it(`closes its connection with 1001 and the reason: ${given?.slice(0, 12)}`, async () => {
      const { RoomSocket, sockets, ends } = rooms();
      const { url, endpoint } = await serve(RoomSocket);
      const [client, other] = [await connect(url), await connect(url)];
      await client.join("room:a");
      sockets[0]?.disconnect(given);
      expect(endpoint.stats().channels).to.equal(0);
      expect(await client.closed).to.deep.equal({ code: 1001, reason });
      expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "disconnect" }]);
      expect(await other.settle()).to.deep.equal([]);
    });
  }

  it("refuses a reason that doesn't fit into a close frame, and closes nothing then", async () => {
    const { RoomSocket, sockets } = rooms();
    const { url } = await serve(RoomSocket);
    const client = await connect(url);
    for (const reason of ["x".repeat(124), "é".repeat(62), 5, null, {}]) {
      const error = thrownBy(() => sockets[0]?.disconnect(reason as string));
      expectRefusal(error, "invalid_argument", ["disconnect(reason)", "at most 123 bytes", "got"]);
    }
    expect(await client.settle()).to.deep.equal([]);
  });

  it("throws not_connected during connect", async () => {
    const errors: unknown[] = [];
    const { RoomSocket } = rooms((socket) => errors.push(thrownBy(() => socket.disconnect())));
    const { url } = await serve(RoomSocket);
    const client = await connect(url);
    expectRefusal(errors[0], "not_connected", ["disconnect", "return error() from connect"]);
    expect(await client.settle()).to.deep.equal([]);
    const thrower = rooms((socket) => socket.disconnect());
    const served = await serve(thrower.RoomSocket);
    expect((await refused(served.url)).status).to.equal(500);
  });

  it("does nothing when the connection has ended", async () => {
    const { RoomSocket, sockets, ends } = rooms();
    const { url, endpoint } = await serve(RoomSocket);
    const client = await connect(url);
    await client.join("room:a");
    await client.close();
    while (endpoint.stats().connections > 0) await turn();
    sockets[0]?.disconnect("late");
    expect(await ends.reaches(1)).to.deep.equal([{ kind: "closed", reason: "1000" }]);
  });
});

describe("endpoint.disconnect", () => {
  it("closes all connections of an id with 1001, and no other", async () => {
    const { RoomSocket } = rooms();
    const { url, endpoint } = await serve(RoomSocket);
    const [first, second, bob, nobody] = [
      await connect(url, "vsn=2.0.0&id=ada"),
      await connect(url, "vsn=1.0.0&id=ada"),
      await connect(url, "vsn=2.0.0&id=bob"),
      await connect(url),
    ];
    endpoint.disconnect("ada");
    for (const client of [first, second])
      expect(await client.closed).to.deep.equal({ code: 1001, reason: "" });
    for (const client of [bob, nobody]) expect(await client.settle()).to.deep.equal([]);
    endpoint.disconnect("ada");
    expect(endpoint.stats().connections).to.equal(2);
  });

  it("refuses an id that is none", async () => {
    const { RoomSocket } = rooms();
    const { endpoint } = await serve(RoomSocket);
    for (const id of [undefined, null, 5, "\0key"]) {
      expectRefusal(
        thrownBy(() => endpoint.disconnect(id as string)),
        "invalid_argument",
        ["disconnect"],
      );
    }
  });
});

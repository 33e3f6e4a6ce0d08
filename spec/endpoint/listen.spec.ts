import { expect } from "chai";
import { Endpoint } from "../../lib/index.ts";
import { expectRefusal, rejectedBy } from "../options/expect-refused.ts";
import { connect } from "../support/client.ts";
import { afterTest } from "../support/teardown.ts";
import { appServer, isListening, page, RoomSocket } from "./app.ts";

function endpointWithRooms(): Endpoint {
  const endpoint = new Endpoint();
  endpoint.socket("/socket", RoomSocket);
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  return endpoint;
}

describe("endpoint.listen", () => {
  it("resolves to the address, and serves; other pages are 404", async () => {
    const endpoint = endpointWithRooms();
    const { port, address, family } = await endpoint.listen(0, "127.0.0.1");
    expect([address, family]).to.deep.equal(["127.0.0.1", "IPv4"]);
    const client = await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    expect((await client.join("room:a"))[4].status).to.equal("ok");
    expect(await page(port, "/")).to.equal("Not Found");
  });

  it("twice is once, before it listens and after", async () => {
    const endpoint = endpointWithRooms();
    const listening = endpoint.listen(0, "127.0.0.1");
    expect(endpoint.listen(0, "127.0.0.1")).to.equal(listening);
    await listening;
    expect(endpoint.listen(0, "127.0.0.1")).to.equal(listening);
  });

  it("somewhere else is refused, and changes nothing", async () => {
    const endpoint = endpointWithRooms();
    const listening = endpoint.listen(0, "127.0.0.1");
    for (const call of [
      () => endpoint.listen(1, "127.0.0.1"),
      () => endpoint.listen(0),
      () => endpoint.listen(0, "::1"),
    ]) {
      expectRefusal(await rejectedBy(call), "invalid_argument", ["listens on", "127.0.0.1", "attach"]);
    }
    expect(await isListening((await listening).port)).to.equal(true);
    expect(endpoint.listen(0, "127.0.0.1")).to.equal(listening);
  });

  it("that failed may be tried again, on the same port or another", async () => {
    const { server, port } = await appServer();
    const endpoint = endpointWithRooms();
    for (let i = 0; i < 2; i++) {
      expect(await rejectedBy(() => endpoint.listen(port, "127.0.0.1"))).to.have.property(
        "code",
        "EADDRINUSE",
      );
    }
    const taken = await page(port, "/");
    expect(taken).to.equal("app");
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
    expect(await endpoint.listen(port, "127.0.0.1")).to.have.property("port", port);
    await connect(`ws://127.0.0.1:${port}/socket/websocket`);

    const other = endpointWithRooms();
    await rejectedBy(() => other.listen(port, "127.0.0.1"));
    expect(await isListening((await other.listen(0, "127.0.0.1")).port)).to.equal(true);
  });

  it("on what is no port rejects, and may be tried again", async () => {
    const endpoint = endpointWithRooms();
    expect(await rejectedBy(() => endpoint.listen(70_000, "127.0.0.1"))).to.be.instanceOf(Error);
    expect(await isListening((await endpoint.listen(0, "127.0.0.1")).port)).to.equal(true);
  });

  it("that failed doesn't keep close from closing", async () => {
    const { port } = await appServer();
    const endpoint = endpointWithRooms();
    const failed = rejectedBy(() => endpoint.listen(port, "127.0.0.1"));
    await endpoint.close();
    expect(await failed).to.have.property("code", "EADDRINUSE");
    expect(await page(port, "/")).to.equal("app");
  });

  for (const host of ["127.0.0.1", "localhost"]) {
    it(`closed before it listens leaves no server (${host})`, async () => {
      const endpoint = endpointWithRooms();
      // From a promise's callback: Node tells that a server listens when those are done.
      await Promise.resolve();
      const listening = endpoint.listen(0, host);
      await endpoint.close();
      expect(await isListening((await listening).port, host)).to.equal(false);
    });
  }

  it("after a close is refused, also while it closes", async () => {
    const endpoint = endpointWithRooms();
    const closed = endpoint.close();
    for (let i = 0; i < 2; i++) {
      expectRefusal(await rejectedBy(() => endpoint.listen(0, "127.0.0.1")), "closed", [
        "listen",
        "make a new one",
      ]);
      await closed;
    }
  });
});

import { expect } from "chai";
import { Channel, Endpoint, ok, Socket } from "../../lib/index.ts";
import { expectRefusal, thrownBy } from "../options/expect-refused.ts";
import { Bus } from "../support/bus.ts";
import { connect } from "../support/client.ts";
import { Journal, turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serve } from "../support/server.ts";
import { TcpClient } from "../transport/tcp-client.ts";
import { appServer, isListening, RoomSocket } from "./app.ts";

describe("endpoint.close", () => {
  it("drains, then closes the server, then the adapter", async () => {
    const events = new Journal();
    class Room extends Channel {
      override join() {
        return ok();
      }
      override async terminate({ kind }: { kind: string }) {
        events.add(
          `terminate ${kind}: listening ${await isListening(port)}, adapter closed ${pubsub.closed}`,
        );
        this.broadcast("gone");
      }
    }
    class ClosingSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    const pubsub = new Bus().adapter();
    pubsub.close = async () => {
      events.add(`adapter: listening ${await isListening(port)}, draining ${endpoint.stats().draining}`);
      pubsub.closed = true;
    };
    const { url, endpoint, port } = await serve(ClosingSocket, {}, { pubsub });
    const client = await connect(url);
    await client.join("room:a");
    await endpoint.close();
    expect((await client.closed).code).to.equal(1012);
    expect(events.entries).to.deep.equal([
      "terminate drain: listening true, adapter closed false",
      "adapter: listening false, draining true",
    ]);
    expect(pubsub.published.map(({ event }) => event)).to.deep.equal(["gone"]);
    expect(pubsub.closed).to.equal(true);
  });

  it("is one: further calls share it", async () => {
    const { endpoint } = await serve(RoomSocket);
    const closed = endpoint.close();
    expect(endpoint.close()).to.equal(closed);
    await closed;
    expect(endpoint.close({ timeoutMs: 5 })).to.equal(closed);
  });

  it("closes what was never served", async () => {
    const pubsub = new Bus().adapter();
    await new Endpoint({ pubsub }).close();
    expect(pubsub.closed).to.equal(true);
  });

  it("waits for clients that don't answer no longer than closeTimeout", async () => {
    const { endpoint, port } = await serve(RoomSocket, { closeTimeout: 1 });
    const client = await TcpClient.open(port);
    client.socket.pause();
    await endpoint.close();
    expect(endpoint.stats().connections).to.equal(0);
    client.socket.resume();
    expect(await client.close()).to.equal(1012);
  });

  it("cuts connections on which nothing was asked, and ends a poll that waits", async () => {
    const clock = new ManualClock();
    const { endpoint, port } = await serve(RoomSocket, {}, { clock });
    const silent = await TcpClient.connect(port);
    const address = `http://127.0.0.1:${port}/socket/longpoll?vsn=2.0.0`;
    const { token } = (await (await fetch(address)).json()) as { token: string };
    const { pending } = clock;
    const poll = fetch(`${address}&token=${token}`).then((response) => response.json());
    // A poll that waits has a timer for its window.
    while (clock.pending === pending) await turn();
    await endpoint.close();
    expect(await poll).to.have.property("status", 410);
    await silent.closed;
  });

  it("leaves the app's server open", async () => {
    const { server, port } = await appServer();
    const endpoint = new Endpoint();
    endpoint.socket("/socket", RoomSocket);
    endpoint.attach(server);
    const client = await connect(`ws://127.0.0.1:${port}/socket/websocket`);
    await endpoint.close();
    expect((await client.closed).code).to.equal(1012);
    expect(server.listening).to.equal(true);
  });

  it("is the end: nothing can be mounted or attached any more, and broadcasts reach nobody", async () => {
    const { endpoint } = await serve(RoomSocket);
    const closed = endpoint.close();
    const { server } = await appServer();
    for (let i = 0; i < 2; i++) {
      expectRefusal(
        thrownBy(() => endpoint.socket("/other", RoomSocket)),
        "closed",
        ["socket", "make a new one"],
      );
      expectRefusal(
        thrownBy(() => endpoint.attach(server)),
        "closed",
        ["attach", "make a new one"],
      );
      await closed;
    }
    endpoint.broadcast("room:a", "event");
    endpoint.disconnect("user:1");
    expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0, draining: true });
  });
});

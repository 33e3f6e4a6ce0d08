import { createServer } from "node:http";
import { expect } from "chai";
import type { SocketOptions, TransportClass } from "phoenix";
import { LongPoll, Socket } from "phoenix";
import { Endpoint, type MountOptions } from "../../../lib/index.ts";
import { answer, connectionEvents, inbox, joins } from "../../support/official-client.ts";
import { serve } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";
import { chat } from "./chat.ts";

const TOPIC = "room:1";

/** A WebSocket that some proxy swallows: it neither opens nor fails. */
class StuckWebSocket {
  static readonly made: StuckWebSocket[] = [];
  readyState = 0;
  constructor() {
    StuckWebSocket.made.push(this);
  }
  send(): void {}
  close(): void {
    this.readyState = 3;
  }
}

/** One that fails as soon as it is looked at. */
class FailingWebSocket extends StuckWebSocket {
  onerror: (error: unknown) => void = () => {};
  onclose: (event: object) => void = () => {};
  constructor() {
    super();
    queueMicrotask(() => {
      this.readyState = 3;
      this.onerror(new Error("blocked"));
      this.onclose({ code: 1006, reason: "", wasClean: false });
    });
  }
}

/** What the client uses of the browser's sessionStorage. */
class SessionStore {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

async function connected(options: SocketOptions, mountOptions: MountOptions = {}) {
  const { ChatSocket, events } = chat();
  const server = await serve(ChatSocket, { closeTimeout: 1, ...mountOptions });
  const socket = new Socket(server.mount, {
    timeout: 5000,
    reconnectAfterMs: () => 2,
    rejoinAfterMs: () => 2,
    ...options,
  });
  afterTest(() => socket.disconnect());
  const happened = connectionEvents(socket);
  socket.connect();
  return { ...server, socket, events, ...happened };
}

describe("long-polling: the official client", () => {
  for (const [how, transport] of [
    ["never opens", StuckWebSocket],
    ["fails", FailingWebSocket],
  ] as const) {
    it(`falls back to it when a WebSocket ${how}, and remembers that`, async () => {
      const sessionStorage = new SessionStore();
      const options = {
        transport: transport as unknown as TransportClass,
        longPollFallbackMs: how === "fails" ? 60_000 : 1,
        sessionStorage,
      };
      const { socket, opens, endpoint, mount } = await connected(options);
      await opens.next();
      const channel = socket.channel(TOPIC);
      expect((await answer(channel.join())).status).to.equal("ok");
      const heard = inbox(channel, "shout");
      channel.push("shout", { n: 1 });
      expect(await heard.next()).to.deep.equal({ n: 1 });
      expect(endpoint.stats()).to.include({ connections: 1, channels: 1 });
      expect([...sessionStorage.items.values()]).to.deep.equal(["true"]);

      const tried = StuckWebSocket.made.length;
      const second = new Socket(mount, options);
      afterTest(() => second.disconnect());
      const { opens: secondOpens } = connectionEvents(second);
      second.connect();
      await secondOpens.next();
      expect(StuckWebSocket.made).to.have.length(tried);
    });
  }

  it("sends what it pushes in one turn, more than one batch takes, in order", async () => {
    const { socket, events } = await connected({ transport: LongPoll });
    const channel = socket.channel(TOPIC);
    await answer(channel.join());
    const count = 250;
    for (let n = 0; n < count; n++) channel.push("note", { n }, 1);
    const notes = (await events.reaches(1 + count)).slice(1);
    expect(notes).to.deep.equal(Array.from({ length: count }, (_, n) => `note ${n}`));
  });

  it("gets a large backlog in one poll", async () => {
    const { socket, endpoint } = await connected({ transport: LongPoll });
    const channel = socket.channel(TOPIC);
    await answer(channel.join());
    const heard = inbox(channel, "shout");
    const text = "x".repeat(100_000);
    for (let n = 0; n < 30; n++) endpoint.broadcast(TOPIC, "shout", { n, text });
    expect(await heard.take(30)).to.deep.equal(Array.from({ length: 30 }, (_, n) => ({ n, text })));
  });

  it("comes back at once after a message that closes its session, and pushes again", async () => {
    const { socket, closes, lines } = await connected({ transport: LongPoll });
    const channel = socket.channel(TOPIC);
    const rejoined = joins(channel.join());
    await rejoined.next();
    socket.conn?.send("no message");
    await closes.next();
    await rejoined.next();
    expect((await answer(channel.push("echo", { n: 1 }))).response).to.deep.equal({ n: 1 });
    expect(lines.some(({ message }) => message.includes("isn't a message"))).to.equal(true);
  });

  it("waits out a drain, and finds the next server", async () => {
    const { socket, closes, errors, endpoint, port, opens } = await connected({ transport: LongPoll });
    const channel = socket.channel(TOPIC);
    const rejoined = joins(channel.join());
    await rejoined.next();
    await opens.next();
    await endpoint.drain();
    await closes.next();
    // Refused with 503 by a server that drains, and by nobody after that.
    await errors.take(3);
    await endpoint.close();
    const next = new Endpoint();
    next.socket("/socket", chat().ChatSocket, { closeTimeout: 1 });
    const server = createServer();
    next.attach(server);
    server.listen(port, "127.0.0.1");
    afterTest(async () => {
      await next.close({ timeoutMs: 0 });
      server.close();
      server.closeAllConnections();
    });
    await rejoined.next();
    expect((await answer(channel.push("echo", { n: 2 }))).response).to.deep.equal({ n: 2 });
  });
});

import { expect } from "chai";
import { Packr } from "msgpackr";
import { type ClientMessage, LongPoll, type SocketOptions } from "phoenix";
import { V1JSONSerializer, V2JSONSerializer } from "../../lib/index.ts";
import { MsgpackSerializer } from "../../lib/protocol/msgpack.ts";
import { HttpClient } from "../support/http-client.ts";
import {
  connectionEvents,
  inbox,
  officialClient,
  TRANSPORTS,
  type TransportRow,
} from "../support/official-client.ts";
import { channelFlows } from "./channel-flows.ts";
import { ask, joinedChannel, serveChat } from "./chat.ts";
import { connectionFlows } from "./connection-flows.ts";
import { recoveryFlows } from "./recovery-flows.ts";

const packr = new Packr({ useRecords: false });

/** What docs/protocol.md gives to the official client. */
const MSGPACK: SocketOptions = {
  vsn: "3.0.0",
  encode: ({ join_ref, ref, topic, event, payload }, send) => {
    const body = payload instanceof ArrayBuffer ? new Uint8Array(payload) : payload;
    send(packr.pack([join_ref ?? null, ref ?? null, topic, event, body]) as unknown as ArrayBuffer);
  },
  decode: (data, receive) => {
    const [join_ref, ref, topic, event, payload] = packr.unpack(new Uint8Array(data as ArrayBuffer)) as [
      string | null,
      string | null,
      string,
      string,
      unknown,
    ];
    receive({ join_ref, ref, topic, event, payload: unwrapped(payload) } satisfies ClientMessage);
  },
};

/** Bytes as the flows expect them of the official client: as an ArrayBuffer. */
function unwrapped(payload: unknown): unknown {
  if (payload instanceof Uint8Array) return new Uint8Array(payload).buffer;
  const reply = payload as { status?: unknown; response?: unknown } | null;
  if (reply?.response instanceof Uint8Array) return { ...reply, response: unwrapped(reply.response) };
  return payload;
}

const [WEBSOCKET] = TRANSPORTS;
if (WEBSOCKET === undefined) throw new Error("no transports");

const ROW: TransportRow = {
  ...WEBSOCKET,
  name: "websocket, msgpack",
  options: { ...WEBSOCKET.options, ...MSGPACK },
  serializers: [V1JSONSerializer, V2JSONSerializer, MsgpackSerializer],
};

describe("the official client over websocket, vsn 3.0.0 (msgpack)", () => {
  channelFlows(ROW);
  recoveryFlows(ROW);
  connectionFlows(ROW);

  it("meets clients of the JSON formats in one room, each in its own", async () => {
    const chat = await serveChat(ROW);
    const rows = [ROW, ...TRANSPORTS];
    const channels = await Promise.all(
      rows.map((row) => {
        const socket = officialClient(row, chat.mount, { params: { id: row.name } });
        socket.connect();
        return joinedChannel(socket, "room:a");
      }),
    );
    const heard = channels.map((channel) => inbox(channel, "shouted"));
    const said = rows.map((row, n) => ({
      n,
      name: row.name,
      nested: [{ é: [null, true, 1.5, -7, 2 ** 40] }],
    }));
    for (const [n, channel] of channels.entries()) {
      expect((await ask(channel, "shout", said[n])).status).to.equal("ok");
    }
    for (const box of heard) expect(await box.take(rows.length)).to.deep.equal(said);
  });

  it("is refused where the mount hasn't been given it", async () => {
    const chat = await serveChat(ROW, { serializers: [V1JSONSerializer, V2JSONSerializer] });
    const { errors } = connectionEvents(chat.user("1"));
    await errors.take(2);
    expect(chat.connected.all).to.deep.equal([]);
    expect(chat.lines.some(({ details }) => details.spoken === "1.0.0, 2.0.0")).to.equal(true);
  });

  it("is refused over long-polling, which can't bring its answers to the client", async () => {
    const chat = await serveChat(ROW);
    const { status, text } = await new HttpClient(chat.port).ask({ path: "/socket/longpoll?vsn=3.0.0" })
      .answer;
    expect([status, JSON.parse(text)]).to.deep.equal([200, { status: 403 }]);
    const socket = officialClient({ ...ROW, options: { ...MSGPACK, transport: LongPoll } }, chat.mount);
    const { errors } = connectionEvents(socket);
    socket.connect();
    await errors.take(1);
    expect(chat.connected.all).to.deep.equal([]);
  });

  it("is closed with 1011 if it sends what isn't a message", async () => {
    const chat = await serveChat(ROW);
    const socket = chat.client({
      encode: (_message, send) =>
        send(packr.pack(["1", "1", "room:a", "phx_join", { at: new Date(0) }]) as never),
    });
    const { closes } = connectionEvents(socket);
    socket.channel("room:a").join();
    socket.connect();
    const { code } = await closes.next();
    expect(code).to.equal(1011);
    expect(chat.joined.all).to.deep.equal([]);
  });
});

import { expect } from "chai";
import { Channel, type MountOptions, ok, Socket } from "../../lib/index.ts";
import { answer, officialClient, TRANSPORTS } from "../support/official-client.ts";
import { serve } from "../support/server.ts";

/** How many channels a client may join, and so which maxChannels holds for its transport. */
async function joinable(kind: "websocket" | "longpoll", options: MountOptions): Promise<number> {
  class RoomChannel extends Channel {
    override join() {
      return ok();
    }
  }
  class UserSocket extends Socket {
    static override channels = { "room:*": RoomChannel };
  }
  const row = TRANSPORTS.find((transport) => transport.kind === kind);
  if (row === undefined) throw new Error(`no client for ${kind}`);
  const { mount } = await serve(UserSocket, options);
  const socket = officialClient(row, mount);
  socket.connect();
  for (let n = 0; ; n++) {
    const channel = socket.channel(`room:${n}`);
    const { status } = await answer(channel.join());
    if (status !== "ok") return n;
  }
}

describe("an option of both transports", () => {
  const rows: [title: string, options: MountOptions, websocket: number, longpoll: number][] = [
    ["holds for both", { maxChannels: 1 }, 1, 1],
    ["gives way to that of a transport", { maxChannels: 1, websocket: { maxChannels: 2 } }, 2, 1],
    [
      "gives way to each transport's own",
      { websocket: { maxChannels: 2 }, longpoll: { maxChannels: 3 } },
      2,
      3,
    ],
    [
      "stays where a transport's is undefined",
      { maxChannels: 2, longpoll: { maxChannels: undefined } },
      2,
      2,
    ],
    ["stays where a transport has other options", { maxChannels: 2, longpoll: { windowMs: 5000 } }, 2, 2],
    ["stays where a transport is just on", { maxChannels: 2, websocket: true, longpoll: true }, 2, 2],
  ];

  for (const [title, options, websocket, longpoll] of rows) {
    it(title, async () => {
      expect(await joinable("websocket", options)).to.equal(websocket);
      expect(await joinable("longpoll", options)).to.equal(longpoll);
    });
  }
});

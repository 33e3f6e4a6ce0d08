import { expect } from "chai";
import { connectionEvents, inbox, officialClient, TRANSPORTS } from "../support/official-client.ts";
import { channelFlows } from "./channel-flows.ts";
import { ask, joinedChannel, serveChat } from "./chat.ts";
import { connectionFlows } from "./connection-flows.ts";
import { recoveryFlows } from "./recovery-flows.ts";

for (const row of TRANSPORTS) {
  describe(`the official client over ${row.name}`, () => {
    channelFlows(row);
    recoveryFlows(row);
    connectionFlows(row);
  });
}

describe("official clients over all transports", () => {
  it("meet in one room", async () => {
    const [first] = TRANSPORTS;
    if (first === undefined) throw new Error("no transports");
    const chat = await serveChat(first);
    const channels = await Promise.all(
      TRANSPORTS.map((row) => {
        const socket = officialClient(row, chat.mount, { params: { id: row.name } });
        socket.connect();
        return joinedChannel(socket, "room:a");
      }),
    );
    const heard = channels.map((channel) => inbox(channel, "shouted"));
    for (const [n, channel] of channels.entries()) {
      expect((await ask(channel, "shout", { n })).status).to.equal("ok");
    }
    const all = TRANSPORTS.map((_, n) => ({ n }));
    for (const box of heard) expect(await box.take(all.length)).to.deep.equal(all);
    expect(chat.connected.all.map(({ info }) => info.transport).sort()).to.deep.equal(
      TRANSPORTS.map(({ kind }) => kind).sort(),
    );
  });

  it("are refused where the mount has their transport off", async () => {
    for (const row of TRANSPORTS) {
      const chat = await serveChat(row, { [row.kind]: false });
      const { errors } = connectionEvents(chat.user("1"));
      await errors.take(2);
      expect(chat.connected.all, row.name).to.deep.equal([]);
    }
  });
});

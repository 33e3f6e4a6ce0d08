import { expect } from "chai";
import { turn } from "../support/gate.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { TransportRow } from "../support/official-client.ts";
import { answer, connectionEvents, ends, inbox } from "../support/official-client.ts";
import { ask, joinedChannel, serveChat } from "./chat.ts";

/** Channels on a connection that holds. */
export function channelFlows(row: TransportRow): void {
  describe("joining", () => {
    it("answers ok with the join's payload", async () => {
      const chat = await serveChat(row);
      const channel = chat.user("1").channel("room:a", { nickname: "ann" });
      expect(await answer(channel.join())).to.deep.equal({
        status: "ok",
        response: { topic: "room:a", payload: { nickname: "ann" } },
      });
      expect(channel.state).to.equal("joined");
    });

    it("waits for the connection, if the client joins and pushes before it", async () => {
      const chat = await serveChat(row);
      const socket = chat.client();
      const channel = socket.channel("room:a");
      const joining = answer(channel.join());
      const first = ask(channel, "echo", { n: 1 });
      const second = ask(channel, "echo", { n: 2 });
      socket.connect();
      expect((await joining).status).to.equal("ok");
      expect([await first, await second]).to.deep.equal([
        { status: "ok", response: { n: 1 } },
        { status: "ok", response: { n: 2 } },
      ]);
    });

    it("answers error with the reason; the client asks again, and gets in when it may", async () => {
      const chat = await serveChat(row);
      const tries = ["full", "still full"];
      const channel = chat.user("1").channel("room:a", () => ({ refuse: tries.shift() }));
      const push = channel.join();
      const in_ = new Promise((resolve) => push.receive("ok", resolve));
      const refusals: unknown[] = [];
      push.receive("error", (response) => refusals.push(response));
      expect(await in_).to.deep.equal({ topic: "room:a", payload: {} });
      expect(refusals).to.deep.equal([{ reason: "full" }, { reason: "still full" }]);
      expect((await ask(channel, "echo", { in: true })).response).to.deep.equal({ in: true });
    });

    it("answers error for a topic that no channel takes", async () => {
      const chat = await serveChat(row);
      expect(await answer(chat.user("1").channel("nowhere").join())).to.deep.equal({
        status: "error",
        response: { reason: "unmatched topic" },
      });
    });

    if (row.joinRefs) {
      it("times out; the join that the client gave up is left, the next one is its own", async () => {
        const chat = await serveChat(row);
        const socket = chat.user("1");
        // A join that times out before there is a connection is never sent.
        await connectionEvents(socket).opens.next();
        let first = true;
        const channel = socket.channel("room:a", () => {
          const wait = first;
          first = false;
          return { wait };
        });
        const push = channel.join(30);
        push.receive("timeout", () => {
          channel.timeout = 5000;
        });
        const in_ = new Promise((resolve) => push.receive("ok", resolve));
        expect((await answer(push)).status).to.equal("timeout");
        expect(await in_).to.deep.equal({ topic: "room:a", payload: { wait: false } });
        expect(await chat.ended.next()).to.deep.equal({ topic: "room:a", reason: { kind: "left" } });
        expect((await ask(channel, "echo", { n: 1 })).response).to.deep.equal({ n: 1 });
        expect(chat.endpoint.stats()).to.include({ connections: 1, channels: 1 });
      });

      it("of a topic that is joined already puts an end to the earlier channel only", async () => {
        const chat = await serveChat(row);
        const socket = chat.user("1");
        const old = await joinedChannel(socket, "room:a", { n: 1 });
        const { closes, errors } = ends(old);
        const heard = inbox(old, "shouted");
        const channel = await joinedChannel(socket, "room:a", { n: 2 });
        const { closes: ownCloses, errors: ownErrors } = ends(channel);
        await closes.next();
        expect(old.state).to.equal("closed");
        const shouted = inbox(channel, "shouted");
        expect((await ask(channel, "shout", { n: 3 })).status).to.equal("ok");
        expect(shouted.all).to.deep.equal([{ n: 3 }]);
        expect([heard.all, errors.all, ownCloses.all, ownErrors.all]).to.deep.equal([[], [], [], []]);
        expect(chat.ended.all).to.deep.equal([{ topic: "room:a", reason: { kind: "left" } }]);
        expect(chat.endpoint.stats()).to.include({ channels: 1, topics: 2 });
      });
    }

    it("of many topics on one connection keeps them apart", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const topics = Array.from({ length: 30 }, (_, i) => `room:${i}`);
      const channels = await Promise.all(topics.map((topic) => joinedChannel(socket, topic)));
      const answers = await Promise.all(channels.map((channel, n) => ask(channel, "echo", { n })));
      expect(answers).to.deep.equal(topics.map((_, n) => ({ status: "ok", response: { n } })));
      expect(chat.endpoint.stats()).to.include({ connections: 1, channels: 30 });
    });
  });

  describe("pushing", () => {
    it("is answered ok, error, or with a status of the app's", async () => {
      const chat = await serveChat(row);
      const channel = await joinedChannel(chat.user("1"), "room:a");
      const body = { text: "Grüße, 世界 🎉", list: [1, null, { deep: [true] }] };
      expect(await ask(channel, "echo", body)).to.deep.equal({ status: "ok", response: body });
      expect(await ask(channel, "fail", body)).to.deep.equal({ status: "error", response: body });
      expect(await answer(channel.push("maybe", body), "maybe")).to.deep.equal({
        status: "maybe",
        response: body,
      });
      expect(await ask(channel, "later")).to.deep.equal({ status: "ok", response: { later: true } });
      expect(await ask(channel, "push_me", body)).to.deep.equal({ status: "ok", response: {} });
    });

    it("times out if nobody answers, and the channel goes on", async () => {
      const chat = await serveChat(row);
      const channel = await joinedChannel(chat.user("1"), "room:a");
      expect((await answer(channel.push("silence", {}, 20))).status).to.equal("timeout");
      expect((await ask(channel, "echo", { n: 1 })).status).to.equal("ok");
    });

    it("is answered error for an event without a handler", async () => {
      const chat = await serveChat(row);
      const channel = await joinedChannel(chat.user("1"), "room:a");
      for (const event of ["nobody", "join", "terminate", "__proto__", "constructor"]) {
        expect(await ask(channel, event), event).to.deep.equal({
          status: "error",
          response: { reason: "unmatched event" },
        });
      }
    });

    it("is answered in order, message by message", async () => {
      const chat = await serveChat(row);
      const channel = await joinedChannel(chat.user("1"), "room:a");
      const pushed = inbox(channel, "pushed");
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 200 }, async (_, n) => {
          await ask(channel, "push_me", { n });
          order.push(n);
        }),
      );
      const expected = Array.from({ length: 200 }, (_, n) => n);
      expect(order).to.deep.equal(expected);
      expect(pushed.all).to.deep.equal(expected.map((n) => ({ n })));
    });
  });

  describe("broadcasting", () => {
    it("reaches all clients of the topic, the sender before its reply", async () => {
      const chat = await serveChat(row);
      const [ann, bob, eve] = await Promise.all([
        joinedChannel(chat.user("ann"), "room:a"),
        joinedChannel(chat.user("bob"), "room:a"),
        joinedChannel(chat.user("eve"), "room:b"),
      ]);
      const heard = [ann, bob, eve].map((channel) => inbox(channel, "shouted"));
      await ask(ann, "shout", { from: "ann" });
      expect(heard[0]?.all).to.deep.equal([{ from: "ann" }]);
      expect(await heard[1]?.next()).to.deep.equal({ from: "ann" });
      // Eve's own question is answered behind whatever went to her before.
      await ask(eve, "echo");
      expect(heard[2]?.all).to.deep.equal([]);
    });

    it("leaves out the sender, if it is from it", async () => {
      const chat = await serveChat(row);
      const ann = await joinedChannel(chat.user("ann"), "room:a");
      const bob = await joinedChannel(chat.user("bob"), "room:a");
      const annHeard = inbox(ann, "whispered");
      const bobHeard = inbox(bob, "whispered");
      await ask(ann, "whisper", { n: 1 });
      expect(await bobHeard.next()).to.deep.equal({ n: 1 });
      await ask(ann, "echo");
      expect(annHeard.all).to.deep.equal([]);
    });

    it("from the endpoint reaches all clients of the topic", async () => {
      const chat = await serveChat(row);
      const heard = [];
      for (const id of ["ann", "bob"]) {
        heard.push(inbox(await joinedChannel(chat.user(id), "room:a"), "news"));
      }
      chat.endpoint.broadcast("room:a", "news", { n: 1 });
      chat.endpoint.broadcast("room:b", "news", { n: 2 });
      chat.endpoint.localBroadcast("room:a", "news", { n: 3 });
      for (const box of heard) expect(await box.take(2)).to.deep.equal([{ n: 1 }, { n: 3 }]);
    });

    it("gives all clients one order", async () => {
      const chat = await serveChat(row);
      const ids = ["ann", "bob", "eve"];
      const channels = await Promise.all(ids.map((id) => joinedChannel(chat.user(id), "room:a")));
      const heard = channels.map((channel) => inbox(channel, "shouted"));
      for (let n = 0; n < 40; n++) {
        for (const [i, channel] of channels.entries()) channel.push("shout", { id: ids[i], n });
      }
      const [first, second, third] = await Promise.all(heard.map((box) => box.take(120)));
      expect(second).to.deep.equal(first);
      expect(third).to.deep.equal(first);
      const ofAnn = first?.filter((message) => (message as { id: string }).id === "ann");
      expect(ofAnn).to.deep.equal(Array.from({ length: 40 }, (_, n) => ({ id: "ann", n })));
    });
  });

  describe("leaving", () => {
    it("closes the channel on both sides, and its broadcasts stop", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const channel = await joinedChannel(socket, "room:a");
      const other = await joinedChannel(socket, "room:b");
      const { closes, errors } = ends(channel);
      const heard = inbox(channel, "news");
      expect((await answer(channel.leave())).status).to.equal("ok");
      expect(closes.all).to.have.length(1);
      expect(channel.state).to.equal("closed");
      expect(await chat.ended.next()).to.deep.equal({ topic: "room:a", reason: { kind: "left" } });
      chat.endpoint.broadcast("room:a", "news", {});
      expect((await ask(other, "echo", { n: 1 })).status).to.equal("ok");
      expect([heard.all, errors.all]).to.deep.equal([[], []]);
      expect(chat.endpoint.stats()).to.include({ channels: 1 });
    });

    it("frees the topic for a new channel", async () => {
      const chat = await serveChat(row);
      const socket = chat.user("1");
      const other = await joinedChannel(socket, "room:b", { n: 0 });
      (await joinedChannel(socket, "room:a", { n: 1 })).leave();
      // Without join_refs the client takes the old channel's phx_close for the new one's: let it come first.
      if (!row.joinRefs) await ask(other, "echo");
      const channel = await joinedChannel(socket, "room:a", { n: 2 });
      expect((await ask(channel, "echo", { n: 3 })).response).to.deep.equal({ n: 3 });
      expect(chat.joined.all.map(({ payload }) => payload)).to.deep.equal([{ n: 0 }, { n: 1 }, { n: 2 }]);
    });

    for (const reason of ["normal", "shutdown"]) {
      it(`by the server's stop("${reason}") closes the channel, and the client doesn't come back`, async () => {
        const chat = await serveChat(row);
        const socket = chat.user("1");
        const channel = await joinedChannel(socket, "room:a");
        const { closes, errors } = ends(channel);
        expect(await ask(channel, "stop", { reason, bye: true })).to.deep.equal({
          status: "ok",
          response: { bye: true },
        });
        await closes.next();
        expect(channel.state).to.equal("closed");
        expect(await chat.ended.next()).to.deep.equal({
          topic: "room:a",
          reason: { kind: "stopped", reason },
        });
        // A round trip for a rejoin to show, if there were one.
        await ask(await joinedChannel(socket, "room:b"), "echo");
        expect(errors.all).to.deep.equal([]);
        expect(chat.joined.all.map(({ topic }) => topic)).to.deep.equal(["room:a", "room:b"]);
      });
    }

    it("by the client's disconnect tells the server, and connecting again joins again", async () => {
      const clock = new ManualClock();
      const chat = await serveChat(row, {}, { clock });
      const socket = chat.user("1");
      const channel = await joinedChannel(socket, "room:a");
      socket.disconnect();
      const gone = chat.ended.next();
      // A client that doesn't poll any more is missed in time.
      while (row.kind === "longpoll" && chat.ended.all.length === 0) {
        clock.advance(5000);
        await turn();
      }
      expect((await gone).reason.kind).to.equal("closed");
      socket.connect();
      await chat.joined.take(2);
      expect((await ask(channel, "echo", { n: 1 })).response).to.deep.equal({ n: 1 });
    });
  });
}

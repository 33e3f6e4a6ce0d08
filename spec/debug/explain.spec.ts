import { expect } from "chai";
import { Channel, ConfigError, Endpoint, type Explanation, ok, Socket } from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { HttpClient } from "../support/http-client.ts";
import { serve } from "../support/server.ts";
import { kinds, only, serveRooms } from "./rooms.ts";

type Rooms = Awaited<ReturnType<typeof serveRooms>>;

/** The explanation of the id in the latest line that has one, and its failure's code and reason. */
function explained({ endpoint, lines }: Pick<Rooms, "endpoint" | "lines">, message: RegExp): Explanation {
  const line = lines.findLast((entry) => message.test(entry.message));
  const id = line?.details.id;
  if (typeof id !== "string") throw new Error(`no line ${message} with an id`);
  const explanation = endpoint.explain(id);
  if (explanation === null) throw new Error(`nothing is known of ${id}`);
  expect(explanation.id).to.equal(id);
  return explanation;
}

describe("endpoint.explain", () => {
  describe("a refused upgrade, by the id in its log line and its answer", () => {
    for (const [cause, query, headers, status] of [
      ["origin", "vsn=2.0.0", { Origin: "https://elsewhere.example" }, 403],
      ["connect", "vsn=2.0.0&user=mallory", {}, 403],
      ["connect_crashed", "vsn=2.0.0&user=crash", {}, 500],
      ["vsn", "vsn=7.0.0", {}, 403],
      ["invalid_query", "vsn=2.0.0&a=%ff", {}, 400],
    ] as const) {
      it(cause, async () => {
        const rooms = await serveRooms();
        const answer = await refused(rooms.url, query, { headers });
        const explanation = explained(rooms, /^REFUSED CONNECTION/);
        expect(answer.headers["x-explain-id"]).to.equal(explanation.id);
        expect(explanation.failure).to.include({
          step: "refused",
          code: cause,
          status,
          socket: "UserSocket",
          connection: null,
        });
        expect(explanation.steps).to.deep.equal([explanation.failure]);
        expect(explanation.earlier).to.deep.equal([]);
      });
    }

    it("with what connect said, but for its secrets, and what was thrown", async () => {
      const rooms = await serveRooms();
      await refused(rooms.url, "vsn=2.0.0&user=mallory");
      const reason = { banned: true, password: "[FILTERED]" };
      expect(explained(rooms, /^REFUSED/).failure).to.have.deep.property("reason", reason);
      await refused(rooms.url, "vsn=2.0.0&user=crash");
      const details = { err: { name: "Error", message: "no database" } };
      expect(explained(rooms, /^REFUSED/).failure).to.have.deep.property("details", details);
    });

    it("of a long-polling client, too", async () => {
      const rooms = await serveRooms();
      const client = new HttpClient(rooms.port);
      const path = "/socket/longpoll?vsn=2.0.0&user=mallory";
      const answer = await client.ask({ path }).answer;
      expect(answer.text).to.equal('{"status":403}');
      const explanation = explained(rooms, /^REFUSED CONNECTION/);
      expect(answer.headers["x-explain-id"]).to.equal(explanation.id);
    });
  });

  describe("an error reply", () => {
    const CASES: [what: string, line: RegExp, frame: unknown[], failure: object][] = [
      [
        "a refused join",
        /^REFUSED JOIN/,
        ["2", "2", "room:refused", "phx_join", {}],
        { code: "full", reason: "full", topic: "room:refused", event: "phx_join", channel: "Room" },
      ],
      [
        "an unmatched topic",
        /^ignored a join/,
        ["2", "2", "hall:a", "phx_join", {}],
        { code: "unmatched_topic", reason: "unmatched topic", topic: "hall:a" },
      ],
      [
        "an unmatched event",
        /^no handler for the event/,
        ["1", "2", "room:a", "whistle", {}],
        { code: "unmatched_event", event: "whistle", ref: "2", joinRef: "1" },
      ],
      [
        "an error of the app's",
        /^HANDLED deny/,
        ["1", "2", "room:a", "deny", {}],
        { code: "error", reason: "not today", event: "deny", channel: "Room" },
      ],
    ];
    for (const [what, line, frame, failure] of CASES) {
      it(`of ${what}`, async () => {
        const rooms = await serveRooms();
        const ada = await rooms.client("ada", "room:a");
        ada.send(frame);
        await ada.next();
        const explanation = explained(rooms, line);
        expect(explanation.failure).to.include({ step: "denied", connection: 1, socketId: "user:ada" });
        expect(explanation.failure).to.include(failure);
      });
    }

    it("of the same id for the line of the channel and that of the handler", async () => {
      const rooms = await serveRooms();
      const ada = await rooms.client("ada", "room:a");
      await ada.ask("1", "2", "room:a", "whistle");
      expect(explained(rooms, /^no handler/).id).to.equal(explained(rooms, /^HANDLED whistle/).id);
    });

    it("of a message over the rate, and of a join over the limit", async () => {
      const rooms = await serveRooms({ rateLimit: { limit: 2, interval: 1_000 }, maxChannels: 1 });
      const ada = await rooms.client("ada", "room:a");
      await ada.join("room:b", {}, "2");
      await ada.ask("1", "3", "room:a", "echo");
      expect(explained(rooms, /maxChannels/).failure).to.include({ code: "too_many_channels_joined" });
      expect(explained(rooms, /^refused messages/).failure).to.include({
        step: "denied",
        code: "rate_limited",
        event: "echo",
      });
    });

    it("of a message to a channel that has crashed: what was before is the cause", async () => {
      const rooms = await serveRooms();
      const ada = await rooms.client("ada", "room:a");
      ada.send(["1", "2", "room:a", "boom", {}]);
      await ada.next();
      await ada.ask("1", "3", "room:a", "give_up");
      await ada.ask("1", "4", "hall:a", "phx_join");
      const { earlier } = explained(rooms, /^ignored a join/);
      expect(kinds(earlier)).to.deep.equal(["crashed: handleIn", "denied: unmatched_topic"]);
      expect(earlier[1]).to.include({ event: "give_up", topic: "room:a" });
    });
  });

  describe("a crash", () => {
    for (const [event, code, line, error] of [
      ["boom", "handleIn", /^handleIn crashed/, { name: "TypeError", message: "boom" }],
      ["give_up", "stop", /^Room stopped/, { name: "string", message: "tired" }],
      [
        "wrong",
        "handleIn",
        /^handleIn crashed/,
        {
          name: "ReturnError",
          code: "invalid_return",
          message:
            'Room.handleIn("wrong") returned true; expected nothing, noreply(), ok(), error(), reply(status) or stop()',
        },
      ],
    ] as const) {
      it(`of a handler: ${event}`, async () => {
        const rooms = await serveRooms();
        const ada = await rooms.client("ada", "room:a");
        ada.send(["1", "2", "room:a", event, {}]);
        await ada.next();
        const { failure } = explained(rooms, line);
        expect(failure).to.include({ step: "crashed", code, channel: "Room", topic: "room:a" });
        expect(failure).to.have.deep.property("error", error);
      });
    }

    it("of a handleOut, by what it throws or returns: with the broadcast's event", async () => {
      class Hall extends Channel {
        static override intercepts = ["thrown", "returned"];
        override join() {
          return ok();
        }
        override handleOut(event: string) {
          if (event === "thrown") throw new TypeError("boom");
          return true as never;
        }
      }
      class HallSocket extends Socket {
        static override channels = { hall: Hall };
      }
      const { endpoint, url } = await serve(HallSocket);
      const ada = await connect(url, "vsn=2.0.0");
      const trace = endpoint.trace();
      for (const event of ["thrown", "returned"]) {
        await ada.join("hall");
        endpoint.broadcast("hall", event);
        expect((await ada.next())[3]).to.equal("phx_error");
        const failure = { step: "crashed", code: "handleOut", topic: "hall", event };
        expect(only(trace.take(), "crashed")).to.include(failure);
      }
    });

    it("of a deferred reply, by its rejection or its value: with the message's event", async () => {
      class Hall extends Channel {
        override join() {
          return ok();
        }
        override handleIn(event: string) {
          const never = event === "rejected" ? Promise.reject(new Error("late")) : Promise.resolve(true);
          this.deferReply(never as Promise<never>);
        }
      }
      class HallSocket extends Socket {
        static override channels = { hall: Hall };
      }
      const { endpoint, url } = await serve(HallSocket);
      const ada = await connect(url, "vsn=2.0.0");
      const trace = endpoint.trace();
      for (const event of ["rejected", "fulfilled"]) {
        await ada.join("hall");
        ada.send(["1", "2", "hall", event, {}]);
        expect((await ada.next())[3]).to.equal("phx_error");
        const failure = { step: "crashed", code: "deferReply", topic: "hall", event };
        expect(only(trace.take(), "crashed")).to.include(failure);
      }
    });

    it("of a join: one id for the crash and its reply", async () => {
      const rooms = await serveRooms();
      const ada = await rooms.client("ada");
      await ada.join("room:crash");
      const explanation = explained(rooms, /^join crashed/);
      expect(kinds(explanation.steps)).to.deep.equal(["crashed: join", "denied: join_crashed"]);
      expect(explained(rooms, /^REFUSED JOIN/)).to.deep.equal(explanation);
    });
  });

  describe("a close", () => {
    type Case = [
      what: string,
      line: RegExp,
      code: string,
      status: number,
      cause: (rooms: Rooms, ada: Awaited<ReturnType<Rooms["client"]>>) => unknown,
    ];
    const CASES: Case[] = [
      ["malformed", /isn't a message/, "malformed", 1011, (_, ada) => ada.send("[")],
      ["too large", /larger than maxPayload/, "too_large", 1009, (_, ada) => ada.send("x".repeat(2_000))],
      [
        "flood",
        /hardLimit/,
        "flood",
        1008,
        (_, ada) => {
          for (let i = 0; i < 9; i++) ada.send([null, "9", "phoenix", "heartbeat", {}]);
        },
      ],
      [
        "disconnect",
        /the app disconnects it/,
        "disconnect",
        1001,
        ({ endpoint }) => endpoint.disconnect("user:ada"),
      ],
      ["idle", /from which nothing comes/, "idle", 1002, ({ clock }) => clock.advance(60_000)],
    ];
    for (const [what, line, code, status, cause] of CASES) {
      it(`with ${status}: ${what}`, async () => {
        const rooms = await serveRooms({
          maxPayload: 1_000,
          rateLimit: { limit: 4, interval: 1_000, hardLimit: 6 },
        });
        const ada = await rooms.client("ada", "room:a");
        await cause(rooms, ada);
        expect((await ada.closed).code).to.equal(status);
        await rooms.terminated.reaches(1);
        expect(explained(rooms, line).failure).to.include({
          step: "closed",
          code,
          status,
          connection: 1,
          socketId: "user:ada",
        });
      });
    }

    it("with 1013: a client that doesn't read", async () => {
      const rooms = await serveRooms({ maxBufferedBytes: 100_000 });
      const ada = await rooms.client("ada", "room:a");
      ada.ws.pause();
      const filler = { text: "x".repeat(60_000) };
      for (let i = 0; rooms.endpoint.stats().connections > 0 && i < 1_000; i++) {
        rooms.endpoint.broadcast("room:a", "filler", filler);
        if (rooms.lines.some(({ message }) => message.includes("doesn't read"))) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(explained(rooms, /doesn't read/).failure).to.include({ code: "slow_consumer", status: 1013 });
    });

    it("with 1001: a token that has expired", async () => {
      class Expiring extends Socket {
        override connect() {
          this.expiresAt = new Date(0);
          return ok();
        }
      }
      const served = await serve(Expiring);
      const client = await connect(served.url);
      await client.closed;
      expect(explained(served, /token has expired/).failure).to.include({ code: "expired", status: 1001 });
    });
  });

  it("tells all steps of a message while a trace is running, also of one that went well", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace({ topic: "room:elsewhere" });
    ada.send(["1", "2", "room:a", "whistle", {}]);
    await ada.next();
    const all = endpoint.trace();
    await ada.ask("1", "3", "room:a", "echo");
    const { id = "" } = all.take()[0] ?? {};
    expect(endpoint.explain(id)).to.include({ failure: null });
    expect(endpoint.explain(id)?.steps).to.have.length(7);
    expect(trace.take()).to.deep.equal([]);
  });

  it("tells the way that led to a failure", async () => {
    const rooms = await serveRooms();
    const ada = await rooms.client("ada", "room:a");
    rooms.endpoint.trace();
    await ada.ask("1", "2", "room:a", "whistle");
    expect(kinds(explained(rooms, /^no handler/).steps)).to.deep.equal([
      "frame_in",
      "decoded",
      "routed to channel",
      "handling handleIn",
      "handled handleIn: error",
      "denied: unmatched_event",
      "reply: error",
      "frame_out: reply",
    ]);
  });

  it("keeps the latest 500 of a kind, whatever floods the other kinds", async () => {
    const rooms = await serveRooms();
    const ada = await rooms.client("ada", "room:a");
    await refused(rooms.url, "vsn=9.0.0");
    const { id } = explained(rooms, /^REFUSED CONNECTION/);
    for (let n = 0; n < 501; n++) ada.send(["1", `${n}`, "room:a", "whistle", {}]);
    await ada.take(501);
    const ids = rooms.lines
      .filter(({ message }) => message.startsWith("no handler"))
      .map(({ details }) => String(details.id));
    expect(new Set(ids).size).to.equal(501);
    expect(ids.filter((one) => rooms.endpoint.explain(one) === null)).to.deep.equal(ids.slice(0, 1));
    expect(rooms.endpoint.explain(id)).not.to.equal(null);
  });

  it("keeps no long names, and knows nothing of what isn't there", async () => {
    const rooms = await serveRooms();
    const { endpoint } = rooms;
    const ada = await rooms.client("ada", "room:a");
    const long = "x".repeat(100_000);
    await ada.ask(long, long, `room:${long}`, long);
    await ada.ask("1", "2", "hall:a", "phx_join");
    const explanation = explained(rooms, /^ignored a join/);
    expect(explanation.earlier).to.have.length(1);
    expect(JSON.stringify(explanation).length).to.be.below(3_000);
    expect(endpoint.explain("nothing")).to.equal(null);
    expect(() => endpoint.explain(7 as never)).to.throw(ConfigError, "explain needs an id, a string; got 7");
    expect(new Endpoint().explain("")).to.equal(null);
  });
});

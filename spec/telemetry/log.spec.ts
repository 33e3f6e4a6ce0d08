import { expect } from "chai";
import {
  Channel,
  type ChannelLog,
  type ConnectParams,
  type EndpointOptions,
  error,
  type MountOptions,
  ok,
  Socket,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { connect, refused } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type LogLine, recordingLogger, serve } from "../support/server.ts";

const serializer = V2JSONSerializer.name;

async function serveRooms(
  options: { log?: ChannelLog; endpoint?: EndpointOptions; mount?: MountOptions } = {},
) {
  const clock = new ManualClock();
  class Room extends Channel {
    static override log = options.log ?? Channel.log;
    override join(_topic: string, payload: unknown) {
      clock.advance(2);
      return (payload as { full?: boolean }).full ? error({ reason: "full" }) : ok();
    }
    override handleIn(event: string, payload: unknown) {
      clock.advance(0.25);
      return super.handleIn(event, payload);
    }
    static {
      this.on("new_msg", () => ok());
    }
  }
  class RoomSocket extends Socket {
    static override channels = { "room:*": Room };
    override connect(params: ConnectParams) {
      clock.advance(1);
      return params.user === undefined ? ok() : error({ user: params.user, token: "t" });
    }
  }
  return { ...(await serve(RoomSocket, options.mount, { clock, ...options.endpoint })), clock };
}

/** The level and message of each line. */
function said(lines: readonly LogLine[]): string[] {
  return lines.map(({ level, message }) => `${level}: ${message}`);
}

describe("log lines", () => {
  it("are Phoenix's, with the time that it took", async () => {
    const { url, lines, endpoint } = await serveRooms();
    const client = await connect(url);
    await refused(url, "vsn=2.0.0&user=ada");
    await client.join("room:a");
    await client.join("room:b", { full: true });
    await client.ask("1", "2", "room:a", "new_msg");
    await endpoint.drain();
    expect(said(lines)).to.deep.equal([
      "info: CONNECTED TO RoomSocket in 1000µs",
      "warn: REFUSED CONNECTION TO RoomSocket in 1000µs: connect",
      "info: JOINED room:a in 2ms",
      "info: REFUSED JOIN room:b in 2ms",
      "debug: HANDLED new_msg INCOMING ON room:a (Room) in 250µs",
      "info: DRAINING 1 of 1 total connection(s) every 2000ms - round 1 of 1",
    ]);
    const ids = lines.map(({ details }) => details.id);
    expect(ids.map((id) => typeof id)).to.deep.equal([
      "undefined",
      "string",
      "undefined",
      "string",
      "undefined",
      "undefined",
    ]);
    expect(lines.map(({ details: { id: _, ...details } }) => details)).to.deep.equal([
      { transport: "websocket", serializer, params: { vsn: "2.0.0" } },
      { transport: "websocket", cause: "connect", status: 403, reason: { user: "ada", token: "[FILTERED]" } },
      { params: {} },
      { params: { full: true } },
      { params: {} },
      { count: 1, total: 1, index: 1, rounds: 1, intervalMs: 2000 },
    ]);
  });

  it("say what mends a refusal, and hold the error of one that is the app's", async () => {
    const { url, lines } = await serveRooms({
      mount: {
        checkOrigin: () => {
          throw new Error("no list");
        },
      },
    });
    await refused(url, "vsn=9.0.0");
    await refused(url, "vsn=2.0.0", { origin: "https://a.example" });
    const [vsn, origin] = lines;
    expect(vsn?.details).to.include({ cause: "vsn", vsn: '"9.0.0"', spoken: "1.0.0, 2.0.0" });
    expect(origin?.details).to.include({ cause: "origin_crashed", error: "checkOrigin crashed" });
    expect(origin?.details.err).to.have.property("message", "no list");
  });

  describe("hide what filterParameters name", () => {
    const payload = {
      password: "x",
      PasswordAgain: { nested: "x" },
      user: { apiToken: ["x"], name: "ada", list: [{ client_secret: 5 }, "token"] },
      bytes: "plain",
    };
    const filtered = {
      password: "[FILTERED]",
      PasswordAgain: "[FILTERED]",
      user: { apiToken: "[FILTERED]", name: "ada", list: [{ client_secret: "[FILTERED]" }, "token"] },
      bytes: "plain",
    };

    it("at any depth, in params, joins and events", async () => {
      const { url, lines } = await serveRooms();
      const client = await connect(url, "vsn=2.0.0&token=x&user_info[Password]=x&a=1");
      await client.join("room:a", payload);
      await client.ask("1", "2", "room:a", "new_msg", payload);
      expect(lines.map(({ details }) => details.params)).to.deep.equal([
        { vsn: "2.0.0", token: "[FILTERED]", user_info: { Password: "[FILTERED]" }, a: "1" },
        filtered,
        filtered,
      ]);
    });

    it("by the endpoint's own words", async () => {
      const { url, lines } = await serveRooms({ endpoint: { filterParameters: ["Card"] } });
      const client = await connect(url);
      await client.join("room:a", { creditcard: 1, token: 2 });
      expect(lines.at(-1)?.details).to.deep.equal({ params: { creditcard: "[FILTERED]", token: 2 } });
    });

    it("and cut what is too deep, and bytes", async () => {
      const { url, lines } = await serveRooms();
      const client = await connect(url);
      let deep: unknown = "bottom";
      for (let i = 0; i < 9; i++) deep = { d: deep };
      await client.join("room:a", deep);
      expect(JSON.stringify(lines.at(-1)?.details))
        .to.include('{"d":"…"}')
        .and.not.include("bottom");
      client.send(
        Buffer.concat([Uint8Array.of(0, 1, 1, 6, 7), Buffer.from("12room:anew_msg"), Uint8Array.of(7, 7, 7)]),
      );
      await client.next();
      expect(lines.at(-1)?.details).to.deep.equal({ params: "<3 bytes>" });
    });
  });

  for (const [log, expected] of [
    [{ join: "debug", handleIn: "info" }, ["debug: JOINED room:a", "info: HANDLED new_msg"]],
    [{ join: "error" }, ["error: JOINED room:a", "debug: HANDLED new_msg"]],
    [{ join: false, handleIn: "warn" }, ["warn: HANDLED new_msg"]],
    [{ handleIn: false }, ["info: JOINED room:a"]],
    [false, []],
  ] as const) {
    it(`come at the levels of static log = ${JSON.stringify(log)}`, async () => {
      const { url, lines } = await serveRooms({ log });
      const client = await connect(url);
      await client.join("room:a");
      await client.ask("1", "2", "room:a", "new_msg");
      const beginnings = said(lines.slice(1)).map((line) => line.split(" ").slice(0, 3).join(" "));
      expect(beginnings).to.deep.equal(expected);
    });
  }

  it("come from a logger that throws to nobody's harm", async () => {
    const { logger } = recordingLogger();
    const thrower = () => {
      throw new Error("disk full");
    };
    const { url } = await serveRooms({ endpoint: { logger: { ...logger, info: thrower, debug: thrower } } });
    const client = await connect(url);
    await client.join("room:a");
    expect((await client.ask("1", "2", "room:a", "new_msg"))[4].status).to.equal("ok");
  });
});

describe("what clients write into log lines", () => {
  const FORGED = [
    "a\nINFO forged",
    "a\r\nforged",
    "a\u001b[2Kforged",
    "a\u0000forged",
    "a\u007fforged",
    "a\u0085forged",
    "a\u2028forged",
    "\tforged",
  ];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  const CONTROL = /[\u0000-\u001f]/;

  /** Everything that a topic or an event can make the server say. */
  async function provoke(name: string): Promise<LogLine[]> {
    class Room extends Channel {
      override join(_topic: string, payload: unknown) {
        if (payload === "crash") throw new Error("x");
        return payload === "full" ? error() : ok();
      }
      override handleInfo(message: unknown) {
        if (message === "stop") throw new Error("info");
        return super.handleInfo(message);
      }
      override handleIn(event: string, payload: unknown) {
        if (payload === "throw") throw new Error("x");
        if (payload === "wrong") return true as never;
        if (payload === "bytes") this.push(event, new Uint8Array(1));
        if (payload === "info") this.sendSelf(event);
        if (payload === "twice") {
          const answer = this.deferReply();
          answer(ok());
          answer(ok());
          return;
        }
        return super.handleIn(event, payload);
      }
    }
    class RoomSocket extends Socket {
      static override channels = { "room:*": Room };
    }
    const { url, lines } = await serve(RoomSocket, { maxChannels: 1 });
    const topic = `room:${name}`;
    for (const payload of ["bytes", "info", "twice", "none", "throw", "wrong"]) {
      const client = await connect(url, payload === "bytes" ? "vsn=1.0.0" : "vsn=2.0.0");
      const send = (event: string, topic: string, payload: unknown, ref: string) =>
        client.send(
          client.vsn === "2.0.0" ? ["1", ref, topic, event, payload] : { topic, event, payload, ref },
        );
      for (const refusal of ["crash", "full"]) send("phx_join", topic, refusal, "0");
      send("phx_join", `hall:${name}`, {}, "0");
      await client.take(3);
      send("phx_join", topic, {}, "1");
      send("phx_join", `room:second ${name}`, {}, "2");
      await client.take(2);
      send(name, topic, payload, "3");
      await client.next();
      await client.settle();
    }
    return lines;
  }

  for (const name of FORGED) {
    it(`can't forge a line: ${JSON.stringify(name)}`, async () => {
      const lines = await provoke(name);
      for (const beginning of [
        /^JOINED/,
        /^REFUSED JOIN/,
        /^HANDLED/,
        /^no handler for the event/,
        /^handleInfo got/,
        /^a second reply/,
        /^ignored a join/,
        /^refused a join/,
        /^join crashed/,
        /^handleIn crashed/,
        /^push of .* lost/,
      ]) {
        const made = lines.filter(({ message }) => beginning.test(message));
        expect(made, `${beginning}`).to.not.have.length(0);
        for (const { message } of made) expect(message).to.not.match(CONTROL);
      }
      for (const { message, details } of lines) {
        expect(message).to.not.match(CONTROL);
        if (details.err instanceof Error) expect(details.err.message).to.not.match(CONTROL);
      }
    });
  }
});

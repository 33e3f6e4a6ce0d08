import { expect } from "chai";
import { chat, reply, shout } from "./chat.ts";
import { bodyOf, messagesOf, servePolling } from "./polling-client.ts";

const TOPIC = "room:1";

async function joined(query?: string) {
  const { ChatSocket, events } = chat();
  const server = await servePolling(ChatSocket);
  const client = await server.open(query);
  if (query === undefined) await client.join(TOPIC);
  return { ...server, client, events };
}

const echo = (ref: string, n: number) => JSON.stringify(["1", ref, TOPIC, "echo", { n }]);
const note = (n: number) => ["1", `${n}`, TOPIC, "note", { n }];
const echoed = (ref: string, n: number) => reply(ref, TOPIC, { n });

/** A binary push as the official client encodes it: kind, lengths, names, bytes. */
function binary(
  joinRef: string,
  ref: string,
  topic: string,
  event: string,
  payload: readonly number[],
): Buffer {
  const names = [joinRef, ref, topic, event];
  return Buffer.concat([
    Buffer.from([0, ...names.map((name) => name.length)]),
    Buffer.from(names.join("")),
    Buffer.from(payload),
  ]);
}

describe("long-polling: a batch of frames", () => {
  const BODIES: [what: string, body: string, type: string][] = [
    ["with a newline at its end", `${echo("2", 1)}\n${echo("3", 2)}\n`, "application/x-ndjson"],
    ["with empty lines", `\n\n${echo("2", 1)}\n\n \n${echo("3", 2)}\n\n`, "application/x-ndjson"],
    ["with CRLF", `${echo("2", 1)}\r\n${echo("3", 2)}\r\n`, "application/x-ndjson"],
    ["with spaces around a frame", `  ${echo("2", 1)}\t\n ${echo("3", 2)}`, "application/x-ndjson"],
    ["with a charset", `${echo("2", 1)}\n${echo("3", 2)}`, "application/x-ndjson; charset=utf-8"],
    ["with a type in capitals", `${echo("2", 1)}\n${echo("3", 2)}`, "Application/X-NDJSON;charset=UTF-8"],
  ];
  for (const [what, body, type] of BODIES) {
    it(`is taken ${what}`, async () => {
      const { client } = await joined();
      expect(await client.sendBody(body, type)).to.equal(200);
      expect(await client.take()).to.deep.equal([echoed("2", 1), echoed("3", 2)]);
    });
  }

  it("may be empty", async () => {
    const { client } = await joined();
    for (const body of ["", "\n", "\r\n\r\n"]) expect(await client.sendBody(body)).to.equal(200);
    expect(await client.settle()).to.deep.equal([]);
  });

  it("of more than a hundred lines is taken whole, in order", async () => {
    const { client, events } = await joined();
    const frames = Array.from({ length: 1234 }, (_, n) => note(n));
    expect(await client.send(...frames)).to.equal(200);
    const all = await events.reaches(1 + frames.length);
    expect(all.slice(1)).to.deep.equal(frames.map((_, n) => `note ${n}`));
  });

  it("has text beyond ASCII, and line separators that aren't newlines", async () => {
    const { client } = await joined();
    const text = "línea\u2028日本語\u0085😀";
    await client.send(["1", "2", TOPIC, "echo", { text }]);
    expect(await client.take()).to.deep.equal([reply("2", TOPIC, { text })]);
  });

  it("has the objects of vsn 1.0.0", async () => {
    const { client } = await joined("vsn=1.0.0");
    const frame = (ref: string, event: string, payload = {}) => ({ topic: TOPIC, event, payload, ref });
    await client.send(frame("1", "phx_join"), frame("2", "echo", { n: 1 }));
    expect(await client.take()).to.deep.equal([
      frame("1", "phx_reply", { status: "ok", response: {} }),
      frame("2", "phx_reply", { status: "ok", response: { n: 1 } }),
    ]);
  });

  describe("has binary frames in base64", () => {
    // Their base64 has + and /, which are - and _ in the other alphabet.
    const frame = binary("1", "2", TOPIC, "note", [0xfb, 0xff, 0xbf, 0xfe]);
    const ALPHABETS: [alphabet: string, encoded: string][] = [
      ["base64", frame.toString("base64")],
      ["base64 without padding", frame.toString("base64").replace(/=+$/, "")],
      ["base64url", frame.toString("base64url")],
      ["base64url with padding", frame.toString("base64").replaceAll("+", "-").replaceAll("/", "_")],
    ];
    for (const [alphabet, encoded] of ALPHABETS) {
      it(`in ${alphabet}, between texts`, async () => {
        const { client, events } = await joined();
        expect(frame.toString("base64")).to.match(/[+/]/);
        expect(await client.send(note(1), encoded, note(2))).to.equal(200);
        const all = await events.reaches(4);
        expect(all.slice(1)).to.deep.equal(["note 1", "note fbffbffe", "note 2"]);
      });
    }
  });
});

describe("long-polling: a frame that isn't one", () => {
  const BAD: [what: string, line: string | Uint8Array][] = [
    ["broken JSON", `["1","2","${TOPIC}","echo",`],
    ["JSON of another shape", `["1","2"]`],
    ["a word", "hello"],
    ["neither JSON nor base64", "§!"],
    ["binary of an unknown kind", Buffer.from([9, 1, 1, 1, 1]).toString("base64")],
    ["bytes that aren't UTF-8", Buffer.from(`["1","2","${TOPIC}","echo",{"n":"\xff"}]`, "latin1")],
  ];
  for (const [what, bad] of BAD) {
    it(`is answered with 400 and closes the session: ${what}`, async () => {
      const { client, events, endpoint, lines } = await joined();
      const body = Buffer.concat([
        Buffer.from(`${JSON.stringify(note(1))}\n`),
        Buffer.from(bad),
        Buffer.from(`\n${JSON.stringify(note(2))}`),
      ]);
      expect(await client.sendBody(body)).to.equal(400);
      // The lines before it have taken effect.
      expect(events.entries).to.deep.equal([
        `join ${TOPIC}`,
        "note 1",
        `terminate ${TOPIC} closed: malformed frame`,
      ]);
      const warnings = lines.filter(({ level }) => level === "warn");
      expect(warnings.map(({ message }) => message).join()).to.match(/a frame that isn't a message/);
      expect(await client.send(note(3))).to.equal(410);
      expect(endpoint.stats()).to.include({ connections: 0, channels: 0, topics: 0 });
      await client.expectGone();
      expect(events.entries).to.have.length(3);
    });
  }

  it("also in a body of its own", async () => {
    const { client, events } = await joined();
    expect(await client.sendBody("{", "application/json")).to.equal(400);
    expect(events.entries.at(-1)).to.equal(`terminate ${TOPIC} closed: malformed frame`);
  });

  it("leaves what was answered before it to be polled for", async () => {
    const { client } = await joined();
    expect(await client.sendBody(`${echo("2", 1)}\nhello`)).to.equal(400);
    expect(await client.take()).to.deep.equal([echoed("2", 1)]);
    expect(bodyOf(await client.poll().answer)).to.deep.equal({
      status: 410,
      token: client.token,
      messages: [],
    });
  });

  it("wakes a waiting poll", async () => {
    const { client, endpoint } = await joined();
    const poll = await client.waitingPoll();
    endpoint.broadcast(TOPIC, "shout", { n: 1 });
    expect(await client.sendBody("hello")).to.equal(400);
    expect(await messagesOf(poll)).to.deep.equal([shout(TOPIC, { n: 1 })]);
    await client.expectGone();
  });
});

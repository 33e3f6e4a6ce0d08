import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { WebSocket } from "ws";
import { chat } from "../../examples/chat/chat.ts";
import { History, type Message } from "../../examples/chat/history.ts";
import { startHost } from "../../examples/host.ts";
import { RawClient } from "../support/client.ts";
import { afterTest } from "../support/teardown.ts";

const require = createRequire(import.meta.url);

async function temporaryDir(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "chat-"));
  afterTest(() => rm(made, { recursive: true }));
  return made;
}

/** Connects as a browser does whose token is this. */
async function connect(url: string, token: string, name: string | null): Promise<RawClient> {
  const query = name === null ? "" : `&name=${name}`;
  const address = `${url.replace("http", "ws")}socket/websocket?vsn=2.0.0${query}`;
  const ws = new WebSocket(address, ["phoenix", `base64url.bearer.phx.${btoa(token).replaceAll("=", "")}`]);
  afterTest(() => ws.terminate());
  const client = new RawClient(ws);
  await once(ws, "open");
  return client;
}

/** Joins the lobby, and resolves to who is there. */
async function enter(client: RawClient): Promise<Record<string, { metas: { name: string }[] }>> {
  await client.join("room:lobby");
  for (;;) {
    const [, , , event, payload] = await client.next();
    if (event === "presence_state") return payload;
  }
}

/** The names of a presence, those of one person in a list of its own. */
const names = (presence: Record<string, { metas: { name: string }[] }>) =>
  Object.values(presence).map(({ metas }) => metas.map(({ name }) => name));

describe("the chat's server", () => {
  async function start() {
    const host = await startHost({ port: 0 }, [chat({ dataDir: await temporaryDir() })]);
    afterTest(() => host.close());
    return { port: host.port, root: host.url, url: `${host.url}chat/` };
  }

  it("serves the page and the official client under a strict policy", async () => {
    const { url, root } = await start();
    const page = await fetch(url);
    expect(page.headers.get("content-type")).to.equal("text/html; charset=utf-8");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).to.include("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.to.include("unsafe");
    const html = await page.text();
    expect(html).not.to.match(/<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|https?:/);

    const client = await fetch(`${root}modules/phoenix.mjs`);
    expect(client.headers.get("content-type")).to.equal("text/javascript; charset=utf-8");
    const installed = join(require.resolve("phoenix"), "../phoenix.mjs");
    expect(await client.text()).to.equal(await readFile(installed, "utf8"));
  });

  it("serves nothing else", async () => {
    const { url, port } = await start();
    expect((await fetch(`${url}chat.ts`)).status).to.equal(404);
    expect((await fetch(url, { method: "POST" })).status).to.equal(405);
    expect((await fetch(`${url}socket/websocket`)).status).to.equal(400);
    // fetch would tidy these up.
    for (const path of ["/../chat.ts", "//", "/%2e%2e/chat.ts", "/%"]) {
      const [response] = await once(request({ port, host: "127.0.0.1", path }).end(), "response");
      response.resume();
      expect(response.statusCode, path).to.equal(404);
    }
  });

  it("refuses clients without a token, and pages of other origins", async () => {
    const { url } = await start();
    const address = `${url.replace("http", "ws")}socket/websocket?vsn=2.0.0`;
    const foreign = { origin: "http://elsewhere.test" };
    for (const [protocols, options] of [
      [[], {}],
      [["phoenix", "base64url.bearer.phx.c2hvcnQ"], {}],
      [["phoenix", "base64url.bearer.phx.bG9uZyBlbm91Z2ggYSB0b2tlbg"], foreign],
    ] as const) {
      const ws = new WebSocket(address, [...protocols], options);
      ws.on("error", () => {});
      const [, response] = await once(ws, "unexpected-response");
      expect(response.statusCode).to.equal(403);
      response.destroy();
    }
  });

  it("keeps a message once that is sent twice, and tells each sender its id", async () => {
    const { url } = await start();
    const token = "0123456789abcdef";
    const [first, second] = [await connect(url, token, "Ada"), await connect(url, token, "Ada")];
    const other = await connect(url, "another one's token", "Ben");
    for (const client of [first, second, other]) await enter(client);
    for (const client of [first, second, other]) await client.settle();
    const payload = { key: "the same key", body: "once" };
    for (const client of [first, second]) client.send(["1", "2", "room:lobby", "message", payload]);
    for (const client of [first, second]) {
      const frames = await client.take(2);
      expect(frames.map((frame) => frame[3])).to.have.members(["message", "phx_reply"]);
      const reply = frames.find((frame) => frame[3] === "phx_reply");
      expect(reply[4]).to.deep.equal({ status: "ok", response: { id: 1 } });
    }
    // A key is its author's own.
    other.send(["1", "2", "room:lobby", "message", payload]);
    const seen = await other.take(3);
    expect(seen.filter((frame) => frame[3] === "message").map((frame) => frame[4].id)).to.deep.equal([1, 2]);
  });

  it("tells who is in a room: each person once, with all their connections, under the newest name", async () => {
    const { url } = await start();
    const token = "0123456789abcdef";
    const ben = await connect(url, "another one's token", "Ben");
    expect(names(await enter(ben))).to.deep.equal([["Ben"]]);
    const [first, second] = [await connect(url, token, "Ada"), await connect(url, token, "Ada")];
    await enter(first);
    expect(names(await enter(second))).to.deep.equal([["Ben"], ["Ada", "Ada"]]);
    // Who has no name yet sees the others only.
    const nobody = await connect(url, "a third one's token", null);
    expect(names(await enter(nobody))).to.deep.equal([["Ben"], ["Ada", "Ada"]]);
    await ben.settle();

    await second.join("rooms", {}, "2");
    second.send(["2", "3", "rooms", "set_name", { name: "Countess" }]);
    const [, , , event, diff] = await ben.next();
    expect(event).to.equal("presence_diff");
    expect(names(diff.leaves)).to.deep.equal([["Ada", "Ada"]]);
    expect(names(diff.joins)).to.deep.equal([["Countess", "Countess"]]);
    first.ws.terminate();
    const [, , , , left] = await ben.next();
    expect([names(left.joins), names(left.leaves)]).to.deep.equal([[], [["Countess"]]]);
  });

  it("answers what its schemas refuse with what a person can read", async () => {
    const { url } = await start();
    const client = await connect(url, "0123456789abcdef", "Ada");
    await enter(client);
    const reply = await client.ask("1", "2", "room:lobby", "message", { key: "12345678", body: " \n " });
    expect(reply[4]).to.deep.equal({
      status: "error",
      response: {
        reason: "invalid payload",
        issues: [{ message: "A message needs some text.", path: ["body"] }],
      },
    });
  });
});

describe("the chat's history", () => {
  const draft = (key: string) => ({ key, body: `body ${key}`, author: "a", name: "Ada" });

  async function fileWith(...keys: string[]): Promise<string> {
    const file = join(await temporaryDir(), "history.jsonl");
    const history = await History.open(file, 100);
    await history.createRoom("lobby");
    for (const key of keys) await history.append("lobby", draft(key), () => {});
    await history.close();
    return file;
  }

  async function reopen(file: string, keep = 100): Promise<History> {
    const history = await History.open(file, keep);
    afterTest(() => history.close());
    return history;
  }

  const keys = (messages: Message[]) => messages.map(({ id, key }) => `${id} ${key}`);

  it("survives a restart, with ids that go on", async () => {
    const history = await reopen(await fileWith("x", "y"));
    expect(history.rooms()).to.deep.equal([{ name: "lobby", lastId: 2 }]);
    await history.append("lobby", draft("z"), () => {});
    expect(keys(history.after("lobby", 1))).to.deep.equal(["2 y", "3 z"]);
  });

  it("survives a last line that was cut off anywhere", async () => {
    const file = await fileWith("x", "y");
    const bytes = await readFile(file);
    const lastLine = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
    const { epoch } = await reopen(file);
    for (let end = lastLine; end < bytes.length - 1; end++) {
      await writeFile(file, bytes.subarray(0, end));
      const history = await History.open(file, 100);
      expect(history.epoch).to.equal(epoch);
      expect(keys(history.after("lobby", 0))).to.deep.equal(["1 x"]);
      await history.append("lobby", draft("z"), () => {});
      await history.close();
      const again = await History.open(file, 100);
      expect(keys(again.after("lobby", 0))).to.deep.equal(["1 x", "2 z"]);
      await again.close();
    }
  });

  it("keeps the newest ones only", async () => {
    const history = await reopen(await fileWith("v", "w", "x", "y", "z"), 2);
    expect(keys(history.after("lobby", 0))).to.deep.equal(["4 y", "5 z"]);
    await history.append("lobby", draft("+"), () => {});
    expect(keys(history.after("lobby", 0))).to.deep.equal(["5 z", "6 +"]);
  });

  it("tells of messages in the order of their ids, each as it becomes visible", async () => {
    const history = await reopen(await fileWith());
    const told: number[] = [];
    const appended = Array.from({ length: 50 }, (_, i) =>
      history.append("lobby", draft(`${i}`), ({ id }) => {
        told.push(id);
        expect(history.after("lobby", 0).at(-1)?.id).to.equal(id);
      }),
    );
    await Promise.all(appended);
    expect(told).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it("has another epoch in another file, and writes over no foreign one", async () => {
    const [one, two] = [await reopen(await fileWith("x")), await reopen(await fileWith("x"))];
    expect(one.epoch).not.to.equal(two.epoch);
    const foreign = join(await temporaryDir(), "notes.txt");
    await appendFile(foreign, "dear diary\n");
    const failure = await History.open(foreign, 100).catch((error: unknown) => error);
    expect(String(failure)).to.include("notes.txt isn't a history of this chat");
    expect(await readFile(foreign, "utf8")).to.equal("dear diary\n");
  });
});

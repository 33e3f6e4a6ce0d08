import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { documents } from "../../examples/documents/documents.ts";
import { Library } from "../../examples/documents/library.ts";
import { Snapshots } from "../../examples/documents/snapshots.ts";
import { startHost } from "../../examples/host.ts";
import { afterTest } from "../support/teardown.ts";
import { DocumentClient } from "./document-client.ts";
import { makeDocument } from "./documents-stage.ts";

const require = createRequire(import.meta.url);
const edit = { update: Buffer.from([0, 0]).toString("base64") };

async function start() {
  const { dataDir, id } = await makeDocument();
  const host = await startHost({ port: 0 }, [documents({ dataDir })]);
  afterTest(() => host.close());
  return { url: host.url, dataDir, id };
}

describe("the documents' server", () => {
  it("serves one page for the list and for each document, under a strict policy", async () => {
    const { url, id } = await start();
    const page = await fetch(url);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).to.match(/^default-src 'none'; script-src 'self' 'sha256-[\w+/]+=*'; style-src 'self'/);
    expect(policy).not.to.include("unsafe");
    const html = await page.text();
    const scripts = [...html.matchAll(/<script([^>]*)>/g)].map(([, attributes]) => attributes);
    expect(scripts).to.deep.equal([' type="importmap"', ' type="module" src="/documents/app.js"']);
    expect(html).not.to.match(/<style|\sstyle=|\son[a-z]+=|https?:/);
    expect(await (await fetch(`${url}d/${id}?view`)).text()).to.equal(html);
    const etag = page.headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "if-none-match": etag } })).status).to.equal(304);
  });

  it("serves Yjs as npm installed it, with all that it imports, and no other module", async () => {
    const { url } = await start();
    const html = await (await fetch(url)).text();
    const { imports } = JSON.parse(/<script type="importmap">([^<]*)/.exec(html)?.[1] ?? "");
    const yjs = await fetch(`${url}modules/yjs.mjs`);
    expect(yjs.headers.get("content-type")).to.equal("text/javascript; charset=utf-8");
    const text = await yjs.text();
    expect(text).to.equal(await readFile(join(require.resolve("yjs"), "../yjs.mjs"), "utf8"));
    const imported = [...text.matchAll(/^import .* from '([^.'][^']*)'/gm)].map(([, name = ""]) => name);
    expect(imported).not.to.have.length(0);
    const seen = new Set<string>();
    const follow = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const response = await fetch(new URL(path, url));
      expect(response.status, path).to.equal(200);
      for (const [, name = ""] of (await response.text()).matchAll(
        /^(?:import|export) .* from '([^']+)'/gm,
      )) {
        await follow(name.startsWith(".") ? new URL(name, new URL(path, url)).pathname : imports[name]);
      }
    };
    for (const name of imported) await follow(imports[name]);
    expect((await fetch(`${url}modules/lib0/testing.js`)).status).to.equal(404);
    expect((await fetch(`${url}documents/api.ts`)).status).to.equal(404);
  });

  it("gives tokens to who has a secret of their own, for documents that are there", async () => {
    const { url, id } = await start();
    const ask = async (body: object, secret = "0123456789abcdef") => {
      const response = await fetch(`${url}documents/token`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}` },
        body: JSON.stringify({ document: id, mode: "read", name: "Ada", tab: "12345678", ...body }),
      });
      return [response.status, ((await response.json()) as { reason?: string }).reason];
    };
    expect(await ask({})).to.deep.equal([200, undefined]);
    expect(await ask({}, "short")).to.deep.equal([401, "This browser has no secret."]);
    expect(await ask({ document: "abcdefghijkl" })).to.deep.equal([404, "There is no such document."]);
    expect(await ask({ name: " " })).to.deep.equal([422, "Please enter a name."]);
    expect(await ask({ name: "n".repeat(41) })).to.deep.equal([422, "A name has at most 40 characters."]);
    expect((await ask({ document: "../secret" }))[0]).to.equal(422);
    expect((await fetch(`${url}documents/token`)).status).to.equal(405);
  });

  it("takes no op by a token to read, nor by another person's", async () => {
    const { url, id } = await start();
    const reader = await DocumentClient.connect(url, id, "read");
    const { status, response } = await reader.submit([edit], 1, 0);
    expect([status, response.reason]).to.deep.equal(["error", "read_only"]);
    // To connect for writing, the token has to say so.
    const { client, topic } = await DocumentClient.join(url, id);
    const connect = async (token: string, mode: string) => {
      const payload = { tenantId: "example", id, token, client: {}, mode };
      client.send(["1", "connect", topic, "connect_document", payload]);
      for (;;) {
        const frame = await client.next();
        if (frame[3] === "phx_reply") return frame[4].response.reason;
      }
    };
    expect(await connect(await DocumentClient.token(url, id, "read"), "write")).to.equal("missing_scope");
    const stolen = await fetch(`${url}documents/token`, {
      method: "POST",
      headers: { authorization: "Bearer another person's secret" },
      body: JSON.stringify({ document: id, mode: "write", name: "Eve", tab: "12345678" }),
    });
    expect(stolen.status).to.equal(401);
    const eve = await fetch(`${url}documents/token`, {
      method: "POST",
      headers: { authorization: "Bearer another-person's-secret" },
      body: JSON.stringify({ document: id, mode: "write", name: "Eve", tab: "12345678" }),
    });
    const { token } = (await eve.json()) as { token: string };
    expect(await connect(token, "write")).to.equal("unauthorized");
  });

  it("keeps out of the log what the pages couldn't read", async () => {
    const { url, id } = await start();
    const client = await DocumentClient.connect(url, id);
    for (const contents of [{}, { update: "not base64!" }, { update: "", about: { title: 1 } }]) {
      const { status, response } = await client.submit([contents], 1, 0);
      expect([status, response.reason]).to.deep.equal(["error", "rejected"]);
    }
    expect((await client.submit([edit], 1, 0)).status).to.equal("ok");
  });

  it("gives snapshots to who may read the document, and to nobody else", async () => {
    const { url, id } = await start();
    const send = (token: string) =>
      fetch(`${url}documents/snapshots`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
        body: "a state",
      });
    const get = (handle: string, token: string) =>
      fetch(`${url}documents/snapshots/${handle}`, { headers: { authorization: `Bearer ${token}` } });
    const [write, read] = [
      await DocumentClient.token(url, id, "write"),
      await DocumentClient.token(url, id, "read"),
    ];
    expect((await send(read)).status).to.equal(403);
    expect((await send("nonsense")).status).to.equal(401);
    const stored = await send(write);
    expect(stored.status).to.equal(201);
    const { handle } = (await stored.json()) as { handle: string };
    expect(await (await get(handle, read)).text()).to.equal("a state");
    expect((await get(handle, "nonsense")).status).to.equal(401);
    expect((await get("0".repeat(64), read)).status).to.equal(404);
    expect((await get("0", read)).status).to.equal(404);
  });
});

async function temporaryDir(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "documents-"));
  afterTest(() => rm(made, { recursive: true }));
  return made;
}

describe("the library of documents", () => {
  it("survives a restart, the last changed first", async () => {
    const file = join(await temporaryDir(), "library.json");
    const library = await Library.open(file);
    const [first, second] = [await library.create(), await library.create()];
    if (first === null || second === null) throw new Error("no documents");
    library.change(second.id, { at: 3e12, title: "Second", excerpt: "It begins" });
    for (let at = 4e12; at < 4e12 + 100; at++) library.change(first.id, { at, title: `First at ${at}` });
    await library.close();
    const list = (await Library.open(file)).list();
    expect(list.map(({ title, excerpt }) => [title, excerpt])).to.deep.equal([
      [`First at ${4e12 + 99}`, ""],
      ["Second", "It begins"],
    ]);
  });

  it("has no document that it can't write down, and says what it couldn't", async () => {
    const directory = await temporaryDir();
    const errors: unknown[] = [];
    const library = await Library.open(join(directory, "library.json"), (error) => errors.push(error));
    const entry = await library.create();
    if (entry === null) throw new Error("no document");
    // What is to be written first can't be.
    await mkdir(join(directory, "library.json.new"));
    const failure = await library.create().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error);
    expect(library.list()).to.deep.equal([entry]);
    library.change(entry.id, { at: 1, title: "Later" });
    await library.close();
    expect(errors.length).to.be.greaterThan(0);
    await rm(join(directory, "library.json.new"), { recursive: true });
    await library.close();
    expect((await Library.open(join(directory, "library.json"))).list()[0]?.title).to.equal("Later");
  });

  it("has what it has, and takes what it doesn't understand for no library", async () => {
    const file = join(await temporaryDir(), "library.json");
    await writeFile(file, "dear diary");
    const failure = await Library.open(file).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error);
    expect(await readFile(file, "utf8")).to.equal("dear diary");
    expect((await Library.open(join(await temporaryDir(), "none.json"))).list()).to.deep.equal([]);
  });
});

describe("the snapshots of documents", () => {
  it("are kept apart, and told from what they are no longer", async () => {
    const directory = await temporaryDir();
    const snapshots = new Snapshots(directory);
    const handle = await snapshots.put("aaaaaaaaaaaa", Buffer.from("one"));
    expect((await snapshots.get("aaaaaaaaaaaa", handle))?.toString()).to.equal("one");
    expect(await snapshots.get("bbbbbbbbbbbb", handle)).to.equal(null);
    expect(await snapshots.has("aaaaaaaaaaaa", "../aaaaaaaaaaaa")).to.equal(false);
    await writeFile(join(directory, "aaaaaaaaaaaa", handle), "two");
    expect(await snapshots.get("aaaaaaaaaaaa", handle)).to.equal(null);
  });

  it("go when newer ones have come, but never the one that counts", async () => {
    const directory = await temporaryDir();
    const snapshots = new Snapshots(directory);
    const handles: string[] = [];
    for (let i = 0; i < 8; i++) handles.push(await snapshots.put("aaaaaaaaaaaa", Buffer.from(`${i}`)));
    await snapshots.prune("aaaaaaaaaaaa", handles[0]);
    const kept = await readdir(join(directory, "aaaaaaaaaaaa"));
    expect(kept).to.have.length(4);
    expect(kept).to.include(handles[0]);
  });
});

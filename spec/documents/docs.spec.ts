import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import type { Socket } from "phoenix";
import { CONNECT_REASONS, OP_REASONS, type SequencedOp } from "../../lib/documents/index.ts";
import { MAX_NESTING } from "../../lib/documents/nesting.ts";
import { MAX_HANDLE, SYSTEM_TYPES } from "../../lib/documents/op.ts";
import { MAX_OPS } from "../../lib/documents/submission.ts";
import { code, example, ROOT, readPage, rows, section, snippets, source, sources } from "../docs/markdown.ts";
import { connectClient, run, runCompiler, workshop } from "../docs/workshop.ts";
import { Inbox, officialClient, TRANSPORTS, type TransportRow } from "../support/official-client.ts";
import { SECRET, serveDocuments } from "./served.ts";

const PAGE = "docs/documents.md";
const all = snippets(PAGE);
const used = new Set<number>();

/** The snippet that has this text. */
function snippet(text: string): string {
  const [found, ...others] = all.filter((each) => each.code.includes(text));
  if (found === undefined || others.length > 0) throw new Error(`${PAGE}: which snippet has "${text}"?`);
  used.add(found.line);
  return found.code;
}

interface OpenDocument {
  readonly submit: (contents: unknown, type?: string) => void;
}

interface OpenOptions {
  readonly tenantId: string;
  readonly id: string;
  readonly getToken: () => Promise<string>;
  readonly onOp: (op: SequencedOp) => void;
  readonly onRefused: (refused: { readonly reason: string }) => void;
}

type Open = (socket: Socket, options: OpenOptions) => OpenDocument;

/** The page's client. */
async function pageClient(): Promise<Open> {
  const file = join(await workshop(), "client.mjs");
  await writeFile(file, snippet("export function openDocument"));
  const { openDocument } = (await import(pathToFileURL(file).href)) as { readonly openDocument: Open };
  return openDocument;
}

/** A client of the page's, with all that it is told. */
function opened(openDocument: Open, socket: Socket, token: () => string) {
  const ops = new Inbox<SequencedOp>();
  const refused: unknown[] = [];
  const document = openDocument(socket, {
    tenantId: "acme",
    id: "doc-1",
    getToken: async () => token(),
    onOp: ops.put,
    onRefused: (why) => refused.push(why),
  });
  return { ...document, ops, refused };
}

/** The contents of the ops that clients wrote, once there are so many. */
async function written(ops: Inbox<SequencedOp>, count: number): Promise<unknown[]> {
  const contents = () => ops.all.filter(({ type }) => type === "op").map((op) => op.contents);
  while (contents().length < count) await ops.next();
  return contents();
}

describe("docs/documents.md", function () {
  this.timeout(60_000);

  it("has a server and a client that work together", async () => {
    const program = snippet("const tenants = new TenantSecrets()").replace(
      "process.env.ACME_SECRET",
      `"${SECRET}"`,
    );
    expect(example(PAGE, "server.mjs")).to.include("process.env.ACME_SECRET");
    const running = await run(await workshop(), "server.mjs", program);
    const port = await running.port();
    const [, token = ""] = await running.line(/^token: (\S+)$/);
    const openDocument = await pageClient();
    const [ada, bob] = [1, 2].map(() => opened(openDocument, connectClient(port), () => token));
    ada?.submit("from ada");
    bob?.submit({ from: "bob" });
    for (const one of [ada, bob]) {
      expect(one && (await written(one.ops, 2))).to.have.deep.members(["from ada", { from: "bob" }]);
      expect(one?.refused).to.deep.equal([]);
    }
  });

  for (const row of TRANSPORTS as readonly TransportRow[]) {
    it(`has a client that loses and doubles nothing, wherever its connection breaks, over ${row.name}`, async () => {
      const served = await serveDocuments();
      const openDocument = await pageClient();
      const clients = ["ada", "bob"].map((user) => {
        const socket = officialClient(row, served.mount);
        socket.connect();
        return { user, socket, ...opened(openDocument, socket, () => served.token({ user })) };
      });
      const [ada, bob] = clients as [(typeof clients)[0], (typeof clients)[0]];
      const count = 120;
      for (let i = 0; i < count; i++) {
        for (const { user, submit } of clients) submit(`${user} ${i}`);
        if (i % 10 === 5) await served.documents.registry.stop("acme", "doc-1");
        // What goes on in the meantime differs each time: up to here the op was sent, or its answer was.
        const seen = ada.ops.all.length;
        if (i % 10 === 9) while (ada.ops.all.length < seen + 2) await ada.ops.next();
        if (i % 15 === 14) {
          for (const { socket } of clients)
            (socket as unknown as { conn: { close(): void } | null }).conn?.close();
        }
      }
      const lists = [await written(ada.ops, 2 * count), await written(bob.ops, 2 * count)];
      expect(lists[0]).to.deep.equal(lists[1]);
      for (const user of ["ada", "bob"]) {
        const own = lists[0]?.filter((contents) => String(contents).startsWith(user));
        expect(own, "each once, in the order of writing").to.deep.equal(
          Array.from({ length: count }, (_, i) => `${user} ${i}`),
        );
      }
      for (const { ops, refused } of clients) {
        expect(refused).to.deep.equal([]);
        expect(ops.all.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(
          ops.all.map((_, i) => i + 1),
        );
      }
      expect(ops(ada, "join"), "what there was to survive").to.be.above(15);
    });
  }

  it("has TypeScript that compiles in an app with strict settings, and calls that exist", async () => {
    const directory = await workshop();
    const hooks = snippet("class NotesChannel");
    const program = `
import { error, ok } from "phoenix-channels-server";
import { type ClientOp, Documents, TenantSecrets } from "phoenix-channels-server/documents";
const documents = new Documents({ tenants: new TenantSecrets() });
declare function isMember(user: string, mode: Mode): Promise<boolean>;
declare function touched(topic: string, count: number, first: number, last: number): void;
declare function isStored(handle: string): Promise<boolean>;
${hooks}
export { NotesChannel };
${snippet("registry.lookup")}
`;
    await writeFile(join(directory, "hooks.mts"), program);
    const options = { target: "ES2022", module: "NodeNext", strict: true, noEmit: true, skipLibCheck: true };
    const compilerOptions = { ...options, noUncheckedIndexedAccess: true, noImplicitOverride: true };
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["hooks.mts"] }),
    );
    runCompiler(["-p", "."], directory);
  });

  it("has no snippet that isn't run or compiled here", () => {
    for (const text of [
      "const tenants = new",
      "export function openDocument",
      "class NotesChannel",
      "registry.lookup",
    ])
      snippet(text);
    expect([...used].sort()).to.deep.equal(all.map(({ line }) => line).sort());
  });

  it("lists each reason of connect_document and of submitOp, with its code and type", () => {
    const ofConnect = rows(section(PAGE, "Connect"), "reason").map((row) => [
      code(row.reason),
      Number(row.code),
    ]);
    expect(ofConnect).to.have.deep.members([...CONNECT_REASONS]);
    const ofOps = rows(section(PAGE, "Submit ops"), "reason").map((row) => [
      code(row.reason),
      [Number(row.code), code(row.type)],
    ]);
    expect(ofOps).to.have.deep.members([...OP_REASONS]);
  });

  it("lists each option of Documents, with its default", () => {
    const [, declared = ""] =
      /interface DocumentsOptions \{([\s\S]*?)\n\}/.exec(source("lib/documents/documents.ts")) ?? [];
    const options = [...declared.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name);
    const table = rows(section(PAGE, "Use it"), "option of `new Documents`");
    const listed = table.flatMap((row) =>
      [...(row["option of `new Documents`"] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    expect(listed).to.have.members(options);
    const number = (name: string) => {
      const row = table.find((one) => one["option of `new Documents`"] === `\`${name}\``);
      return Number(code(row?.default).replaceAll("_", ""));
    };
    const text = source("lib/documents/documents.ts");
    for (const [name, pattern] of [
      ["maxClients", /maxClients: checked\.maxClients \?\? (\d+)/],
      ["idleTimeout", /checked\.idleTimeout \?\? ([\d_]+)/],
      ["clockTolerance", /checked\.clockTolerance \?\? (\d+)/],
    ] as const) {
      expect(number(name), name).to.equal(Number(pattern.exec(text)?.[1]?.replaceAll("_", "")));
    }
    expect(number("maxRecentBytes")).to.equal(256 * 1024 * 1024);
    expect(text).to.include("maxRecentBytes ?? 256 * 1024 * 1024");
  });

  it("gives the limits as the code has them", () => {
    const text = section(PAGE, "Limits of a document");
    const limit = (what: string) => rows(text, "what").find((row) => row.what?.startsWith(what))?.limit ?? "";
    const lib = sources()
      .filter((path) => path.startsWith("lib/documents/"))
      .map(source)
      .join("\n");
    const constant = (name: string) => {
      const found = [...lib.matchAll(new RegExp(`const ${name} = ([\\d_]+);`, "g"))];
      expect(found, name).to.have.length(1);
      return Number(found[0]?.[1]?.replaceAll("_", ""));
    };
    const listed: readonly [what: string, limit: number][] = [
      ["ops of one push", MAX_OPS],
      ["ops of one client", constant("MAX_QUEUED_OPS")],
      ["nesting", MAX_NESTING],
      ["an op's type", constant("MAX_TYPE_LENGTH")],
      ["signals of one push", constant("MAX_SIGNALS")],
      ["client ids", constant("MAX_NAMES")],
      ["failed connects", constant("MAX_FAILURES")],
      ["connects of one user", constant("MAX_CONNECTS")],
      ["departed clients", constant("MAX_DEPARTED")],
      ["a client that reads", constant("STALLED") / 1000],
      ["waiting while", constant("MAX_WAIT") / 1000],
    ];
    for (const [what, value] of listed) {
      expect(Number.parseInt(limit(what).replace(",", ""), 10), what).to.equal(value);
    }
    expect(readPage(PAGE)).to.include(`${MAX_HANDLE.toLocaleString("en")}\ncharacters`);
    for (const type of SYSTEM_TYPES) expect(section(PAGE, "Submit ops")).to.include(`\`${type}\``);
  });

  it("names specs that exist", () => {
    const named = rows(section(PAGE, "What is promised"), "promise").map((row) => code(row.spec));
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });
});

function ops(client: { readonly ops: Inbox<SequencedOp> }, type: string): number {
  return client.ops.all.filter((op) => op.type === type).length;
}

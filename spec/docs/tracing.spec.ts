import { expect } from "chai";
import { CLOSE } from "../../lib/connection/close-codes.ts";
import { answer } from "../support/official-client.ts";
import { code, example, readPage, rows, section, source } from "./markdown.ts";
import { connectClient, run, workshop } from "./workshop.ts";

const PAGE = "docs/tracing.md";

const tracing = source("lib/tracing.ts");

/** The literals of a union type. */
function union(name: string): string[] {
  const [, body = ""] = new RegExp(`type ${name} =([^;]*);`).exec(tracing) ?? [];
  return [...body.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
}

/** The own fields of each kind of step. */
function steps(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, parents = "", body = ""] of tracing.matchAll(
    /interface \w+Step extends ([\w, ]+) \{\s*readonly step: ([^}]*)\}/g,
  )) {
    const [kind = ""] = /"(\w+)"/.exec(body) ?? [];
    const own = [...body.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? "");
    if (parents.includes("Shown")) own.push("payload", "cut");
    found.set(kind.replaceAll('"', ""), own);
  }
  return found;
}

describe("docs/tracing.md", () => {
  it("lists each kind of step, with its fields", () => {
    const known = steps();
    expect(known.size).to.be.above(15);
    const listed = rows(section(PAGE, "Steps"), "`step`");
    expect(listed.map((row) => code(row["`step`"]))).to.have.members([...known.keys()]);
    for (const row of listed) {
      const text = `${row.when} ${row.fields}`;
      for (const field of known.get(code(row["`step`"])) ?? []) expect(text).to.include(`\`${field}\``);
    }
  });

  it("lists each note of documents, with its facts, and each reason of a skip", () => {
    const trace = source("lib/documents/trace.ts");
    const [, body = ""] = /type DocumentStep =([^;]*);/.exec(trace) ?? [];
    const names = [...body.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
    expect(names).to.have.length.above(10);
    const text = section(PAGE, "Documents");
    expect(rows(text, "`name`").map((row) => code(row["`name`"]))).to.have.members(names);
    const [, whys = ""] = /why: ((?:"\w+"(?: \| )?)+)\)/.exec(trace) ?? [];
    const reasons = [...whys.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
    expect(reasons).to.have.length(3);
    for (const reason of reasons) expect(text).to.include(`\`${reason}\``);
  });

  it("lists each way of a delivery, and each reason why a message goes nowhere", () => {
    const ways = new Set([...union("Delivery"), "sender", "joining"]);
    const text = section(PAGE, "Steps");
    expect(rows(text, "delivery").map((row) => code(row.delivery))).to.have.members([...ways]);
    const [, why = ""] = /interface UnroutedStep[^}]*readonly why:([^;]*);/.exec(tracing) ?? [];
    const reasons = [...why.matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
    expect(reasons).to.have.length.above(5);
    for (const reason of reasons) expect(text).to.include(`\`${reason}\``);
  });

  it("lists each code of a close, with the close code of the server's own", () => {
    const listed = rows(section(PAGE, "Explaining an id"), "code");
    expect(listed.map((row) => code(row.code))).to.have.members(union("CloseCause"));
    const codes = new Map(listed.map((row) => [code(row.code), row["close code"]]));
    for (const close of Object.values(CLOSE)) expect(codes.get(close.cause)).to.equal(String(close.code));
  });

  it("lists the options of a trace, and the bounds that the library has", () => {
    const [, options = ""] = /interface TraceOptions \{([^}]*)\}/.exec(source("lib/debug/trace.ts")) ?? [];
    const names = [...options.matchAll(/readonly (\w+)\?:/g)].map((match) => match[1] ?? "");
    const listed = rows(section(PAGE, "Following messages"), "option");
    expect(listed.map((row) => code(row.option))).to.have.members(names);
    const page = readPage(PAGE);
    for (const [path, pattern] of [
      ["lib/debug/shown.ts", /MAX_NAME = ([\d_]+)/],
      ["lib/debug/shown.ts", /MAX_PAYLOAD = ([\d_]+)/],
      ["lib/debug/recent.ts", /MAX_FAILURES = ([\d_]+)/],
      ["lib/debug/recent.ts", /MAX_EARLIER = ([\d_]+)/],
      ["lib/debug/tracer.ts", /MAX_RECENT = ([\d_]+)/],
      ["lib/debug/trace.ts", /maxSteps \?\? ([\d_]+)/],
      ["lib/pubsub/traced.ts", /MAX_SENT = ([\d_]+)/],
      ["lib/pubsub/traced.ts", /MAX_SKIPPED = ([\d_]+)/],
    ] as const) {
      const [, number = ""] = pattern.exec(source(path)) ?? [];
      expect(number, String(pattern)).not.to.equal("");
      expect(page).to.match(new RegExp(`\\b${number.replace("_", ",")}\\b`));
    }
  });

  it("trace.mjs: prints the steps of a message, up to its frames", async () => {
    const server = await run(await workshop(), "trace.mjs", example(PAGE, "trace.mjs"));
    const port = await server.port();
    const [ada, bob] = [connectClient(port), connectClient(port)].map((client) => client.channel("room:a"));
    for (const channel of [ada, bob]) if (channel !== undefined) await answer(channel.join());
    if (ada !== undefined) await answer(ada.push("new_msg", { body: "hi" }));
    const [, id] = await server.line(/^(\S+) decoded/);
    await server.line(new RegExp(`^${id} routed channel$`));
    await server.line(new RegExp(`^${id} handling handleIn$`));
    await server.line(new RegExp(`^${id} broadcast {"sender":1,"sent":1}$`));
    await server.line(new RegExp(`^${id} reply ok$`));
    await server.line(new RegExp(`^${id} frame_out `));
  });

  it("explain.mjs: explains the refused join", async () => {
    const server = await run(await workshop(), "explain.mjs", example(PAGE, "explain.mjs"));
    const room = connectClient(await server.port()).channel("room:a");
    await answer(room.join());
    await server.line(/^REFUSED JOIN room:a in .*: denied full, after 0 other failures$/);
    room.leave();
  });
});

import { expect } from "chai";
import { Endpoint, type MountOptions, Socket, V1JSONSerializer, V2JSONSerializer } from "../../lib/index.ts";
import { code, rows, section, source } from "./markdown.ts";

const PAGE = "docs/limits.md";

/** The text between the braces, or brackets, that follow a mark in a source file. */
function block(path: string, mark: string): string {
  const text = source(path);
  const start = text.indexOf(mark);
  if (start < 0) throw new Error(`${path} doesn't contain ${mark}`);
  const open = text.indexOf("{", start + mark.length - 1);
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === "{") depth++;
    if (text[i] === "}" && --depth === 0) return text.slice(open, i + 1);
  }
  throw new Error(`${path}: ${mark} isn't closed`);
}

/** Evaluates a JavaScript expression of the source or the docs. */
function evaluate(expression: string): unknown {
  const names = { V1JSONSerializer, V2JSONSerializer };
  return new Function(...Object.keys(names), `return (${expression});`)(...Object.values(names)) as unknown;
}

/** `name: unknown;` → name */
function keys(declaration: string): string[] {
  return [...declaration.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? "");
}

const tables = ["Who may connect", "Each connection", "The transport"];

/** The one option that WebSockets don't have. */
const LONGPOLL_ONLY = "windowMs";

/** The options of a mount, with the defaults that the page gives. */
function documented(): Record<string, unknown> {
  const listed = tables.flatMap((heading) => rows(section(PAGE, heading), "option"));
  const options = listed.map((row) => [code(row.option), evaluate(code(row.default))]);
  expect(new Set(options.map(([name]) => name)).size).to.equal(listed.length);
  return Object.fromEntries(options) as Record<string, unknown>;
}

describe("docs/limits.md", () => {
  it("gives the default of each option of a mount", () => {
    const mark = "const DEFAULTS: Checked<TransportOptions & MountWishes> = {";
    // The interval of pings is no option: it is among the fixed limits.
    const { pingInterval, ...options } = evaluate(block("lib/mount.ts", mark)) as Record<string, unknown>;
    expect(pingInterval).to.be.a("number");
    const defaults = {
      ...options,
      [LONGPOLL_ONLY]: evaluate(/windowMs: ([\d_]+),/.exec(source("lib/mount.ts"))?.[1] ?? ""),
    };
    expect(documented()).to.deep.equal(defaults);
  });

  it("mentions each other option of a mount", () => {
    const text = tables.map((heading) => section(PAGE, heading)).join("\n");
    const all = ["interface WebSocketOptions", "interface LongPollOptions", "interface MountOptions"].flatMap(
      (mark) => keys(block("lib/mount.ts", mark)),
    );
    for (const option of all) {
      expect(text, option).to.match(new RegExp(`\`${option}\\b`));
    }
  });

  it("names the options as a mount takes them", () => {
    class UserSocket extends Socket {}
    const { [LONGPOLL_ONLY]: only, ...options } = documented();
    new Endpoint().socket("/socket", UserSocket, options as MountOptions);
    new Endpoint().socket("/socket", UserSocket, { websocket: options as MountOptions });
    new Endpoint().socket("/socket", UserSocket, {
      longpoll: { ...options, [LONGPOLL_ONLY]: only } as MountOptions,
    });
  });

  it("lists each option of an endpoint, with the words that are hidden", () => {
    const listed = rows(section(PAGE, "The endpoint"), "option");
    const options = keys(block("lib/endpoint/options.ts", "interface EndpointOptions"));
    expect(listed.map((row) => code(row.option))).to.have.members(options);
    const words = listed.find((row) => row.option === "`filterParameters`")?.default;
    expect(source("lib/endpoint.ts")).to.include(`checked.filterParameters ?? ${code(words)}`);
  });

  it("gives the default of each option of a drain", () => {
    const documented = rows(section(PAGE, "Draining"), "option").map(
      (row) => `${code(row.option)} = ${code(row.default)}`,
    );
    const defaults = block("lib/endpoint/drain.ts", "host: DrainHost,\n  {").slice(1, -1).split(",");
    expect(documented).to.have.members(defaults.map((text) => text.trim()));
    expect(documented).to.have.length(keys(block("lib/endpoint/drain.ts", "interface DrainOptions")).length);
  });

  it("lists the keys of a rate limit, and their defaults", () => {
    const listed = rows(section(PAGE, "Rate limits"), "key");
    expect(listed.map((row) => code(row.key))).to.have.members(
      keys(block("lib/connection/rate-limit.ts", "interface RateLimit")),
    );
    const by = code(listed.find((row) => row.key === "`by`")?.default);
    expect(source("lib/connection/rate-limit.ts"))
      .to.include(`by = ${by},`)
      .and.include("hardLimit = limit * 10");
    expect(listed.find((row) => row.key === "`hardLimit`")?.default).to.equal("ten times `limit`");
  });

  it("gives the limits that are no options as the code has them", () => {
    const inCode: [file: string, pattern: RegExp][] = [
      ["lib/protocol/v2-json.ts", /const MAX_NAME = ([\d_]+);/],
      ["lib/connection/mailbox.ts", /const MAX_PER_TURN = ([\d_]+);/],
      ["lib/connection/subscriptions.ts", /const CONFIRM_TIMEOUT = ([\d_]+);/],
      ["lib/transport/upgrade.ts", /const MAX_EARLY_BYTES = ([\d_]+);/],
      ["lib/mount.ts", /pingInterval: ([\d_]+),/],
      ["lib/transport/longpoll-session.ts", /const SILENT_WINDOWS = ([\d_]+);/],
      ["lib/transport/longpoll.ts", /const MIN_BATCH_BYTES = ([\d_ *]+);/],
      ["lib/connection/expiry.ts", /const WARN_SECONDS = ([\d_]+);/],
      ["lib/connection/connect.ts", /Buffer\.byteLength\(reason\) > ([\d_]+)/],
      ["lib/logger.ts", /const MAX_DEPTH = ([\d_]+);/],
    ];
    const values = inCode.map(([file, pattern]) => {
      const match = pattern.exec(source(file));
      return evaluate(match?.[1] ?? "NaN");
    });
    const documented = rows(section(PAGE, "Fixed limits"), "what").map((row) =>
      Number.parseInt(row.limit ?? "", 10),
    );
    expect(documented).to.deep.equal(values);
  });

  it("lists what stats() returns", () => {
    const documented = rows(section(PAGE, "What to watch"), "field").flatMap((row) =>
      [...(row.field ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1]),
    );
    expect(documented).to.have.members(Object.keys(new Endpoint().stats()));
  });
});

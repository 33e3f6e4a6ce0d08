import { expect } from "chai";
import { Endpoint, type MountOptions, Socket, V1JSONSerializer, V2JSONSerializer } from "../../lib/index.ts";
import { code, rows, section, source } from "./markdown.ts";

const PAGE = "docs/limits.md";

/** Options that are accepted and have no effect yet. */
const NOT_YET = ["secret", "longpoll"];

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

describe("docs/limits.md", () => {
  it("gives the default of each option of a mount", () => {
    const listed = tables.flatMap((heading) => rows(section(PAGE, heading), "option"));
    const documented = listed.map((row) => [code(row.option), evaluate(code(row.default))]);
    const defaults = evaluate(block("lib/mount.ts", "const DEFAULTS: Checked<TransportOptions> = {"));
    expect(Object.fromEntries(documented)).to.deep.equal(defaults);
    expect(documented).to.have.length(Object.keys(defaults as object).length);
  });

  it("mentions each other option of a mount", () => {
    const text = tables.map((heading) => section(PAGE, heading)).join("\n");
    const all = ["interface WebSocketOptions", "interface MountOptions"].flatMap((mark) =>
      keys(block("lib/mount.ts", mark)),
    );
    for (const option of all.filter((name) => !NOT_YET.includes(name))) {
      expect(text, option).to.match(new RegExp(`\`${option}\\b`));
    }
  });

  it("names the options as a mount takes them", () => {
    class UserSocket extends Socket {}
    const listed = tables.flatMap((heading) => rows(section(PAGE, heading), "option"));
    const options = Object.fromEntries(listed.map((row) => [code(row.option), evaluate(code(row.default))]));
    new Endpoint().socket("/socket", UserSocket, options as MountOptions);
    new Endpoint().socket("/socket", UserSocket, { websocket: options as MountOptions });
  });

  it("lists each option of an endpoint, with the words that are hidden", () => {
    const listed = rows(section(PAGE, "The endpoint"), "option");
    const options = keys(block("lib/endpoint.ts", "interface EndpointOptions"));
    expect(listed.map((row) => code(row.option))).to.have.members(
      options.filter((name) => !NOT_YET.includes(name)),
    );
    const words = listed.find((row) => row.option === "`filterParameters`")?.default;
    expect(source("lib/endpoint.ts")).to.include(`checked.filterParameters ?? ${code(words)}`);
  });

  it("gives the default of each option of a drain", () => {
    const documented = rows(section(PAGE, "Draining"), "option").map(
      (row) => `${code(row.option)} = ${code(row.default)}`,
    );
    const defaults = block("lib/endpoint.ts", "async #drain({").slice(1, -1).split(",");
    expect(documented).to.have.members(defaults.map((text) => text.trim()));
    expect(documented).to.have.length(keys(block("lib/endpoint.ts", "interface DrainOptions")).length);
  });

  it("gives the limits that are no options as the code has them", () => {
    const inCode: [file: string, pattern: RegExp][] = [
      ["lib/protocol/v2-json.ts", /const MAX_NAME = ([\d_]+);/],
      ["lib/connection/mailbox.ts", /const MAX_PER_TURN = ([\d_]+);/],
      ["lib/connection/channel-process.ts", /const CONFIRM_TIMEOUT = ([\d_]+);/],
      ["lib/transport/upgrade.ts", /const MAX_EARLY_BYTES = ([\d_]+);/],
      ["lib/connection/connect.ts", /Buffer\.byteLength\(reason\) > ([\d_]+)/],
      ["lib/logger.ts", /const MAX_DEPTH = ([\d_]+);/],
    ];
    const values = inCode.map(([file, pattern]) => {
      const match = pattern.exec(source(file));
      return Number(match?.[1]?.replaceAll("_", "") ?? Number.NaN);
    });
    const documented = rows(section(PAGE, "Fixed limits"), "what").map((row) =>
      Number.parseInt(row.limit ?? "", 10),
    );
    expect(documented).to.deep.equal(values);
  });

  it("lists what stats() returns", () => {
    const documented = rows(section(PAGE, "What to watch"), "field").map((row) => code(row.field));
    expect(documented).to.have.members(Object.keys(new Endpoint().stats()));
  });
});

import { expect } from "chai";
import { CLOSE } from "../../lib/connection/close-codes.ts";
import { code, prose, readPage, rows, section, source, sources } from "./markdown.ts";

const PAGE = "docs/errors.md";

const library = sources().map(source).join("\n");

/** All first groups of a pattern's matches, each once, in order. */
function matches(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ""))].sort();
}

describe("docs/errors.md", () => {
  it("lists the class and code of each error that the library makes, and no other", () => {
    const made = [...library.matchAll(/\bnew (\w+Error)\(\s*"([a-z_]+)"/g)].map(
      ([, name, c]) => `${name} ${c}`,
    );
    // DecodeError has one code and passes it on by itself; the routes name the code in a helper of theirs.
    made.push(...matches(source("lib/errors.ts"), /super\("([a-z_]+)"/g).map((c) => `DecodeError ${c}`));
    made.push(
      ...matches(source("lib/connection/routes.ts"), /\brefuse\(\s*"([a-z_]+)",/g).map(
        (c) => `ConfigError ${c}`,
      ),
    );
    const listed = rows(section(PAGE, "Errors that are thrown"), "class").map(
      (row) => `${code(row.class)} ${code(row.code)}`,
    );
    expect(listed).to.have.members([...new Set(made)]);
    expect(listed).to.deep.equal([...new Set(listed)]);
  });

  it("misses no error whose code isn't written where it is made", () => {
    const classes = matches(source("lib/errors.ts"), /export class (\w+) /g);
    const variable = [...library.matchAll(/\bnew (\w*Error)\((?!\s*["`])([^,)]*)/g)]
      .filter(([, name = ""]) => classes.includes(name))
      .map(([, name, first]) => `${name} ${first?.trim()}`)
      // The helper of the routes, whose calls the first check reads.
      .filter((use) => use !== "ConfigError code");
    expect(variable).to.deep.equal([]);
  });

  it("names every class of lib/errors.ts", () => {
    const classes = matches(source("lib/errors.ts"), /export class (\w+) /g);
    const named = matches(readPage(PAGE), /`(\w+Error)`/g);
    expect(named).to.deep.equal(classes);
  });

  it("lists each reason that the library gives, and no other", () => {
    const given = matches(library, /\breason: "([^"]+)"/g);
    const listed = rows(section(PAGE, "Error replies"), "reason").map((row) => code(row.reason));
    expect(listed).to.have.members(given);
  });

  it("lists each code that the library or ws closes with, and no other", () => {
    const own = Object.values(CLOSE).map(({ code }) => String(code));
    const ofWs = matches(source("lib/transport/websocket.ts"), /return .*\b(10\d\d)\b/g);
    const listed = rows(section(PAGE, "Close codes"), "code").map((row) => row.code);
    expect(listed).to.have.members([...new Set([...own, ...ofWs])]);
  });

  it("lists each status that refuses a WebSocket, and no other but those of ws", () => {
    const files = [
      "lib/endpoint.ts",
      "lib/mount.ts",
      "lib/transport/upgrade.ts",
      "lib/connection/connect.ts",
    ];
    const given = matches(
      files.map(source).join("\n"),
      /(?:\bstatus: |\brefused\(|\brespond\(response, )([45]\d\d)\b/g,
    );
    const listed = rows(section(PAGE, "Refused connections"), "status").map((row) => row.status);
    expect([...new Set(listed)]).to.have.members([...given, "405"]);
  });

  it("agrees with the other pages: they name no close code that it lacks", () => {
    const listed = new Set(rows(section(PAGE, "Close codes"), "code").map((row) => row.code));
    for (const page of ["docs/protocol.md", "docs/limits.md", "docs/getting-started.md"]) {
      const named = matches(prose(page), /\b(10[01]\d)\b(?! (?:ms|bytes))/g).filter((n) => n !== "1000");
      expect(
        named.filter((n) => !listed.has(n)),
        page,
      ).to.deep.equal([]);
    }
  });
});

import { expect } from "chai";
import { CLOSE } from "../../lib/connection/close-codes.ts";
import { code, PAGES, prose, readPage, rows, section, source, sources } from "./markdown.ts";

const PAGE = "docs/errors.md";

const library = sources().map(source).join("\n");

/** How a long-polling session ends that isn't polled any more. */
const EXPIRED_SESSION = "session expired";

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
    // A log's thread names the code, and the class passes it on.
    made.push(
      ...matches(source("lib/documents/log/lmdb-failure.ts"), /\bcode: "([a-z_]+)"/g).map(
        (c) => `OpLogError ${c}`,
      ),
    );
    for (const [, name, c] of source("lib/documents/log/op-log.ts").matchAll(
      /class (Log\w+) [\s\S]*?super\("([a-z_]+)"/g,
    )) {
      made.push(`${name} ${c}`);
    }
    made.push(
      ...matches(source("lib/documents/secret-source.ts"), /super\("([a-z_]+)"/g).map(
        (c) => `SecretsUnavailable ${c}`,
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

  it("names every class of lib/errors.ts, and that of logs", () => {
    const classes = ["OpLogError", ...matches(source("lib/errors.ts"), /export class (\w+) /g)].sort();
    const named = matches(readPage(PAGE), /`(\w+Error)`/g);
    expect(named).to.deep.equal(classes);
  });

  it("lists each reason that the library gives, and no other", () => {
    // Those of closes are in a table of their own.
    const closes = Object.values(CLOSE).map((close) => ("reason" in close ? close.reason : ""));
    const given = matches(library, /\breason: "([^"]+)"/g).filter(
      (reason) => !closes.some((close) => close === reason) && reason !== EXPIRED_SESSION,
    );
    const listed = rows(section(PAGE, "Error replies"), "reason").map((row) => code(row.reason));
    expect(listed).to.have.members(given);
  });

  it("lists each code that the library or ws closes with, and the reason that terminate gets", () => {
    const own = Object.values(CLOSE).map((close) => `${close.code} ${close.why}`);
    const ofWs = matches(source("lib/transport/websocket.ts"), /return .*\b(10\d\d)\b/g);
    const ofLongPolling = matches(source("lib/transport/longpoll.ts"), /const TOO_LARGE = (\d+);/g);
    const listed = rows(section(PAGE, "Close codes"), "code").map(
      (row) => `${row.code} ${code(row["`reason` in `terminate`"])}`,
    );
    expect(listed).to.have.members([...own, ...ofWs.map((c) => `${c} ${c}`)]);
    expect(ofWs).to.include.members(ofLongPolling);
  });

  it("names each reason that a close frame has, and that of a session that isn't polled", () => {
    const text = section(PAGE, "Close codes");
    for (const close of Object.values(CLOSE)) {
      if ("reason" in close) expect(text).to.include(`\`${close.reason}\``);
    }
    expect(library).to.include(`reason: "${EXPIRED_SESSION}"`);
    expect(text).to.include(`\`${EXPIRED_SESSION}\``);
  });

  it("lists each cause for which a client is refused, with its status", () => {
    const [, union = ""] = /export type RefusalCause =([^;]*);/.exec(source("lib/telemetry.ts")) ?? [];
    const causes = matches(union, /"(\w+)"/g);
    expect(causes).to.have.length.above(10);
    const connect = source("lib/connection/connect.ts");
    const upgrade = source("lib/transport/upgrade.ts");
    const given = [
      ...library.matchAll(/\bcause: "(\w+)",\s*status: (\d+)/g),
      ...library.matchAll(/\brefused\(\s*"(\w+)",\s*(\d+)/g),
      // What connect and id returned; the helper has the status.
      ...[...connect.matchAll(/\bmisreturned\(\s*"(\w+)",/g)].map(([, cause]) => [
        "",
        cause,
        /\brefused\(cause, (\d+)/.exec(connect)?.[1],
      ]),
      // While connect decides, two things may come in between.
      ...[...upgrade.matchAll(/\bgiveUp\("(\w+)"\)/g)].map(([, cause]) => [
        "",
        cause,
        /\{ cause, status: (\d+) \}/.exec(upgrade)?.[1],
      ]),
    ].map(([, cause, status]) => `${cause} ${status}`);
    const listed = rows(section(PAGE, "Refused connections"), "cause").map(
      (row) => `${code(row.cause)} ${row.status}`,
    );
    expect(listed).to.have.members([...new Set(given)]);
    expect(listed.map((row) => row.split(" ")[0])).to.have.members(causes);
  });

  it("lists each other status that a request is answered with, and no other but that of ws", () => {
    const given = matches(
      library,
      /(?:refuseUpgrade\(socket, \{ status: |\bplain\(response, |\.writeHead\()([45]\d\d)\b/g,
    );
    const listed = rows(section(PAGE, "Other answers over HTTP"), "status").map((row) => row.status);
    expect(listed).to.have.members([...given, "405"]);
  });

  it("agrees with the other pages: they name no close code that it lacks", () => {
    const listed = new Set(rows(section(PAGE, "Close codes"), "code").map((row) => row.code));
    // 1000 and 1006 are no closes of the server's.
    for (const page of PAGES.filter((name) => name !== PAGE)) {
      const named = matches(prose(page), /\b(10[01]\d)\b(?! (?:ms|bytes))/g).filter(
        (n) => !/100[06]/.test(n),
      );
      expect(
        named.filter((n) => !listed.has(n)),
        page,
      ).to.deep.equal([]);
    }
  });
});

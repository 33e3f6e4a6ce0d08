import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { LmdbOpLog } from "../../lib/documents/log/lmdb.ts";
import { MemoryOpLog } from "../../lib/documents/log/memory.ts";
import { type OpLog, START } from "../../lib/documents/log/op-log.ts";
import { encodeRecord } from "../../lib/documents/record.ts";
import { opLogCases } from "../../lib/testing/op-log.ts";
import { afterTest } from "../support/teardown.ts";
import { code, example, rows, section, source } from "./markdown.ts";
import { run, workshop } from "./workshop.ts";

const PAGE = "docs/op-logs.md";

interface Stored {
  readonly records: { readonly first: number; bytes: string }[];
}

describe("docs/op-logs.md", function () {
  this.timeout(60_000);

  it("documents.mjs: opens a log, and needs what it promises", async () => {
    const directory = await workshop(["lmdb"]);
    const process = await run(directory, "documents.mjs", example(PAGE, "documents.mjs"));
    expect((await process.line(/^documents are in (.*)$/))[1]).to.equal(join(directory, "data"));
    await ended(process.child);
    const weak = example(PAGE, "documents.mjs").replace("  log,\n", "");
    const refused = await run(directory, "weak.mjs", weak);
    await refused.line(/invalid_option/);
  });

  it("backup.mjs: makes a copy that can be opened", async () => {
    const directory = await workshop(["lmdb"]);
    const process = await run(directory, "backup.mjs", example(PAGE, "backup.mjs"));
    const [, path = ""] = await process.line(/^copied to (.*)$/);
    await ended(process.child);
    const log = new LmdbOpLog({ path: join(directory, path) });
    afterTest(() => log.close());
    await log.ready();
  });

  it("file-log.ts: passes the suite, as file-log.test.ts runs it", async () => {
    const directory = await workshop();
    await writeFile(join(directory, "file-log.ts"), example(PAGE, "file-log.ts"));
    await writeFile(join(directory, "package.json"), '{"type": "module"}');
    const process = await run(directory, "file-log.test.ts", example(PAGE, "file-log.test.ts"));
    const open = () => new MemoryOpLog();
    const cases = opLogCases({ open, reopen: open }).length;
    expect((await process.line(/^(?:#|ℹ) pass (\d+)$/))[1]).to.equal(String(cases));
    await process.line(/^(?:#|ℹ) fail 0$/);
  });

  it("file-log.ts: notices a record that was damaged", async () => {
    const directory = await workshop();
    const file = join(directory, "file-log.ts");
    await writeFile(file, example(PAGE, "file-log.ts"));
    const { FileOpLog } = (await import(file)) as { FileOpLog: new (directory: string) => OpLog };
    const log = new FileOpLog(join(directory, "logs"));
    const name = { tenant: "acme", document: "plan" };
    let after = START;
    for (const op of ["one", "two", "three"]) {
      const record = encodeRecord(after.id, { first: after.sn + 1, node: "n", boot: "b", rsns: [] }, [op]);
      await log.append(name, after, record);
      after = { sn: record.last, id: record.id };
    }
    const [stored = ""] = await readdir(join(directory, "logs"));
    const path = join(directory, "logs", stored);
    const { records, ...rest } = JSON.parse(await readFile(path, "utf8")) as Stored;
    records[1]!.bytes = Buffer.from("another").toString("base64");
    await writeFile(path, JSON.stringify({ ...rest, records }));
    const error: unknown = await log.read(name, 0, 1_000).catch((cause) => cause);
    expect(error).to.have.property("code", "log_corrupt");
  });

  it("gives each option of an LmdbOpLog, and its default as the code has it", () => {
    const listed = rows(section(PAGE, "LMDB"), "option");
    const text = source("lib/documents/log/lmdb.ts");
    const options = /interface LmdbOpLogOptions \{([\s\S]*?)\n\}/.exec(text)?.[1] ?? "";
    expect(listed.map((row) => code(row.option))).to.have.members(
      [...options.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1]),
    );
    const defaults = Object.fromEntries(listed.map((row) => [code(row.option), row.default]));
    expect(text).to.include(`const MAP_SIZE = ${code(defaults.mapSize)};`);
    expect(source("lib/documents/log/chain.ts")).to.include(
      `const MAX_RECORD_BYTES = ${code(defaults.maxRecordBytes)};`,
    );
  });
});

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null) await once(child, "exit");
  expect(child.exitCode).to.equal(0);
}

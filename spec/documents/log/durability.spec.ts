import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { LmdbOpLog } from "../../../lib/documents/log/lmdb.ts";
import { type LogRecord, OpLogError, type Position, START } from "../../../lib/documents/log/op-log.ts";
import { encodeRecord, recordId, StoredRecord } from "../../../lib/documents/record.ts";
import { afterTest } from "../../support/teardown.ts";
import { emptyDirectory, openLog } from "./directory.ts";
import { hasCommand, needs, Writer } from "./process.ts";

const KILLS = Number(process.env.KILL_ROUNDS ?? 3);
const DOCUMENTS = 5;

/** What a writer said was committed: by document, the ids by sequence number. */
class Committed {
  readonly #documents = new Map<string, Map<number, string>>();

  add(lines: readonly string[]): void {
    for (const line of lines) {
      const match = /^committed (.*) (\d+) ([0-9a-f]{32})$/.exec(line);
      if (match === null) continue;
      const [, document = "", sn, id = ""] = match;
      const ids = this.#documents.get(document) ?? new Map<number, string>();
      this.#documents.set(document, ids.set(Number(sn), id));
    }
  }

  /** Each of them is in the log, whose chains are whole. */
  async isIn(log: LmdbOpLog): Promise<void> {
    for (const [document, ids] of this.#documents) {
      const found = await chain(log, document);
      for (const [sn, id] of ids) expect(found.get(sn), `${document}, op ${sn}`).to.equal(id);
    }
  }

  get size(): number {
    return [...this.#documents.values()].reduce((sum, ids) => sum + ids.size, 0);
  }
}

/** The ids of all records by sequence number; throws if one is damaged, missing or double. */
async function chain(log: LmdbOpLog, document: string): Promise<Map<number, string>> {
  const ids = new Map<number, string>();
  let head = START;
  for (;;) {
    const page: readonly LogRecord[] = await log.read({ tenant: "acme", document }, head.sn, 100_000);
    if (page.length === 0) break;
    for (const record of page) {
      expect([record.first, record.prev]).to.deep.equal([head.sn + 1, head.id]);
      expect(record.id).to.equal(recordId(record.prev, record.bytes));
      new StoredRecord(record);
      head = { sn: record.last, id: record.id };
      ids.set(head.sn, head.id);
    }
  }
  expect((await log.state({ tenant: "acme", document })).head).to.deep.equal(head);
  return ids;
}

describe("an LMDB log keeps what it said is committed", function () {
  this.timeout(30_000 + KILLS * 5_000);

  it(`when its process is killed, ${KILLS} times`, async () => {
    const path = await emptyDirectory();
    const committed = new Committed();
    for (let round = 0; round < KILLS; round++) {
      const writer = new Writer(path, DOCUMENTS);
      await writer.says(10 + Math.floor(Math.random() * 400));
      committed.add(await writer.kill());
      const log = openLog({ path });
      await committed.isIn(log);
      await log.close();
    }
    expect(committed.size).to.be.above(KILLS * 5);
  });

  it("as it is flushed to the disk before that is said (needs strace)", async function () {
    needs(this, "strace", hasCommand("strace"));
    const directory = await emptyDirectory();
    const trace = join(directory, "trace");
    const calls = "trace=openat,fdatasync,fsync,msync,pwrite64,pwritev,write";
    const strace = ["strace", "-f", "-y", "-s", "60", "-o", trace, "-e", calls];
    const lines = await new Writer(join(directory, "log"), 1, 8, strace).end();
    expect(lines.filter((line) => line.startsWith("committed"))).to.have.length(8);
    let unflushed = 0;
    let written = 0;
    let isPointedTo = false;
    let answers = 0;
    for (const { call, rest, result } of systemCalls(await readFile(trace, "utf8"))) {
      const isData = rest.includes("/log/data.mdb>");
      if (call === "openat" && rest.includes("O_DSYNC")) {
        expect(rest).to.include("/log/data.mdb");
      } else if (call.startsWith("pwrite") && isData && Number(result) > 1_000) {
        unflushed++;
        written++;
      } else if (call.startsWith("pwrite") && isData) {
        // The page that makes a transaction valid, through a descriptor that flushes each write.
        expect(unflushed, "pages that are pointed to before they are flushed").to.equal(0);
        isPointedTo = true;
      } else if (call === "fdatasync" && isData && result === "0") {
        unflushed = 0;
      } else if (call === "write" && rest.includes('"committed ')) {
        expect(written, "pages written").to.be.above(0);
        expect(unflushed, "pages that aren't flushed").to.equal(0);
        expect(isPointedTo, "the transaction is valid").to.equal(true);
        written = 0;
        isPointedTo = false;
        answers++;
      }
    }
    expect(answers).to.equal(8);
  });

  it("by one flush for all documents that wait (needs strace)", async function () {
    needs(this, "strace", hasCommand("strace"));
    const directory = await emptyDirectory();
    const trace = join(directory, "trace");
    const strace = ["strace", "-f", "-o", trace, "-e", "trace=fdatasync"];
    const lines = await new Writer(join(directory, "log"), 300, 3, strace).end();
    expect(lines.filter((line) => line.startsWith("committed"))).to.have.length(900);
    // Those of the opening, and some for each of the three rounds.
    const flushes = [...systemCalls(await readFile(trace, "utf8"))].filter(
      ({ call }) => call === "fdatasync",
    );
    expect(flushes.length).to.be.within(3, 60);
  });

  it("and says so only of what was flushed, when a flush fails (needs strace)", async function () {
    needs(this, "strace", hasCommand("strace"));
    const directory = await emptyDirectory();
    const path = join(directory, "log");
    const inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=12..13"];
    const strace = ["strace", "-f", "-o", join(directory, "trace"), ...inject];
    const lines = await new Writer(path, 1, 20, strace).end();
    await expectMended(lines, 2, path);
  });

  it("and goes on when a write fails, also that which makes a transaction valid (needs strace)", async function () {
    needs(this, "strace", hasCommand("strace"));
    const directory = await emptyDirectory();
    const failed = [40, 41, 42].map(async (nth) => {
      const path = join(directory, String(nth));
      const trace = `${path}.trace`;
      const inject = ["-e", "trace=pwrite64,pwritev", "-e", `inject=pwrite64:error=EIO:when=${nth}`];
      const lines = await new Writer(path, 1, 20, ["strace", "-f", "-o", trace, ...inject]).end();
      await expectMended(lines, 1, path);
      const [, bytes] = /, (\d+), \d+\) += -1 EIO .*INJECTED/.exec(await readFile(trace, "utf8")) ?? [];
      return Number(bytes);
    });
    const bytes = await Promise.all(failed);
    expect(bytes, "a page").to.include(4096);
    expect(bytes, "the page that points to the others").to.include(128);
  });

  async function expectMended(lines: readonly string[], failures: number, path: string): Promise<void> {
    const rejected = lines.filter((line) => line.startsWith("rejected"));
    expect(rejected).to.have.length(failures);
    for (const line of rejected) expect(line).to.match(/ log_failed$/);
    expect(lines.at(-1)).to.equal("closed");
    const committed = new Committed();
    committed.add(lines);
    expect(committed.size).to.equal(20);
    await committed.isIn(openLog({ path }));
  }

  it("when the disk is full, and goes on when there is space (needs mount)", async function () {
    const disk = await emptyDirectory();
    needs(this, "the right to mount a tmpfs", mounted(disk));
    const ballast = join(disk, "ballast");
    await writeFile(ballast, new Uint8Array(1024 * 1024));
    const path = join(disk, "log");
    const log = openLog({ path });
    const name = { tenant: "acme", document: "plan" };
    const committed = new Committed();
    let after: Position = START;
    const next = () => {
      const op = JSON.stringify("x".repeat(60_000));
      return encodeRecord(after.id, { first: after.sn + 1, node: "n", boot: "b", rsns: [] }, [op]);
    };
    const append = async (record: LogRecord) => {
      expect(await log.append(name, after, record)).to.deep.equal({ outcome: "committed" });
      committed.add([`committed plan ${record.last} ${record.id}`]);
      after = { sn: record.last, id: record.id };
    };
    let refused: LogRecord | null = null;
    while (refused === null) {
      const record = next();
      await append(record).catch((error: unknown) => {
        expect(error).to.be.instanceOf(OpLogError).with.property("code", "log_full");
        expect((error as OpLogError).message).to.include(path);
        refused = record;
      });
    }
    const isRefused = async (call: Promise<unknown>) => {
      const error: unknown = await call.catch((cause) => cause);
      expect(error).to.be.instanceOf(OpLogError).with.property("code", "log_full");
    };
    expect(committed.size).to.be.above(10);
    // Nothing of it is there, reads go on, and it stays refused.
    expect((await log.state(name)).head).to.deep.equal(after);
    await committed.isIn(log);
    await isRefused(log.append(name, after, refused));
    const others = Array.from({ length: 5 }, (_, i) => ({ ...name, document: `other ${i}` }));
    const first = encodeRecord("", { first: 1, node: "n", boot: "b", rsns: [] }, ["x".repeat(60_000)]);
    await Promise.all(others.map((other) => isRefused(log.append(other, START, first))));
    expect((await log.state(name)).head).to.deep.equal(after);

    await rm(ballast);
    await append(refused);
    await append(next());
    for (const other of others) {
      expect(await log.append(other, START, first)).to.deep.equal({ outcome: "committed" });
    }
    await log.close();
    await committed.isIn(openLog({ path }));
  });
});

/** The lines of a trace: those of a call that was interrupted by another thread's are put together. */
function* systemCalls(trace: string): Generator<{ call: string; rest: string; result: string }> {
  const begun = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, thread = "", text = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (text.endsWith("<unfinished ...>")) {
      begun.set(thread, text.slice(0, -"<unfinished ...>".length));
      // An answer counts from when it begins, all else from when it is done.
      if (!/^write\(/.test(text)) continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    const whole = resumed === null ? text : `${begun.get(thread)}${resumed[1]}`;
    if (resumed !== null && whole.startsWith("write(")) continue;
    const [, call = "", rest = "", result = "?"] = /^(\w+)\((.*?)(?:\)\s+= (-?\d+).*)?$/.exec(whole) ?? [];
    if (call !== "") yield { call, rest, result };
  }
}

/** Mounts a small disk in memory there, if this user may, or may become one who may. */
function mounted(directory: string): boolean {
  const options = `size=4m,mode=0700,uid=${process.getuid?.() ?? 0}`;
  for (const before of [[], ["sudo", "-n"]]) {
    const run = (...command: string[]) => {
      const [name = "", ...args] = [...before, ...command];
      execFileSync(name, args, { stdio: "ignore" });
    };
    try {
      run("mount", "-t", "tmpfs", "-o", options, "tmpfs", directory);
    } catch {
      continue;
    }
    afterTest(() => run("umount", directory));
    return true;
  }
  return false;
}

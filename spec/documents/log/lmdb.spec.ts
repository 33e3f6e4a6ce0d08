import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { expect } from "chai";
import { open as lmdb } from "lmdb";
import { LmdbOpLog, type LmdbOpLogOptions } from "../../../lib/documents/log/lmdb.ts";
import { type DocumentName, OpLogError, type Position, START } from "../../../lib/documents/log/op-log.ts";
import { encodeRecord } from "../../../lib/documents/record.ts";
import { ConfigError } from "../../../lib/errors.ts";
import { afterTest } from "../../support/teardown.ts";
import { emptyDirectory, openLog } from "./directory.ts";
import { Writer } from "./process.ts";

const NAME: DocumentName = { tenant: "acme", document: "plan" };

function record(after: Position, op = '"op"') {
  return encodeRecord(after.id, { first: after.sn + 1, node: "n", boot: "b", rsns: [] }, [op]);
}

async function rejection(promise: Promise<unknown>): Promise<OpLogError> {
  const error = await promise.then(
    () => expect.fail("it must reject"),
    (cause: unknown) => cause,
  );
  expect(error).to.be.instanceOf(OpLogError);
  return error as OpLogError;
}

describe("an LMDB log", () => {
  it("refuses options that it doesn't have, and those with which an answer comes before the flush", () => {
    const path = "/nowhere";
    const wrong: [options: unknown, code: string, text: RegExp][] = [
      [undefined, "invalid_option", /path must be the path of a directory, got undefined/],
      [{}, "invalid_option", /path must be the path of a directory, got undefined/],
      [{ path: "" }, "invalid_option", /path must be the path of a directory/],
      [{ path, mapSize: 1 }, "invalid_option", /mapSize must be a number of bytes/],
      [{ path, maxRecordBytes: 0 }, "invalid_option", /maxRecordBytes must be a number of bytes/],
      [{ path, sync: true }, "unknown_option", /no option "sync"; it has path, maxRecordBytes, mapSize/],
      [{ path, noSync: true }, "invalid_option", /noSync can't be set/],
      [{ path, noMetaSync: false }, "invalid_option", /noMetaSync can't be set/],
      [{ path, useWritemap: true }, "invalid_option", /useWritemap can't be set/],
      [{ path, overlappingSync: true }, "invalid_option", /overlappingSync can't be set/],
    ];
    for (const [options, code, text] of wrong) {
      expect(() => new LmdbOpLog(options as LmdbOpLogOptions))
        .to.throw(ConfigError, text)
        .with.property("code", code);
    }
  });

  it("makes its directory, and can be called before that is done", async () => {
    const path = join(await emptyDirectory(), "a.b", "c.d");
    const log = openLog({ path });
    expect(await log.append(NAME, START, record(START))).to.deep.equal({ outcome: "committed" });
    expect(await readdir(path)).to.have.members(["data.mdb", "lock.mdb", "in-use.sock"]);
    await log.close();
    expect(await readdir(path)).to.have.members(["data.mdb", "lock.mdb"]);
  });

  it("fails each call if its directory can't be made, and says why", async () => {
    const log = openLog({ path: "/dev/null/log" });
    for (const call of [log.ready(), log.state(NAME), log.append(NAME, START, record(START))]) {
      const error = await rejection(call);
      expect(error.code).to.equal("log_failed");
      expect(error.message).to.include("/dev/null/log").and.include("ENOTDIR");
    }
    await log.close();
  });

  it("refuses a directory of a later format, and leaves it alone", async () => {
    const path = await emptyDirectory();
    await openLog({ path }).close();
    const env = lmdb({ path, noSubdir: false, overlappingSync: false });
    const meta = env.openDB<Buffer, Buffer>("meta", { encoding: "binary", keyEncoding: "binary" });
    meta.putSync(Buffer.from("format"), Buffer.from("0000000000000002", "hex"));
    await env.close();
    const error = await rejection(openLog({ path }).ready());
    expect(error.code).to.equal("log_failed");
    expect(error.message).to.equal(
      `the log in ${path} has the format 2, this version reads 1: update the library`,
    );
  });

  it("notices a checkpoint that was damaged", async () => {
    const log = openLog({ path: await emptyDirectory() });
    const first = record(START);
    await log.append(NAME, START, first);
    const bytes = Buffer.from("the state of the sequencer");
    await log.saveCheckpoint(NAME, { sn: 1, id: first.id, bytes });
    const path = join(log.path, "data.mdb");
    const file = await readFile(path);
    for (let i = file.indexOf(bytes); i >= 0; i = file.indexOf(bytes, i)) file[i] = 0;
    await writeFile(path, file, { flag: "r+" });
    const error = await rejection(log.state(NAME));
    expect(error.code).to.equal("log_corrupt");
    expect(error.message).to.include('document "plan" of tenant "acme": the checkpoint at op 1');
  });

  it("begins with the map that it is told, and outgrows it", async () => {
    const path = await emptyDirectory();
    const log = openLog({ path, mapSize: 1024 * 1024 });
    let after = START;
    for (let i = 0; i < 8; i++) {
      const next = record(after, JSON.stringify("x".repeat(1_000_000)));
      expect(await log.append(NAME, after, next)).to.deep.equal({ outcome: "committed" });
      after = { sn: next.last, id: next.id };
    }
    expect((await log.state(NAME)).head).to.deep.equal(after);
  });

  it("refuses records that could never follow what they are said to", async () => {
    const log = openLog({ path: await emptyDirectory() });
    const good = record(START);
    const wrong = [{ first: 2, last: 2 }, { last: 0 }, { prev: "ab".repeat(16) }, { last: 1.5 }];
    for (const fields of wrong) {
      const error: unknown = await log.append(NAME, START, { ...good, ...fields }).catch((cause) => cause);
      expect(error).to.be.instanceOf(ConfigError).with.property("code", "invalid_argument");
    }
    const error = await rejection(log.append(NAME, START, { ...good, id: "ab".repeat(16) }));
    expect(error.code).to.equal("log_corrupt");
    expect((await log.state(NAME)).head).to.deep.equal(START);
  });

  it("truncates in several transactions, between which others are served, also when it is closed", async () => {
    const path = await emptyDirectory();
    const log = openLog({ path });
    const records = [];
    for (let after = START; records.length < 2_500; ) {
      const next = record(after);
      records.push(next);
      after = { sn: next.last, id: next.id };
    }
    const appends = records.map((next) => log.append(NAME, { sn: next.first - 1, id: next.prev }, next));
    for (const answer of await Promise.all(appends)) expect(answer).to.deep.equal({ outcome: "committed" });
    await log.saveCheckpoint(NAME, { sn: 2_400, id: records[2_399]?.id ?? "", bytes: Buffer.from("state") });
    const done: string[] = [];
    const truncated = log.truncate(NAME, 2_400).then((floor) => done.push(`floor ${floor}`));
    const other = { ...NAME, document: "other" };
    const appended = log.append(other, START, record(START)).then(({ outcome }) => done.push(outcome));
    await Promise.all([log.close(), truncated, appended]);
    expect(done).to.deep.equal(["committed", "floor 2400"]);
    const again = openLog({ path });
    expect((await again.state(NAME)).floor).to.equal(2_400);
    expect(await again.read(NAME, 2_400, 1_000_000)).to.have.length(100);
  });

  it("rejects what waits when its thread ends, and all that comes later", async () => {
    const threads: Worker[] = [];
    const listener = (worker: Worker) => threads.push(worker);
    process.on("worker", listener);
    afterTest(() => process.off("worker", listener));
    const path = await emptyDirectory();
    const log = openLog({ path });
    await log.ready();
    expect(threads).to.have.length(1);
    const waiting = log.append(NAME, START, record(START));
    await threads[0]?.terminate();
    for (const call of [waiting, log.state(NAME), log.append(NAME, START, record(START))]) {
      const error = await rejection(call);
      expect(error.code).to.equal("log_failed");
      expect(error.message).to.include(`the thread of the log in ${path} ended`);
    }
    await log.close();
    const again = openLog({ path });
    expect(await again.append(NAME, START, record(START))).to.deep.equal({ outcome: "committed" });
  });

  it("doesn't hold the process when nothing is under way", async () => {
    const writer = new Writer(await emptyDirectory(), 0);
    expect(await writer.end()).to.deep.equal(["ready"]);
  });

  describe("backup", () => {
    it("copies the log as it is, while others write", async () => {
      const directory = await emptyDirectory();
      const log = openLog({ path: join(directory, "log") });
      const first = record(START);
      await log.append(NAME, START, first);
      const copied = log.backup(join(directory, "copy"));
      const second = record({ sn: 1, id: first.id });
      await log.append(NAME, { sn: 1, id: first.id }, second);
      await copied;
      const copy = openLog({ path: join(directory, "copy") });
      const [kept] = await copy.read(NAME, 0, 1);
      expect(kept?.id).to.equal(first.id);
      expect((await log.state(NAME)).head).to.deep.equal({ sn: 2, id: second.id });
    });

    it("refuses a directory that holds one already, and leaves that alone", async () => {
      const directory = await emptyDirectory();
      const log = openLog({ path: join(directory, "log") });
      await log.append(NAME, START, record(START));
      await log.backup(join(directory, "copy"));
      const error = await rejection(log.backup(join(directory, "copy")));
      expect(error.code).to.equal("log_failed");
      expect(error.message).to.include(join(directory, "copy"));
      const copy = openLog({ path: join(directory, "copy") });
      expect((await copy.state(NAME)).head.sn).to.equal(1);
    });
  });

  describe("its directory", () => {
    async function inUse(path: string): Promise<void> {
      const error = await rejection(openLog({ path }).ready());
      expect(error.code).to.equal("log_in_use");
      expect(error.message).to.include(path);
    }

    it("is kept from another process", async () => {
      const path = await emptyDirectory();
      const log = openLog({ path });
      await log.ready();
      expect(await new Writer(path, 1).end()).to.deep.equal(["failed log_in_use"]);
      await log.close();
      expect(await new Writer(path, 1, 1).end()).to.have.length(3);
    });

    it("is kept from another log of this process, whatever it is called", async () => {
      const directory = await emptyDirectory();
      const path = join(directory, "log");
      const log = openLog({ path });
      await log.ready();
      await symlink(path, join(directory, "link"));
      await inUse(path);
      await inUse(join(directory, "link"));
      await log.append(NAME, START, record(START));
      await log.close();
      const again = openLog({ path: join(directory, "link") });
      expect((await again.state(NAME)).head.sn).to.equal(1);
    });

    it("may have a path that is longer than a socket's may be", async () => {
      const path = join(await emptyDirectory(), "a".repeat(100), "b".repeat(100));
      const log = openLog({ path });
      await log.append(NAME, START, record(START));
      await inUse(path);
      await log.close();
      await openLog({ path }).ready();
    });

    it("is taken over from a process that was killed, by one of those that want it", async () => {
      const path = await emptyDirectory();
      const writer = new Writer(path, 1);
      await writer.says(3);
      await inUse(path);
      await writer.kill();
      const rivals = Array.from({ length: 4 }, () => openLog({ path }));
      const ends = await Promise.all(
        rivals.map((log) =>
          log.append(NAME, START, record(START)).then(
            ({ outcome }) => outcome,
            (error: OpLogError) => error.code,
          ),
        ),
      );
      expect(ends.sort()).to.deep.equal(["committed", "log_in_use", "log_in_use", "log_in_use"]);
    });
  });
});

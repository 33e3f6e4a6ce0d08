import { AssertionError } from "node:assert";
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { MemoryOpLog } from "../../../lib/documents/log/memory.ts";
import type {
  Appended,
  Checkpoint,
  DocumentName,
  LogRecord,
  LogState,
  OpLog,
  Position,
} from "../../../lib/documents/log/op-log.ts";
import { ConfigError } from "../../../lib/errors.ts";
import { type OpLogHarness, opLogCases, opLogSuite } from "../../../lib/testing/op-log.ts";
import { emptyDirectory } from "./directory.ts";

/** Runs cases, and names those that the log fails. All other errors than assertions are the suite's own. */
async function failures(harness: OpLogHarness, which = /^/): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of opLogCases(harness)) {
    if (!which.test(name)) continue;
    await run().catch((error: unknown) => {
      if (!(error instanceof AssertionError)) throw error;
      failed.push(name);
    });
  }
  return failed;
}

/** A log with one fault. */
type Fault = [what: string, make: () => OpLog, caught: RegExp];

const FAULTS: readonly Fault[] = [
  [
    "appends whatever is given",
    () =>
      new (class extends MemoryOpLog {
        override async append(name: DocumentName, _: Position, record: LogRecord): Promise<Appended> {
          const { head } = await super.state(name);
          const { sn, id } = head;
          const moved = { ...record, prev: id, first: sn + 1, last: sn + 1 + record.last - record.first };
          return await super.append(name, head, moved).catch(() => ({ outcome: "committed" }));
        }
      })(),
    /^answers a conflict with its end/,
  ],
  [
    "compares the sequence number and not the id",
    () =>
      new (class extends MemoryOpLog {
        override async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
          const { head } = await super.state(name);
          if (head.sn === after.sn && head.id !== after.id) return { outcome: "committed" };
          return await super.append(name, after, record);
        }
      })(),
    /^answers a conflict with its end/,
  ],
  [
    "answers a conflict for its last record again",
    () =>
      new (class extends MemoryOpLog {
        override async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
          const { head } = await super.state(name);
          if (head.sn !== after.sn) return { outcome: "conflict", head };
          return await super.append(name, after, record);
        }
      })(),
    /^answers committed for its last record again/,
  ],
  [
    "looks first and writes later",
    () =>
      new (class extends MemoryOpLog {
        override async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
          const { head } = await super.state(name);
          await super.append(name, after, record);
          return head.sn === after.sn && head.id === after.id
            ? { outcome: "committed" }
            : { outcome: "conflict", head };
        }
      })(),
    /^takes one of many records/,
  ],
  [
    "joins names by a colon",
    () => joining(({ tenant, document }) => ({ tenant: "all", document: `${tenant}:${document}` })),
    /^keeps names apart that are the same when they are joined/,
  ],
  [
    "composes letters",
    () => joining(({ tenant, document }) => ({ tenant, document: document.normalize("NFKC") })),
    /^keeps names apart that differ in case/,
  ],
  [
    "keeps 128 bytes of an id",
    () =>
      joining(({ tenant, document }) => ({
        tenant,
        document: Buffer.from(document).toString("latin1", 0, 128),
      })),
    /^takes ids of 256 bytes/,
  ],
  [
    "has bytes for text",
    () =>
      new (class extends MemoryOpLog {
        override async read(
          name: DocumentName,
          after: number,
          maxBytes: number,
        ): Promise<readonly LogRecord[]> {
          const records = await super.read(name, after, maxBytes);
          return records.map((record) => ({
            ...record,
            bytes: Buffer.from(Buffer.from(record.bytes).toString()),
          }));
        }
      })(),
    /^keeps every byte/,
  ],
  [
    "begins at the floor in silence",
    () =>
      new (class extends MemoryOpLog {
        override async read(
          name: DocumentName,
          after: number,
          maxBytes: number,
        ): Promise<readonly LogRecord[]> {
          const { floor } = await super.state(name);
          return await super.read(name, Math.max(after, floor), maxBytes);
        }
      })(),
    /^rejects with LogTruncated/,
  ],
  [
    "reads only records that begin above the op",
    () =>
      new (class extends MemoryOpLog {
        override async read(
          name: DocumentName,
          after: number,
          maxBytes: number,
        ): Promise<readonly LogRecord[]> {
          return (await super.read(name, after, maxBytes)).filter(({ first }) => first > after);
        }
      })(),
    /^reads from any op on/,
  ],
  [
    "reads everything at once",
    () =>
      new (class extends MemoryOpLog {
        override async read(name: DocumentName, after: number): Promise<readonly LogRecord[]> {
          return await super.read(name, after, Number.MAX_SAFE_INTEGER);
        }
      })(),
    /^reads pages of about so many bytes/,
  ],
  [
    "lets an older checkpoint replace a newer one",
    () => {
      const latest = new Map<string, Checkpoint>();
      return new (class extends MemoryOpLog {
        override async saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
          latest.set(name.tenant + name.document, checkpoint);
          await super.saveCheckpoint(name, checkpoint);
        }
        override async state(name: DocumentName): Promise<LogState> {
          return {
            ...(await super.state(name)),
            checkpoint: latest.get(name.tenant + name.document) ?? null,
          };
        }
      })();
    },
    /^keeps the latest checkpoint/,
  ],
  [
    "truncates above the checkpoint",
    () =>
      new (class extends MemoryOpLog {
        override async truncate(name: DocumentName, upTo: number): Promise<number> {
          const { head } = await super.state(name);
          await super.saveCheckpoint(name, { ...head, bytes: new Uint8Array(0) });
          return await super.truncate(name, upTo);
        }
      })(),
    /^keeps what is above the latest checkpoint/,
  ],
  [
    "goes on when it is closed",
    () =>
      new (class extends MemoryOpLog {
        override async close(): Promise<void> {}
      })(),
    /^rejects calls with log_closed/,
  ],
  [
    "takes records of any size",
    () => {
      const log = new MemoryOpLog({ maxRecordBytes: 2_000_000 });
      const get = (_: object, key: keyof MemoryOpLog) => {
        if (key === "maxRecordBytes") return 1_000_000;
        const member: unknown = log[key];
        return typeof member === "function" ? (member.bind(log) as unknown) : member;
      };
      return new Proxy(log, { get: get as ProxyHandler<MemoryOpLog>["get"] });
    },
    /^takes a record of maxRecordBytes/,
  ],
  [
    "promises what nobody can see",
    () =>
      Object.defineProperty(new MemoryOpLog(), "guarantees", {
        value: { durability: "power", failover: "none", shared: false },
      }),
    /^says what it promises/,
  ],
];

function joining(rename: (name: DocumentName) => DocumentName): OpLog {
  return new (class extends MemoryOpLog {
    override append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
      return super.append(rename(name), after, record);
    }
    override read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
      return super.read(rename(name), after, maxBytes);
    }
    override state(name: DocumentName): Promise<LogState> {
      return super.state(rename(name));
    }
  })();
}

describe("the suite for logs", () => {
  for (const [what, open, caught] of FAULTS) {
    it(`finds a log that ${what}`, async () => {
      expect(await failures({ open }, caught)).to.have.length(1);
    });
  }

  it("finds nothing wrong with a log that keeps to it", async () => {
    expect(await failures({ open: () => new MemoryOpLog() })).to.deep.equal([]);
  });

  it("closes what it opened, also when a case fails", async () => {
    const closed: boolean[] = [];
    class Broken extends MemoryOpLog {
      override async state(): Promise<LogState> {
        return { head: { sn: 1, id: "" }, floor: 0, checkpoint: null };
      }
      override async close(): Promise<void> {
        closed.push(true);
      }
    }
    const [first] = opLogCases({ open: () => new Broken() });
    await first?.run().then(
      () => expect.fail("it must fail"),
      (error: unknown) => expect(error).to.be.instanceOf(AssertionError),
    );
    expect(closed).to.deep.equal([true]);
  });

  it("has the cases of what the harness can do", () => {
    const open = () => new MemoryOpLog();
    const all = opLogCases({ open, reopen: open, corrupt: () => {} });
    expect(new Set(all.map(({ name }) => name)).size).to.equal(all.length);
    expect(all.length - opLogCases({ open }).length).to.equal(3);
  });

  it("names what it lacks", () => {
    expect(() => opLogCases({} as OpLogHarness)).to.throw(ConfigError, /needs \{open\}, got an object/);
    const runner = {} as { describe: () => void; it: () => void };
    expect(() => opLogSuite("a log", { open: () => new MemoryOpLog() }, runner)).to.throw(
      ConfigError,
      /pass those of your test runner/,
    );
  });

  it("runs under node:test", async () => {
    const directory = await emptyDirectory();
    const file = join(directory, "log.test.mjs");
    const url = (path: string) => JSON.stringify(new URL(`../../../lib/${path}`, import.meta.url));
    await writeFile(
      file,
      `import { describe, it } from "node:test";
       import { MemoryOpLog } from ${url("documents/log/memory.ts")};
       import { opLogSuite } from ${url("testing/op-log.ts")};
       opLogSuite("a log", { open: () => new MemoryOpLog() }, { describe, it });`,
    );
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
    const args = ["--import", tsx, "--test", "--test-reporter=tap", file];
    const { stdout } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect(stdout).to.match(
      new RegExp(`^# pass ${opLogCases({ open: () => new MemoryOpLog() }).length}$`, "m"),
    );
    expect(stdout).to.match(/^# fail 0$/m);
  });
});

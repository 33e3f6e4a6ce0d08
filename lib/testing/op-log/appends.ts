import assert from "node:assert/strict";
import { type Appended, START } from "../../documents/log/op-log.ts";
import { type Case, end, make, rejects } from "./trial.ts";

const RIVALS = 20;
const ROUNDS = 10;
const DOCUMENTS = 200;
/** A log that takes more than this isn't asked for so much. */
const MOST = 64 * 1024 * 1024;

export const appendCases: readonly Case[] = [
  {
    name: "holds nothing of a document that nobody wrote",
    async run({ log, name }) {
      assert.deepEqual(await log.state(name), { head: START, floor: 0, checkpoint: null });
      assert.deepEqual(await log.read(name, 0, 1_000), []);
      assert.equal(await log.truncate(name, 10), 0);
    },
  },
  {
    name: "appends records one behind the other",
    async run(trial) {
      const records = await trial.grow(trial.name, [1, 3, 1, 100, 2]);
      await trial.holds(trial.name, records);
    },
  },
  {
    name: "keeps every byte as it is",
    async run(trial) {
      const every = Uint8Array.from({ length: 256 }, (_, i) => i);
      const long = new Uint8Array(300_000).map((_, i) => (i * 31) % 251);
      // A view of something larger: what lies around it isn't the record's.
      const part = new Uint8Array(1_000).fill(7).subarray(10, 20);
      const contents = [
        every,
        new Uint8Array(0),
        long,
        part,
        new Uint8Array(5_000),
        Buffer.from('{"v":1}\n"é\0"'),
      ];
      const records = [];
      let head = START;
      for (const bytes of contents) {
        const record = make(head, 1, bytes);
        head = await trial.commit(trial.name, head, record);
        records.push(record);
      }
      await trial.holds(trial.name, records);
    },
  },
  {
    name: "isn't changed by what its caller does with the bytes later",
    async run(trial) {
      const { log, name } = trial;
      const record = make(START, 1, Uint8Array.of(1, 2, 3));
      const given = { ...record, bytes: record.bytes.slice() };
      await trial.commit(name, START, given);
      given.bytes.fill(0);
      const [got] = await log.read(name, 0, 1_000);
      got?.bytes.fill(0);
      await trial.holds(name, [record]);
    },
  },
  {
    name: "answers a conflict with its end, and writes nothing, if that isn't where the record belongs",
    async run(trial) {
      const { log, name } = trial;
      const records = await trial.grow(name, [1, 2]);
      const [first, second] = records;
      assert.ok(first && second);
      const head = end(second);
      const wrong = [
        START,
        end(first),
        { sn: head.sn, id: first.id },
        { sn: 2, id: head.id },
        { sn: 4, id: head.id },
        { sn: 1_000, id: "0".repeat(32) },
      ];
      for (const after of wrong) {
        assert.deepEqual(
          await log.append(name, after, make(after)),
          { outcome: "conflict", head },
          `${after.sn}`,
        );
      }
      await trial.holds(name, records);
    },
  },
  {
    name: "answers a conflict for a document that is empty, and makes none of it",
    async run(trial) {
      const { log, name } = trial;
      const after = { sn: 3, id: "ab".repeat(16) };
      assert.deepEqual(await log.append(name, after, make(after)), { outcome: "conflict", head: START });
      await trial.holds(name, []);
    },
  },
  {
    name: "answers committed for its last record again, which is there once",
    async run(trial) {
      const { log, name } = trial;
      const first = make(START, 2);
      await trial.commit(name, START, first);
      for (let i = 0; i < 3; i++) await trial.commit(name, START, first);
      const second = make(end(first));
      const both = await Promise.all([
        log.append(name, end(first), second),
        log.append(name, end(first), second),
      ]);
      assert.deepEqual(both, [{ outcome: "committed" }, { outcome: "committed" }]);
      await trial.holds(name, [first, second]);
    },
  },
  {
    name: "answers a conflict for a record that others have followed",
    async run(trial) {
      const { log, name } = trial;
      const first = make(START);
      await trial.commit(name, START, first);
      const second = make(end(first));
      await trial.commit(name, end(first), second);
      assert.deepEqual(await log.append(name, START, first), { outcome: "conflict", head: end(second) });
      await trial.holds(name, [first, second]);
    },
  },
  {
    name: "takes one of many records that want the same place, and the others learn its end",
    async run(trial) {
      const { log, name } = trial;
      const chain = [];
      let head = START;
      for (let round = 0; round < ROUNDS; round++) {
        const rivals = Array.from({ length: RIVALS }, (_, i) => make(head, (i % 3) + 1));
        const after = head;
        const answers = await Promise.all(rivals.map((record) => log.append(name, after, record)));
        const winners = rivals.filter((_, i) => answers[i]?.outcome === "committed");
        assert.equal(winners.length, 1, `${winners.length} of ${RIVALS} were committed`);
        const [winner] = winners;
        assert.ok(winner);
        head = end(winner);
        const lost: Appended = { outcome: "conflict", head };
        for (const answer of answers) if (answer.outcome !== "committed") assert.deepEqual(answer, lost);
        chain.push(winner);
      }
      await trial.holds(name, chain);
    },
  },
  {
    name: "keeps many documents apart that are written at once",
    async run(trial) {
      const names = Array.from({ length: DOCUMENTS }, (_, i) => ({
        ...trial.name,
        document: `document ${i}`,
      }));
      const chains = await Promise.all(names.map((name, i) => trial.grow(name, [1, (i % 4) + 1, 2])));
      for (const [i, name] of names.entries()) await trial.holds(name, chains[i] ?? []);
    },
  },
  {
    name: "takes a record of maxRecordBytes, and refuses a larger one",
    async run(trial) {
      const { log, name } = trial;
      assert.ok(
        Number.isInteger(log.maxRecordBytes) && log.maxRecordBytes > 0,
        "maxRecordBytes must be a number",
      );
      if (log.maxRecordBytes > MOST) return;
      const largest = make(START, 1, new Uint8Array(log.maxRecordBytes).fill(1));
      await trial.commit(name, START, largest);
      const larger = make(end(largest), 1, new Uint8Array(log.maxRecordBytes + 1));
      await rejects(log.append(name, end(largest), larger), "record_too_large");
      await trial.holds(name, [largest]);
    },
  },
];

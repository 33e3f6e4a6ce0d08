import assert from "node:assert/strict";
import type { Checkpoint, DocumentName, LogRecord } from "../../documents/log/op-log.ts";
import { type Case, end, make, rejects, same, sameState, type Trial } from "./trial.ts";

function at(record: LogRecord | undefined, text = "state"): Checkpoint {
  assert.ok(record);
  return { ...end(record), bytes: Buffer.from(`${text} at ${record.last}`) };
}

/** Records of three ops each, and a checkpoint at the end of one of them. */
async function grown(
  trial: Trial,
  name: DocumentName,
  records: number,
  checkpoint: number,
): Promise<LogRecord[]> {
  const chain = await trial.grow(name, new Array<number>(records).fill(3));
  await trial.log.saveCheckpoint(name, at(chain[checkpoint - 1]));
  return chain;
}

export const checkpointCases: readonly Case[] = [
  {
    name: "keeps the latest checkpoint, byte for byte, and ignores an older one",
    async run(trial) {
      const { log, name } = trial;
      const chain = await trial.grow(name, [1, 2, 3]);
      const [first, second, third] = chain;
      assert.ok(first && second && third);
      const head = end(third);
      const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
      const middle = { ...end(second), bytes };
      await log.saveCheckpoint(name, middle);
      sameState(await log.state(name), { head, floor: 0, checkpoint: middle });
      await log.saveCheckpoint(name, at(first));
      sameState(await log.state(name), { head, floor: 0, checkpoint: middle });
      const latest = { ...head, bytes: new Uint8Array(0) };
      await log.saveCheckpoint(name, latest);
      sameState(await log.state(name), { head, floor: 0, checkpoint: latest });
      await trial.holds(name, chain);
    },
  },
  {
    name: "truncates nothing without a checkpoint",
    async run(trial) {
      const { log, name } = trial;
      const chain = await trial.grow(name, [1, 1, 1]);
      assert.equal(await log.truncate(name, 2), 0);
      await trial.holds(name, chain);
    },
  },
  {
    name: "truncates whole records, and says up to where",
    async run(trial) {
      const { log, name } = trial;
      const chain = await grown(trial, name, 6, 5);
      const steps = [
        [2, 0],
        [3, 3],
        [8, 6],
      ] as const;
      for (const [upTo, floor] of steps) {
        assert.equal(await log.truncate(name, upTo), floor, `truncated up to ${upTo}`);
        assert.equal((await log.state(name)).floor, floor);
        same(await trial.all(name, floor), chain.slice(floor / 3));
      }
      assert.equal(await log.truncate(name, 3), 6, "a lower truncation must leave the floor where it is");
      same(await trial.all(name, 6), chain.slice(2));
    },
  },
  {
    name: "keeps what is above the latest checkpoint",
    async run(trial) {
      const { log, name } = trial;
      const chain = await grown(trial, name, 6, 2);
      assert.equal(await log.truncate(name, 1_000), 6);
      same(await trial.all(name, 6), chain.slice(2));
    },
  },
  {
    name: "keeps the last record, whose end the next one needs",
    async run(trial) {
      const { log, name } = trial;
      const chain = await grown(trial, name, 4, 4);
      const last = chain.at(-1);
      assert.ok(last);
      assert.equal(await log.truncate(name, 12), 9);
      sameState(await log.state(name), { head: end(last), floor: 9, checkpoint: at(last) });
      const next = make(end(last));
      await trial.commit(name, end(last), next);
      same(await trial.all(name, 9), [last, next]);
    },
  },
  {
    name: "rejects with LogTruncated what is read below the floor, and never begins at it in silence",
    async run(trial) {
      const { log, name } = trial;
      const chain = await grown(trial, name, 5, 3);
      assert.equal(await log.truncate(name, 7), 6);
      for (const after of [0, 1, 5]) {
        const error = await rejects(log.read(name, after, 1_000_000), "log_truncated");
        assert.equal(error.floor, 6, "LogTruncated must name the floor");
      }
      same(await log.read(name, 6, 1_000_000), chain.slice(2));
      same(await log.read(name, 7, 1_000_000), chain.slice(2));
    },
  },
  {
    name: "truncates many records at once, and leaves other documents alone",
    async run(trial) {
      const { log, name } = trial;
      const beside = { ...name, document: `${name.document}!` };
      const others = await grown(trial, beside, 3, 3);
      const chain = await grown(trial, name, 100, 90);
      assert.equal(await log.truncate(name, 1_000_000), 270);
      same(await trial.all(name, 270), chain.slice(90));
      await trial.holds(beside, others);
    },
  },
];

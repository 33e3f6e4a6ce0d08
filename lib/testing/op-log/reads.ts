import assert from "node:assert/strict";
import { type Case, same } from "./trial.ts";

const RECORD_BYTES = 24;

export const readCases: readonly Case[] = [
  {
    name: "reads from any op on, also from the middle of a record",
    async run(trial) {
      const { log, name } = trial;
      const records = await trial.grow(name, [1, 5, 2, 4]);
      for (let after = 0; after <= 12; after++) {
        const expected = records.filter(({ last }) => last > after);
        same(await log.read(name, after, 1_000_000), expected);
      }
    },
  },
  {
    name: "reads nothing at its end, nor above it",
    async run(trial) {
      const { log, name } = trial;
      await trial.grow(name, [3]);
      for (const after of [3, 4, 1_000_000]) assert.deepEqual(await log.read(name, after, 1_000), []);
    },
  },
  {
    name: "reads pages of about so many bytes, and at least one record",
    async run(trial) {
      const { log, name } = trial;
      const records = await trial.grow(name, new Array<number>(40).fill(1));
      for (const maxBytes of [1, RECORD_BYTES, 3 * RECORD_BYTES, 10 * RECORD_BYTES + 5]) {
        const page = await log.read(name, 0, maxBytes);
        assert.ok(page.length > 0, `a page of ${maxBytes} bytes must have a record`);
        const bytes = page.slice(0, -1).reduce((sum, record) => sum + record.bytes.length, 0);
        assert.ok(bytes <= maxBytes, `a page of ${maxBytes} bytes has ${bytes} before its last record`);
        same(page, records.slice(0, page.length));
        same(await trial.all(name, 0, maxBytes), records);
      }
    },
  },
  {
    name: "reads what was written a moment ago, and goes on to read while it is written",
    async run(trial) {
      const { log, name } = trial;
      const head = (await trial.grow(name, [1])).at(-1);
      assert.ok(head);
      const writing = trial.grow(name, new Array<number>(50).fill(1), { sn: head.last, id: head.id });
      let seen = 0;
      while (seen < 51) {
        const page = await log.read(name, seen, 10 * RECORD_BYTES);
        for (const { first, last } of page) {
          assert.equal(first, seen + 1);
          seen = last;
        }
      }
      await writing;
    },
  },
];

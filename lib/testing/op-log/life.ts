import assert from "node:assert/strict";
import { START } from "../../documents/log/op-log.ts";
import { type Case, end, make, rejects, same, sameState } from "./trial.ts";

export const lifeCases: readonly Case[] = [
  {
    name: "says what it promises, and is opened again if that outlives it",
    async run({ log, harness }) {
      const { durability, failover, shared } = log.guarantees;
      assert.ok(log.name.length > 0, "name must be a string");
      assert.ok(["memory", "process", "power"].includes(durability), `durability is ${durability}`);
      assert.ok(["none", "may-lose", "quorum"].includes(failover), `failover is ${failover}`);
      assert.equal(typeof shared, "boolean");
      if (durability === "memory") return;
      assert.ok(harness.reopen, `a log with the durability ${durability} needs reopen in its suite`);
    },
  },
  {
    name: "rejects calls with log_closed once it is closed, as often as that is done",
    async run(trial) {
      const { log, name } = trial;
      const [record] = await trial.grow(name, [1]);
      assert.ok(record);
      await Promise.all([log.close(), log.close()]);
      await log.close();
      const calls = [
        () => log.append(name, end(record), make(end(record))),
        () => log.state(name),
        () => log.read(name, 0, 1_000),
        () => log.saveCheckpoint(name, { ...end(record), bytes: Buffer.from("state") }),
        () => log.truncate(name, 1),
      ];
      for (const call of calls) await rejects(call(), "log_closed");
    },
  },
  {
    name: "waits with closing for what is under way",
    async run({ log, name, unique }) {
      const names = Array.from({ length: 50 }, (_, i) => ({ ...name, document: `${unique} ${i}` }));
      const appends = names.map((each) => log.append(each, START, make(START)));
      await log.close();
      for (const answer of await Promise.allSettled(appends)) {
        assert.deepEqual(answer, { status: "fulfilled", value: { outcome: "committed" } });
      }
    },
  },
  {
    name: "has everything when it is opened again",
    needs: "reopen",
    async run(trial) {
      const { name } = trial;
      const other = { ...name, document: "other" };
      const chain = await trial.grow(name, [1, 2, 3, 4]);
      const [, second, third, last] = chain;
      assert.ok(second && third && last);
      const checkpoint = { ...end(third), bytes: Buffer.from("the state at op 6") };
      await trial.log.saveCheckpoint(name, checkpoint);
      assert.equal(await trial.log.truncate(name, 3), 3);
      const beside = await trial.grow(other, [1]);
      await trial.reopen();
      sameState(await trial.log.state(name), { head: end(last), floor: 3, checkpoint });
      same(await trial.all(name, 3), chain.slice(2));
      await rejects(trial.log.read(name, 0, 1_000), "log_truncated");
      await trial.holds(other, beside);
      const [next] = await trial.grow(name, [2], end(last));
      assert.ok(next);
      await trial.reopen();
      same(await trial.all(name, 3), [...chain.slice(2), next]);
    },
  },
  {
    name: "judges appends when it is opened again as it did before",
    needs: "reopen",
    async run(trial) {
      const { name } = trial;
      const [first, second] = await trial.grow(name, [2, 1]);
      assert.ok(first && second);
      await trial.reopen();
      const conflict = { outcome: "conflict", head: end(second) };
      assert.deepEqual(await trial.log.append(name, end(first), make(end(first))), conflict);
      await trial.commit(name, end(first), second);
      await trial.holds(name, [first, second]);
    },
  },
  {
    name: "rejects with LogCorrupt a record that was changed behind its back, and goes on with the others",
    needs: "corrupt",
    async run(trial) {
      const { log, name, harness } = trial;
      const beside = { ...name, document: `${name.document}!` };
      const others = await trial.grow(beside, [1, 1]);
      const [first, second, third] = await trial.grow(name, [1, 2, 1]);
      assert.ok(first && second && third && harness.corrupt);
      await harness.corrupt(log, name, second.first);
      await rejects(trial.all(name), "log_corrupt");
      await rejects(log.read(name, second.first, 1_000), "log_corrupt");
      same(await log.read(name, 0, 1), [first]);
      same(await log.read(name, second.last, 1_000), [third]);
      await trial.holds(beside, others);
    },
  },
];

import { expect } from "chai";
import type { OpLog, SequencedOp } from "../../../lib/documents/index.ts";
import { Random } from "../../../lib/testing/simulation/random.ts";
import { Journal } from "../../support/gate.ts";
import { Author, expectKept } from "../author.ts";
import { emptyDirectory, openLog } from "../log/directory.ts";
import { opsIn } from "../log-contents.ts";
import { ServerProcess } from "./server-process.ts";
import { tokenFor } from "./token.ts";

/** How often servers are killed; CI kills fewer than releases do. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 3);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const AUTHORS = 5;

/** Every client that has joined has left, but for these. */
function expectLeft(ops: readonly SequencedOp[], connected: readonly string[]): void {
  const here = new Set<string>();
  for (const { type, contents } of ops) {
    if (type === "join") here.add((contents as { readonly clientId: string }).clientId);
    if (type === "leave") expect(here.delete(contents as string), "a leave without a join").to.equal(true);
  }
  expect([...here]).to.have.members(connected);
}

describe("documents of a server that is killed", function () {
  this.timeout(30_000 + ROUNDS * 10_000);

  it(`${ROUNDS} times (seed ${SEED}) have each acknowledged op, and each op once, in order`, async () => {
    const path = await emptyDirectory();
    const random = new Random(SEED);
    const acknowledgements = new Journal<unknown>();
    const authors = Array.from({ length: AUTHORS }, (_, i) => {
      const name = `author${i}`;
      return new Author({
        name,
        topic: "document:acme:doc-1",
        token: tokenFor(name),
        random,
        acknowledgements,
      });
    });
    const look = async (examine: (ops: SequencedOp[], log: OpLog) => void) => {
      const log = openLog({ path });
      examine(await opsIn(log), log);
      await log.close();
    };
    let length = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const server = await ServerProcess.start(path);
      const runs = authors.map((author) => author.run(server.url));
      // Sometimes when they are still connecting.
      await acknowledgements.reaches(
        acknowledgements.entries.length + random.below(random.chance(0.2) ? 3 : 150),
      );
      for (let turns = random.below(30); turns > 0; turns--) await new Promise((next) => setImmediate(next));
      await server.kill();
      await Promise.all(runs);
      await look((ops) => {
        expect(ops.length).to.be.at.least(length);
        length = ops.length;
        expectKept(ops, authors);
      });
    }

    // What is owed is sent again, and nothing more.
    const last = await ServerProcess.start(path);
    await Promise.all(authors.map((author) => author.run(last.url, 0)));
    expect(await last.end()).to.equal(0);
    await look((ops) => {
      expectKept(ops, authors);
      expectLeft(ops, []);
      const written = ops.filter(({ type }) => type === "op");
      expect(written).to.have.length(authors.reduce((sum, { contents }) => sum + contents.length, 0));
      // Who resumes takes the place of the one before.
      const joined = ops.filter(({ type }) => type === "join").length;
      expect(joined).to.be.at.least(authors.reduce((sum, { clientIds }) => sum + clientIds.length, 0));
    });
    expect(acknowledgements.entries.length).to.be.above(0);
  });
});

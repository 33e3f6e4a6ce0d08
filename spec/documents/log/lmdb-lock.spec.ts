import { once } from "node:events";
import { readdir, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { DirectoryLock } from "../../../lib/documents/log/lmdb-lock.ts";
import { OpLogError } from "../../../lib/documents/log/op-log.ts";
import { afterTest } from "../../support/teardown.ts";
import { emptyDirectory } from "./directory.ts";

const RIVALS = 10;

/** Where all are on one thread, nobody comes between. */
const exclusively = <T>(run: () => T): T => run();

/** All ask before the first one takes it. */
async function contest(directory: string): Promise<DirectoryLock> {
  const locks = Array.from({ length: RIVALS }, () => new DirectoryLock(directory, directory));
  for (const lock of locks) afterTest(() => lock.release());
  const ends = await Promise.allSettled(locks.map((lock) => lock.take(exclusively)));
  const winners = locks.filter((_, i) => ends[i]?.status === "fulfilled");
  expect(winners).to.have.length(1);
  for (const end of ends) {
    if (end.status === "rejected") {
      expect(end.reason).to.be.instanceOf(OpLogError).with.property("code", "log_in_use");
    }
  }
  expect(await readdir(directory)).to.deep.equal(["in-use.sock"]);
  return winners[0] as DirectoryLock;
}

describe("the lock of a directory", () => {
  it("is got by one of many that want it at once, and then by the next", async () => {
    const directory = await emptyDirectory();
    const first = await contest(directory);
    first.release();
    first.release();
    expect(await readdir(directory)).to.deep.equal([]);
    await contest(directory);
  });

  it("is taken over by one of many from a process that is dead", async () => {
    const directory = await emptyDirectory();
    const path = join(directory, "in-use.sock");
    const server = createServer().listen(`${path}.before`);
    await once(server, "listening");
    await rename(`${path}.before`, path);
    server.close();
    await once(server, "close");
    await contest(directory);
  });

  it("sweeps what a process left that died while it took it", async () => {
    const directory = await emptyDirectory();
    await writeFile(join(directory, "in-use.0123456789ab.sock"), "");
    await contest(directory);
  });
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbOpLog, type LmdbOpLogOptions } from "../../../lib/documents/log/lmdb.ts";
import { type DocumentName, type OpLog, START } from "../../../lib/documents/log/op-log.ts";
import { afterTest } from "../../support/teardown.ts";

/** An empty directory, removed after the test. */
export async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "op-log-"));
  afterTest(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A log that is closed after the test. */
export function openLog(options: LmdbOpLogOptions): LmdbOpLog {
  const log = new LmdbOpLog(options);
  afterTest(() => log.close());
  return log;
}

/** Changes a byte of a record in the file, wherever a copy of it is. */
export async function corrupt(log: OpLog, name: DocumentName, first: number): Promise<void> {
  if (!(log instanceof LmdbOpLog)) throw new Error("only LMDB keeps a file");
  const [record] = await log.read(name, first === 1 ? START.sn : first - 1, 1);
  if (record?.first !== first) throw new Error(`there is no record of op ${first}`);
  const path = join(log.path, "data.mdb");
  const file = await readFile(path);
  let found = 0;
  for (let i = file.indexOf(record.bytes); i >= 0; i = file.indexOf(record.bytes, i + 1)) {
    file[i] = (file[i] ?? 0) ^ 1;
    found++;
  }
  if (found === 0) throw new Error("the record isn't in the file in one piece");
  // In place: the log has the file mapped.
  await writeFile(path, file, { flag: "r+" });
}

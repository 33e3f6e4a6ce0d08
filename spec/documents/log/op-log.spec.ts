import { LmdbOpLog } from "../../../lib/documents/log/lmdb.ts";
import { MemoryOpLog } from "../../../lib/documents/log/memory.ts";
import { opLogSuite } from "../../../lib/testing/op-log.ts";
import { corrupt, emptyDirectory } from "./directory.ts";

opLogSuite("MemoryOpLog", { open: () => new MemoryOpLog() });

opLogSuite("LmdbOpLog", {
  open: async () => new LmdbOpLog({ path: await emptyDirectory() }),
  reopen: (closed) => new LmdbOpLog({ path: (closed as LmdbOpLog).path }),
  corrupt,
});

// A server of documents, on a log in memory or in LMDB: started with the log's name, and a directory for it.
import type { OpLog } from "../../lib/documents/index.ts";
import { answerParent, memory, usage } from "../support/child.ts";
import { builtLibrary } from "../support/library.ts";

const { Endpoint, Socket } = await builtLibrary(undefined);
const dist = (file: string) => import(new URL(`../../dist/${file}`, import.meta.url).href);
const { DocumentChannel, Documents, Jwt, MemoryOpLog, TenantSecrets } = (await dist(
  "documents/index.js",
)) as typeof import("../../lib/documents/index.ts");

const TENANT = "bench";
const tenants = new TenantSecrets();
tenants.register(TENANT, "a secret of the benchmark's, which is no secret");
const documents = new Documents({
  tenants,
  log: await openLog(),
  idleTimeout: 3_600_000,
  maxClients: 100_000,
});

async function openLog(): Promise<OpLog> {
  const [kind, path = ""] = process.argv.slice(2);
  if (kind !== "lmdb") return new MemoryOpLog();
  const { LmdbOpLog } = (await dist(
    "documents/log/lmdb.js",
  )) as typeof import("../../lib/documents/log/lmdb.ts");
  return new LmdbOpLog({ path });
}

class BenchChannel extends DocumentChannel {
  static override documents = documents;
}

class BenchSocket extends Socket {
  static override channels = { "document:*": BenchChannel };
}

const endpoint = new Endpoint();
endpoint.socket("/socket", BenchSocket, { idleTimeout: 3_600_000, maxChannels: 100_000 });
const { port } = await endpoint.listen(0, "127.0.0.1");

function heads(): number {
  let sum = 0;
  for (const session of documents.registry.sessions()) sum += session.head;
  return sum;
}

answerParent({
  port: () => port,
  token: ({ document }: { document: string }) =>
    new Jwt(tenants).generateFullAccessToken(TENANT, document, "u"),
  /** The sum of all documents' heads: ops that are durable. */
  sample: () => ({ ops: heads(), ...usage() }),
  memory,
  async open({ count }: { count: number }) {
    for (let i = 0; i < count; i++) await documents.registry.startOrGet(TENANT, `open-${i}`);
  },
  async close() {
    await endpoint.close({ timeoutMs: 1000 });
    await documents.close();
  },
});

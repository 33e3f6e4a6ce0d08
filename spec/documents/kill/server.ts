// Serves documents out of an LMDB log, and says on its standard output where: server.ts <path>
import { DocumentChannel, Documents, TenantSecrets } from "../../../lib/documents/index.ts";
import { LmdbOpLog } from "../../../lib/documents/log/lmdb.ts";
import { Endpoint, Socket } from "../../../lib/index.ts";

const [path = "", secret = ""] = process.argv.slice(2);
const tenants = new TenantSecrets();
tenants.register("acme", secret);
const log = new LmdbOpLog({ path });
const documents = new Documents({ tenants, log, require: { durability: "power" } });

class AppChannel extends DocumentChannel {
  static override documents = documents;
}
class UserSocket extends Socket {
  static override channels = { "document:*": AppChannel };
}

const fail = (_details: object, message: string) => console.error(message);
const endpoint = new Endpoint({ logger: { debug() {}, info() {}, warn() {}, error: fail } });
endpoint.socket("/socket", UserSocket);
await log.ready();
const { port } = await endpoint.listen(0, "127.0.0.1");
console.log(`listening ${port} ${process.pid}`);
process.once("SIGTERM", async () => {
  await endpoint.close();
  await documents.close();
  console.log("closed");
});

// A document on LMDB, from the packed package: written, its server stopped, and read again by another one.
import assert from "node:assert/strict";
import { Socket as Client } from "phoenix";
import { Endpoint, Socket } from "phoenix-channels-server";
import { DocumentChannel, Documents, Jwt, TenantSecrets } from "phoenix-channels-server/documents";
import { LmdbOpLog } from "phoenix-channels-server/lmdb";
import { WebSocket } from "ws";

const tenants = new TenantSecrets();
tenants.register("acme", "a secret that is long enough for HS256");
const token = new Jwt(tenants).generateFullAccessToken("acme", "doc-1", "ada");
setTimeout(() => {
  console.error("timeout");
  process.exit(1);
}, 30_000).unref();

async function serve(use) {
  const documents = new Documents({
    tenants,
    log: new LmdbOpLog({ path: process.argv[2] }),
    require: { durability: "power" },
  });
  class AppDocumentChannel extends DocumentChannel {
    static documents = documents;
  }
  class UserSocket extends Socket {
    static channels = { "document:*": AppDocumentChannel };
  }
  const endpoint = new Endpoint();
  endpoint.socket("/socket", UserSocket);
  const { port } = await endpoint.listen(0, "127.0.0.1");
  const client = new Client(`ws://127.0.0.1:${port}/socket`, { transport: WebSocket });
  client.connect();
  const channel = client.channel("document:acme:doc-1");
  const ask = (push) =>
    new Promise((resolve, reject) =>
      push.receive("ok", resolve).receive("error", (e) => reject(new Error(JSON.stringify(e)))),
    );
  await ask(channel.join());
  const connected = await ask(
    channel.push("connect_document", { tenantId: "acme", id: "doc-1", token, client: {}, mode: "write" }),
  );
  await use((event, payload) => ask(channel.push(event, payload)), connected);
  client.disconnect();
  await endpoint.close();
  await documents.close();
}

await serve(async (push) => {
  const { sequenceNumber } = await push("submitOp", { type: "op", contents: { text: "kept" } });
  assert.equal(sequenceNumber, 2);
});
await serve(async (push) => {
  const { ops } = await push("requestOps", { from: 1, to: 2 });
  assert.deepEqual(ops[0].contents, { text: "kept" });
});
process.exit(0);

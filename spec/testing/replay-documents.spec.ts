import { expect } from "chai";
import { DocumentChannel, Documents, Jwt, SCOPES, TenantSecrets } from "../../lib/documents/index.ts";
import { Endpoint, Socket } from "../../lib/index.ts";
import { type ReplayOptions, replay, type VirtualClock } from "../../lib/testing/index.ts";
import { SECRET, serveDocuments } from "../documents/served.ts";
import { afterTest } from "../support/teardown.ts";
import { failureOf } from "./app.ts";

const VOLATILE = ["clientId", "timestamp", "key", "exp", "iat", "jti"];

/** Another server of documents, for a replay. */
function server(change: (contents: unknown) => boolean = () => true) {
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  let jwt: Jwt | null = null;
  const serve = (clock: VirtualClock) => {
    const documents = new Documents({ tenants, clock });
    afterTest(() => documents.close());
    jwt = new Jwt(tenants, { clock });
    class AppChannel extends DocumentChannel {
      static override documents = documents;
      override beforeOps(ops: readonly { readonly contents?: unknown }[]) {
        if (!ops.every(({ contents }) => change(contents))) throw new Error("not this one");
      }
    }
    class UserSocket extends Socket {
      static override channels = { "document:*": AppChannel };
    }
    const endpoint = new Endpoint({ clock });
    endpoint.socket("/socket", UserSocket);
    return endpoint;
  };
  const payload: ReplayOptions["payload"] = (step) => {
    const sent = step.payload as { readonly client?: { readonly user?: string } };
    const scopes = [SCOPES.read, SCOPES.write, SCOPES.summarize];
    const user = sent.client?.user ?? "ada";
    return { ...sent, token: (jwt as Jwt).generateTestToken("acme", "doc-1", user, { scopes }) };
  };
  return { serve, payload, volatile: VOLATILE };
}

describe("replay of documents", () => {
  it("gives two writers the same order again, under other client ids", async () => {
    const served = await serveDocuments();
    const trace = served.endpoint.trace({ maxPayload: 100_000 });
    const ada = await served.enter({ connect: { client: { user: "ada" } } });
    const bob = await served.enter({ user: "bob", connect: { client: { user: "bob" } } });
    await ada.caughtUp(2);
    await ada.submit("a", { n: 1 });
    await bob.caughtUp(4);
    await bob.submit("b");
    await ada.caughtUp(5);
    await ada.ask("submitOp", ada.submission({ ...ada.op("x"), clientSequenceNumber: 9 }));
    await ada.ask("submitSignal", { contentBatches: [{ cursor: 3 }] });
    await bob.next("signal");
    await bob.settle();
    await ada.settle();
    const steps = trace.take();
    const { clients, compared, left } = await replay(steps, server());
    expect({ clients, left }).to.deep.equal({ clients: 2, left: [] });
    expect(compared).to.be.above(15);
    const failed = await failureOf(
      replay(
        steps,
        server((contents) => contents !== "b"),
      ),
    );
    expect(failed.message).to.include('connection 1 (UserSocket) gets another payload with "op"');
  });
});

import { expect } from "chai";
import {
  type Claims,
  type ClientOp,
  DocumentChannel,
  Documents,
  TenantSecrets,
} from "../../lib/documents/index.ts";
import { ConfigError, error, ok, Socket } from "../../lib/index.ts";
import { documentCase, TestOpLog } from "../../lib/testing/documents.ts";
import { VirtualClock } from "../../lib/testing/index.ts";
import { afterTest } from "../support/teardown.ts";
import { newDocumentCase, newPair } from "./document.ts";

const appTenants = new TenantSecrets();
appTenants.register("acme", "the-secret-of-acme-with-32-bytes");

/** An app's channel, which has all hooks. */
class NotesChannel extends DocumentChannel<{ plan: string }, UserSocket> {
  static override documents = new Documents({ tenants: appTenants });
  static after: unknown[] = [];

  override async authorize({ user, team }: Claims, mode: string) {
    this.assigns.plan = mode;
    return team === "banned" ? error({ message: `${user.id} is banned`, until: "monday" }) : ok();
  }
  override async beforeOps(ops: readonly ClientOp[]) {
    return ops.some(({ contents }) => contents === "rude") ? error({ message: "be nice" }) : ok();
  }
  override afterOps(ops: readonly ClientOp[], first: number, last: number) {
    NotesChannel.after.push([ops.map(({ contents }) => contents), first, last]);
  }
  override onSignal(content: unknown) {
    return content === "spam" ? error() : ok();
  }
  override async resolveSummary(handle: string) {
    return handle === "stored";
  }

  static {
    this.on("plan", function () {
      return ok({
        plan: this.assigns.plan,
        lang: this.socket.assigns.lang ?? null,
        as: this.client?.clientId,
      });
    });
  }
}

class UserSocket extends Socket<{ lang?: string }> {
  static override channels = { "document:*": NotesChannel };
  override connect({ lang }: { lang?: unknown }) {
    this.assigns.lang = String(lang);
    return ok();
  }
}

describe("a document kit with the app's channel", () => {
  beforeEach(() => {
    NotesChannel.after = [];
  });

  it("asks authorize, and shows how it refuses", async () => {
    const kit = newDocumentCase({ channel: NotesChannel });
    const ada = await kit.connectDocument({ user: "ada" });
    expect(ada.assigns.plan).to.equal("write");
    const token = kit.tokens.full({ user: "eve", claims: { team: "banned" } });
    const refusal = await kit.assertDocumentRefused({ user: "eve", token }, { reason: "unauthorized" });
    expect(refusal).to.include({ code: 403, message: "eve is banned" });
    expect(refusal.details).to.include({ until: "monday" });
  });

  it("asks beforeOps, and tells afterOps", async () => {
    const { ada, bob } = await newPair({ channel: NotesChannel });
    const rude = ada.submitOp({ contents: "hi" }, { contents: "rude" });
    await ada.assertReply(rude, "error", { reason: "rejected", message: "be nice" });
    await ada.assertNack({ content: { code: 400, message: "be nice" } });
    await bob.refuteOp({ clientId: ada.clientId });
    expect(NotesChannel.after).to.deep.equal([]);
    const nice = ada.submitOp({ contents: "hi" }, { contents: "there" });
    await ada.assertReply(nice, "ok", { first: 3, sequenceNumber: 4 });
    expect(NotesChannel.after).to.deep.equal([[["hi", "there"], 3, 4]]);
  });

  it("asks onSignal and resolveSummary", async () => {
    const { ada, bob } = await newPair({ channel: NotesChannel });
    await ada.assertReply(ada.submitSignal("spam"), "error", { reason: "rejected" });
    await bob.refuteSignal();
    const unknown = ada.submitOp({ type: "summarize", contents: { handle: "lost", head: "" } });
    await ada.assertReply(unknown, "ok");
    await bob.assertOp({ type: "summaryNack" });
    const known = ada.submitOp({ type: "summarize", contents: { handle: "stored", head: "" } });
    await ada.assertReply(known, "ok");
    await bob.assertOp({ type: "summaryAck", contents: { handle: "stored" } });
    expect(ada.channel.session?.summary).to.include({ handle: "stored" });
  });

  it("has the app's events, and keeps its own documents out of it", async () => {
    const kit = newDocumentCase({ channel: NotesChannel });
    const ada = await kit.connectDocument();
    await ada.assertReply(ada.push("plan"), "ok", { plan: "write", lang: null, as: ada.clientId });
    expect(ada.channel).to.be.instanceOf(NotesChannel);
    expect(ada.channel.constructor.name).to.equal("NotesChannel");
    expect([...NotesChannel.documents.registry.sessions()]).to.deep.equal([]);
    expect([...kit.documents.registry.sessions()]).to.have.length(1);
  });

  it("goes through the app's socket, also when it reconnects", async () => {
    const kit = newDocumentCase({ channel: NotesChannel });
    const socket = await kit.connect(UserSocket, { lang: "en" });
    const ada = await kit.connectDocument({ socket });
    expect(ada.socket).to.equal(socket);
    await ada.assertReply(ada.push("plan"), "ok", { lang: "en" });
    const again = await ada.reconnect();
    await again.assertReply(again.push("plan"), "ok", { lang: "en", as: again.clientId });
  });

  it("takes the test's own documents, and leaves them open", async () => {
    const documents = new Documents({ tenants: appTenants, maxClients: 1, log: new TestOpLog() });
    afterTest(() => documents.close());
    const kit = documentCase({ channel: NotesChannel, documents });
    expect(kit.log).to.equal(documents.log);
    const ada = await kit.connectDocument();
    await kit.assertDocumentRefused({}, { reason: "too_many_clients", code: 429 });
    await ada.assertReply(ada.submitOp({ contents: 1 }), "ok");
    await kit.close();
    expect((await documents.registry.startOrGet("acme", "doc-1")).head).to.be.at.least(2);
  });

  it("says so, if their log isn't the kit's or their clock another", () => {
    const kit = newDocumentCase({ documents: new Documents({ tenants: appTenants }) });
    expect(() => kit.log)
      .to.throw("new TestOpLog(log)")
      .with.property("code", "no_test_log");
    const clock = new VirtualClock();
    const documents = new Documents({ tenants: appTenants, clock });
    expect(() => newDocumentCase({ documents }))
      .to.throw(ConfigError, "another clock")
      .with.property("code", "invalid_option");
    expect(newDocumentCase({ documents, clock }).clock).to.equal(clock);
  });

  it("refuses options that make no sense", async () => {
    const wrong = (options: object, message: string) =>
      expect(() => newDocumentCase(options as never)).to.throw(ConfigError, message);
    wrong({ documment: "x" }, 'documentCase has no option "documment"');
    wrong({ tenant: 7 }, "documentCase: tenant must be a string");
    wrong({ channel: Socket }, "documentCase: channel must be a class that extends DocumentChannel");
    wrong({ documents: {} }, "documentCase: documents must be a Documents");
    wrong({ log: {} }, "documentCase: log must have the methods");
    wrong({ clock: "system" }, "documentCase: clock must be a VirtualClock");
    wrong({ secret: "short" }, "documentCase: secret must be a string or Uint8Array of at least 32 bytes");
    wrong({ tenant: "a:b" }, "a tenant is");
    const documents = new Documents({ tenants: appTenants });
    wrong({ documents, log: new TestOpLog() }, "documents or log");
    const kit = newDocumentCase();
    const refused = async (options: object, message: string) =>
      expect(String(await kit.connectDocument(options as never).catch((e: unknown) => e))).to.include(
        message,
      );
    await refused({ tokn: 1 }, 'connectDocument has no option "tokn"');
    await refused({ socket: {} }, "connectDocument: socket must be a TestSocket");
    await refused({ document: "" }, "these name no document");
  });
});

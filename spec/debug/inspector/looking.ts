import { createHmac } from "node:crypto";
import { expect } from "chai";
import type { Table, TableName } from "../../../lib/debug/inspector/inventory.ts";
import { DocumentChannel, Documents, TenantSecrets } from "../../../lib/documents/index.ts";
import {
  Channel,
  type ConnectParams,
  type EndpointOptions,
  error,
  type InspectOptions,
  ok,
  Socket,
} from "../../../lib/index.ts";
import { Presence } from "../../../lib/presence/index.ts";
import { connect, type Frame, type RawClient } from "../../support/client.ts";
import { Gate } from "../../support/gate.ts";
import { serve } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";

const SECRET = "the-secret-of-acme-with-32-bytes";
/** Of the inspector's own channel. */
const OWN = "inspector";

/** An app with something of everything that the inspector shows, and the inspector at /inspector. */
export async function serveInspected(inspect?: InspectOptions, options: EndpointOptions = {}) {
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  const documents = new Documents({ tenants });
  const gate = new Gate();

  class Room extends Channel {
    override async join(topic: string, payload: unknown) {
      if (topic === "room:board") return error({ reason: "members only" });
      const { key } = payload as { key?: string };
      if (key !== undefined) this.sendSelf(key);
      return ok();
    }
    override async handleInfo(key: unknown) {
      await presence.track(this, String(key), { device: "phone", password: "p" });
    }
    static {
      this.on("shout", function (payload: object) {
        this.broadcast("shouted", payload);
        return ok({ heard: true });
      });
      this.on("tell", function ({ topic }: { topic: string }) {
        this.endpoint.broadcast(topic, "told");
        return ok();
      });
      this.on("wait", async () => {
        await gate.promise;
        return ok();
      });
      this.on("boom", () => {
        throw new TypeError("no such user");
      });
    }
  }
  class Doc extends DocumentChannel {
    static override documents = documents;
  }
  class UserSocket extends Socket<{ user: string }> {
    static override channels = { "room:*": Room, "document:*": Doc };
    override connect({ user = "ada" }: ConnectParams) {
      if (user === "mallory") return error("banned");
      this.assigns.user = String(user);
      return ok();
    }
    override id() {
      return `user:${this.assigns.user}`;
    }
  }

  const served = await serve(UserSocket, {}, options);
  const { endpoint, url, port } = served;
  const presence = new Presence(endpoint);
  afterTest(() => documents.close());
  endpoint.inspect("/inspector", inspect);
  afterTest(() => gate.open());
  return {
    ...served,
    gate,
    page: `http://127.0.0.1:${port}/inspector/`,
    socket: `ws://127.0.0.1:${port}/inspector/socket/websocket`,
    /** A client of the app's, joined to topics with join_ref "1". */
    async client(user: string, ...topics: string[]): Promise<RawClient> {
      const client = await connect(url, `vsn=2.0.0&user=${encodeURIComponent(user)}`);
      for (const topic of topics) await client.join(topic);
      return client;
    },
    /** Somebody who looks, without a page. */
    look: async (): Promise<Looker> => Looker.open(`ws://127.0.0.1:${port}/inspector/socket/websocket`),
  };
}

/** Speaks to the inspector as its page does. */
export class Looker {
  readonly client: RawClient;
  #ref = 1;

  private constructor(client: RawClient) {
    this.client = client;
  }

  static async open(url: string): Promise<Looker> {
    const client = await connect(url);
    expect((await client.join(OWN))[4].status).to.equal("ok");
    return new Looker(client);
  }

  /** What it is answered, past what else is sent meanwhile. */
  async ask(event: string, payload: unknown = {}): Promise<{ status: string; response: Frame }> {
    const ref = `ask-${++this.#ref}`;
    this.client.send(["1", ref, OWN, event, payload]);
    for (;;) {
      const frame = await this.client.next();
      if (frame[1] === ref) return frame[4];
    }
  }

  async table(table: TableName, search = ""): Promise<Table> {
    const { status, response } = await this.ask("watch", { table, search });
    expect(status).to.equal("ok");
    return response as Table;
  }

  /** The payload of the next message of an event. */
  async told(event: string): Promise<Frame> {
    for (;;) {
      const frame = await this.client.next();
      if (frame[3] === event) return frame[4];
    }
  }
}

/** Joins a document and connects to it, to write. */
export async function connectDocument(client: RawClient, document: string): Promise<string> {
  const topic = `document:acme:${document}`;
  await client.join(topic);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    documentId: document,
    tenantId: "acme",
    scopes: ["doc:read", "doc:write"],
    user: { id: "ada" },
    iat: now,
    exp: now + 3600,
    ver: "1.0",
  };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const token = `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  const reply = await client.ask("1", "connect", topic, "connect_document", {
    tenantId: "acme",
    id: document,
    token,
    client: { user: { id: "ada" } },
    mode: "write",
    versions: ["^0.1.0"],
  });
  expect(reply[4].status, JSON.stringify(reply)).to.equal("ok");
  return reply[4].response.clientId;
}

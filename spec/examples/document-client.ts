import { once } from "node:events";
import { WebSocket } from "ws";
import { type Frame, RawClient } from "../support/client.ts";
import { afterTest } from "../support/teardown.ts";

/** Each name is a person of their own. */
const secretOf = (name: string) => `the-secret-of-${name}`;

export interface SequencedOp {
  readonly type: string;
  readonly clientId: string | null;
  readonly sequenceNumber: number;
  // biome-ignore lint/suspicious/noExplicitAny: contents are any JSON, and specs look into them
  readonly contents: any;
}

/** A client of a document that speaks frames: what the page would hide can be seen, and done. */
export class DocumentClient {
  readonly clientId: string;
  readonly #client: RawClient;
  readonly #topic: string;

  private constructor(client: RawClient, topic: string, clientId: string) {
    this.#client = client;
    this.#topic = topic;
    this.clientId = clientId;
  }

  /** Asks the server of the examples for a token. */
  static async token(host: string, document: string, mode: "read" | "write", name = "Raw"): Promise<string> {
    const response = await fetch(`${host}documents/token`, {
      method: "POST",
      headers: { authorization: `Bearer ${secretOf(name)}` },
      body: JSON.stringify({ document, mode, name, tab: "tab of a spec" }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  /** Joins a document's channel; it isn't connected to the document. */
  static async join(
    host: string,
    document: string,
    name = "Raw",
  ): Promise<{ client: RawClient; topic: string }> {
    const address = `${host.replace("http", "ws")}documents/socket/websocket?vsn=2.0.0`;
    const protocol = `base64url.bearer.phx.${btoa(secretOf(name)).replaceAll("=", "")}`;
    const ws = new WebSocket(address, ["phoenix", protocol]);
    afterTest(() => ws.terminate());
    const client = new RawClient(ws);
    await once(ws, "open");
    const topic = `document:example:${document}`;
    await client.join(topic);
    return { client, topic };
  }

  static async connect(
    host: string,
    document: string,
    mode: "read" | "write" = "write",
    name = "Raw",
  ): Promise<DocumentClient> {
    const { client, topic } = await DocumentClient.join(host, document, name);
    const token = await DocumentClient.token(host, document, mode, name);
    const payload = { tenantId: "example", id: document, token, client: {}, mode };
    const reply = await client.ask("1", "connect", topic, "connect_document", payload);
    return new DocumentClient(client, topic, reply[4].response.clientId);
  }

  /** Pushes, and takes the reply's payload; other frames before it are dropped. */
  async ask(event: string, payload: object): Promise<Frame> {
    this.#client.send(["1", event, this.#topic, event, payload]);
    for (;;) {
      const frame = await this.#client.next();
      if (frame[1] === event && frame[3] === "phx_reply") return frame[4];
    }
  }

  /** Submits ops in one push, with the numbers from a client sequence number on. */
  submit(contents: readonly object[], from: number, rsn: number): Promise<Frame> {
    const ops = contents.map((content, i) => ({
      type: "op",
      clientSequenceNumber: from + i,
      referenceSequenceNumber: rsn,
      contents: content,
    }));
    return this.ask("submitOp", { clientId: this.clientId, messageBatches: [ops] });
  }

  /** All ops of the log. */
  async log(): Promise<SequencedOp[]> {
    const ops: SequencedOp[] = [];
    for (;;) {
      const { response } = await this.ask("requestOps", { from: ops.length });
      ops.push(...response.ops);
      if (!response.more) return ops;
    }
  }
}

/** What a document's log has: its edits, each with an update. Their numbers, and those of all ops, must be whole. */
export async function readEdits(host: string, document: string): Promise<string[]> {
  const reader = await DocumentClient.connect(host, document, "read");
  const ops = await reader.log();
  for (const [i, { sequenceNumber }] of ops.entries()) {
    if (sequenceNumber !== i + 1) throw new Error(`op ${sequenceNumber} stands at ${i + 1}`);
  }
  return ops.filter(({ type }) => type === "op").map(({ contents }) => contents.update as string);
}

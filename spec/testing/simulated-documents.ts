import { expect } from "chai";
import {
  DocumentChannel,
  Documents,
  Jwt,
  type SequencedOp,
  TenantSecrets,
} from "../../lib/documents/index.ts";
import { Endpoint, Socket } from "../../lib/index.ts";
import type {
  PhoenixChannel,
  SimulatedClient,
  SimulatedServer,
  Simulation,
  Timers,
  VirtualClock,
} from "../../lib/testing/index.ts";
import { example } from "../docs/markdown.ts";
import { opsIn } from "../documents/log-contents.ts";
import type { ProcessLog, SimulatedEngine } from "./simulated-log.ts";

const TENANT = "acme";
const tenants = new TenantSecrets();
tenants.register(TENANT, "the-secret-of-acme-with-32-bytes");

/** What outlives the server: the engine; and what a spec wants to know of the server that runs. */
export interface World {
  readonly engine: SimulatedEngine;
  /** Of 0 bytes all that clients catch up with is read from the log. */
  readonly maxRecentBytes: number;
  documents: Documents | null;
}

/** A process of the server. */
export function serveDocuments(clock: VirtualClock, world: World): SimulatedServer {
  const log: ProcessLog = world.engine.open(clock);
  const { maxRecentBytes } = world;
  const options = { node: "simulated", idleTimeout: 3_000, maxRecentBytes };
  const documents = new Documents({ tenants, log, clock, ...options });
  class Channel extends DocumentChannel {
    static override documents = documents;
  }
  class UserSocket extends Socket {
    static override channels = { "document:*": Channel };
  }
  const endpoint = new Endpoint({ clock });
  endpoint.socket("/socket", UserSocket);
  world.documents = documents;
  return { endpoint, close: () => documents.close(), kill: () => log.kill() };
}

// ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────

/** What the client of docs/documents.md is given, and gives. */
type OpenDocument = (
  socket: { channel(topic: string): PhoenixChannel },
  options: {
    readonly tenantId: string;
    readonly id: string;
    readonly getToken: () => Promise<string>;
    readonly onOp: (op: SequencedOp) => void;
    readonly onRefused: (refused: { readonly reason: string }) => void;
    readonly setTimeout: Timers["setTimeout"];
  },
) => { readonly channel: PhoenixChannel; readonly submit: (contents: unknown) => void };

/** The client of docs/documents.md. */
const source = example("docs/documents.md", "client.mjs");
const { openDocument } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
  readonly openDocument: OpenDocument;
};

interface Contents {
  readonly by: string;
  readonly n: number;
}

/** A push whose ops are durable, as the server has said. */
interface Acknowledged {
  readonly clientId: string;
  readonly ops: readonly { readonly clientSequenceNumber: number; readonly contents: Contents }[];
  /** The numbers of its first op and of its last. */
  readonly first: number;
  readonly last: number;
}

export interface AuthorOptions {
  /** Milliseconds for which its tokens count. */
  readonly tokens: number;
  /** Milliseconds until a token is there. */
  readonly tokenDelay: number;
}

/** Somebody who writes to a document: 1, 2, 3 and so on. */
export class Author {
  readonly name: string;
  readonly document: string;
  /** All that it was told of the document. */
  readonly ops: SequencedOp[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly refused: unknown[] = [];
  /** How often it went on from an earlier connection. */
  resumed = 0;
  /** How many ops it has written. */
  written = 0;
  /** It was closed: what it hasn't sent by then it never will. */
  gone = false;
  readonly #submit: (contents: unknown) => void;
  readonly #client: SimulatedClient;
  #clientId: string | null = null;
  /** Its latest `connect_document` was answered, and its channel hasn't ended since. */
  #connected = false;

  constructor(
    simulation: Simulation,
    client: SimulatedClient,
    document: string,
    { tokens, tokenDelay }: AuthorOptions,
  ) {
    this.name = client.name;
    this.document = document;
    this.#client = client;
    const { timers, socket } = client;
    const jwt = new Jwt(tenants, { clock: simulation.clock });
    const channel = (topic: string) => this.#watched(socket.channel(topic));
    const { submit } = openDocument(
      { channel },
      {
        tenantId: TENANT,
        id: document,
        getToken: async () => {
          if (tokenDelay > 0) await new Promise<void>((resolve) => timers.setTimeout(resolve, tokenDelay));
          const scopes = ["doc:read", "doc:write"];
          return jwt.generateTestToken(TENANT, document, this.name, { scopes, expiresIn: tokens / 1000 });
        },
        onOp: (op) => this.ops.push(op),
        onRefused: (why) => this.refused.push(why),
        setTimeout: timers.setTimeout,
      },
    );
    this.#submit = submit;
  }

  /** The id of its latest connection. */
  get clientId(): string | null {
    return this.#clientId;
  }

  /** It isn't connected, and means to be. */
  get isAway(): boolean {
    return !this.gone && !this.#connected;
  }

  write(): void {
    if (this.gone) return;
    this.written++;
    this.#submit({ by: this.name, n: this.written } satisfies Contents);
  }

  /** Leaves for good. */
  leave(): void {
    this.gone = true;
    this.#client.socket.disconnect();
  }

  /** Notes what the server acknowledges, beside what the client makes of it. */
  #watched(channel: PhoenixChannel): PhoenixChannel {
    channel.onError(() => {
      this.#connected = false;
    });
    const push = channel.push.bind(channel);
    channel.push = (event, payload, timeout) => {
      const sent = push(event, payload, timeout);
      if (event === "connect_document") {
        sent.receive("ok", (reply) => {
          const { clientId, resumed } = reply as { readonly clientId: string; readonly resumed?: object };
          this.#clientId = clientId;
          this.#connected = true;
          if (resumed !== undefined) this.resumed++;
        });
      }
      if (event === "submitOp") {
        const { clientId, messageBatches } = payload as {
          readonly clientId: string;
          readonly messageBatches: readonly [Acknowledged["ops"]];
        };
        sent.receive("ok", (reply) => {
          const { first, sequenceNumber: last } = reply as {
            readonly first: number;
            readonly sequenceNumber: number;
          };
          this.acknowledged.push({ clientId, ops: messageBatches[0], first, last });
        });
      }
      return sent;
    };
    return channel;
  }
}

// ── what must hold ───────────────────────────────────────────────────────────────────────────────────────────

/** Checks a document when all faults are over: see the names of what is expected. */
export async function expectConverged(
  { engine, documents }: World,
  document: string,
  authors: readonly Author[],
): Promise<void> {
  const log = await opsIn(engine.inner, 0, { tenant: TENANT, document });
  expectLifecycles(log, authors);
  expectNumbers(log);
  for (const author of authors) {
    const { name, gone, ops, written } = author;
    expect(author.refused, `what ${name} couldn't mend`).to.deep.equal([]);
    expect(ops, `${name} has what the log has`).to.deep.equal(gone ? log.slice(0, ops.length) : log);
    const own = log
      .filter(({ type, contents }) => type === "op" && (contents as Contents).by === name)
      .map(({ contents }) => (contents as Contents).n);
    expect(own, `ops of ${name}: each once, in the order of writing`).to.deep.equal(
      Array.from({ length: gone ? own.length : written }, (_, i) => i + 1),
    );
    for (const push of author.acknowledged) expectSequenced(log, push);
  }
  const session = documents?.registry.lookup(TENANT, document);
  expect(session?.head).to.equal(log.length);
  expect(session?.queued).to.equal(0);
}

/** What was acknowledged is in the log, with the numbers that were told. */
function expectSequenced(log: readonly SequencedOp[], { clientId, ops, first, last }: Acknowledged): void {
  const found = ops.map(({ clientSequenceNumber: csn }) =>
    log.filter((op) => op.clientId === clientId && op.clientSequenceNumber === csn),
  );
  expect(
    found.map((each) => each.map(({ contents }) => contents)),
    `acknowledged as ${first} to ${last}`,
  ).to.deep.equal(ops.map(({ contents }) => [contents]));
  expect(found.at(0)?.[0]?.sequenceNumber, "first").to.equal(first);
  expect(found.at(-1)?.[0]?.sequenceNumber, "last").to.equal(last);
}

/** Joins and leaves: each client writes between its own, and who is gone has left. */
function expectLifecycles(log: readonly SequencedOp[], authors: readonly Author[]): void {
  const connected = new Set<string>();
  const known = new Set<string>();
  const counts = new Map<string, number>();
  for (const { type, clientId, contents, clientSequenceNumber, sequenceNumber } of log) {
    const at = `op ${sequenceNumber}, a ${type}`;
    if (type === "join") {
      const { clientId: joined } = contents as { readonly clientId: string };
      expect(known.has(joined), `${at}: joins once`).to.equal(false);
      known.add(joined);
      connected.add(joined);
    } else if (type === "leave") {
      expect(connected.delete(contents as string), `${at}: of somebody who is connected`).to.equal(true);
    } else if (clientId !== null) {
      expect(connected.has(clientId), `${at}: by somebody who is connected`).to.equal(true);
      const count = (counts.get(clientId) ?? 0) + 1;
      expect(clientSequenceNumber, `${at}: its client's count`).to.equal(count);
      counts.set(clientId, count);
    }
  }
  const present = authors.filter(({ gone }) => !gone).map(({ clientId }) => clientId);
  expect([...connected], "who is connected").to.have.members(present);
}

/** Numbers and times that never fall, and ops that refer to what wasn't forgotten. */
function expectNumbers(log: readonly SequencedOp[]): void {
  let before: SequencedOp | null = null;
  for (const op of log) {
    const at = `op ${op.sequenceNumber}`;
    expect(op.minimumSequenceNumber, `${at}: minimum`).to.be.at.least(before?.minimumSequenceNumber ?? 0);
    expect(op.minimumSequenceNumber, `${at}: minimum`).to.be.at.most(op.sequenceNumber);
    expect(op.timestamp, `${at}: time`).to.be.at.least(before?.timestamp ?? 0);
    if (op.clientId !== null) {
      const { referenceSequenceNumber: reference } = op;
      expect(reference, `${at}: reference`).to.be.at.least(before?.minimumSequenceNumber ?? 0);
      expect(reference, `${at}: reference`).to.be.below(op.sequenceNumber);
    }
    before = op;
  }
}

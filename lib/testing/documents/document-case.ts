import { type KeyObject, randomBytes } from "node:crypto";
import type { ChannelClass } from "../../channel/channel-class.ts";
import type { TokenUser } from "../../documents/claims.ts";
import { DocumentChannel } from "../../documents/document-channel.ts";
import { Documents } from "../../documents/documents.ts";
import type { OpLog } from "../../documents/log/op-log.ts";
import { documentKey, documentName, documentTopic } from "../../documents/names.ts";
import { type Secret, secretKey } from "../../documents/secret.ts";
import { type AnyTenantSecrets, TenantSecrets } from "../../documents/tenant-secrets.ts";
import { endpointInternals } from "../../endpoint.ts";
import { ConfigError, describe, StateError } from "../../errors.ts";
import { Socket } from "../../socket.ts";
import { assertOptions } from "../assert-options.ts";
import { ChannelCase } from "../channel-case.ts";
import { type Failure, failure } from "../failure.ts";
import { comparison } from "../inbox.ts";
import { shown } from "../match.ts";
import type { TestSocket } from "../test-socket.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { type AnyDocumentChannel, type ReconnectOptions, TestDocumentClient } from "./document-client.ts";
import {
  type CheckedDocumentCase,
  type ConnectDocumentOptions,
  checkConnect,
  checkDocumentCase,
  type DocumentCaseOptions,
  type DocumentChannelClass,
  type JoinDocumentOptions,
} from "./options.ts";
import { TestOpLog } from "./test-op-log.ts";
import { TestTokens } from "./tokens.ts";

/** How the server, or the app, refused a `connect_document`. */
export interface DocumentRefusal {
  /** Why, as the protocol lists it: `"unauthorized"` if the app's `authorize` returned error(). */
  readonly reason: string;
  readonly code: number;
  readonly message: string;
  /** What `authorize` gave to `error`. */
  readonly details?: unknown;
  readonly [field: string]: unknown;
}

/** Lets everybody connect: what a document's client may do, its token says. */
class DocumentSocket extends Socket<object> {}

/** The clients of a document, and the server that they meet: made by `documentCase`. Its time is virtual. */
export class DocumentCase<C extends AnyDocumentChannel = AnyDocumentChannel> extends ChannelCase {
  readonly tenant: string;
  readonly document: string;
  /** The documents that the clients meet: `kit.documents.registry.lookup(tenant, document)` is a session. */
  readonly documents: Documents;
  /** The tenants' secrets. */
  readonly tenants: AnyTenantSecrets;
  /** Tokens of every kind. */
  readonly tokens: TestTokens;
  readonly #channelClass: ChannelClass<C>;
  readonly #secret: KeyObject | null;
  readonly #log: TestOpLog | null;
  readonly #ownsDocuments: boolean;
  /** What each client connected with. */
  readonly #asked = new WeakMap<TestDocumentClient<C>, ConnectDocumentOptions>();
  #ending: Promise<void> | null = null;

  /** @internal */
  constructor(options: CheckedDocumentCase<C>) {
    const { tenant, document, secret, timeout, heartbeatIntervalMs, ...rest } = options;
    // Tokens count in whole seconds: this way `expiresIn: 60` is over after `advance(60_000)`.
    const clock = rest.clock ?? new VirtualClock(Math.ceil(Date.now() / 1000) * 1000);
    const key = secret === undefined ? null : secretKey(secret, "documentCase: secret");
    const documents = rest.documents ?? newDocuments(tenant, secret ?? randomBytes(32), rest.log);
    super(null, { clock, timeout, heartbeatIntervalMs });
    this.tenant = tenant;
    this.document = document;
    this.documents = documents;
    this.tenants = documents.tenants;
    this.#secret = key;
    this.#ownsDocuments = rest.documents === undefined;
    this.#log = documents.log instanceof TestOpLog ? documents.log : null;
    this.#channelClass = serving(rest.channel, documents);
    documents.mounted(this.endpoint);
    if (!isOn(documents, this.clock)) {
      void super.close();
      throw new ConfigError(
        "invalid_option",
        "documentCase: the documents have another clock than the kit: make new Documents for each test, or give both the same VirtualClock",
      );
    }
    endpointInternals(this.endpoint).onInFlight(() =>
      this.#log === null || this.#log.busy === 0 ? [] : [`the log is at work on ${this.#log.busy} calls`],
    );
    this.tokens = new TestTokens({
      tenant,
      document,
      now: () => this.clock.now(),
      signingKey: (name) => this.#signingKey(name),
    });
  }

  /**
   * The documents' log, to hold it up or let it fail.
   *
   * @throws StateError (`no_test_log`) for `documents` of the test's whose log is no TestOpLog.
   */
  get log(): TestOpLog {
    if (this.#log !== null) return this.#log;
    throw new StateError(
      "no_test_log",
      `the documents' log is ${describe(this.documents.log.name)} as it is: give them new TestOpLog(log)`,
    );
  }

  /**
   * Connects a client to the document: joins its topic, and pushes `connect_document`. By default it has a
   * connection and a token of its own, which allows everything.
   *
   * @throws AssertionError if it is refused.
   */
  async connectDocument(options: ConnectDocumentOptions = {}): Promise<TestDocumentClient<C>> {
    const call = "connectDocument()";
    const { client, refusal } = await this.#connect("connectDocument", options, []);
    if (refusal === null) return client;
    throw this.#fail(call, `connect_document was refused: ${shown(refusal)}`, {
      actual: refusal,
      expected: "a connection",
    });
  }

  /**
   * Connects a client to the document, and expects that it is refused.
   *
   * @param match A part of the refusal `{reason, code, message, …}` that it must have.
   * @throws AssertionError if it is let in, or refused otherwise.
   */
  async assertDocumentRefused(
    options: ConnectDocumentOptions = {},
    match?: unknown,
  ): Promise<DocumentRefusal> {
    const call = `assertDocumentRefused(${[options, ...(match === undefined ? [] : [match])].map((each) => shown(each)).join(", ")})`;
    const { client, refusal } = await this.#connect("assertDocumentRefused", options, []);
    if (refusal === null) {
      const { clientId, mode } = client;
      throw this.#fail(call, "the client was let in", {
        actual: { clientId, mode },
        expected: match ?? "a refusal",
      });
    }
    const compared = comparison(refusal, match);
    if (compared.differences.length === 0) return refusal;
    throw this.#fail(call, "the refusal is another", {
      nearest: { event: "connect_document_error", payload: refusal, comparison: compared },
    });
  }

  /**
   * Joins a document's topic, and does no more: a client without a token, who may do nothing. To connect it, push
   * `connect_document`.
   *
   * @throws AssertionError if the join is refused.
   */
  async joinDocument(options: JoinDocumentOptions = {}): Promise<TestDocumentClient<C>> {
    return this.#join("joinDocument", checkConnect(options, "joinDocument"));
  }

  /**
   * Closes all clients, then the documents if the kit has made them. A log that is held up, or fails, is released.
   *
   * @returns Resolves when nothing is left behind. Further calls return the same promise.
   */
  override close(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** @internal */
  override clockHint(): string | null {
    return this.#log?.hint ?? super.clockHint();
  }

  // ── what its clients call ──────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  async reconnect(
    client: TestDocumentClient<C>,
    { resume = true, ...options }: ReconnectOptions,
  ): Promise<TestDocumentClient<C>> {
    await client.close();
    const { socket } = client.socket;
    // Of the same class, and with the same rights at the socket.
    const again = this.socket(
      socket.constructor as never,
      client.socket.id,
      ...([socket.assigns] as [never]),
    );
    const asked: ConnectDocumentOptions = {
      ...this.#asked.get(client),
      lastSeenSequenceNumber: client.head,
      socket: again,
      ...options,
      resume: resume ? client.resume : undefined,
    };
    const { client: connected, refusal } = await this.#connect("reconnect", asked, client.unanswered);
    if (refusal === null) return connected;
    throw this.#fail("reconnect()", `connect_document was refused: ${shown(refusal)}`, {
      actual: refusal,
      expected: "a connection",
    });
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #join(
    method: string,
    { tenant = this.tenant, document = this.document, user = "user-1", ...rest }: JoinDocumentOptions,
  ): Promise<TestDocumentClient<C>> {
    const topic = documentTopic({ tenant, document });
    const name = documentName(topic);
    if (name === null || name.tenant !== tenant) {
      const given = `${describe(tenant)}, ${describe(document)}`;
      throw new ConfigError("invalid_argument", `${method}: these name no document: ${given}`);
    }
    const socket: TestSocket = rest.socket ?? this.socket(DocumentSocket, idOf(user));
    let client: TestDocumentClient<C> | null = null;
    const make = (at: string, joinRef: string) => {
      client = new TestDocumentClient<C>(this, socket, at, joinRef, name);
      return client as never;
    };
    const outcome = await socket.joinAs(make, this.#channelClass, topic, rest.join);
    const joined = client as TestDocumentClient<C> | null;
    if (outcome.status === "error" || joined === null) {
      throw this.#fail(`${method}()`, `the join of ${topic} was refused: ${shown(outcome.payload)}`, {
        actual: { status: "error", payload: outcome.payload },
        expected: { status: "ok" },
      });
    }
    // What the document's channels broadcast doesn't go to the topic.
    this.listen(documentKey(name), joined as never);
    return joined;
  }

  async #connect(
    method: string,
    options: ConnectDocumentOptions,
    unanswered: TestDocumentClient<C>["unanswered"],
  ): Promise<{ client: TestDocumentClient<C>; refusal: DocumentRefusal | null }> {
    const checked = checkConnect(options, method);
    const { mode, client: detail = {}, versions, lastSeenSequenceNumber, resume, user } = checked;
    const client = await this.#join(method, checked);
    const { tenant, document } = client;
    const token = checked.token ?? this.tokens.full({ tenant, document, user });
    const asked = { mode, client: detail, versions, lastSeenSequenceNumber, resume };
    // Without what is undefined, as it goes over the wire.
    const given = Object.entries(asked).filter(([, value]) => value !== undefined);
    const payload = { tenantId: tenant, id: document, token, ...Object.fromEntries(given) };
    const { timeout } = assertOptions({}, method, this.timeout);
    const lastSeen = lastSeenSequenceNumber ?? 0;
    const { status, response, flight } = await client.connect(payload, lastSeen, timeout);
    if (status === null)
      throw this.#fail(`${method}()`, "connect_document wasn't answered", { flight, hint: this.clockHint() });
    if (status === "error") return { client, refusal: response as DocumentRefusal };
    this.#asked.set(client, checked);
    client.takeOver(unanswered);
    return { client, refusal: null };
  }

  #signingKey(tenant: string): KeyObject | null {
    if (this.#secret !== null && tenant === this.tenant) return this.#secret;
    const key = this.tenants.signingKey(tenant);
    if (!(key instanceof Promise)) return key;
    // Whether it fails is nobody's concern here.
    key.catch(() => {});
    throw new ConfigError(
      "invalid_option",
      "documentCase: the tenants' secrets come from a source: give the kit the tenant's as secret",
    );
  }

  async #end(): Promise<void> {
    this.#log?.release();
    await super.close();
    if (!this.#ownsDocuments) return;
    let ended = false;
    const done = () => {
      ended = true;
    };
    const closing = this.documents.close();
    closing.then(done, done);
    while (!ended) {
      await this.rest.wait({ timeout: this.timeout, look: () => ended, busy: true });
      // What it waits for besides is the clock's: an append that it tries again.
      if (!ended && this.#log?.busy === 0) await this.clock.advance(1000);
    }
    await closing;
  }

  #fail(call: string, what: string, rest: Partial<Failure>): Error {
    return failure({ call, what, transcript: this.transcript, ...rest });
  }
}

function newDocuments(tenant: string, secret: Secret, log: OpLog | undefined): Documents {
  const tenants = new TenantSecrets();
  tenants.register(tenant, secret);
  return new Documents({ tenants, log: log instanceof TestOpLog ? log : new TestOpLog(log) });
}

/** The channel class, serving other documents than its own. */
function serving<C extends AnyDocumentChannel>(
  channel: DocumentChannelClass<C> | undefined,
  documents: Documents,
): ChannelClass<C> {
  const base = (channel ?? DocumentChannel) as unknown as typeof DocumentChannel;
  if (base.documents === documents) return base as unknown as ChannelClass<C>;
  const own = class extends base {
    static override documents = documents;
  };
  Object.defineProperty(own, "name", { value: base.name });
  return own as unknown as ChannelClass<C>;
}

/** Whether the documents' time is that of a clock: what one schedules waits in the other. */
function isOn({ clock }: Documents, kit: VirtualClock): boolean {
  const before = kit.pending;
  const cancel = clock.schedule(() => {}, 86_400_000);
  const is = kit.pending === before + 1;
  cancel();
  return is;
}

function idOf(user: string | TokenUser): string {
  return typeof user === "string" ? user : user.id;
}

/**
 * Begins a test of a document: clients with tokens of every kind, a log that can fail, and virtual time, without a
 * port or a network.
 *
 * ```ts
 * const kit = documentCase({ tenant: "acme", document: "doc-1", channel: NotesChannel });
 * const ada = await kit.connectDocument({ user: "ada" });
 * const bob = await kit.connectDocument({ user: "bob", token: kit.tokens.readOnly({ user: "bob" }) });
 * ada.submitOp({ contents: { insert: "hi" } });
 * await bob.assertOp({ clientId: ada.clientId, contents: { insert: "hi" } });
 * ```
 *
 * @throws ConfigError (`invalid_option`, `unknown_option`, `invalid_argument`)
 */
export function documentCase<C extends AnyDocumentChannel = AnyDocumentChannel>(
  options: DocumentCaseOptions<C> = {},
): DocumentCase<C> {
  return new DocumentCase(checkDocumentCase(options));
}

import type { Cancel } from "../clock.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import type { DocumentHost } from "./documents.ts";
import type { DocumentName } from "./log/op-log.ts";
import { isId, isTenantId } from "./names.ts";
import { Session } from "./session.ts";

/** One document's place: its session starts, runs or ends. */
interface Place {
  readonly name: DocumentName;
  session: Session | null;
  starting: Promise<Session> | null;
  /** Those who need the session, and whom its clients may not show yet. */
  references: number;
  cancelStop: Cancel | null;
}

/** The sessions of this node: one for each document that somebody uses. */
export class Registry {
  readonly #host: DocumentHost;
  readonly #idleTimeout: number;
  readonly #tenants = new Map<string, Map<string, Place>>();
  /** Sessions that end: the next one of the document waits for that. */
  readonly #ending = new Map<string, Map<string, Promise<void>>>();
  #closed = false;

  /** @internal */
  constructor(host: Omit<DocumentHost, "settled">, idleTimeout: number) {
    this.#host = { ...host, settled: (session) => this.#settled(session) };
    this.#idleTimeout = idleTimeout;
  }

  /** The session of a document, if it runs on this node. */
  lookup(tenant: string, document: string): Session | undefined {
    return this.#tenants.get(tenant)?.get(document)?.session ?? undefined;
  }

  /**
   * The session of a document, which is started if it doesn't run. It runs on while it has clients, and for
   * `idleTimeout` after that.
   *
   * @throws ConfigError (`invalid_argument`) for a name that can't be a document's, StateError (`closed`), OpLogError
   * if the log can't be read: all by rejection.
   */
  async startOrGet(tenant: string, document: string): Promise<Session> {
    const release = this.hold(tenant, document);
    try {
      return await release.session;
    } finally {
      release();
    }
  }

  /** Every session that runs. */
  *sessions(): Generator<Session> {
    for (const documents of this.#tenants.values()) {
      for (const { session } of documents.values()) if (session !== null) yield session;
    }
  }

  /**
   * Ends a document's session, if it runs. Clients that are connected get phx_error, and the official client joins
   * again, upon which the session is started again.
   *
   * @returns Resolves when it has ended: whether there was one.
   */
  async stop(tenant: string, document: string): Promise<boolean> {
    const place = this.#tenants.get(tenant)?.get(document);
    if (place === undefined) {
      // It may be on its way out.
      await this.#ending.get(tenant)?.get(document);
      return false;
    }
    const session = place.session ?? (await place.starting?.catch(() => null)) ?? null;
    if (session === null || place.session !== session) return false;
    await this.#end(place, session);
    return true;
  }

  /**
   * @internal Takes a reference to a session, in this turn: it doesn't end before the reference is released.
   */
  hold(tenant: string, document: string): (() => void) & { readonly session: Promise<Session> } {
    if (!isTenantId(tenant) || !isId(document)) {
      const given = `${describe(tenant)}, ${describe(document)}`;
      const wanted =
        "1 to 256 bytes of well-formed Unicode each, without control characters, the tenant without a colon";
      throw new ConfigError(
        "invalid_argument",
        `a document is named by tenant and document, ${wanted}; got ${given}`,
      );
    }
    if (this.#closed) throw new StateError("closed", "the documents are closed");
    let documents = this.#tenants.get(tenant);
    if (documents === undefined) {
      documents = new Map();
      this.#tenants.set(tenant, documents);
    }
    let place = documents.get(document);
    if (place === undefined) {
      place = { name: { tenant, document }, session: null, starting: null, references: 0, cancelStop: null };
      documents.set(document, place);
    }
    place.references++;
    place.cancelStop?.();
    place.cancelStop = null;
    const held = place;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      held.references--;
      this.#stopLater(held);
    };
    if (held.session === null) held.starting ??= this.#start(held);
    const session = held.starting ?? Promise.resolve(held.session as unknown as Session);
    return Object.assign(release, { session });
  }

  async #start(place: Place): Promise<Session> {
    const { tenant, document } = place.name;
    try {
      await this.#ending.get(tenant)?.get(document);
      const session = await Session.open(place.name, this.#host, (failed) => this.#failed(place, failed));
      if (this.#closed) {
        await session.stop();
        throw new StateError("closed", "the documents are closed");
      }
      place.session = session;
      // Who has wanted it may have gone meanwhile.
      if (place.references === 0) this.#stopLater(place);
      return session;
    } catch (error) {
      this.#remove(place);
      throw error;
    } finally {
      place.starting = null;
    }
  }

  #settled(session: Session): void {
    const place = this.#tenants.get(session.tenant)?.get(session.document);
    if (place?.session === session) this.#stopLater(place);
  }

  /** Ends a session that nobody has needed for a while. */
  #stopLater(place: Place): void {
    if (!this.#isUnused(place) || place.cancelStop !== null) return;
    place.cancelStop = this.#host.clock.schedule(() => {
      place.cancelStop = null;
      if (this.#isUnused(place)) void this.#end(place, place.session as Session);
    }, this.#idleTimeout);
  }

  #isUnused({ session, references }: Place): boolean {
    return references === 0 && session?.idle === true;
  }

  /** Leaves the registry first: who comes now starts another, once this one has ended. */
  #end(place: Place, session: Session): Promise<void> {
    this.#remove(place);
    return this.#awaitEnd(place.name, session.stop());
  }

  /** What a session has in flight when it fails may still be committed: the next one begins behind that. */
  #failed(place: Place, session: Session): void {
    if (place.session !== session) return;
    this.#remove(place);
    void this.#awaitEnd(place.name, session.settled());
  }

  #awaitEnd({ tenant, document }: DocumentName, end: Promise<void>): Promise<void> {
    let ending = this.#ending.get(tenant);
    if (ending === undefined) {
      ending = new Map();
      this.#ending.set(tenant, ending);
    }
    const documents = ending;
    const before = documents.get(document);
    const ended = Promise.all([before, end]).then(() => {
      if (documents.get(document) !== ended) return;
      documents.delete(document);
      if (documents.size === 0 && this.#ending.get(tenant) === documents) this.#ending.delete(tenant);
    });
    documents.set(document, ended);
    return ended;
  }

  #remove(place: Place): void {
    const { tenant, document } = place.name;
    place.cancelStop?.();
    place.cancelStop = null;
    place.session = null;
    const documents = this.#tenants.get(tenant);
    if (documents?.get(document) !== place) return;
    documents.delete(document);
    if (documents.size === 0) this.#tenants.delete(tenant);
  }

  /** @internal Ends all sessions. */
  async close(): Promise<void> {
    this.#closed = true;
    const ends: Promise<unknown>[] = [];
    for (const documents of [...this.#tenants.values()]) {
      for (const place of [...documents.values()]) {
        if (place.session !== null) ends.push(this.#end(place, place.session));
        else ends.push(place.starting?.catch(() => {}) ?? Promise.resolve());
      }
    }
    for (const documents of this.#ending.values()) ends.push(...documents.values());
    await Promise.all(ends);
  }
}

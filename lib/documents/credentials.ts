import type { Logger } from "../logger.ts";
import type { Claims } from "./claims.ts";
import type { Documents } from "./documents.ts";
import type { DocumentName } from "./log/op-log.ts";
import { documentTopic } from "./names.ts";
import { ConnectRefusal } from "./refusal.ts";
import { SecretsUnavailable } from "./secret-source.ts";

/** What a client gives to go on from another one. */
export interface Resume {
  readonly clientId: string;
  readonly key: string;
}

/** Checks what clients bring to show who they are: tokens for one document, and keys of connections to it. */
export class Credentials {
  readonly #documents: Documents;
  readonly #name: DocumentName;
  readonly #logger: Logger;

  constructor(documents: Documents, name: DocumentName, logger: Logger) {
    this.#documents = documents;
    this.#name = name;
    this.#logger = logger;
  }

  async verify(token: string): Promise<Claims | ConnectRefusal> {
    const { tenant, document } = this.#name;
    try {
      const verified = await this.#documents.jwt.verifyAndDecode(tenant, token, document);
      return verified.ok ? verified.claims : new ConnectRefusal(verified.reason, verified.message);
    } catch (err) {
      return this.#unavailable(err);
    }
  }

  /**
   * The key with which a client's user goes on from it later, and the id of the client that this one goes on from.
   * A key that isn't right (any more) leaves it without an answer, not without its document.
   */
  async resume(
    clientId: string,
    userId: string,
    resume: Resume | null,
  ): Promise<{ readonly key: string | null; readonly from: string | null } | ConnectRefusal> {
    const { tenants } = this.#documents;
    const { tenant, document } = this.#name;
    const identity = (id: string) => ["resume", tenant, document, id, userId];
    try {
      const key = await tenants.mac(tenant, identity(clientId));
      if (resume === null) return { key, from: null };
      const right = await tenants.verifyMac(tenant, identity(resume.clientId), resume.key);
      return { key, from: right ? resume.clientId : null };
    } catch (err) {
      return this.#unavailable(err);
    }
  }

  #unavailable(err: unknown): ConnectRefusal {
    if (!(err instanceof SecretsUnavailable)) throw err;
    const topic = documentTopic(this.#name);
    this.#logger.error({ err, topic }, "a token couldn't be checked: the source of secrets failed");
    const message = "the tenant's secret can't be read at the moment";
    return new ConnectRefusal("unavailable", message, { retryAfter: 2 });
  }
}

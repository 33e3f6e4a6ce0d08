import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "phoenix-channels-server";
import type { Claims, DocumentScope, Documents, Jwt } from "phoenix-channels-server/documents";
import { HEADERS } from "../assets.ts";
import { personOf } from "../identity.ts";
import type { Library } from "./library.ts";
import { TokenRequest } from "./schemas.ts";
import type { Snapshots } from "./snapshots.ts";

/** The tenant that all documents of this example belong to. */
export const TENANT = "example";

const MAX_REQUEST = 8 * 1024;
const MAX_SNAPSHOT = 16 * 1024 * 1024;

export interface ApiParts {
  readonly jwt: Jwt;
  readonly store: Documents;
  readonly library: Library;
  readonly snapshots: Snapshots;
  /** Seconds. */
  readonly tokenLasts: number;
  readonly logger: Logger | undefined;
}

/** What is asked for by HTTP, beside the channels: tokens, and the bytes of snapshots. */
export class Api {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  /** Answers a request, and returns whether its path is one of these. */
  handleRequest(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    const answer = this.#route(path, request);
    if (answer === null) return false;
    answer
      .catch((err: unknown) => {
        if (err instanceof Refused) return err;
        if (!response.destroyed) this.#parts.logger?.error({ err, path }, "a request failed");
        return new Refused(500, "The server has failed.");
      })
      .then((result) => {
        const { status, body } = result;
        const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
        const type = Buffer.isBuffer(body) ? "application/octet-stream" : "application/json";
        response.writeHead(status, {
          ...HEADERS,
          "Cache-Control": "no-store",
          "Content-Type": type,
          "Content-Length": bytes.length,
        });
        response.end(bytes);
      });
    return true;
  }

  #route(path: string, request: IncomingMessage): Promise<Answer> | null {
    if (path === "/documents/token") return this.#token(request);
    if (path === "/documents/snapshots") return this.#putSnapshot(request);
    const handle = /^\/documents\/snapshots\/([0-9a-f]+)$/.exec(path)?.[1];
    return handle === undefined ? null : this.#getSnapshot(request, handle);
  }

  /** A token for whoever has a secret of their own. Who may write is decided by the link that they came by. */
  async #token(request: IncomingMessage): Promise<Answer> {
    expectMethod(request, "POST");
    const { jwt, library, tokenLasts: expiresIn } = this.#parts;
    const id = personOf(bearer(request));
    if (id === null) throw new Refused(401, "This browser has no secret.");
    const parsed = TokenRequest.safeParse(parse(await read(request, MAX_REQUEST)));
    if (!parsed.success) throw new Refused(422, parsed.error.issues[0]?.message ?? "Not a request.");
    const { document, mode, name, tab } = parsed.data;
    if (!library.has(document)) throw new Refused(404, "There is no such document.");
    const user = { id, name, tab };
    const token =
      mode === "write"
        ? jwt.generateFullAccessToken(TENANT, document, user, { expiresIn })
        : jwt.generateReadOnlyToken(TENANT, document, user, { expiresIn });
    return { status: 200, body: { token } };
  }

  async #putSnapshot(request: IncomingMessage): Promise<Answer> {
    expectMethod(request, "POST");
    const { documentId } = this.#claims(request, "summary:write");
    const { snapshots, store } = this.#parts;
    const handle = await snapshots.put(documentId, await read(request, MAX_SNAPSHOT));
    const session = store.registry.lookup(TENANT, documentId);
    // Without a session nobody knows which one counts.
    if (session !== undefined) await snapshots.prune(documentId, session.summary?.handle);
    return { status: 201, body: { handle } };
  }

  async #getSnapshot(request: IncomingMessage, handle: string): Promise<Answer> {
    expectMethod(request, "GET");
    const { documentId } = this.#claims(request, "doc:read");
    const bytes = await this.#parts.snapshots.get(documentId, handle);
    if (bytes === null) throw new Refused(404, "There is no such snapshot.");
    return { status: 200, body: bytes };
  }

  /** What the request's token says, if it is one for documents and has the scope. */
  #claims(request: IncomingMessage, scope: DocumentScope): Claims {
    const verified = this.#parts.jwt.verifyAndDecode(TENANT, bearer(request));
    if (!verified.ok) throw new Refused(401, verified.message);
    if (!verified.claims.scopes.includes(scope)) throw new Refused(403, `The token lacks ${scope}.`);
    return verified.claims;
  }
}

interface Answer {
  readonly status: number;
  readonly body: Buffer | object;
}

class Refused extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }

  get body(): object {
    return { reason: this.message };
  }
}

function expectMethod(request: IncomingMessage, method: string): void {
  if (request.method !== method) throw new Refused(405, `Only ${method} is answered here.`);
}

function bearer(request: IncomingMessage): string | null {
  return /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1] ?? null;
}

async function read(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  });
  await once(request, "end");
  if (size > limit) throw new Refused(413, `More than ${limit} bytes aren't taken.`);
  return Buffer.concat(chunks);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

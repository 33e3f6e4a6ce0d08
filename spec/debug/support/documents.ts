import jsonwebtoken from "jsonwebtoken";
import {
  DocumentChannel,
  Documents,
  type DocumentsOptions,
  Jwt,
  TenantSecrets,
} from "../../../lib/documents/index.ts";
import { type MountOptions, Socket } from "../../../lib/index.ts";
import { serve } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";

export const TENANT = "acme";
export const DOCUMENT = "doc-1";
export const TOPIC = `document:${TENANT}:${DOCUMENT}`;
export const SECRET = "the secret of acme, of which nobody knows";

/** What a full token says. */
export function claims(more: object = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1_000);
  return {
    documentId: DOCUMENT,
    tenantId: TENANT,
    scopes: ["doc:read", "doc:write", "summary:write"],
    user: { id: "ada" },
    iat: now,
    exp: now + 3_600,
    ver: "1.0",
    ...more,
  };
}

/** A token with any claims, signed with any secret: what whoever signs may do wrong. */
export function sign(payload: object, secret = SECRET, algorithm: jsonwebtoken.Algorithm = "HS256"): string {
  // As text: nothing is added to it.
  return jsonwebtoken.sign(JSON.stringify(payload), secret, {
    algorithm,
    header: { alg: algorithm, typ: "JWT" },
  });
}

export function token(more: object = {}): string {
  return sign(claims(more));
}

/** A class of document channels, abstract or not. */
type AnyDocumentChannel = abstract new (...args: never[]) => DocumentChannel;

/** Serves documents on a real server, with one tenant. */
export async function serveDocuments(
  channel: AnyDocumentChannel = DocumentChannel,
  options: Partial<DocumentsOptions> = {},
  mount: MountOptions = {},
) {
  const tenants = new TenantSecrets();
  tenants.register(TENANT, SECRET);
  const documents = new Documents({ tenants, ...options });
  afterTest(() => documents.close());
  class AppChannel extends (channel as typeof DocumentChannel) {
    static override documents = documents;
  }
  class UserSocket extends Socket {
    static override channels = { "document:*": AppChannel };
  }
  const served = await serve(UserSocket, mount);
  return { ...served, documents, tenants, jwt: new Jwt(tenants) };
}

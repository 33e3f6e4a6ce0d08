import {
  DocumentChannel,
  Documents,
  type DocumentsOptions,
  Jwt,
  SCOPES,
  TenantSecrets,
} from "../../lib/documents/index.ts";
import {
  type EndpointOptions,
  type MountOptions,
  Socket,
  V1JSONSerializer,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { MsgpackSerializer } from "../../lib/protocol/msgpack.ts";
import { type Served, serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { DocumentPeer, type PeerVsn } from "./document-peer.ts";
import { SkippingClock } from "./skipping-clock.ts";

export const SECRET = "the-secret-of-acme-with-32-bytes";
export const OTHER_SECRET = "the-secret-of-other-has-32-bytes";

export const READ = [SCOPES.read];
export const WRITE = [SCOPES.read, SCOPES.write];
export const FULL = [SCOPES.read, SCOPES.write, SCOPES.summarize];

export interface TokenOf {
  readonly tenant?: string;
  readonly document?: string;
  readonly user?: string;
  readonly scopes?: readonly string[];
  /** Seconds. */
  readonly expiresIn?: number;
}

export interface EnterOptions extends TokenOf {
  readonly vsn?: PeerVsn;
  /** What `connect_document` has besides. */
  readonly connect?: object;
}

/** What subclasses of specs extend. */
export class PlainChannel extends DocumentChannel {}
export type PlainChannelClass = typeof PlainChannel;

export interface DocumentSetup {
  readonly documents?: Partial<DocumentsOptions>;
  /** A subclass of what this gets. */
  readonly channel?: (base: PlainChannelClass) => PlainChannelClass;
  readonly mount?: MountOptions;
  readonly endpoint?: EndpointOptions;
}

export interface ServedDocuments extends Served {
  readonly documents: Documents;
  readonly tenants: TenantSecrets;
  /** The documents' time; the endpoint has the system's. */
  readonly clock: SkippingClock;
  readonly jwt: Jwt;
  /** A token for acme, doc-1, ada and everything, unless told otherwise. */
  token(of?: TokenOf): string;
  /** A client that has joined the document's topic, and nothing else. */
  lurk(of?: EnterOptions): Promise<DocumentPeer>;
  /** A client that is connected to the document. */
  enter(of?: EnterOptions): Promise<DocumentPeer>;
  /** Everything the library has logged, as one text. */
  logged(): string;
}

/** Serves documents at /socket, for the tenants acme and other. */
export async function serveDocuments(setup: DocumentSetup = {}): Promise<ServedDocuments> {
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  tenants.register("other", OTHER_SECRET);
  const clock = new SkippingClock();
  const documents = new Documents({ tenants, clock, ...setup.documents });
  afterTest(() => documents.close());
  class Base extends PlainChannel {
    static override documents = documents;
  }
  const channel = setup.channel?.(Base) ?? Base;
  class UserSocket extends Socket {
    static override channels = { "document:*": channel };
  }
  const served = await serve(
    UserSocket,
    { serializers: [V1JSONSerializer, V2JSONSerializer, MsgpackSerializer], ...setup.mount },
    setup.endpoint,
  );
  const jwt = new Jwt(tenants, { clock });
  const token = ({ tenant = "acme", document = "doc-1", user = "ada", ...options }: TokenOf = {}) =>
    jwt.generateTestToken(tenant, document, user, { scopes: FULL, ...options });
  const lurk = async ({ tenant = "acme", document = "doc-1", vsn = "2.0.0" }: EnterOptions = {}) => {
    const peer = await DocumentPeer.open(served.url, vsn, `document:${tenant}:${document}`);
    await peer.join();
    return peer;
  };
  const enter = async ({ vsn, connect, ...of }: EnterOptions = {}) => {
    const peer = await lurk({ vsn, ...of });
    const { tenant = "acme", document = "doc-1" } = of;
    await peer.connectDocument({ tenantId: tenant, id: document, token: token(of), ...connect });
    return peer;
  };
  const logged = () =>
    served.lines
      .map(({ level, details, message }) => `${level} ${message} ${JSON.stringify(details, errorsShown)}`)
      .join("\n");
  return { ...served, documents, tenants, clock, jwt, token, lurk, enter, logged };
}

/** JSON leaves an error's message and stack out. */
function errorsShown(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}

import type { WebSocket } from "ws";
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
  type SocketClass,
  V1JSONSerializer,
  V2JSONSerializer,
} from "../../lib/index.ts";
import { MsgpackSerializer } from "../../lib/protocol/msgpack.ts";
import { makeEndpoint, type Served, type ServedEndpoint, serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { DocumentPeer, type PeerVsn } from "./document-peer.ts";
import type { Wire } from "./memory-wire.ts";
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

/** Documents, and how clients come to them: over the network, or in memory. */
export interface DocumentsAt<W extends Wire> extends ServedEndpoint {
  readonly documents: Documents;
  readonly tenants: TenantSecrets;
  /** The documents' time; the endpoint has the system's. */
  readonly clock: SkippingClock;
  readonly jwt: Jwt;
  /** A token for acme, doc-1, ada and everything, unless told otherwise. */
  token(of?: TokenOf): string;
  /** A client that has joined the document's topic, and nothing else. */
  lurk(of?: EnterOptions): Promise<DocumentPeer<W>>;
  /** A client that is connected to the document. */
  enter(of?: EnterOptions): Promise<DocumentPeer<W>>;
  /** Everything the library has logged, as one text. */
  logged(): string;
}

export type ServedDocuments = Served & DocumentsAt<WebSocket>;
export type DocumentsInMemory = DocumentsAt<Wire>;

type Setup = Pick<DocumentsAt<Wire>, "documents" | "tenants" | "clock" | "jwt" | "token"> & {
  readonly userSocket: SocketClass;
  readonly mount: MountOptions;
};

/** Serves documents at /socket, for the tenants acme and other. */
export async function serveDocuments(setup: DocumentSetup = {}): Promise<ServedDocuments> {
  const { userSocket, mount, ...made } = setUp(setup);
  const served = await serve(userSocket, mount, setup.endpoint);
  const open = (vsn: PeerVsn, topic: string) => DocumentPeer.open(served.url, vsn, topic);
  return { ...served, ...made, ...entrances(open, made.token), logged: logged(served) };
}

/** The same for specs that need no network: clients come by the test kit's transport. */
export async function documentsInMemory(setup: DocumentSetup = {}): Promise<DocumentsInMemory> {
  const { userSocket, mount, ...made } = setUp(setup);
  const served = makeEndpoint(userSocket, mount, setup.endpoint ?? {});
  afterTest(() => served.endpoint.close({ timeoutMs: 0 }));
  const open = (vsn: PeerVsn, topic: string) => DocumentPeer.inMemory(served.endpoint, vsn, topic);
  return { ...served, ...made, ...entrances(open, made.token), logged: logged(served) };
}

function setUp(setup: DocumentSetup): Setup {
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
  const mount = { serializers: [V1JSONSerializer, V2JSONSerializer, MsgpackSerializer], ...setup.mount };
  const jwt = new Jwt(tenants, { clock });
  const token = ({ tenant = "acme", document = "doc-1", user = "ada", ...options }: TokenOf = {}) =>
    jwt.generateTestToken(tenant, document, user, { scopes: FULL, ...options });
  return { documents, tenants, clock, jwt, token, userSocket: UserSocket, mount };
}

function entrances<W extends Wire>(
  open: (vsn: PeerVsn, topic: string) => Promise<DocumentPeer<W>>,
  token: (of?: TokenOf) => string,
): Pick<DocumentsAt<W>, "lurk" | "enter"> {
  const lurk = async ({ tenant = "acme", document = "doc-1", vsn = "2.0.0" }: EnterOptions = {}) => {
    const peer = await open(vsn, `document:${tenant}:${document}`);
    await peer.join();
    return peer;
  };
  const enter = async ({ vsn, connect, ...of }: EnterOptions = {}) => {
    const peer = await lurk({ vsn, ...of });
    const { tenant = "acme", document = "doc-1" } = of;
    await peer.connectDocument({ tenantId: tenant, id: document, token: token(of), ...connect });
    return peer;
  };
  return { lurk, enter };
}

function logged({ lines }: ServedEndpoint): () => string {
  return () =>
    lines
      .map(({ level, details, message }) => `${level} ${message} ${JSON.stringify(details, errorsShown)}`)
      .join("\n");
}

/** JSON leaves an error's message and stack out. */
function errorsShown(_key: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value;
}

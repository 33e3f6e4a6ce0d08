import type { ChannelClass } from "../../channel/channel-class.ts";
import type { TokenUser } from "../../documents/claims.ts";
import type { Mode } from "../../documents/client.ts";
import { DocumentChannel } from "../../documents/document-channel.ts";
import { Documents } from "../../documents/documents.ts";
import type { OpLog } from "../../documents/log/op-log.ts";
import type { Secret } from "../../documents/secret.ts";
import { ConfigError, describe } from "../../errors.ts";
import { checkOptions, having, type OptionCheck } from "../../options.ts";
import type { Socket } from "../../socket.ts";
import type { ChannelCaseOptions } from "../options.ts";
import { TestSocket } from "../test-socket.ts";
import { VirtualClock } from "../virtual-clock.ts";
import type { AnyDocumentChannel } from "./document-client.ts";

/** A subclass of DocumentChannel whose channels are of a type. */
export type DocumentChannelClass<C extends AnyDocumentChannel> = ChannelClass<C> & {
  readonly documents?: Documents;
};

export interface DocumentCaseOptions<C extends AnyDocumentChannel = AnyDocumentChannel>
  extends Pick<ChannelCaseOptions, "timeout" | "heartbeatIntervalMs"> {
  /** @default "acme" */
  readonly tenant?: string;
  /** @default "doc-1" */
  readonly document?: string;
  /**
   * The app's channel, whose hooks and events are tested. It serves the kit's documents, whatever its own
   * `static documents` says. @default a channel without hooks
   */
  readonly channel?: DocumentChannelClass<C>;
  /** Documents of the test's own, which the test closes. @default new ones, with the kit's log */
  readonly documents?: Documents;
  /** Where ops live; it is closed with the kit. Not with `documents`. @default memory */
  readonly log?: OpLog;
  /** The tenant's secret. With `documents` it is needed only if its secrets come from a source. @default any */
  readonly secret?: Secret;
  /** A clock that several kits share. @default a new one */
  readonly clock?: VirtualClock;
}

/** Who joins a document's topic, and how. */
export interface JoinDocumentOptions {
  /** @default the kit's */
  readonly tenant?: string;
  /** @default the kit's */
  readonly document?: string;
  /** Who it is: the user of its token, and its name in transcripts. @default "user-1" */
  readonly user?: string | TokenUser;
  /** A connection of `kit.socket` or `kit.connect`, for what the app's socket does. @default one of its own */
  readonly socket?: TestSocket<Socket<object>>;
  /** The join's payload. @default {} */
  readonly join?: unknown;
}

/** Who connects to a document, and how. What is left out isn't sent. */
export interface ConnectDocumentOptions extends JoinDocumentOptions {
  /** @default `kit.tokens.full({user})` */
  readonly token?: string;
  /** @default what the token allows */
  readonly mode?: Mode;
  /** What the client says of itself. @default {} */
  readonly client?: object;
  /** Versions of the document protocol, the preferred one first. */
  readonly versions?: readonly string[];
  /** It has every op up to here. */
  readonly lastSeenSequenceNumber?: number;
  /** The client that it goes on from: `client.resume`. */
  readonly resume?: { readonly clientId: string; readonly key: string };
}

type Table<T> = { readonly [K in keyof T]-?: OptionCheck<Exclude<T[K], undefined>> };

const text: OptionCheck<string> = (value, name) => {
  if (typeof value === "string") return value;
  throw new ConfigError("invalid_option", `${name} must be a string, got ${describe(value)}`);
};

function instance<T>(type: abstract new (...args: never[]) => T): OptionCheck<T> {
  return (value, name) => {
    if (value instanceof type) return value;
    throw new ConfigError("invalid_option", `${name} must be a ${type.name}, got ${describe(value)}`);
  };
}

function asGiven<T>(value: unknown): T {
  return value as T;
}

const CASE: Table<DocumentCaseOptions> = {
  tenant: text,
  document: text,
  channel: (value, name) => {
    if (typeof value === "function" && value.prototype instanceof DocumentChannel) return value as never;
    throw new ConfigError(
      "invalid_option",
      `${name} must be a class that extends DocumentChannel, got ${describe(value)}`,
    );
  },
  documents: instance(Documents),
  log: having<OpLog>("append", "state", "read", "saveCheckpoint", "truncate", "close"),
  // Its own check says more, and never what it is.
  secret: asGiven<Secret>,
  clock: instance(VirtualClock),
  // The kit's own checks.
  timeout: asGiven<number>,
  heartbeatIntervalMs: asGiven<number | false>,
};

// The server says what is wrong with what goes over the wire: a test may want to see it.
const CONNECT: Table<ConnectDocumentOptions> = {
  tenant: text,
  document: text,
  user: (value, name) => {
    if (typeof value === "object" && value !== null) return value as TokenUser;
    return text(value, name);
  },
  socket: instance(TestSocket),
  join: asGiven<never>,
  token: asGiven<string>,
  mode: asGiven<Mode>,
  client: asGiven<object>,
  versions: asGiven<readonly string[]>,
  lastSeenSequenceNumber: asGiven<number>,
  resume: asGiven<NonNullable<ConnectDocumentOptions["resume"]>>,
};

/** What a kit of documents has when nothing is said. */
export const DEFAULT_NAME = { tenant: "acme", document: "doc-1" } as const;

export type CheckedDocumentCase<C extends AnyDocumentChannel> = Omit<
  DocumentCaseOptions<C>,
  "tenant" | "document"
> & { readonly tenant: string; readonly document: string };

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkDocumentCase<C extends AnyDocumentChannel>(
  options: DocumentCaseOptions<C>,
): CheckedDocumentCase<C> {
  const checked = checkOptions<DocumentCaseOptions>(options, CASE, "documentCase");
  if (checked.documents !== undefined && checked.log !== undefined) {
    throw new ConfigError(
      "invalid_option",
      "documentCase takes documents or log: documents have a log of their own",
    );
  }
  return { ...DEFAULT_NAME, ...(checked as DocumentCaseOptions<C>) };
}

/** @throws ConfigError (`invalid_option`, `unknown_option`) */
export function checkConnect(options: unknown, where: string): ConnectDocumentOptions {
  return checkOptions<ConnectDocumentOptions>(options, CONNECT, where);
}

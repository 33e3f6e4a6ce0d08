import { describe } from "../errors.ts";
import type { Admission } from "./admission.ts";
import { SCOPES } from "./claims.ts";
import type { Mode } from "./client.ts";
import type { Resume } from "./credentials.ts";
import type { DocumentName } from "./log/op-log.ts";
import { isTooDeep, MAX_NESTING } from "./nesting.ts";
import { ConnectRefusal } from "./refusal.ts";

/** The versions of the document protocol, the latest first. */
export const VERSIONS: readonly string[] = ["^0.4.0", "^0.3.0", "^0.2.0", "^0.1.0"];
/** Bytes of what a client says of itself, which all others get. */
const MAX_CLIENT_BYTES = 16 * 1024;

/** A `connect_document`, read and found to be of the right form; its token hasn't been looked at. */
export interface ConnectDocument {
  readonly token: string;
  /** Null: as the token allows. */
  readonly mode: Mode | null;
  /** What the client says of itself. */
  readonly client: Readonly<Record<string, unknown>>;
  readonly version: string;
  readonly lastSeen: number | null;
  readonly resume: Resume | null;
}

/** Reads the payload of a `connect_document` on a document's topic. */
export function readConnect(payload: unknown, name: DocumentName): ConnectDocument | ConnectRefusal {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    // What it got isn't shown, here and below: it may be the token.
    return malformed("takes an object {tenantId, id, token, client, mode, versions}");
  }
  const { tenantId, id, token, client, mode, versions, lastSeenSequenceNumber, resume } = payload as Record<
    string,
    unknown
  >;
  for (const [field, value] of Object.entries({ tenantId, id, token })) {
    if (value === undefined || value === null || value === "") return malformed(`lacks the field ${field}`);
    if (typeof value !== "string") return malformed(`needs a string as ${field}, got a ${typeof value}`);
  }
  if (tenantId !== name.tenant || id !== name.document) {
    const message = "tenantId and id must be those of the topic document:{tenantId}:{id}";
    return new ConnectRefusal("topic_mismatch", `connect_document: ${message}`);
  }
  if (mode !== undefined && mode !== null && mode !== "read" && mode !== "write") {
    return malformed(`needs the mode "read" or "write", got ${describe(mode)}`);
  }
  const detail = client ?? {};
  if (typeof detail !== "object" || Array.isArray(detail)) {
    return malformed(`needs an object as client, got ${describe(detail)}`);
  }
  if (isTooDeep(detail)) return malformed(`takes a client that is nested at most ${MAX_NESTING} levels deep`);
  const size = Buffer.byteLength(JSON.stringify(detail));
  if (size > MAX_CLIENT_BYTES) {
    const message = `connect_document: client takes ${size} bytes, at most ${MAX_CLIENT_BYTES} are allowed`;
    return new ConnectRefusal("too_large", message);
  }
  const version = pickVersion(versions);
  if (typeof version !== "string") return version;
  const lastSeen = lastSeenSequenceNumber ?? null;
  if (lastSeen !== null && !(Number.isSafeInteger(lastSeen) && (lastSeen as number) >= 0)) {
    return malformed(`needs a whole number from 0 as lastSeenSequenceNumber, got ${describe(lastSeen)}`);
  }
  const from = readResume(resume);
  if (from instanceof ConnectRefusal) return from;
  return {
    token: token as string,
    mode: (mode as Mode | null | undefined) ?? null,
    client: detail as Record<string, unknown>,
    version,
    lastSeen: lastSeen as number | null,
    resume: from,
  };
}

/** The mode that a client gets: never a lesser one than it has asked for. */
export function pickMode(wanted: Mode | null, scopes: readonly string[]): Mode | ConnectRefusal {
  const mode = wanted ?? (scopes.includes(SCOPES.write) ? "write" : "read");
  const needed = mode === "write" ? [SCOPES.read, SCOPES.write] : [SCOPES.read];
  const missing = needed.find((scope) => !scopes.includes(scope));
  if (missing === undefined) return mode;
  const has = scopes.length === 0 ? "none" : scopes.join(", ");
  const message = `mode ${JSON.stringify(mode)} needs the scope ${missing}, the token has ${has}`;
  return new ConnectRefusal("missing_scope", message);
}

/** The first of the client's versions that is spoken here; without any, the latest. */
function pickVersion(versions: unknown): string | ConnectRefusal {
  const latest = VERSIONS[0] as string;
  if (versions === undefined || versions === null) return latest;
  if (!Array.isArray(versions)) return malformed(`needs a list as versions, got ${describe(versions)}`);
  if (versions.length === 0) return latest;
  for (const version of versions as unknown[]) {
    if (typeof version !== "string") continue;
    const spoken = VERSIONS.find((one) => one === version || one === `^${version}`);
    if (spoken !== undefined) return spoken;
  }
  const message = `connect_document: none of the client's versions is spoken here: ${VERSIONS.join(", ")}`;
  return new ConnectRefusal("unsupported_version", message);
}

function readResume(resume: unknown): ConnectDocument["resume"] | ConnectRefusal {
  if (resume === undefined || resume === null) return null;
  const { clientId, key } = (typeof resume === "object" ? resume : {}) as Record<string, unknown>;
  if (typeof clientId === "string" && typeof key === "string") return { clientId, key };
  return malformed("needs {clientId, key} as resume, both as an earlier connect_document gave them");
}

function malformed(message: string): ConnectRefusal {
  return new ConnectRefusal("malformed", `connect_document ${message}`);
}

/** The payload of `connect_document_success`. */
export function successPayload(
  { initialMessages, initialClients, existing, checkpointSequenceNumber, summary }: Admission,
  own: {
    readonly clientId: string;
    readonly claims: unknown;
    readonly mode: Mode;
    readonly maxMessageSize: number;
    readonly version: string;
  },
): string {
  const { maxMessageSize, version, ...identity } = own;
  const fields = {
    ...identity,
    existing,
    maxMessageSize,
    // Fewer noops: each op carries what they would say.
    serviceConfiguration: { maxMessageSize, noopCountFrequency: 1000, noopTimeFrequency: 2000 },
    initialClients,
    initialSignals: [],
    supportedVersions: VERSIONS,
    supportedFeatures: { submit_signals_v2: true },
    version,
    checkpointSequenceNumber,
    summaryContext:
      summary === null ? undefined : { handle: summary.handle, sequenceNumber: summary.sequenceNumber },
  };
  return `${JSON.stringify(fields).slice(0, -1)},"initialMessages":[${initialMessages.join(",")}]}`;
}

import { isTooDeep } from "./nesting.ts";

/** Why a connect is refused, with the code that stands beside it on the wire. */
const CONNECT_CODES = {
  malformed: 400,
  topic_mismatch: 400,
  unsupported_version: 400,
  already_connected: 400,
  invalid_signature: 401,
  token_expired: 401,
  missing_claims: 401,
  unknown_tenant: 401,
  malformed_token: 401,
  wrong_tenant: 403,
  wrong_document: 403,
  missing_scope: 403,
  unauthorized: 403,
  resync: 410,
  too_large: 413,
  throttled: 429,
  too_many_clients: 429,
  internal_error: 500,
  unavailable: 503,
} as const;

/** Why an op is refused, with the code and type of its nack. */
const OP_CODES = {
  not_authenticated: [401, "AuthorizationError"],
  token_expired: [401, "AuthorizationError"],
  missing_scope: [403, "InvalidScopeError"],
  read_only: [403, "InvalidScopeError"],
  client_mismatch: [400, "BadRequestError"],
  invalid_csn: [400, "BadRequestError"],
  invalid_rsn: [400, "BadRequestError"],
  malformed: [400, "BadRequestError"],
  rejected: [400, "BadRequestError"],
  batch_too_large: [413, "LimitExceededError"],
  throttled: [429, "ThrottlingError"],
} as const;

/** The `reason` of a refused `connect_document`. */
export type ConnectReason = keyof typeof CONNECT_CODES;
/** The `reason` of a refused `submitOp`. */
export type OpReason = keyof typeof OP_CODES;

/** Every reason of a refused `connect_document`, with its code. */
export const CONNECT_REASONS: ReadonlyMap<string, number> = new Map(Object.entries(CONNECT_CODES));
/** Every reason of a refused `submitOp`, with the code and type of its nack. */
export const OP_REASONS: ReadonlyMap<string, readonly [code: number, type: string]> = new Map(
  Object.entries(OP_CODES),
);

/** A `connect_document` that is answered with an error. */
export class ConnectRefusal {
  readonly reason: ConnectReason;
  readonly code: number;
  readonly message: string;
  /** What else the client learns, such as `retryAfter` in seconds. */
  readonly details: object;

  constructor(reason: ConnectReason, message: string, details: object = {}) {
    this.reason = reason;
    this.code = CONNECT_CODES[reason];
    this.message = message;
    this.details = details;
  }
}

/** A push of ops, or one op in it, that isn't taken. */
export class OpRefusal {
  readonly reason: OpReason;
  readonly message: string;
  /** The op that was wrong, as the client sent it, if it was one of them. */
  readonly operation: object | null;
  /** Seconds, for `throttled`. */
  readonly retryAfter: number | undefined;

  constructor(
    reason: OpReason,
    message: string,
    operation: object | null = null,
    retryAfter: number | undefined = undefined,
  ) {
    this.reason = reason;
    this.message = message;
    this.operation = operation;
    this.retryAfter = retryAfter;
  }

  get code(): number {
    return OP_CODES[this.reason][0];
  }

  get type(): string {
    return OP_CODES[this.reason][1];
  }
}

/** A nack repeats the op, and of one with more bytes of contents all but those. */
const MAX_CONTENTS = 1024;

/**
 * The payload of the event `nack`, in both shapes that clients read: a list, and its only element's fields beside
 * it.
 *
 * @param sequenceNumber The head: what the client may refer to.
 */
export function nackPayload(
  { operation, code, type, message, retryAfter }: OpRefusal,
  sequenceNumber: number,
): string {
  const content = { code, type, message, ...(retryAfter === undefined ? {} : { retryAfter }) };
  const nack = { operation: shown(operation), sequenceNumber, content };
  return JSON.stringify({ clientId: "", nacks: [nack], ...nack });
}

/** Only what an op has, and only if it is what it should be: a client may have sent anything under these names. */
function shown(operation: object | null): object | null {
  if (operation === null) return null;
  const { type, clientSequenceNumber, referenceSequenceNumber, contents } = operation as Record<
    string,
    unknown
  >;
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  const fields = {
    type: typeof type === "string" && type.length <= MAX_CONTENTS ? type : undefined,
    clientSequenceNumber: number(clientSequenceNumber),
    referenceSequenceNumber: number(referenceSequenceNumber),
  };
  if (contents === undefined || isTooDeep(contents)) return fields;
  const size = Buffer.byteLength(JSON.stringify(contents));
  return size > MAX_CONTENTS ? fields : { ...fields, contents };
}

import { describe } from "../errors.ts";
import { isTooDeep, MAX_NESTING } from "./nesting.ts";
import {
  MAX_HANDLE,
  NOOP,
  type OpDraft,
  opHash,
  readSummary,
  SUMMARIZE,
  type SummaryDraft,
  SYSTEM_TYPES,
} from "./op.ts";
import { OpRefusal } from "./refusal.ts";

/** Ops of one push. */
export const MAX_OPS = 100;
const MAX_TYPE_LENGTH = 256;
/** The bytes of an op's wire form besides what the client says, at most. */
const OP_OVERHEAD = 320;
/** The same for the op that answers a summary. */
const ANSWER_OVERHEAD = 1024;
/** What a push may take in a record above its contents. */
const MAX_OVERHEAD = 32 * 1024;

/** What one push asks for, shaped and checked; whether it fits in the order is for the sequencer to say. */
export interface Submission {
  readonly ops: readonly OpDraft[];
  /** The ops as the client sent them, for the app's hooks and for nacks. */
  readonly sent: readonly ClientOp[];
  /** About what the ops will take in a record. */
  readonly bytes: number;
}

/** An op as a client sends it. */
export interface ClientOp {
  readonly type: string;
  readonly contents?: unknown;
  readonly metadata?: unknown;
  readonly compression?: string;
  readonly clientSequenceNumber?: number;
  readonly referenceSequenceNumber?: number;
}

/**
 * Reads a `submitOp`: `{clientId, messageBatches: [[op…]…]}`, or one op `{type, contents}` of a bare client, which
 * numbers nothing.
 *
 * @param maxBytes What the contents of all ops may take together.
 */
export function readSubmission(payload: unknown, clientId: string, maxBytes: number): Submission | OpRefusal {
  if (!isObject(payload)) return malformed(`submitOp takes an object, got ${describe(payload)}`);
  const { messageBatches } = payload;
  const named: unknown = payload.clientId;
  if (named !== undefined && named !== clientId) {
    return new OpRefusal(
      "client_mismatch",
      "submitOp: the clientId isn't the one that connect_document gave",
    );
  }
  let sent: unknown[];
  if (messageBatches === undefined) {
    if (typeof payload.type !== "string") {
      return malformed("submitOp takes {clientId, messageBatches: [[op, …], …]} or one op {type, contents}");
    }
    sent = [payload];
  } else {
    if (named === undefined) return malformed("submitOp with messageBatches needs the clientId");
    if (!Array.isArray(messageBatches)) {
      return malformed(`messageBatches is a list of lists of ops, got ${describe(messageBatches)}`);
    }
    sent = messageBatches.flat();
  }
  if (sent.length === 0) return malformed("submitOp has no ops");
  if (sent.length > MAX_OPS) {
    return new OpRefusal("batch_too_large", `submitOp has ${sent.length} ops; one push takes ${MAX_OPS}`);
  }
  const ops: OpDraft[] = [];
  let contents = 0;
  let overhead = 0;
  for (const op of sent) {
    const draft = readOp(op, messageBatches === undefined);
    if (draft instanceof OpRefusal) return draft;
    ops.push(draft);
    contents += Buffer.byteLength(draft.contents);
    if (draft.metadata !== null) contents += Buffer.byteLength(draft.metadata);
    overhead += overheadOf(draft);
    if (contents > maxBytes || contents + overhead > maxBytes + MAX_OVERHEAD) {
      const message = `the ops of this push take more than maxMessageSize, ${maxBytes} bytes`;
      return new OpRefusal("batch_too_large", message);
    }
  }
  return { ops, sent: sent as ClientOp[], bytes: contents + overhead };
}

/** What an op takes in a record besides contents and metadata. */
function overheadOf({ type, compression, summary }: OpDraft): number {
  let bytes = OP_OVERHEAD + Buffer.byteLength(JSON.stringify(type));
  if (compression !== null) bytes += Buffer.byteLength(JSON.stringify(compression));
  // Its answer has the handle in contents and data, where each quote and backslash gets more of them.
  if (summary !== null) bytes += ANSWER_OVERHEAD + 6 * Buffer.byteLength(JSON.stringify(summary.handle));
  return bytes;
}

/** @param bare Whether the op may come without numbers. */
function readOp(op: unknown, bare: boolean): OpDraft | OpRefusal {
  if (!isObject(op)) return malformed(`an op is an object {type, contents, …}, got ${describe(op)}`);
  const {
    type,
    contents = null,
    metadata,
    compression,
    clientSequenceNumber: csn,
    referenceSequenceNumber: rsn,
  } = op;
  if (typeof type !== "string" || type === "" || type.length > MAX_TYPE_LENGTH) {
    return malformed(
      `an op's type is a string of 1 to ${MAX_TYPE_LENGTH} characters, got ${describe(type)}`,
      op,
    );
  }
  if (SYSTEM_TYPES.has(type)) return malformed(`only the server writes ops of type ${describe(type)}`, op);
  if (
    compression !== undefined &&
    (typeof compression !== "string" || compression.length > MAX_TYPE_LENGTH)
  ) {
    return malformed(`an op's compression is a short string, got ${describe(compression)}`, op);
  }
  if (!isNumber(csn, 1) && !(bare && csn === undefined)) {
    return malformed(`an op needs a clientSequenceNumber, a whole number from 1, got ${describe(csn)}`, op);
  }
  if (!isNumber(rsn, 0) && !(bare && rsn === undefined)) {
    return malformed(
      `an op needs a referenceSequenceNumber, a whole number from 0, got ${describe(rsn)}`,
      op,
    );
  }
  let summary: SummaryDraft | null = null;
  if (type === SUMMARIZE) {
    const read = readSummary(contents);
    if (read === null) {
      const message = `the contents of summarize are {handle, head}, handle a string of 1 to ${MAX_HANDLE} characters`;
      return malformed(message, op);
    }
    summary = { ...read, resolves: true };
  }
  if (isTooDeep(contents) || isTooDeep(metadata)) {
    return malformed(`an op's contents and metadata are nested at most ${MAX_NESTING} levels deep`, op);
  }
  const json = JSON.stringify(contents);
  const meta = metadata === undefined ? null : JSON.stringify(metadata);
  return {
    type,
    csn: csn ?? null,
    rsn: rsn ?? null,
    contents: json,
    metadata: meta,
    compression: compression ?? null,
    hash: type === NOOP ? "" : opHash(type, json, meta),
    summary,
  };
}

function malformed(message: string, operation: object | null = null): OpRefusal {
  return new OpRefusal("malformed", message, operation);
}

function isNumber(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

import { createHash } from "node:crypto";
import { LogCorrupt, type LogRecord } from "./log/op-log.ts";

/** The format of a record's bytes. */
const VERSION = 1;
const NEWLINE = 0x0a;

/** What a record says of itself, before its ops. */
export interface RecordHeader {
  readonly v: number;
  /** The sequence number of the first op. */
  readonly first: number;
  /** The node and the boot that stamped it: a client is held by the boot of its join. */
  readonly node: string;
  readonly boot: string;
  /** What noops have moved: reference and client sequence numbers, to be applied before the record's ops. */
  readonly rsns: readonly (readonly [clientId: string, rsn: number, csn: number])[];
  /** The bytes of each op. */
  readonly sizes: readonly number[];
}

/**
 * The id of a record: the first 128 bits of the SHA-256 of the previous record's id and its own bytes, in hex. So it
 * is a checksum of all the log up to here.
 */
export function recordId(prev: string, bytes: Uint8Array): string {
  return createHash("sha256").update(prev).update(bytes).digest("hex").slice(0, 32);
}

/**
 * Makes a record of ops in their wire form: one line of header, then the ops as JSON with commas between them, so
 * that a part of them is cut out without being parsed.
 */
export function encodeRecord(
  prev: string,
  header: Omit<RecordHeader, "v" | "sizes">,
  ops: readonly string[],
): LogRecord {
  const { first, node, boot, rsns } = header;
  const sizes = ops.map((op) => Buffer.byteLength(op));
  const head = JSON.stringify({ v: VERSION, first, node, boot, rsns, sizes } satisfies RecordHeader);
  const bytes = Buffer.from(`${head}\n${ops.join(",")}`);
  return { id: recordId(prev, bytes), prev, first, last: first + ops.length - 1, bytes };
}

/** A record as it is read: its ops stay bytes until somebody asks for more. */
export class StoredRecord {
  readonly header: RecordHeader;
  readonly #bytes: Buffer;
  /** Where the first op begins. */
  readonly #start: number;

  /** @throws LogCorrupt if the bytes aren't what the id was made of, or no record. */
  constructor({ id, prev, first, last, bytes }: LogRecord) {
    if (recordId(prev, bytes) !== id)
      throw new LogCorrupt(`the record of op ${first} doesn't match its checksum`);
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const newline = this.#bytes.indexOf(NEWLINE);
    this.#start = newline + 1;
    this.header = parseHeader(this.#bytes.toString("utf8", 0, Math.max(0, newline)), first);
    const { sizes } = this.header;
    const length = sizes.reduce((sum, size) => sum + size + 1, -1);
    if (first + sizes.length - 1 !== last || length !== bytes.length - this.#start) {
      throw new LogCorrupt(`the record of op ${first} doesn't hold the ops that it says`);
    }
  }

  /** All ops, parsed. */
  ops(): unknown[] {
    return JSON.parse(`[${this.#bytes.toString("utf8", this.#start)}]`) as unknown[];
  }

  /** The wire form of each op above `after`. */
  *wire(after: number): Generator<string> {
    let offset = this.#start;
    for (const [i, size] of this.header.sizes.entries()) {
      if (this.header.first + i > after) yield this.#bytes.toString("utf8", offset, offset + size);
      offset += size + 1;
    }
  }
}

function parseHeader(text: string, first: number): RecordHeader {
  let header: RecordHeader;
  try {
    header = JSON.parse(text) as RecordHeader;
  } catch {
    throw new LogCorrupt(`the record of op ${first} has no header`);
  }
  if (header.v !== VERSION) {
    throw new LogCorrupt(
      `the record of op ${first} has the format ${header.v}, this version reads ${VERSION}: update the library`,
    );
  }
  return header;
}

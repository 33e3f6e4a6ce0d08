import { createHash } from "node:crypto";
import type { Database, RootDatabase } from "lmdb";
import { shown } from "./chain.ts";
import { type Checkpoint, type DocumentName, LogCorrupt, type LogRecord, type Position } from "./op-log.ts";

/** The format of the tables and their values. */
export const FORMAT = 1;

export type Table = Database<Buffer, Buffer>;

/** The tables of a log, and how their keys are made. */
export interface Tables {
  /** {@link nameKey} → the document's number. */
  readonly names: Table;
  /** The document's number, the sequence number of a record's last op → the record. */
  readonly records: Table;
  /** The document's number and {@link POSITION} or {@link STATE} → where a checkpoint is, and its bytes. */
  readonly checkpoints: Table;
  /** The format, the next document's number, and how often an environment was mended. */
  readonly meta: Table;
}

export const POSITION = 0;
export const STATE = 1;

export const FORMAT_KEY = Buffer.from("format");
export const NEXT_KEY = Buffer.from("next");
export const TOUCHED_KEY = Buffer.from("touched");

/** Of keys and values: what is stored is what is written. */
const BINARY = { encoding: "binary", keyEncoding: "binary" } as const;

export function openTables(env: RootDatabase): Tables {
  const open = (name: string) => env.openDB<Buffer, Buffer>(name, BINARY);
  return {
    names: open("names"),
    records: open("records"),
    checkpoints: open("checkpoints"),
    meta: open("meta"),
  };
}

/** The tenant's length tells where the document's id begins, so no two names have the same key. */
export function nameKey({ tenant, document }: DocumentName): string {
  return `${tenant.length}:${tenant}${document}`;
}

/** Two numbers, in the order of which the keys are. */
export function pairKey(first: number, second: number, key: Buffer = Buffer.allocUnsafe(16)): Buffer {
  writeNumber(key, first, 0);
  writeNumber(key, second, 8);
  return key;
}

/** The second number of a key. */
export function secondOf(key: Buffer): number {
  return readNumber(key, 8);
}

/** 8 bytes, the highest first. */
export function writeNumber(target: Buffer, value: number, offset: number): void {
  target.writeUInt32BE(Math.floor(value / 2 ** 32), offset);
  target.writeUInt32BE(value % 2 ** 32, offset + 4);
}

export function readNumber(source: Buffer, offset = 0): number {
  return source.readUInt32BE(offset) * 2 ** 32 + source.readUInt32BE(offset + 4);
}

export function numberValue(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeNumber(bytes, value, 0);
  return bytes;
}

const ID_BYTES = 16;

/** Format, id, prev, first; then the record's bytes. */
const RECORD_HEADER = 1 + 2 * ID_BYTES + 8;

/** The first record has no `prev`: its place holds zeros. */
export function encodeValue({ id, prev, first, bytes }: LogRecord): Buffer {
  const value = Buffer.allocUnsafe(RECORD_HEADER + bytes.length);
  value[0] = FORMAT;
  value.write(id, 1, "hex");
  if (prev === "") value.fill(0, 1 + ID_BYTES, 1 + 2 * ID_BYTES);
  else value.write(prev, 1 + ID_BYTES, "hex");
  writeNumber(value, first, 1 + 2 * ID_BYTES);
  value.set(bytes, RECORD_HEADER);
  return value;
}

/** @throws LogCorrupt if it isn't the value of a record. What it says is to be checked by its checksum. */
export function decodeValue(name: DocumentName, last: number, value: Buffer): LogRecord {
  if (value.length < RECORD_HEADER || value[0] !== FORMAT) {
    throw new LogCorrupt(`${shown(name)}: the record that ends with op ${last} can't be read`);
  }
  const first = readNumber(value, 1 + 2 * ID_BYTES);
  return {
    id: value.toString("hex", 1, 1 + ID_BYTES),
    prev: first === 1 ? "" : value.toString("hex", 1 + ID_BYTES, 1 + 2 * ID_BYTES),
    first,
    last,
    bytes: value.subarray(RECORD_HEADER),
  };
}

/** Sequence number, id, and a checksum of the bytes. */
export function encodePosition({ sn, id, bytes }: Checkpoint): Buffer {
  const value = Buffer.allocUnsafe(8 + ID_BYTES);
  writeNumber(value, sn, 0);
  value.write(id, 8, "hex");
  return Buffer.concat([value, digest(bytes)]);
}

/** The sequence number of a stored checkpoint; -1 if there is none. */
export function checkpointSn(value: Buffer | undefined): number {
  return value === undefined ? -1 : readNumber(value);
}

/** @throws LogCorrupt if the bytes aren't those that were stored. */
export function decodeCheckpoint(name: DocumentName, value: Buffer, bytes: Buffer | undefined): Checkpoint {
  const { sn, id }: Position = { sn: readNumber(value), id: value.toString("hex", 8, 8 + ID_BYTES) };
  if (bytes === undefined || !digest(bytes).equals(value.subarray(8 + ID_BYTES))) {
    throw new LogCorrupt(`${shown(name)}: the checkpoint at op ${sn} doesn't match its checksum`);
  }
  return { sn, id, bytes };
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, ID_BYTES);
}

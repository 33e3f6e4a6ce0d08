import { ConfigError, describe, printable } from "../../errors.ts";
import { recordId } from "../record.ts";
import { type DocumentName, LogCorrupt, type LogRecord, OpLogError, type Position, START } from "./op-log.ts";

/** What logs take at most, unless they are told otherwise: far more than a session ever puts into one record. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

export function isAt(head: Position, { sn, id }: Position): boolean {
  return head.sn === sn && head.id === id;
}

/** The end of a record. */
export function endOf({ last, id }: LogRecord): Position {
  return { sn: last, id };
}

/** A document in an error's message. */
export function shown({ tenant, document }: DocumentName): string {
  return `document ${describe(document)} of tenant ${describe(tenant)}`;
}

/**
 * Refuses a record that could never be the next one behind `after`, whatever the log holds.
 *
 * @throws OpLogError (`record_too_large`), ConfigError (`invalid_argument`)
 */
export function checkRecord(name: DocumentName, after: Position, record: LogRecord, maxBytes: number): void {
  const { first, last, prev, bytes } = record;
  if (bytes.length > maxBytes) {
    throw new OpLogError(
      "record_too_large",
      `a record of ${shown(name)} has ${bytes.length} bytes, the log takes ${maxBytes}: append fewer ops at once`,
    );
  }
  if (first !== after.sn + 1 || prev !== after.id || !Number.isSafeInteger(last) || last < first) {
    throw new ConfigError(
      "invalid_argument",
      `append: the record of the ops ${first} to ${last} behind ${describe(prev)} doesn't follow op ${after.sn}, ` +
        `${describe(after.id)}, of ${shown(name)}`,
    );
  }
}

/**
 * A record is what it was when it was made.
 *
 * @throws LogCorrupt naming the document and the op.
 */
export function checkSum(name: DocumentName, { id, prev, first, bytes }: LogRecord): void {
  if (recordId(prev, bytes) === id) return;
  throw new LogCorrupt(
    `${shown(name)}: the record of op ${first} doesn't match its checksum ${printable(id)}`,
  );
}

/**
 * Checks a record and that it is the link after `before`, the end of the record in front of it.
 *
 * @param before Null if that record is truncated.
 * @throws LogCorrupt naming the document and the op.
 */
export function checkLink(name: DocumentName, before: Position | null, record: LogRecord): void {
  checkSum(name, record);
  const { sn, id } = before ?? (record.first === 1 ? START : { sn: record.first - 1, id: record.prev });
  if (record.first !== sn + 1) {
    throw new LogCorrupt(
      `${shown(name)}: the record after op ${sn} is missing, the next one has op ${record.first}`,
    );
  }
  if (record.prev !== id) {
    throw new LogCorrupt(`${shown(name)}: the record of op ${record.first} doesn't follow the one before it`);
  }
}

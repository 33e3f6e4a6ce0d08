import type { Submission } from "./submission.ts";

/** The line in front of a record's ops, and what one client that noops have moved takes there. */
export const HEADER_BYTES = 4096;
export const MOVED_BYTES = 80;
/** About what a system op takes, besides what it says. */
export const SYSTEM_BYTES = 512;
/** A type of so many characters is in what a submission counts for each op; JSON makes 6 bytes of one at most. */
const COUNTED_TYPE = 16;
const ESCAPED = 6;

/** The most bytes that a push takes in a record, with the answer to its summaries. */
export function pushBytes({ ops, bytes }: Submission): number {
  let size = bytes;
  for (const { type, compression, summary } of ops) {
    if (type.length > COUNTED_TYPE) size += type.length * ESCAPED;
    if (compression !== null) size += compression.length * ESCAPED;
    if (summary !== null) size += systemBytes(summary.handle);
  }
  return size;
}

/** The most bytes that a system op takes: its contents stand there twice, once as a string. */
export function systemBytes(contents: unknown): number {
  const json = JSON.stringify(contents);
  return SYSTEM_BYTES + Buffer.byteLength(json) + Buffer.byteLength(JSON.stringify(json));
}

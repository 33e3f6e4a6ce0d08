import { expect } from "chai";
import type { OpLog, SequencedOp } from "../../lib/documents/index.ts";
import { StoredRecord } from "../../lib/documents/record.ts";

const NAME = { tenant: "acme", document: "doc-1" };

/** All ops in a log, which begin above `after` and follow each other without a gap. */
export async function opsIn(log: OpLog, after = 0, name = NAME): Promise<SequencedOp[]> {
  const ops: SequencedOp[] = [];
  for (let sn = after; ; ) {
    const records = await log.read(name, sn, 1024 * 1024);
    const last = records.at(-1);
    if (last === undefined) break;
    for (const record of records) ops.push(...(new StoredRecord(record).ops() as SequencedOp[]));
    sn = last.last;
  }
  expect(ops.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(ops.map((_, i) => after + i + 1));
  return ops;
}

/** What clients wrote, in order. */
export function written(ops: readonly SequencedOp[]): unknown[] {
  return ops.filter(({ type }) => type === "op").map(({ contents }) => contents);
}

/** What happened, as `join ada`, `leave ada` and `op 1`; clients are called by what `names` has for their ids. */
export function story(ops: readonly SequencedOp[], names: Readonly<Record<string, string>>): string[] {
  return ops.map(({ type, contents, clientId }) => {
    if (type === "join") return `join ${names[(contents as { readonly clientId: string }).clientId]}`;
    if (type === "leave") return `leave ${names[contents as string]}`;
    return `${type} ${JSON.stringify(contents)}${clientId === null ? "" : ` of ${names[clientId]}`}`;
  });
}

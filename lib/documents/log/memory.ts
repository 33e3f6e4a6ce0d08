import { checkOptions, integer } from "../../options.ts";
import { checkLink, checkRecord, checkSum, endOf, isAt, MAX_RECORD_BYTES } from "./chain.ts";
import {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type Guarantees,
  type LogRecord,
  type LogState,
  LogTruncated,
  type OpLog,
  OpLogError,
  type Position,
  START,
} from "./op-log.ts";

export interface MemoryOpLogOptions {
  /** The most bytes that one record may have. @default 16 MiB */
  readonly maxRecordBytes?: number;
}

/** One document: its records, of which those at the front may be truncated. */
interface Chain {
  readonly records: LogRecord[];
  floor: number;
  checkpoint: Checkpoint | null;
}

/**
 * Documents that live as long as the process: for tests, for development, and for what may be lost.
 *
 * ```ts
 * const documents = new Documents({ tenants, log: new MemoryOpLog() });
 * ```
 */
export class MemoryOpLog implements OpLog {
  readonly name = "memory";
  readonly guarantees: Guarantees = Object.freeze({ durability: "memory", failover: "none", shared: false });
  readonly maxRecordBytes: number;
  readonly #tenants = new Map<string, Map<string, Chain>>();
  #closed = false;

  /** @throws ConfigError (`unknown_option`, `invalid_option`) */
  constructor(options: MemoryOpLogOptions = {}) {
    const checked = checkOptions<Required<MemoryOpLogOptions>>(
      options,
      { maxRecordBytes: integer(1, "bytes") },
      "new MemoryOpLog",
    );
    this.maxRecordBytes = checked.maxRecordBytes ?? MAX_RECORD_BYTES;
  }

  async append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended> {
    this.#mustBeOpen();
    checkRecord(name, after, record, this.maxRecordBytes);
    const found = this.#find(name);
    const head = headOf(found);
    if (isAt(head, endOf(record))) return { outcome: "committed" };
    if (!isAt(head, after)) return { outcome: "conflict", head };
    checkSum(name, record);
    (found ?? this.#create(name)).records.push(copyOf(record));
    return { outcome: "committed" };
  }

  async state(name: DocumentName): Promise<LogState> {
    this.#mustBeOpen();
    const found = this.#find(name);
    const checkpoint = found?.checkpoint ?? null;
    return {
      head: headOf(found),
      floor: found?.floor ?? 0,
      checkpoint: checkpoint && { ...checkpoint, bytes: new Uint8Array(checkpoint.bytes) },
    };
  }

  async read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]> {
    this.#mustBeOpen();
    const { records, floor } = this.#find(name) ?? { records: [], floor: 0 };
    if (after < floor) throw new LogTruncated(floor);
    const page: LogRecord[] = [];
    let bytes = 0;
    for (let i = firstAbove(records, after); i < records.length; i++) {
      const record = records[i] as LogRecord;
      bytes += record.bytes.length;
      if (page.length > 0 && bytes > maxBytes) break;
      const before = records[i - 1];
      checkLink(name, before === undefined ? null : endOf(before), record);
      page.push(copyOf(record));
    }
    return page;
  }

  async saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void> {
    this.#mustBeOpen();
    const chain = this.#find(name) ?? this.#create(name);
    if (chain.checkpoint !== null && chain.checkpoint.sn > checkpoint.sn) return;
    chain.checkpoint = { sn: checkpoint.sn, id: checkpoint.id, bytes: new Uint8Array(checkpoint.bytes) };
  }

  async truncate(name: DocumentName, upTo: number): Promise<number> {
    this.#mustBeOpen();
    const chain = this.#find(name);
    if (chain === undefined) return 0;
    const { records, checkpoint } = chain;
    const cut = firstAbove(records, Math.min(upTo, checkpoint?.sn ?? 0));
    // The last record stays: the next one has to follow it.
    const removed = records.splice(0, Math.min(cut, records.length - 1)).at(-1);
    chain.floor = removed?.last ?? chain.floor;
    return chain.floor;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tenants.clear();
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new OpLogError("log_closed", "the log in memory is closed");
  }

  #find({ tenant, document }: DocumentName): Chain | undefined {
    return this.#tenants.get(tenant)?.get(document);
  }

  #create({ tenant, document }: DocumentName): Chain {
    const chain: Chain = { records: [], floor: 0, checkpoint: null };
    const documents = this.#tenants.get(tenant);
    if (documents === undefined) this.#tenants.set(tenant, new Map([[document, chain]]));
    else documents.set(document, chain);
    return chain;
  }
}

function headOf(chain: Chain | undefined): Position {
  const last = chain?.records.at(-1);
  return last === undefined ? START : endOf(last);
}

/** So that nobody changes the log by changing what he gave or got. */
function copyOf({ id, prev, first, last, bytes }: LogRecord): LogRecord {
  return { id, prev, first, last, bytes: new Uint8Array(bytes) };
}

/** The index of the first record that holds an op above a sequence number. */
function firstAbove(records: readonly LogRecord[], sn: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((records[middle] as LogRecord).last > sn) high = middle;
    else low = middle + 1;
  }
  return low;
}

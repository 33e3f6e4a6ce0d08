import { ChannelsError } from "../../errors.ts";

/** A document's full name: ids that are the same under another tenant are another document. */
export interface DocumentName {
  readonly tenant: string;
  readonly document: string;
}

/** The end of a record: the sequence number of its last op, and its id. An empty log is at {@link START}. */
export interface Position {
  readonly sn: number;
  readonly id: string;
}

/** Where an empty log ends. */
export const START: Position = Object.freeze({ sn: 0, id: "" });

/**
 * One link of a document's chain: what one append writes, whole or not at all. The log stores `bytes` as they are,
 * together with the rest, and never looks into them.
 */
export interface LogRecord {
  /** 128 bits in hex: a hash over `prev` and `bytes`, so also their checksum. See `recordId`. */
  readonly id: string;
  /** The id of the record before it, `""` for the first. */
  readonly prev: string;
  /** The sequence numbers of its first and last op. */
  readonly first: number;
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** The whole state of a document's sequencer at a record's end, from which it is rebuilt without what came before. */
export interface Checkpoint extends Position {
  readonly bytes: Uint8Array;
}

/** What a log holds of a document. */
export interface LogState {
  /** The last record's end; {@link START} if there is none. */
  readonly head: Position;
  /** Ops up to this sequence number are truncated; 0 if none is. */
  readonly floor: number;
  /** The latest checkpoint, if there is one. */
  readonly checkpoint: Checkpoint | null;
}

/** How an append ended. A rejection says nothing about that: the record may be there or not. */
export type Appended =
  | { readonly outcome: "committed" }
  /** The log's end isn't `after`: nothing was written. */
  | { readonly outcome: "conflict"; readonly head: Position };

/** What a log promises of a record whose append was answered `committed`. */
export interface Guarantees {
  /** What it outlives: nothing, a crash of the process, or a loss of power (it was flushed to the disk). */
  readonly durability: "memory" | "process" | "power";
  /** What becomes of it when the engine's primary is lost: no failover, it may be lost, or a quorum has it. */
  readonly failover: "none" | "may-lose" | "quorum";
  /** Whether several nodes may open it at once. */
  readonly shared: boolean;
}

/**
 * Where documents live: for each an ordered chain of records, whose compare-and-append is the only arbiter of their
 * order. Implement it for an engine of your own, and run the suite of `phoenix-channels-server/testing/op-log` on it.
 */
export interface OpLog {
  /** Shown in errors, logs and `stats()`. */
  readonly name: string;
  readonly guarantees: Guarantees;
  /** The most bytes that one record may have. */
  readonly maxRecordBytes: number;
  /**
   * Resolves when the engine is open, for logs that open theirs behind the constructor; see `Documents.ready`. Other
   * calls wait for that by themselves.
   *
   * @throws by rejection: OpLogError if it can't be opened.
   */
  ready?(): Promise<void>;
  /**
   * Appends a record behind exactly `after`: the same sequence number and id. `committed` is answered once the
   * record has the promised durability. Records of one document are never appended at the same time by one session,
   * those of many documents are.
   *
   * A rejection means that the outcome is unknown. The session appends the same record at the same `after` again, so
   * a record that turns out to be the log's last one already is answered `committed`.
   */
  append(name: DocumentName, after: Position, record: LogRecord): Promise<Appended>;
  /** @throws by rejection: OpLogError if the log can't be read now. */
  state(name: DocumentName): Promise<LogState>;
  /**
   * The records that hold ops above `after`, in order: the first of them may begin at or before it. At least one
   * record, if there is one, and no more than make about `maxBytes`.
   *
   * @throws by rejection: LogTruncated if an op right above `after` is below the floor; LogCorrupt.
   */
  read(name: DocumentName, after: number, maxBytes: number): Promise<readonly LogRecord[]>;
  /** Stores a checkpoint beside the records, in place of an older one. One that is older than that is ignored. */
  saveCheckpoint(name: DocumentName, checkpoint: Checkpoint): Promise<void>;
  /**
   * Removes records whose ops are all at or below `upTo`. A record above the latest checkpoint, and the last record,
   * are kept; without a checkpoint nothing is removed.
   *
   * @returns The new floor.
   */
  truncate(name: DocumentName, upTo: number): Promise<number>;
  /** Waits for what is under way, and releases the engine. Calls after it reject with OpLogError (`log_closed`). */
  close(): Promise<void>;
}

/**
 * A log can't do what it was asked.
 *
 * Codes: `log_closed`, `log_full` (no space), `log_failed` (the engine's error is the cause), `log_in_use` (another
 * process has it open), `log_corrupt`, `log_truncated`, `record_too_large`.
 */
export class OpLogError extends ChannelsError {}

/** Records that are no longer there were asked for. Code: `log_truncated`. */
export class LogTruncated extends OpLogError {
  /** The highest sequence number that is gone. */
  readonly floor: number;

  constructor(floor: number) {
    super("log_truncated", `the log's ops up to ${floor} are truncated: begin with the summary above them`);
    this.floor = floor;
  }
}

/** A record's bytes don't match its id, or its `prev` the record before it. Code: `log_corrupt`. */
export class LogCorrupt extends OpLogError {
  constructor(message: string) {
    super("log_corrupt", message);
  }
}

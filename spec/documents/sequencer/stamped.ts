import type { LogRecord } from "../../../lib/documents/log/op-log.ts";
import type { OpDraft } from "../../../lib/documents/op.ts";
import { StoredRecord } from "../../../lib/documents/record.ts";
import {
  type Moved,
  type SequencedOp,
  Stamp,
  type Verdict,
  validate,
} from "../../../lib/documents/sequencer.ts";
import { DocumentState, type WriteClient } from "../../../lib/documents/state.ts";

/** A document for specs of one rule each: every call makes a record of its own. */
export class Stamped {
  readonly state = new DocumentState();
  readonly records: LogRecord[] = [];
  readonly moved: Moved = new Map();
  now = 1000;

  /** Makes one record. */
  record(make: (stamp: Stamp) => void): SequencedOp[] {
    const { state, moved, now } = this;
    const stamp = new Stamp(state, { node: "node", boot: "boot", now, moved });
    make(stamp);
    const record = stamp.finish();
    this.records.push(record);
    return new StoredRecord(record).ops() as SequencedOp[];
  }

  join(...clientIds: string[]): SequencedOp[] {
    return this.record((stamp) => {
      for (const clientId of clientIds) stamp.join(clientId, { user: { id: clientId } });
    });
  }

  leave(clientId: string): SequencedOp[] {
    return this.record((stamp) => stamp.leave(clientId));
  }

  judge(clientId: string, ...ops: OpDraft[]): Verdict {
    return validate(this.state, this.client(clientId), ops, this.moved);
  }

  /** A push that must be accepted. */
  push(clientId: string, ...ops: OpDraft[]): SequencedOp[] {
    const verdict = this.judge(clientId, ...ops);
    if (verdict.kind !== "sequence") throw new Error(JSON.stringify(verdict));
    return this.record((stamp) => {
      const { trailing } = stamp.push(this.client(clientId), ops, verdict.skip);
      if (trailing !== null) this.moved.set(clientId, trailing);
    });
  }

  client(clientId: string): WriteClient {
    const client = this.state.clients.get(clientId);
    if (client === undefined) throw new Error(`${clientId} isn't connected`);
    return client;
  }
}

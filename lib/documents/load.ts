import { type DocumentName, LogCorrupt, type OpLog } from "./log/op-log.ts";
import { apply } from "./sequencer.ts";
import { DocumentState } from "./state.ts";

/** Bytes of records that are read at once. */
const PAGE = 4 * 1024 * 1024;

/**
 * Builds a document's state from its latest checkpoint and the records behind it.
 *
 * @throws OpLogError by rejection: LogCorrupt if the chain is broken, or ends before the checkpoint does.
 */
export async function loadState(log: OpLog, name: DocumentName): Promise<DocumentState> {
  const { head, checkpoint } = await log.state(name);
  const state = checkpoint === null ? new DocumentState() : DocumentState.decode(checkpoint.bytes);
  if (state.sn > head.sn) {
    throw new LogCorrupt(
      `the log ends at op ${head.sn}, before its checkpoint at ${state.sn}: it was set back`,
    );
  }
  while (state.sn < head.sn) {
    const records = await log.read(name, state.sn, PAGE);
    for (const record of records) {
      if (record.prev !== state.id || record.first !== state.sn + 1) {
        throw new LogCorrupt(`the record of op ${record.first} doesn't follow op ${state.sn}`);
      }
      apply(state, record);
    }
    if (records.length === 0) throw new LogCorrupt(`the log ends at op ${state.sn}, not at ${head.sn}`);
  }
  if (state.id !== head.id) throw new LogCorrupt(`the log's last record isn't that of op ${state.sn}`);
  return state;
}

import type { Clock } from "../clock.ts";
import { type Checkpoint, type DocumentName, LogCorrupt, type OpLog } from "./log/op-log.ts";
import { answerOf } from "./patience.ts";
import { apply } from "./sequencer.ts";
import { DocumentState } from "./state.ts";

/** Bytes of records that are read at once. */
const PAGE = 4 * 1024 * 1024;

/**
 * Builds a document's state from its latest checkpoint and the records behind it.
 *
 * @throws OpLogError by rejection, also if it doesn't answer; LogCorrupt if the chain is broken, or ends before the checkpoint does.
 */
export async function loadState(log: OpLog, name: DocumentName, clock: Clock): Promise<DocumentState> {
  const { head, checkpoint } = await answerOf(clock, log.state(name));
  const state = checkpoint === null ? new DocumentState() : restore(checkpoint);
  if (state.sn > head.sn) {
    throw new LogCorrupt(
      `the log ends at op ${head.sn}, before its checkpoint at ${state.sn}: it was set back`,
    );
  }
  while (state.sn < head.sn) {
    const records = await answerOf(clock, log.read(name, state.sn, PAGE));
    for (const record of records) {
      if (record.prev !== state.id || record.first !== state.sn + 1) {
        throw new LogCorrupt(`the record of op ${record.first} doesn't follow op ${state.sn}`);
      }
      apply(state, record);
    }
    if (records.length === 0) throw new LogCorrupt(`the log ends at op ${state.sn}, not at ${head.sn}`);
  }
  // It may have grown meanwhile: by what an earlier session had in flight.
  if (state.sn === head.sn && state.id !== head.id) {
    throw new LogCorrupt(`the log's last record isn't that of op ${state.sn}`);
  }
  return state;
}

function restore({ sn, id, bytes }: Checkpoint): DocumentState {
  let state: DocumentState;
  try {
    state = DocumentState.decode(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LogCorrupt(`the checkpoint at op ${sn} can't be read: ${why}`);
  }
  if (state.sn === sn && state.id === id) return state;
  throw new LogCorrupt(`the checkpoint at op ${sn} holds the state of op ${state.sn}, of another record`);
}

import { describe } from "../errors.ts";
import type { DocumentClient } from "./client.ts";
import { isTooDeep, MAX_NESTING } from "./nesting.ts";

/** Signals of one push, and client ids that one of them names. */
const MAX_SIGNALS = 100;
const MAX_NAMES = 1000;

/** One signal: whatever the client said, and whom it is for. */
export interface Signal {
  readonly content: unknown;
  /** Whether a client is to get it; the sender never does. */
  readonly isFor: (client: DocumentClient) => boolean;
}

const FOR_ALL = () => true;

/**
 * Reads a `submitSignal {clientId, contentBatches}`. A batch is one signal or a list of them; a signal is
 * `{signal, targetedClients?, ignoredClients?}`, or anything else, which is the content itself. An object may also
 * name one client in `targetClientId`. Where several are there, the first of targetedClients, ignoredClients and
 * targetClientId counts; null counts as absent, and an empty list names nobody.
 *
 * @returns What is wrong, as a string, if it can't be read.
 */
export function readSignals(payload: unknown): readonly Signal[] | string {
  const { contentBatches } = (payload ?? {}) as Record<string, unknown>;
  if (!Array.isArray(contentBatches)) return `contentBatches must be a list, got ${describe(contentBatches)}`;
  const items: unknown[] = contentBatches.flat();
  if (items.length > MAX_SIGNALS) return `one push takes ${MAX_SIGNALS} signals, got ${items.length}`;
  const signals: Signal[] = [];
  for (const item of items) {
    if (isTooDeep(item)) return `a signal is nested at most ${MAX_NESTING} levels deep`;
    const signal = readSignal(item);
    if (typeof signal === "string") return signal;
    signals.push(signal);
  }
  return signals;
}

function readSignal(item: unknown): Signal | string {
  if (typeof item !== "object" || item === null) return { content: item, isFor: FOR_ALL };
  const fields = item as Record<string, unknown>;
  const target = readTarget(fields);
  if (typeof target === "string") return target;
  // The first form of signals has an address and contents, and may have a field of any other name.
  const first = Object.hasOwn(fields, "address") || Object.hasOwn(fields, "contents");
  return { content: !first && Object.hasOwn(fields, "signal") ? fields.signal : item, isFor: target };
}

function readTarget(fields: Record<string, unknown>): Signal["isFor"] | string {
  const { targetedClients, ignoredClients, targetClientId } = fields;
  for (const [name, list] of Object.entries({ targetedClients, ignoredClients })) {
    if (list === undefined || list === null) continue;
    if (!Array.isArray(list) || !list.every((id) => typeof id === "string")) {
      return `${name} must be a list of client ids, got ${describe(list)}`;
    }
    if (list.length > MAX_NAMES) return `${name} takes ${MAX_NAMES} client ids, got ${list.length}`;
    const names = new Set<string>(list);
    return name === "targetedClients"
      ? ({ clientId }) => names.has(clientId)
      : ({ clientId }) => !names.has(clientId);
  }
  if (targetClientId === undefined || targetClientId === null) return FOR_ALL;
  if (typeof targetClientId !== "string") {
    return `targetClientId must be a client id, got ${describe(targetClientId)}`;
  }
  return ({ clientId }) => clientId === targetClientId;
}

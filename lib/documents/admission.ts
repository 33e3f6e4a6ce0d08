import type { Delivery } from "./delivery.ts";
import type { OpReader } from "./op-reader.ts";
import type { Summary } from "./state.ts";
import type { Resumed } from "./waiting.ts";

/** Bytes of ops in `initialMessages`. */
const MAX_INITIAL = 512 * 1024;

/** What a client asks for that connects. */
export interface ConnectRequest {
  /** It has every op up to here. Null: it begins at the latest summary, or at the beginning. */
  readonly lastSeen: number | null;
  /** The client id that it goes on from. */
  readonly resume: string | null;
  /** Called when it is connected, before it gets any op. */
  admitted(admission: Admission): void;
}

/** What a client gets when it is connected. */
export interface Admission {
  /** In their wire form, contiguous. */
  readonly initialMessages: readonly string[];
  readonly checkpointSequenceNumber: number;
  readonly initialClients: readonly { readonly clientId: string; readonly client: unknown }[];
  readonly existing: boolean;
  readonly summary: Summary | null;
  readonly resumed: Resumed | null;
}

/**
 * Reads the ops above `from` that a client is connected with. What comes behind them it is caught up on.
 *
 * @param end Up to where; asked again after each read, during which more may have come.
 * @param isGone Nobody waits for it any more.
 * @returns What fits, and the last of it; null if nobody waits.
 * @throws LogTruncated, OpLogError, StateError by rejection.
 */
export async function readInitial(
  from: number,
  end: () => number,
  reader: OpReader,
  delivery: Delivery,
  isGone: () => boolean,
): Promise<{ readonly messages: string[]; readonly cursor: number } | null> {
  const messages: string[] = [];
  let left = MAX_INITIAL;
  let cursor = from;
  for (;;) {
    delivery.flush();
    const to = end();
    if (cursor >= to || left <= 0) return { messages, cursor };
    const read = reader.page(cursor, to, left);
    const page = Array.isArray(read) ? read : await read;
    if (isGone()) return null;
    for (const op of page) {
      left -= Buffer.byteLength(op);
      if (left < 0) break;
      messages.push(op);
      cursor++;
    }
  }
}

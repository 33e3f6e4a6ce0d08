import type { Checkpoint, DocumentName, LogRecord, Position } from "./op-log.ts";

/** What the thread of an LMDB log is started with. */
export interface WorkerData {
  readonly path: string;
  readonly mapSize: number;
}

/** What changes documents. All that waits goes into one transaction. */
export type WriteCall =
  | { readonly kind: "append"; readonly name: DocumentName; readonly after: Position; record: LogRecord }
  | { readonly kind: "checkpoint"; readonly name: DocumentName; checkpoint: Checkpoint }
  | { readonly kind: "truncate"; readonly name: DocumentName; readonly upTo: number };

export type ReadCall =
  | { readonly kind: "state"; readonly name: DocumentName }
  | { readonly kind: "read"; readonly name: DocumentName; readonly after: number; readonly maxBytes: number };

export type Call = WriteCall | ReadCall | { readonly kind: "backup"; readonly path: string };

/** To the thread: what was called in one turn. */
export interface Calls {
  /** The number of the first one; the others count on from it. */
  readonly first: number;
  readonly calls: readonly Call[];
  /** Nothing comes behind this. */
  readonly close: boolean;
}

/** An error on its way between threads, where classes don't survive. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Of `log_truncated`. */
  readonly floor?: number;
  /** The engine's error. */
  readonly cause?: { readonly message: string; readonly code?: string | number };
}

export type Answer = { readonly value: unknown } | { readonly failure: Failure };

/** From the thread: first how the opening went, then the answers of one batch, by number. */
export type FromWorker =
  | { readonly opened: Failure | null }
  | { readonly answers: readonly (readonly [n: number, answer: Answer])[] };

/**
 * Copies bytes into one buffer, which is handed over to the other thread instead of being copied there. A view of
 * Node's pool would take the whole pool with it.
 */
export class Parcel {
  readonly #parts: { bytes: Uint8Array; put: (view: Uint8Array) => void }[] = [];
  #size = 0;

  /** @param put Gets the view that replaces the bytes. */
  add(bytes: Uint8Array, put: (view: Uint8Array) => void): void {
    this.#parts.push({ bytes, put });
    this.#size += bytes.length;
  }

  /** @returns What to transfer. */
  close(): ArrayBuffer[] {
    if (this.#size === 0) return [];
    const buffer = new ArrayBuffer(this.#size);
    const all = new Uint8Array(buffer);
    let offset = 0;
    for (const { bytes, put } of this.#parts) {
      all.set(bytes, offset);
      put(new Uint8Array(buffer, offset, bytes.length));
      offset += bytes.length;
    }
    return [buffer];
  }
}

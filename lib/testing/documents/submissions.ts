/** An op as a test writes it: what it leaves out, the client says. */
export interface OpToSubmit {
  /** @default "op" */
  readonly type?: string;
  readonly contents?: unknown;
  readonly metadata?: unknown;
  readonly compression?: string;
  /** @default the next one of the client */
  readonly clientSequenceNumber?: number;
  /** @default the last op that the client has seen */
  readonly referenceSequenceNumber?: number;
}

/** An op with its numbers. */
export type NumberedOp = OpToSubmit & {
  readonly type: string;
  readonly clientSequenceNumber: number;
  readonly referenceSequenceNumber: number;
};

/** One push of ops that isn't answered yet. */
interface Submission {
  readonly ops: readonly NumberedOp[];
  /** What the count was before. */
  readonly before: number;
}

/** A client's count of its ops, and those that nobody has answered: what a client must keep to reconnect. */
export class Submissions {
  readonly #unanswered = new Map<string, Submission>();
  #next = 1;

  /** The number of the client's next op. */
  get next(): number {
    return this.#next;
  }

  /** Ops that may be sequenced or not, oldest first. */
  get unanswered(): NumberedOp[] {
    return [...this.#unanswered.values()].flatMap(({ ops }) => ops);
  }

  /** Numbers ops, without counting them: they aren't sent yet. */
  number(ops: readonly OpToSubmit[], head: number): NumberedOp[] {
    let next = this.#next;
    return ops.map((op) => {
      const clientSequenceNumber = op.clientSequenceNumber ?? next;
      next = clientSequenceNumber + 1;
      const { referenceSequenceNumber = head, type = "op" } = op;
      return { ...op, type, clientSequenceNumber, referenceSequenceNumber };
    });
  }

  /** Ops are on their way: the count goes on behind them. */
  sent(ref: string, ops: readonly NumberedOp[]): void {
    this.#unanswered.set(ref, { ops, before: this.#next });
    // Ops that come again don't set the count back.
    this.#next = Math.max(this.#next, ...ops.map(({ clientSequenceNumber }) => clientSequenceNumber + 1));
  }

  /** An answer has come. A refused push took no numbers: the client owes the first of them. */
  answered(ref: string, status: string): void {
    const submission = this.#unanswered.get(ref);
    if (submission === undefined) return;
    this.#unanswered.delete(ref);
    if (status !== "ok") this.#next = Math.min(this.#next, submission.before);
  }
}

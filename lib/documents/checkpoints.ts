import { StateError } from "../errors.ts";
import type { DocumentHost } from "./documents.ts";
import type { DocumentName } from "./log/op-log.ts";
import type { Ordering } from "./ordering.ts";
import { answerOf } from "./patience.ts";

/** Ops between two checkpoints. */
const EVERY = 1000;

/** Stores a document's state now and then, so that the next start reads little of the log. */
export class Checkpoints {
  readonly #name: DocumentName;
  readonly #host: DocumentHost;
  readonly #ordering: Ordering;
  /** The op of the latest one that is stored, or being stored. */
  #sn: number;
  #saving: Promise<void> = Promise.resolve();
  /** Who waits for one until nothing is in flight. */
  #wanted: { readonly resolve: (saved: Promise<void>) => void; readonly reject: (error: Error) => void }[] =
    [];

  constructor(name: DocumentName, host: DocumentHost, ordering: Ordering) {
    this.#name = name;
    this.#host = host;
    this.#ordering = ordering;
    this.#sn = ordering.head;
  }

  /** The op that it stands at. */
  get latest(): number {
    return this.#sn;
  }

  /** A record is durable, and the next one isn't begun. */
  committed(): void {
    const wanted = this.#wanted.splice(0);
    if (wanted.length === 0 && this.#ordering.head - this.#sn < EVERY) return;
    const saved = this.save();
    saved.catch(() => {});
    for (const { resolve } of wanted) resolve(saved);
  }

  /**
   * Stores the state of the head: at once if nothing is being appended, else with the next record.
   *
   * @throws OpLogError, StateError (`closed`) by rejection.
   */
  save(): Promise<void> {
    const { state, head } = this.#ordering;
    if (head === this.#sn) return this.#saving;
    if (state.sn !== head) {
      return new Promise<void>((resolve, reject) => this.#wanted.push({ resolve, reject }));
    }
    this.#saving = this.#store(state.encode());
    return this.#saving;
  }

  /** Stores the state if that can be done now. Resolves also if it fails. */
  async saveLast(): Promise<void> {
    const { state, head } = this.#ordering;
    if (state.sn === head) await this.save().catch(() => {});
  }

  stop(): void {
    for (const { reject } of this.#wanted.splice(0)) {
      reject(new StateError("closed", "the document's session has ended"));
    }
  }

  async #store(bytes: Uint8Array): Promise<void> {
    const before = this.#sn;
    const { sn, id } = this.#ordering.state.position;
    this.#sn = sn;
    try {
      const { clock, log } = this.#host;
      await answerOf(clock, log.saveCheckpoint(this.#name, { sn, id, bytes }));
    } catch (error) {
      // Nothing is lost: the next start reads more of the log.
      if (this.#sn === sn) this.#sn = before;
      this.#host.logger.warn({ err: error, ...this.#name }, "a document's checkpoint couldn't be stored");
      throw error;
    }
  }
}

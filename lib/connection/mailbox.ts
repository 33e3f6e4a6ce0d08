import { currentTurn } from "../turn.ts";

/** After this many messages in one turn of the event loop a mailbox lets I/O go first. */
const MAX_PER_TURN = 100;

/**
 * One channel's messages, handled one at a time and in order, also when a handler is asynchronous. No promise is
 * made unless a handler returns one.
 */
export class Mailbox<M> {
  readonly #handle: (message: M) => Promise<void> | undefined;
  #queue: M[] = [];
  /** The first of `#queue` that hasn't been taken: taking is cheap however long the queue is. */
  #head = 0;
  #held = true;
  #busy = false;
  #scheduled = false;
  #turn = -1;
  #taken = 0;

  /** @param handle Must neither throw nor reject. */
  constructor(handle: (message: M) => Promise<void> | undefined) {
    this.#handle = handle;
  }

  /** The number of messages that wait. */
  get length(): number {
    return this.#queue.length - this.#head;
  }

  /** A handler runs. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Nothing waits and nothing runs. */
  get idle(): boolean {
    return !this.#busy && this.length === 0;
  }

  /** A frame from the transport: into an idle mailbox, it is handled before this returns. */
  deliver(message: M): void {
    if (this.#held || this.#scheduled || !this.idle || !this.#mayTake()) {
      this.post(message);
    } else {
      this.#run(message);
      if (this.length > 0) this.#schedule();
    }
  }

  /** Anything else: it is handled later, never in the stack of who sends it. */
  post(message: M): void {
    this.#queue.push(message);
    this.#schedule();
  }

  /** Begins to handle messages; until then they only wait. */
  open(): void {
    this.#held = false;
    this.#drain();
  }

  /** Takes back all messages that wait. */
  clear(): M[] {
    const rest = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    return rest;
  }

  #schedule(): void {
    if (this.#held || this.#busy || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#wake());
  }

  #wake(): void {
    this.#scheduled = false;
    this.#drain();
  }

  #settled(): void {
    this.#busy = false;
    this.#drain();
  }

  #drain(): void {
    while (!this.#busy && !this.#held && this.length > 0) {
      if (this.#scheduled) return;
      if (!this.#mayTake()) {
        this.#scheduled = true;
        setImmediate(() => this.#wake());
        return;
      }
      this.#run(this.#take());
    }
  }

  #run(message: M): void {
    this.#busy = true;
    const pending = this.#handle(message);
    if (pending === undefined) this.#busy = false;
    else pending.then(() => this.#settled());
  }

  #take(): M {
    const message = this.#queue[this.#head++] as M;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
    return message;
  }

  #mayTake(): boolean {
    const turn = currentTurn();
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#taken = 0;
    }
    return this.#taken++ < MAX_PER_TURN;
  }
}

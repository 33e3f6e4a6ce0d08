/**
 * Puts ops in order, each once. What comes while something before it is missing waits, until that was fetched: from
 * the latest summary if it covers it, and from the log.
 */
export class OpStream {
  /** The sequence number of the last op that we have; what came before we have too. */
  seen;
  /** Whether we have once had all that the server had. */
  isLoaded = false;
  #source;
  #arrived = [];
  #fetching = false;
  #unreadable = null;
  /** Counts connections, so that answers to an earlier one are known. */
  #connection = 0;

  /**
   * @param {number} seen
   * @param {object} source
   * @param {() => {handle: string, sequenceNumber: number} | null} source.summary
   * @param {(handle: string) => Promise<void>} source.loadSummary Takes in what a summary says.
   * @param {(from: number) => Promise<{ops: object[]}>} source.request Ops from the log.
   * @param {(ops: object[]) => void} source.onOps Takes the next ones.
   * @param {() => void} source.onLoaded
   * @param {(error: object) => void} source.onError Called if what is missing can't be fetched.
   */
  constructor(seen, source) {
    this.seen = seen;
    this.#source = source;
  }

  /** A new connection gives ops, and says up to which there are more. */
  begin(ops, head) {
    this.stop();
    this.take(ops, head);
  }

  /** The connection is lost: what hasn't come by now comes by the next. */
  stop() {
    this.#connection++;
    this.#arrived = [];
    this.#fetching = false;
  }

  async take(ops, head = 0) {
    const connection = this.#connection;
    this.#arrived.push(...ops);
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      this.#deliver();
      while (this.#arrived.length > 0 || this.seen < head) {
        await this.#fetchMissing();
        if (connection !== this.#connection) return;
        this.#deliver();
      }
    } catch (error) {
      if (connection === this.#connection) this.#source.onError(error);
      return;
    }
    this.#fetching = false;
    if (this.isLoaded) return;
    this.isLoaded = true;
    this.#source.onLoaded();
  }

  #deliver() {
    const ready = [];
    this.#arrived.sort((a, b) => a.sequenceNumber - b.sequenceNumber);
    while (this.#arrived.length > 0 && this.#arrived[0].sequenceNumber <= this.seen + 1) {
      const op = this.#arrived.shift();
      if (op.sequenceNumber <= this.seen) continue;
      this.seen = op.sequenceNumber;
      ready.push(op);
    }
    if (ready.length > 0) this.#source.onOps(ready);
  }

  async #fetchMissing() {
    const { summary, loadSummary, request } = this.#source;
    const latest = summary();
    if (latest !== null && latest !== this.#unreadable && latest.sequenceNumber > this.seen) {
      try {
        await loadSummary(latest.handle);
        this.seen = Math.max(this.seen, latest.sequenceNumber);
      } catch {
        // The log has it too, op by op.
        this.#unreadable = latest;
      }
      return;
    }
    const { ops } = await request(this.seen);
    if (ops.length === 0) throw { reason: `the op after ${this.seen} is missing` };
    this.#arrived.push(...ops);
  }
}

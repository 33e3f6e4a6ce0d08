/** An AbortSignal that is made when somebody asks for it: most channels never do. */
export class LazySignal {
  #controller: AbortController | null = null;
  #aborted = false;

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Listeners are called before this returns. */
  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }

  /** For callers that may run no code of the app: listeners are called later, though before any I/O. */
  abortSoon(): void {
    this.#aborted = true;
    if (this.#controller !== null) queueMicrotask(() => this.#controller?.abort());
  }
}

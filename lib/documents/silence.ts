import type { Cancel, Clock } from "../clock.ts";
import type { DocumentClient } from "./client.ts";
import type { DocumentState } from "./state.ts";

/** A write client that says nothing for this long, and holds the MSN back, is taken for dead. */
const SILENT = 5 * 60_000;
/** How often that is looked at. */
const CHECK = 30_000;

export interface SilenceHost {
  readonly clock: Clock;
  /** The clients of this session, by their id. */
  readonly clients: ReadonlyMap<string, DocumentClient>;
  /** What the log will say, and its last durable op. */
  readonly order: { readonly state: DocumentState; readonly head: number };
  /** The client is taken for dead. */
  silent(client: DocumentClient): void;
}

/** Looks for clients that say nothing, and keep the minimum sequence number from rising. */
export class Silence {
  readonly #host: SilenceHost;
  #cancel: Cancel | null = null;
  #stopped = false;

  constructor(host: SilenceHost) {
    this.#host = host;
  }

  /** Looks now and then, while there are clients. */
  watch(): void {
    if (this.#stopped) return;
    this.#cancel ??= this.#host.clock.schedule(() => {
      this.#cancel = null;
      this.#look();
      if (this.#host.clients.size > 0) this.watch();
    }, CHECK);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #look(): void {
    const { clock, clients, order } = this.#host;
    const { state, head } = order;
    // Nobody is held back where nobody is ahead.
    let ahead = false;
    for (const { rsn } of state.clients.values()) ahead ||= rsn > state.msn;
    if (!ahead) return;
    const since = clock.now() - SILENT;
    for (const client of [...clients.values()]) {
      const rsn = state.clients.get(client.clientId)?.rsn;
      if (rsn === state.msn && rsn !== head && client.heardAt <= since) this.#host.silent(client);
    }
  }
}

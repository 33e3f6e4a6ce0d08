import type { PubSubAdapter, PubSubMessage } from "../../lib/index.ts";
import { Gate } from "./gate.ts";

/** A broker in memory: what one node publishes, the others get if they subscribed to its key. */
export class Bus {
  readonly #nodes = new Set<BusAdapter>();

  adapter(options: { confirm?: boolean } = {}): BusAdapter {
    const adapter = new BusAdapter(this, options.confirm ?? false);
    this.#nodes.add(adapter);
    return adapter;
  }

  carry(from: BusAdapter, message: PubSubMessage): void {
    for (const node of this.#nodes) {
      if (node !== from && node.keys.has(message.key)) node.receive(message);
    }
  }
}

export class BusAdapter implements PubSubAdapter {
  readonly name = "bus";
  readonly keys = new Set<string>();
  readonly published: PubSubMessage[] = [];
  /** Opened by a spec, for each subscription that has to be confirmed. */
  readonly confirmations: Gate[] = [];
  closed = false;
  readonly #bus: Bus;
  readonly #confirm: boolean;
  #deliver: (message: PubSubMessage) => void = () => {};

  constructor(bus: Bus, confirm: boolean) {
    this.#bus = bus;
    this.#confirm = confirm;
  }

  start(deliver: (message: PubSubMessage) => void): void {
    this.#deliver = deliver;
  }

  subscribe(key: string): void | Promise<void> {
    this.keys.add(key);
    if (!this.#confirm) return;
    const gate = new Gate();
    this.confirmations.push(gate);
    return gate.promise;
  }

  unsubscribe(key: string): void {
    this.keys.delete(key);
  }

  publish(message: PubSubMessage): void {
    this.published.push(message);
    this.#bus.carry(this, message);
  }

  receive(message: PubSubMessage): void {
    this.#deliver(message);
  }

  close(): void {
    this.closed = true;
  }
}

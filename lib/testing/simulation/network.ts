import type { Clock } from "../../clock.ts";
import type { Endpoint } from "../../endpoint.ts";
import { ClientEnd, type Dialer } from "./client-end.ts";
import type { ClientTimers } from "./client-timers.ts";
import { type Direction, Link } from "./link.ts";
import type { Random } from "./random.ts";
import { ServerEnd } from "./server-end.ts";

interface Host {
  readonly name: string;
  readonly timers: ClientTimers;
  readonly links: Map<Link, ServerEnd>;
  /** Milliseconds that bytes take, from and to this client. */
  latency: readonly [min: number, max: number];
  /** How many partitions hold at the moment. */
  partitions: number;
}

/** Where clients and a server meet: links that a simulation delays, holds back and cuts. */
export class Network {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #hosts = new Map<string, Host>();
  /** The servers' ends of all connections, until they are destroyed. */
  readonly #servers = new Map<ServerEnd, { readonly link: Link; readonly endpoint: Endpoint }>();
  #endpoint: Endpoint | null = null;
  #moves = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Grows whenever something moves. */
  get moves(): number {
    return this.#moves;
  }

  /** Who answers from now on; null for nobody. */
  serve(endpoint: Endpoint | null): void {
    this.#endpoint = endpoint;
  }

  /** A client's machine: gives the class that it has as WebSocket. */
  host(name: string, timers: ClientTimers): new (url: string) => ClientEnd {
    const host: Host = { name, timers, links: new Map(), latency: [1, 20], partitions: 0 };
    this.#hosts.set(name, host);
    const dialer: Dialer = { timers, dial: (end, path) => this.#dial(host, end, path) };
    return class extends ClientEnd {
      constructor(url: string) {
        super(dialer, url);
      }
    };
  }

  latency(name: string, min: number, max: number): void {
    this.#host(name).latency = [min, max];
  }

  /** Cuts a client's connections. */
  cut(name: string, told: Direction | "both"): void {
    for (const link of this.#links(name)) link.cut(told);
  }

  /** Cuts a client's connections after so many more bytes. */
  cutAfter(name: string, direction: Direction, bytes: number): void {
    for (const link of this.#links(name)) link.cutAfter(direction, bytes);
  }

  /** The server's side closes a client's connections with a code. */
  close(name: string, code: number): void {
    for (const server of this.#host(name).links.values()) server.closeWith(code);
  }

  /** Nothing gets through between a client and the server. */
  partition(name: string): void {
    this.#host(name).partitions++;
    for (const link of this.#links(name)) link.partition();
  }

  heal(name: string): void {
    const host = this.#host(name);
    host.partitions--;
    if (host.partitions > 0) return;
    for (const link of this.#links(name)) link.heal();
  }

  /** A server's process is gone, and with it the connections that it had, also those that it hasn't found out about. */
  kill(endpoint: Endpoint): void {
    for (const [server, { link, endpoint: its }] of this.#servers) {
      if (its !== endpoint) continue;
      link.cut("down");
      server.destroy();
    }
  }

  #host(name: string): Host {
    return this.#hosts.get(name) as Host;
  }

  #links(name: string): Link[] {
    const { links } = this.#host(name);
    for (const [link, server] of links) if (link.isCut || server.destroyed) links.delete(link);
    return [...links.keys()];
  }

  #delay({ latency: [min, max] }: Host): number {
    return this.#random.between(min, max);
  }

  #dial(host: Host, end: ClientEnd, path: string): void {
    this.#moves++;
    // The request takes its way too, and what is decided is decided when it arrives.
    this.#clock.schedule(() => {
      this.#moves++;
      // The client gives up on its own.
      if (host.partitions > 0) return;
      const endpoint = this.#endpoint;
      if (endpoint === null) {
        this.#clock.schedule(() => end.onLost(), this.#delay(host));
        return;
      }
      const server = new ServerEnd(this.#clock);
      const link = new Link(
        this.#clock,
        { up: server, down: end },
        () => this.#delay(host),
        () => {
          this.#moves++;
        },
      );
      host.links.set(link, server);
      this.#servers.set(server, { link, endpoint });
      server.once("close", () => this.#servers.delete(server));
      end.attach(link);
      server.accept(link, endpoint, path);
    }, this.#delay(host));
  }
}

import { Endpoint, endpointInternals } from "../../endpoint.ts";
import { ConfigError, describe, StateError } from "../../errors.ts";
import { checkOptions, integer, method, type OptionCheck } from "../../options.ts";
import { Rest } from "../rest.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { ClientTimers, type Timers } from "./client-timers.ts";
import { drawPlan, FAULT_KINDS, type Fault, type FaultKind } from "./faults.ts";
import { Network } from "./network.ts";
import { loadPhoenix, type PhoenixChannel, type PhoenixPresence, type PhoenixSocket } from "./phoenix.ts";
import { Random } from "./random.ts";

/** A server's process, of which the endpoint is a part. */
export interface SimulatedServer {
  readonly endpoint: Endpoint;
  /** It ends of its own accord: called when the endpoint is closed. It has half a minute for that, then it is killed. */
  readonly close?: () => Promise<void>;
  /**
   * It is gone, at once, and from now on nothing of it may reach what outlives it, such as a database. Called once, for
   * each server: at a restart that isn't graceful, when a graceful one is done, or when the simulation ends.
   */
  readonly kill?: () => void;
}

export interface SimulationOptions {
  /** Determines all that chance decides: latencies, and the faults. */
  readonly seed: number;
  /** Makes the server, with its mounts: at the beginning, and again after each restart. */
  readonly serve: (clock: VirtualClock) => Endpoint | SimulatedServer;
}

export interface FaultOptions {
  /** How many faults. @default 10 */
  readonly count?: number;
  /** Milliseconds of virtual time over which they are spread. @default 600_000 */
  readonly over?: number;
  /** Which may happen. @default all of them */
  readonly kinds?: readonly FaultKind[];
}

const OPTIONS: { readonly [K in keyof SimulationOptions]: OptionCheck<SimulationOptions[K]> } = {
  seed: integer(0, "the seed", 2 ** 32 - 1),
  serve: method,
};

const FAULT_OPTIONS: { readonly [K in keyof FaultOptions]-?: OptionCheck<NonNullable<FaultOptions[K]>> } = {
  count: integer(0, "faults"),
  over: integer(1, "milliseconds"),
  kinds: (value, name) => {
    const known =
      Array.isArray(value) && value.length > 0 && value.every((kind) => FAULT_KINDS.includes(kind));
    if (known) return value as FaultKind[];
    const kinds = FAULT_KINDS.join(", ");
    throw new ConfigError("invalid_option", `${name} must be a list of ${kinds}; got ${describe(value)}`);
  },
};

/** Virtual milliseconds that a server takes to drain its connections, and then to end its process. */
const DRAIN_TIMEOUT = 5_000;
const EXIT_TIMEOUT = 30_000;

/** Real milliseconds that a moment of the simulation may take. */
const STEP_TIMEOUT = 10_000;

let machineOf: (client: SimulatedClient) => ClientTimers;

/** A client of a simulation: the official one, on a machine of its own. */
export class SimulatedClient {
  readonly name: string;
  readonly socket: PhoenixSocket;
  /** The official client's Presence. */
  readonly Presence: new (
    channel: PhoenixChannel,
  ) => PhoenixPresence;
  /** The timers of its machine, for code of the test's own that runs there: while it sleeps they stand still. */
  readonly timers: Timers;
  readonly #machine: ClientTimers;

  /** @internal */
  constructor(
    name: string,
    socket: PhoenixSocket,
    presence: new (channel: PhoenixChannel) => PhoenixPresence,
    timers: ClientTimers,
  ) {
    this.name = name;
    this.socket = socket;
    this.Presence = presence;
    this.timers = timers;
    this.#machine = timers;
  }

  static {
    machineOf = (client) => client.#machine;
  }
}

/**
 * The official client and a server on a network that fails, in virtual time: made by `simulate`. All that chance
 * decides comes from the seed, so the same seed gives the same run.
 */
export class Simulation {
  readonly seed: number;
  readonly clock: VirtualClock;
  /** For what a test itself leaves to chance. */
  readonly random: Random;
  /** What has gone wrong, and will, in the order of time. */
  readonly plan: Fault[] = [];
  readonly #serve: SimulationOptions["serve"];
  readonly #network: Network;
  readonly #clients = new Map<string, SimulatedClient>();
  readonly #undo: () => void;
  /** Those whose processes haven't ended. */
  readonly #servers = new Set<SimulatedServer>();
  readonly #closing: Promise<void>[] = [];
  readonly #start: number;
  #server: SimulatedServer;
  /** Of a server that couldn't close. */
  #failure: { readonly error: unknown } | null = null;
  #down = false;

  /** @internal */
  constructor(options: unknown) {
    const { seed, serve } = checkOptions<SimulationOptions>(options, OPTIONS, "simulate");
    if (seed === undefined || serve === undefined) {
      throw new ConfigError("invalid_option", "simulate needs a seed, and serve, which makes the endpoint");
    }
    this.seed = seed;
    // The same time for each run.
    this.clock = new VirtualClock(0);
    this.random = new Random(seed);
    this.#serve = serve;
    this.#start = this.clock.now();
    this.#network = new Network(this.clock, new Random(seed ^ 0x5bd1_e995));
    this.#server = this.#serveAnew();
    const rest = new Rest(
      () => endpointInternals(this.endpoint).inFlight(),
      () => this.#network.moves,
      this.clock,
    );
    this.#undo = this.clock.onStep(() => rest.wait({ timeout: STEP_TIMEOUT, busy: true }).then(() => {}));
  }

  /** The server that runs now. */
  get endpoint(): Endpoint {
    return this.#server.endpoint;
  }

  /**
   * Makes a client, which its test connects.
   *
   * @param name Of its machine, for the plan.
   * @param options Of the official client's Socket: `params`, `heartbeatIntervalMs` and others.
   * @param path Where the socket is mounted. @default "/socket"
   * @throws ConfigError (`invalid_argument`) for a name twice, or if the package `phoenix` isn't installed.
   */
  client(name: string, options: object = {}, path = "/socket"): SimulatedClient {
    if (typeof name !== "string" || this.#clients.has(name)) {
      throw new ConfigError(
        "invalid_argument",
        `client needs a name that no other has, got ${describe(name)}`,
      );
    }
    const timers = new ClientTimers(this.clock);
    const { Socket, Presence } = loadPhoenix(timers, () => this.clock.now());
    const transport = this.#network.host(name, timers);
    const socket = new Socket(`ws://localhost${path}`, { ...options, transport });
    const client = new SimulatedClient(name, socket, Presence, timers);
    this.#clients.set(name, client);
    return client;
  }

  /**
   * Draws faults from the seed, for all clients that there are. They happen as time goes on, by {@link advance}.
   *
   * @throws ConfigError (`invalid_option`, `unknown_option`)
   */
  faults(options?: FaultOptions): void {
    const checked = checkOptions<FaultOptions>(options, FAULT_OPTIONS, "faults");
    const { count = 10, over = 600_000, kinds = FAULT_KINDS } = checked;
    const clients = [...this.#clients.keys()];
    if (clients.length === 0) {
      throw new StateError("not_connected", "faults: there is no client yet; make them first");
    }
    for (const fault of drawPlan(this.random, { count, over, kinds, clients })) this.fault(fault);
  }

  /** Adds a fault of the test's own; its time is from now. */
  fault(fault: Fault): void {
    const at = this.clock.now() - this.#start + fault.at;
    this.plan.push({ ...fault, at });
    this.plan.sort((a, b) => a.at - b.at);
    this.clock.schedule(() => this.#happen(fault), fault.at);
  }

  /** Moves time on: messages travel, timers fire, faults happen. */
  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  /**
   * Moves time on until all faults are over, the longest sleep too, and as long again as the clients may need to come
   * back.
   *
   * @param ms After the last fault. @default 120_000
   */
  async calm(ms = 120_000): Promise<void> {
    const over = Math.max(0, ...this.plan.map((fault) => fault.at + ("for" in fault ? fault.for : 0)));
    await this.advance(Math.max(0, this.#start + over - this.clock.now()) + ms);
  }

  /**
   * Ends the run: clients disconnect, and servers close.
   *
   * @returns Resolves when nothing is left behind. Rejects with what a server's `close` has failed with.
   */
  async close(): Promise<void> {
    for (const client of this.#clients.values()) machineOf(client).stop();
    this.#network.serve(null);
    for (const server of this.#servers) this.#kill(server);
    await this.clock.advance(0);
    await Promise.all(this.#closing);
    this.#undo();
    if (this.#failure !== null) throw this.#failure.error;
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────

  #happen(fault: Fault): void {
    switch (fault.kind) {
      case "drop":
        this.#network.cutAfter(fault.client, fault.direction, fault.bytes);
        break;
      case "half-open":
        this.#network.cut(fault.client, fault.told);
        break;
      case "delay":
        this.#network.latency(fault.client, fault.ms, fault.ms * 2);
        this.clock.schedule(() => this.#network.latency(fault.client, 1, 20), fault.for);
        break;
      case "partition":
        this.#network.partition(fault.client);
        this.clock.schedule(() => this.#network.heal(fault.client), fault.for);
        break;
      case "sleep": {
        const timers = machineOf(this.#clients.get(fault.client) as SimulatedClient);
        timers.sleep();
        this.clock.schedule(() => timers.wake(), fault.for);
        break;
      }
      case "close":
        this.#network.close(fault.client, fault.code);
        break;
      case "restart":
        this.#restart(fault.graceful, fault.for);
        break;
    }
  }

  #restart(graceful: boolean, ms: number): void {
    if (this.#down) return;
    this.#down = true;
    const old = this.#server;
    this.#network.serve(null);
    if (graceful) this.#exit(old);
    else this.#kill(old);
    this.clock.schedule(() => {
      this.#server = this.#serveAnew();
      this.#down = false;
    }, ms);
  }

  /** Lets a server's process end of its own accord. */
  #exit(server: SimulatedServer): void {
    const { endpoint } = server;
    this.clock.schedule(() => this.#network.kill(endpoint), DRAIN_TIMEOUT + 1_000);
    this.clock.schedule(() => this.#kill(server), EXIT_TIMEOUT);
    endpoint
      .close({ timeoutMs: DRAIN_TIMEOUT })
      .then(() => server.close?.())
      .catch((error: unknown) => {
        // What was killed meanwhile may fail as it likes.
        if (this.#servers.has(server)) this.#failure ??= { error };
      })
      .then(() => this.#kill(server));
  }

  #kill(server: SimulatedServer): void {
    if (!this.#servers.delete(server)) return;
    server.kill?.();
    this.#network.kill(server.endpoint);
    this.#closing.push(server.endpoint.close({ timeoutMs: 0 }));
  }

  #serveAnew(): SimulatedServer {
    const served = this.#serve(this.clock);
    const server = served instanceof Endpoint ? { endpoint: served } : served;
    const endpoint: unknown = server?.endpoint;
    if (!(endpoint instanceof Endpoint) || endpointInternals(endpoint).clock !== this.clock) {
      throw new ConfigError(
        "invalid_option",
        `simulate: serve must return a new Endpoint({ clock }) on the clock that it is given, or {endpoint, close, kill}, got ${describe(served)}`,
      );
    }
    this.#servers.add(server);
    this.#network.serve(endpoint);
    return server;
  }
}

export interface SeedsOptions<World = undefined> {
  /** How many seeds, from 1; or those to run, as one that has failed. */
  readonly seeds: number | readonly number[];
  /** Makes what outlives the server's restarts, such as a database: for each seed anew. */
  readonly world?: (seed: number) => World;
  /** Makes the server, with its mounts: at the beginning of each seed, and again after each restart. */
  readonly serve: (clock: VirtualClock, world: World) => Endpoint | SimulatedServer;
}

/**
 * Runs a test once for each seed, one after another.
 *
 * @throws Error for the first seed that fails, which names it and its faults; the failure is its `cause`.
 */
export async function simulateSeeds<World = undefined>(
  { seeds, world: make, serve }: SeedsOptions<World>,
  run: (simulation: Simulation, world: World) => Promise<void>,
): Promise<void> {
  const list = typeof seeds === "number" ? Array.from({ length: seeds }, (_, i) => i + 1) : seeds;
  for (const seed of list) {
    // Without `world` its type is undefined, as it is itself.
    const world = make?.(seed) as World;
    const simulation = new Simulation({ seed, serve: (clock: VirtualClock) => serve(clock, world) });
    try {
      await run(simulation, world);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const plan = simulation.plan.map((fault) => `  ${JSON.stringify(fault)}`).join("\n");
      const faults = plan === "" ? "" : `\n\nits faults:\n${plan}`;
      throw new Error(`seed ${seed} failed (seeds: [${seed}] replays it): ${why}${faults}`, { cause });
    } finally {
      await simulation.close();
    }
  }
}

/**
 * Begins a simulation.
 *
 * @throws ConfigError (`invalid_option`, `unknown_option`)
 */
export function simulate(options: SimulationOptions): Simulation {
  return new Simulation(options);
}

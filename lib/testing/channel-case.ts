import type { AssignsOf } from "../channel.ts";
import type { Cancel, Clock } from "../clock.ts";
import { admit, type ConnectOptions, connect } from "../connection/connect.ts";
import type { Connection } from "../connection/connection.ts";
import type { Route } from "../connection/routes.ts";
import type { EndpointInternals } from "../endpoint/internals.ts";
import { Endpoint, endpointInternals } from "../endpoint.ts";
import { ConfigError, describe, StateError } from "../errors.ts";
import type { Mount, MountDoor } from "../mount.ts";
import { V2JSONSerializer } from "../protocol/v2-json.ts";
import type { Socket, SocketClass, SocketContext } from "../socket.ts";
import { type ChannelErrored, telemetry } from "../telemetry.ts";
import type { Accepted, Refused } from "../transport/accept.ts";
import { type RefuteOptions, refuteOptions } from "./assert-options.ts";
import { failure } from "./failure.ts";
import { any, shown } from "./match.ts";
import { type ChannelCaseOptions, checkCaseOptions } from "./options.ts";
import { addressOf, type ClientInfo, checkClientInfo, connectInfoOf } from "./request.ts";
import { Rest } from "./rest.ts";
import type { TestChannel } from "./test-channel.ts";
import { TestSocket } from "./test-socket.ts";
import { TestTransport } from "./test-transport.ts";
import { TopicListeners } from "./topic-listeners.ts";
import { Transcript } from "./transcript.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A socket class whose sockets are of a type. */
export type SocketClassOf<S extends Socket<object>> = SocketClass & { new (context: SocketContext): S };

/** The assigns that a test gives a socket: left out only if the class declares none that must be there. */
export type AssignsArgument<S extends Socket<object>> =
  object extends AssignsOf<S> ? [assigns?: AssignsOf<S>] : [assigns: AssignsOf<S>];

/** How the app, or the library, refused a client. */
export interface Refusal {
  /** The HTTP status that it would get, unless the mount's `onRefused` says another. */
  readonly status: number;
  /** Why, as `docs/errors.md` lists it: `"connect"` if the app returned error(). */
  readonly cause: Refused["cause"];
  /** What `connect` gave to `error`. */
  readonly reason: unknown;
}

/**
 * A test's clients, and the endpoint that they meet: made by `channelCase`. It runs on the library's own connections,
 * channels and PubSub, without a port or a network.
 */
export class ChannelCase {
  readonly endpoint: Endpoint;
  /** Real milliseconds that assertions wait for handlers which are running. */
  readonly timeout: number;
  /** Matches by kind: `kit.any(String)`, `kit.any(Date)`; without an argument all but null and undefined. */
  readonly any = any;
  /** @internal */
  readonly transcript: Transcript;
  /** @internal */
  readonly rest: Rest;
  readonly #internals: EndpointInternals;
  readonly #ownsEndpoint: boolean;
  readonly #clock: VirtualClock | null;
  readonly #heartbeatIntervalMs: number | false;
  readonly #sockets: TestSocket[] = [];
  readonly #doors = new Map<TestSocket, MountDoor>();
  readonly #names = new Map<string, number>();
  readonly #listeners: TopicListeners;
  readonly #undo: (() => void)[] = [];
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor(endpoint: Endpoint | null, options: unknown) {
    const checked = checkCaseOptions(options);
    if (endpoint !== null && checked.clock !== undefined) {
      throw new ConfigError(
        "invalid_option",
        "channelCase: clock is the endpoint's own; make it by new Endpoint({clock: new VirtualClock()})",
      );
    }
    const given = checked.clock === "virtual" ? new VirtualClock() : checked.clock;
    const clock: Clock | undefined = given === "system" ? undefined : given;
    this.#ownsEndpoint = endpoint === null;
    this.endpoint = endpoint ?? new Endpoint({ clock });
    this.timeout = checked.timeout ?? 1000;
    this.#heartbeatIntervalMs = checked.heartbeatIntervalMs ?? 30_000;
    this.#internals = endpointInternals(this.endpoint);
    this.#clock = this.#internals.clock instanceof VirtualClock ? this.#internals.clock : null;
    this.transcript = new Transcript((value) => this.#internals.filter(value));
    this.#listeners = new TopicListeners(this.#internals.pubsub, this.transcript);
    this.rest = new Rest(
      () => this.#inFlight(),
      () => this.transcript.length,
      this.#clock,
    );
    const step = () => this.rest.wait({ timeout: this.timeout, busy: true }).then(() => {});
    if (this.#clock !== null) this.#undo.push(this.#clock.onStep(step));
    const errored = (message: unknown) => this.#crashed(message as ChannelErrored);
    telemetry.channelErrored.subscribe(errored);
    this.#undo.push(() => telemetry.channelErrored.unsubscribe(errored));
  }

  /**
   * The endpoint's clock, if it is a virtual one: `await kit.clock.advance(ms)` moves time on.
   *
   * @throws StateError (`no_virtual_clock`)
   */
  get clock(): VirtualClock {
    if (this.#clock !== null) return this.#clock;
    throw new StateError(
      "no_virtual_clock",
      'the time is the system\'s: ask for channelCase({clock: "virtual"}), or give the endpoint a VirtualClock',
    );
  }

  /**
   * Connects a client, through the class's `connect`.
   *
   * @param params As the client gives them: they travel in an address, so that the app gets text.
   * @throws AssertionError if it is refused.
   */
  async connect<S extends Socket<object>>(
    socketClass: SocketClassOf<S>,
    params: object = {},
    info?: ClientInfo,
  ): Promise<TestSocket<S>> {
    const outcome = await this.#connect("connect", socketClass, params, info);
    if (outcome instanceof TestSocket) return outcome;
    const { status, cause, reason, err } = outcome;
    const because = err === undefined ? shown(reason) : String(err);
    const error = failure({
      call: `connect(${socketClass.name})`,
      what: `the client was refused with ${status} (${cause}): ${because}`,
      transcript: this.transcript,
      actual: { status, cause, reason },
      expected: "a connection",
    });
    if (err !== undefined) error.cause = err;
    throw error;
  }

  /**
   * Connects a client, and expects the class's `connect` to refuse it.
   *
   * @throws AssertionError if it is let in.
   */
  async assertRefused(socketClass: SocketClass, params: object = {}, info?: ClientInfo): Promise<Refusal> {
    const outcome = await this.#connect("assertRefused", socketClass, params, info);
    if (!(outcome instanceof TestSocket)) {
      const { status, cause, reason } = outcome;
      return { status, cause, reason };
    }
    await outcome.close();
    throw failure({
      call: `assertRefused(${socketClass.name})`,
      what: `the client was let in, as ${describe(outcome.id)}`,
      transcript: this.transcript,
      actual: { id: outcome.id, assigns: outcome.assigns },
      expected: "a refusal",
    });
  }

  /**
   * Connects a client without asking the class's `connect`.
   *
   * @param id The socket's id, or null.
   * @param assigns Those that connect would have set.
   * @throws ConfigError (`invalid_argument`, `invalid_socket`)
   */
  socket<S extends Socket<object>>(
    socketClass: SocketClassOf<S>,
    id: string | null = null,
    ...[assigns]: AssignsArgument<S>
  ): TestSocket<S> {
    if (id !== null && (typeof id !== "string" || id === "")) {
      throw new ConfigError("invalid_argument", `socket: an id is a string or null, got ${describe(id)}`);
    }
    if (assigns !== undefined && (typeof assigns !== "object" || assigns === null)) {
      throw new ConfigError("invalid_argument", `socket: assigns are an object, got ${describe(assigns)}`);
    }
    const { door, transport } = this.#door("socket", socketClass, undefined);
    const client = new TestSocket<S>(this, this.#name(id ?? socketClass.name));
    const open = admit(this.#options(client, door), id, V2JSONSerializer, (socket) => {
      Object.assign(socket.assigns, assigns);
    });
    this.#open(client, door, transport, open);
    return client;
  }

  /**
   * Waits until all is at rest: mailboxes are empty, handlers, joins, terminates and deferred replies have settled,
   * and what the clock has due is done. Promises that the app has let go of aren't waited for, nor timers of its own.
   *
   * @throws AssertionError that names what is still at work, after the timeout; not with `{busy: true}`.
   */
  async settle(options?: RefuteOptions): Promise<void> {
    const { timeout, busy } = refuteOptions(options, "settle", this.timeout);
    const flight = (await this.rest.wait({ timeout, busy })) ?? [];
    if (flight.length === 0 || busy) return;
    const what = `not all came to rest within ${timeout} ms`;
    throw failure({ call: "settle()", what, transcript: this.transcript, flight });
  }

  /**
   * Closes all clients, and the endpoint if the kit has made it. Waits for handlers that are running, but no longer
   * than the timeout.
   *
   * @returns Resolves when nothing is left behind. Further calls return the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { timeout } = this;
    await Promise.all(this.#sockets.map((socket) => socket.close()));
    await this.rest.wait({ timeout });
    if (this.#ownsEndpoint) {
      const closed = this.endpoint.close({ timeoutMs: 0 });
      // Its timeout is the clock's.
      await this.#clock?.advance(0);
      await closed;
    }
    this.#listeners.close();
    for (const undo of this.#undo) undo();
  }

  // ── what the kit's other parts call ────────────────────────────────────────────────────────────────────────

  /** @internal Keeps the broadcasts of a topic for a channel. Returns what ends that. */
  listen(topic: string, room: TestChannel): () => void {
    return this.#listeners.add(topic, room);
  }

  /** @internal */
  schedule(callback: () => void, ms: number): Cancel {
    return this.#internals.clock.schedule(callback, ms);
  }

  /** @internal The socket class's own route of a topic. */
  routeOf(socket: TestSocket<Socket<object>>, topic: string): Route | undefined {
    return this.#doors.get(socket as TestSocket)?.connect.host.router(topic);
  }

  /** @internal Messages that the system's clock will bring, in words. */
  delayed(): string[] {
    return this.#clock === null ? this.#sockets.flatMap((socket) => socket.awaits("timers")) : [];
  }

  /** @internal For the message of an assertion that fails while time stands still. */
  clockHint(): string | null {
    const at = this.#clock?.nextAt ?? null;
    if (at === null || this.#sockets.every((socket) => socket.awaits("timers").length === 0)) return null;
    const ms = at - this.#internals.clock.now();
    return `The clock stands still, and a delayed message waits: kit.clock.advance(${ms}) brings the next callback.`;
  }

  // ── connecting ─────────────────────────────────────────────────────────────────────────────────────────────

  async #connect<S extends Socket<object>>(
    method: string,
    socketClass: SocketClassOf<S>,
    params: unknown,
    given: ClientInfo | undefined,
  ): Promise<TestSocket<S> | (Refusal & { readonly err?: unknown })> {
    if (typeof params !== "object" || params === null) {
      throw new ConfigError("invalid_argument", `${method}: params are an object, got ${describe(params)}`);
    }
    const info = checkClientInfo(given, `${method}: info`);
    const { mount, door, transport } = this.#door(method, socketClass, info.transport);
    if (info.authToken !== undefined && !door.authToken) {
      throw new ConfigError(
        "invalid_option",
        `${method}: info: authToken would be null, since the mount of ${socketClass.name} hasn't the option authToken: true`,
      );
    }
    const { path, query, pathParams } = addressOf(method, mount, params);
    const since = this.#internals.clock.now();
    const refused = (result: Refused): Refusal & { readonly err?: unknown } => {
      door.onRefusal(result, since);
      const { status, cause, reason, details } = result;
      return { status, cause, reason, err: (details as { err?: unknown } | undefined)?.err };
    };
    if (this.endpoint.stats().draining) return refused({ cause: "draining", status: 503 });
    const client = new TestSocket<S>(this, this.#name(socketClass.name));
    const abort = new AbortController();
    const options = this.#options(client, door);
    let result: Accepted | Refused | null = null;
    void Promise.resolve(
      connect(options, connectInfoOf(transport, path, query, info, abort.signal), pathParams),
    ).then((answered) => {
      result = answered;
    });
    await this.rest.wait({
      timeout: this.timeout,
      look: () => result !== null,
      more: () => ["connect hasn't answered"],
    });
    const answered = result as Accepted | Refused | null;
    if (answered === null) {
      abort.abort();
      throw failure({
        call: `${method}(${socketClass.name})`,
        what: `connect didn't answer within ${this.timeout} ms`,
        transcript: this.transcript,
      });
    }
    if (!("open" in answered)) return refused(answered);
    this.#open(client, door, transport, (wire) => answered.open(wire) as Connection);
    return client;
  }

  /** The mount of a socket class. One that isn't mounted yet gets a mount on the kit's own endpoint. */
  #door(
    method: string,
    socketClass: SocketClass,
    wanted: "websocket" | "longpoll" | undefined,
  ): { mount: Mount; door: MountDoor; transport: "websocket" | "longpoll" } {
    if (this.#closing !== null) {
      throw new StateError("closed", `${method}: the kit is closed; make another with channelCase()`);
    }
    const find = () => this.#internals.mounts.find((mount) => mount.socketClass === socketClass);
    if (find() === undefined && this.#ownsEndpoint) {
      const { length } = this.#internals.mounts;
      this.endpoint.socket(length === 0 ? "/socket" : `/socket-${length + 1}`, socketClass);
    }
    const mount = find();
    if (mount === undefined) {
      throw new ConfigError(
        "invalid_argument",
        `${method}: ${describe(socketClass)} isn't mounted on the endpoint; mount it by endpoint.socket, or use channelCase()`,
      );
    }
    const transport = wanted ?? (mount.doors.websocket === undefined ? "longpoll" : "websocket");
    const door = mount.doors[transport];
    if (door !== undefined) return { mount, door, transport };
    throw new ConfigError("invalid_argument", `${method}: the mount at ${mount.path} has no ${transport}`);
  }

  /** A mount's side of the handshake, with routes that a test may add to for one client. */
  #options(client: TestSocket, { connect: { host, ...rest } }: MountDoor): ConnectOptions {
    return {
      ...rest,
      host: { ...host, router: client.router(host.router) },
      serializers: [V2JSONSerializer],
    };
  }

  #open(
    client: TestSocket,
    door: MountDoor,
    kind: "websocket" | "longpoll",
    open: (transport: TestTransport) => Connection,
  ): void {
    const { clock } = this.#internals;
    const transport = new TestTransport(client, { ...door, kind, clock });
    this.#sockets.push(client);
    this.#doors.set(client, door);
    const connection = open(transport);
    transport.start(connection);
    client.open(connection, transport, this.#heartbeatIntervalMs);
  }

  #name(wanted: string): string {
    const count = (this.#names.get(wanted) ?? 0) + 1;
    this.#names.set(wanted, count);
    return count === 1 ? wanted : `${wanted}#${count}`;
  }

  #inFlight(): string[] {
    // A client of the kit is known to it also when its mount has let go of it.
    return [
      ...new Set([...this.#internals.inFlight(), ...this.#sockets.flatMap((socket) => socket.inFlight())]),
    ];
  }

  #crashed({ endpoint, callback, channel, topic, error }: ChannelErrored): void {
    if (endpoint !== this.endpoint) return;
    const stack = error instanceof Error ? (error.stack ?? error.message) : shown(error);
    const text = `${callback} of ${channel} on ${topic} crashed: ${stack.split("\n").slice(0, 4).join("\n       ")}`;
    this.transcript.add({ kind: "note", text, error });
  }
}

/**
 * Begins a test: clients that talk to channels without a port or a network.
 *
 * @param endpoint The app's own, with its mounts; by default the kit makes one, and mounts what a test connects to.
 * @throws ConfigError (`invalid_option`, `unknown_option`)
 */
export function channelCase(options?: ChannelCaseOptions): ChannelCase;
export function channelCase(endpoint: Endpoint, options?: Omit<ChannelCaseOptions, "clock">): ChannelCase;
export function channelCase(first?: unknown, second?: unknown): ChannelCase {
  if (first instanceof Endpoint) return new ChannelCase(first, second);
  return new ChannelCase(null, first);
}

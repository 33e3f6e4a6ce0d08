import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { Channel, channelContext } from "./channel.ts";
import { type Cancel, type Clock, systemClock } from "./clock.ts";
import { assertEvent, assertTopic } from "./connection/arguments.ts";
import { CLOSE } from "./connection/close-codes.ts";
import { Counters } from "./connection/counters.ts";
import { type InspectOptions, Inspector } from "./debug/inspector/inspector.ts";
import type { Trace, TraceOptions } from "./debug/trace.ts";
import { EndpointTracer, type Explanation } from "./debug/tracer.ts";
import { ConfigError, describe, StateError } from "./errors.ts";
import type { Inspectable } from "./inspectable.ts";
import { filterParameters, guardedLogger, type Logger, quietLogger } from "./logger.ts";
import { Mount, type MountHost, type MountMatch, type MountOptions, pathSegments } from "./mount.ts";
import { checkOptions, having, integer, type OptionCheck, strings } from "./options.ts";
import { EMPTY_PAYLOAD, encodePayload, type Payload } from "./protocol/payload.ts";
import type { PubSubAdapter } from "./pubsub/adapter.ts";
import type { Broadcast } from "./pubsub/broadcast.ts";
import { PubSub } from "./pubsub/pubsub.ts";
import type { Socket, SocketClass } from "./socket.ts";
import { telemetry } from "./telemetry.ts";
import type { Tracer } from "./tracing.ts";
import { requestTarget, splitTarget } from "./transport/connect-info.ts";
import { refuseUpgrade } from "./transport/refusal.ts";

export interface EndpointOptions {
  /** Carries broadcasts to other nodes. @default none: broadcasts stay in this process */
  readonly pubsub?: PubSubAdapter;
  /** Where the library reports. @default nowhere */
  readonly logger?: Logger;
  /** Values of keys that contain one of these words are hidden in logs. @default ["password", "token", "secret"] */
  readonly filterParameters?: readonly string[];
  /** Signs long-poll tokens; nodes behind one address share it. @default random */
  readonly secret?: string;
  /** The library's time, for tests. @default the system's */
  readonly clock?: Clock;
}

export interface DrainOptions {
  /** Connections told to go at once. @default 10_000 */
  readonly batchSize?: number;
  /** Milliseconds between batches. @default 2_000 */
  readonly intervalMs?: number;
  /** Milliseconds after which connections that aren't done are closed anyway. @default 30_000 */
  readonly timeoutMs?: number;
}

/** What an endpoint holds at the moment. */
export interface EndpointStats {
  /** Open connections. */
  readonly connections: number;
  /** Channels joined or joining. */
  readonly channels: number;
  /** Topics (and other keys) with a subscriber on this node. */
  readonly topics: number;
  /** Bytes that wait for clients. */
  readonly bufferedBytes: number;
  /** Messages that wait in mailboxes, behind slow handlers. */
  readonly queued: number;
  /** Sessions of documents that run on this node. */
  readonly documents: number;
  /** Pushes of ops that wait for the documents' log. */
  readonly queuedOps: number;
  readonly draining: boolean;
  /** Since the endpoint was made: frames from and to clients, and their bytes. */
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Messages that slow clients missed, by `static overflow`. */
  readonly dropped: number;
  /** Messages refused for their rate. */
  readonly rateLimited: number;
}

const ENDPOINT_OPTIONS: {
  readonly [K in keyof EndpointOptions]-?: OptionCheck<Exclude<EndpointOptions[K], undefined>>;
} = {
  pubsub: having<PubSubAdapter>("start", "subscribe", "unsubscribe", "publish", "close"),
  logger: (value) => guardedLogger(value),
  filterParameters: strings,
  secret: (value, name) => {
    if (typeof value === "string" && value.length >= 32) return value;
    throw new ConfigError("invalid_option", `${name} must be a string of at least 32 characters`);
  },
  clock: having<Clock>("now", "schedule"),
};

const DRAIN_OPTIONS = {
  batchSize: integer(1, "connections"),
  intervalMs: integer(0, "milliseconds"),
  timeoutMs: integer(0, "milliseconds"),
};

/** What the parts of the library that stand beside the endpoint need of it. */
export interface EndpointInternals {
  readonly pubsub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes the steps of parts that stand on channels. */
  readonly tracer: Tracer;
  /** Lets `stats()` and the inspector look at a part. */
  show(part: Inspectable): void;
  readonly mounts: readonly Mount[];
  /** Hides what filterParameters name. */
  filter(value: unknown): unknown;
  /** Called when the endpoint closes, before its pubsub adapter does. */
  onClose(callback: () => void): void;
  /** Adds a part that may be at work when no channel is; it says on what, in words. */
  onInFlight(probe: () => string[]): void;
  /** What the app and the parts beside the endpoint are at work on, in words; empty when all is at rest. */
  inFlight(): string[];
}

let internalsOf: (endpoint: Endpoint) => EndpointInternals;

/** @internal */
export function endpointInternals(endpoint: Endpoint): EndpointInternals {
  return internalsOf(endpoint);
}

/**
 * Where clients connect, and where the app broadcasts from (`Phoenix.Endpoint`). Mount sockets on it, then
 * attach it to an HTTP server, or let it listen by itself.
 */
export class Endpoint {
  static {
    internalsOf = (endpoint) => ({
      pubsub: endpoint.#pubsub,
      clock: endpoint.#clock,
      logger: endpoint.#logger,
      tracer: endpoint.#tracer,
      show: (part) => endpoint.#shown.add(part),
      mounts: endpoint.#mounts,
      filter: endpoint.#mountHost.filter,
      onClose: (callback) => endpoint.#onClose.push(callback),
      onInFlight: (probe) => endpoint.#probes.push(probe),
      inFlight: () => [
        ...endpoint.#mounts.flatMap((mount) => mount.inFlight()),
        ...endpoint.#probes.flatMap((probe) => probe()),
      ],
    });
  }

  readonly #onClose: (() => void)[] = [];
  readonly #probes: (() => string[])[] = [];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tracer: EndpointTracer;
  readonly #pubsub: PubSub;
  readonly #mountHost: MountHost;
  readonly #counters = new Counters();
  readonly #mounts: Mount[] = [];
  readonly #shown = new Set<Inspectable>();
  readonly #inspectors: Inspector[] = [];
  /** What undoes each `attach`. */
  readonly #servers = new Map<Server, () => void>();
  #ownServer: Server | null = null;
  #listening: Promise<AddressInfo> | null = null;
  #listeningOn = "";
  #draining: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  /** @throws ConfigError (`invalid_option`, `unknown_option`) */
  constructor(options?: EndpointOptions) {
    const checked = checkOptions<EndpointOptions>(options, ENDPOINT_OPTIONS, "new Endpoint");
    this.#clock = checked.clock ?? systemClock;
    this.#logger = checked.logger ?? quietLogger;
    const words = (checked.filterParameters ?? ["password", "token", "secret"]).map((word) =>
      word.toLowerCase(),
    );
    const filter = (value: unknown) => filterParameters(value, words);
    this.#tracer = new EndpointTracer(this.#clock, filter);
    this.#pubsub = new PubSub(
      checked.pubsub ?? null,
      (error, envelope, what) => {
        this.#logger.error({ err: error, topic: envelope?.key, event: envelope?.event }, what);
      },
      this.#tracer,
    );
    this.#mountHost = {
      endpoint: this,
      pubsub: this.#pubsub,
      counters: this.#counters,
      clock: this.#clock,
      tracer: this.#tracer,
      logger: this.#logger,
      logs: this.#logger !== quietLogger,
      filter,
      secret: checked.secret === undefined ? randomBytes(32) : Buffer.from(checked.secret),
    };
  }

  // ── serving ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Mounts a socket class: WebSockets at `path/websocket`, long-polling at `path/longpoll`. A segment of the path that begins with a colon is a
   * param, as `/rooms/:room`.
   *
   * @throws ConfigError naming what is wrong with the path, the class, its channels or an option.
   */
  socket(path: string, socketClass: SocketClass, options?: MountOptions): void {
    this.#assertOpen("socket");
    const normal = checkedPath(path, "a socket's path", "/socket");
    if (this.#mounts.some((mount) => mount.path === normal)) {
      throw new ConfigError("invalid_argument", `a socket is mounted at ${normal} already`);
    }
    this.#mounts.push(new Mount(normal, socketClass, options, this.#mountHost));
  }

  /**
   * Serves on an HTTP server of the app's (that of Express, Fastify, Koa, …). Upgrade requests for paths that are
   * no mount are left to the server's other `upgrade` listeners; if it has none, they get 404.
   */
  attach(server: Server): void {
    this.#assertOpen("attach");
    // The apps of Express and Koa have listeners too, but no upgrade would ever reach them.
    if (!(server instanceof NetServer) || typeof (server as Partial<Server>).setTimeout !== "function") {
      throw new ConfigError("invalid_argument", `attach needs a node:http server, got ${describe(server)}`);
    }
    if (this.#servers.has(server)) return;
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (this.handleUpgrade(request, socket, head) || server.listenerCount("upgrade") > 1) return;
      socket.on("error", () => socket.destroy());
      refuseUpgrade(socket, { status: 404 });
    };
    server.on("upgrade", onUpgrade);
    // The app's own listeners, also those it adds later, must not see a request that is taken here, and an
    // emitter has no other way to stop an event.
    const own = Object.hasOwn(server, "emit");
    const { emit } = server;
    let attached = true;
    const intercepting = (event: string, ...args: unknown[]): boolean => {
      const [request, response] = args as [IncomingMessage, ServerResponse];
      if (attached && event === "request" && this.handleRequest(request, response)) return true;
      return Reflect.apply(emit, server, [event, ...args]) as boolean;
    };
    server.emit = intercepting as typeof server.emit;
    this.#servers.set(server, () => {
      attached = false;
      server.off("upgrade", onUpgrade);
      // Who has wrapped it since keeps what it wrapped, which does nothing any more.
      if (server.emit !== intercepting) return;
      if (own) server.emit = emit;
      else Reflect.deleteProperty(server, "emit");
    });
  }

  /**
   * Serves on an HTTP server of its own, on all addresses unless `host` names one. Port 0 picks a free one.
   *
   * @returns The address, once it listens. Further calls return the same promise.
   */
  listen(port: number, host?: string): Promise<AddressInfo> {
    try {
      assertAddress(port, host);
    } catch (error) {
      return Promise.reject(error);
    }
    const wanted = `${port} ${host ?? ""}`;
    if (this.#listening !== null && this.#listeningOn !== wanted) {
      const error = `listen: the endpoint listens on ${describe(this.#listeningOn.trim())} already; use attach for more`;
      return Promise.reject(new ConfigError("invalid_argument", error));
    }
    this.#listeningOn = wanted;
    this.#listening ??= this.#listen(port, host).catch((error: unknown) => {
      // Another port may be free.
      this.#listening = null;
      throw error;
    });
    return this.#listening;
  }

  async #listen(port: number, host: string | undefined): Promise<AddressInfo> {
    this.#assertOpen("listen");
    const server = createServer((_request, response) => {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("Not Found");
    });
    this.attach(server);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject).listen(port, host, () => {
          server.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      this.#servers.delete(server);
      throw error;
    }
    this.#ownServer = server;
    return server.address() as AddressInfo;
  }

  /**
   * Takes an upgrade request, for servers that `attach` doesn't fit.
   *
   * @returns False if its path is no mount: the request is left as it was.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const found = this.#match(request);
    if (found === null)
      return this.#inspectors.some((inspector) => inspector.handleUpgrade(request, socket, head));
    found.mount.upgrade(request, socket, head, found.match, this.#draining !== null);
    return true;
  }

  /**
   * Takes a plain HTTP request, as a framework's handler would: that of a long-polling client.
   *
   * @returns False if its path is no mount: the request is left as it was.
   */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    const found = this.#match(request);
    if (found === null)
      return this.#inspectors.some((inspector) => inspector.handleRequest(request, response));
    found.mount.request(request, response, found.match, this.#draining !== null);
    return true;
  }

  #match(request: IncomingMessage): { mount: Mount; match: MountMatch } | null {
    const path = pathSegments(splitTarget(requestTarget(request)).path);
    for (const mount of this.#mounts) {
      const match = mount.match(path);
      if (match !== null) return { mount, match };
    }
    return null;
  }

  // ── broadcasting ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a message to all subscribers of a topic, on all nodes. Clients of this node are written to before it
   * returns.
   *
   * @param payload A plain object, or a `Uint8Array` for a binary message. Default `{}`.
   * @throws PayloadError (`invalid_payload`), ConfigError (`invalid_argument`)
   */
  broadcast(topic: string, event: string, payload?: Payload): void {
    assertTopic("broadcast", topic);
    assertEvent("broadcast", event);
    this.#pubsub.broadcast(topic, event, encodePayload(payload));
  }

  /** Like {@link broadcast}, but not to the client of `channel`. */
  broadcastFrom(
    channel: Channel<object, Socket<object>>,
    topic: string,
    event: string,
    payload?: Payload,
  ): void {
    if (!(channel instanceof Channel)) {
      throw new ConfigError(
        "invalid_argument",
        `broadcastFrom needs a channel first, got ${describe(channel)}`,
      );
    }
    assertTopic("broadcastFrom", topic);
    assertEvent("broadcastFrom", event);
    this.#pubsub.broadcast(topic, event, encodePayload(payload), channelContext(channel));
  }

  /** Like {@link broadcast}, but only to subscribers on this node. */
  localBroadcast(topic: string, event: string, payload?: Payload): void {
    assertTopic("localBroadcast", topic);
    assertEvent("localBroadcast", event);
    this.#pubsub.localBroadcast(topic, event, encodePayload(payload));
  }

  /**
   * Calls back with each broadcast of a topic, from this node and others. A listener that throws is logged.
   *
   * @returns Removes the listener.
   */
  subscribe(topic: string, listener: (broadcast: Broadcast) => void): () => void {
    assertTopic("subscribe", topic);
    if (typeof listener !== "function") {
      throw new ConfigError(
        "invalid_argument",
        `subscribe needs a listener function, got ${describe(listener)}`,
      );
    }
    return this.#pubsub.listen(topic, listener);
  }

  /** Closes all connections of a socket id, on all nodes, with 1001: their clients reconnect, and connect decides. */
  disconnect(socketId: string): void {
    assertTopic("disconnect", socketId);
    this.#pubsub.broadcast(socketId, "disconnect", EMPTY_PAYLOAD);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Prepares for a restart: new connections get 503, those that are open are closed in batches with 1012, each
   * when its channels have handled what they received.
   *
   * @returns Resolves when all are closed. Further calls return the same promise.
   */
  drain(options?: DrainOptions): Promise<void> {
    if (this.#draining === null) {
      try {
        const checked = checkOptions<DrainOptions>(options, DRAIN_OPTIONS, "drain");
        this.#draining = this.#drain(checked);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#draining;
  }

  /**
   * Drains, then closes the transports, the server of `listen`, and the pubsub adapter. Servers of the app's stay
   * open.
   *
   * @returns Resolves when all is closed. Further calls return the same promise.
   */
  close(options?: DrainOptions): Promise<void> {
    if (this.#closing === null) {
      try {
        checkOptions<DrainOptions>(options, DRAIN_OPTIONS, "close");
      } catch (error) {
        return Promise.reject(error);
      }
      this.#closing = this.#close(options);
    }
    return this.#closing;
  }

  async #drain({ batchSize = 10_000, intervalMs = 2_000, timeoutMs = 30_000 }: DrainOptions): Promise<void> {
    for (const mount of this.#mounts) mount.drain();
    const connections = this.#mounts.flatMap((mount) => [...mount.lingering, ...mount.connections]);
    const timers: Cancel[] = [];
    const after = (ms: number) =>
      new Promise<void>((resolve) => timers.push(this.#clock.schedule(resolve, ms)));
    let over = false;
    const expired = after(timeoutMs).then(() => {
      over = true;
      for (const connection of connections) connection.close(CLOSE.drain);
    });
    const inBatches = async () => {
      const drained: Promise<void>[] = [];
      for (let i = 0; i < connections.length; i += batchSize) {
        if (i > 0) await after(intervalMs);
        if (over) return;
        this.#tellOfBatch(i, connections.length, batchSize, intervalMs);
        for (const connection of connections.slice(i, i + batchSize)) drained.push(connection.drain());
      }
      await Promise.all(drained);
    };
    await Promise.race([inBatches(), expired]);
    for (const cancel of timers) cancel();
  }

  #tellOfBatch(offset: number, total: number, batchSize: number, intervalMs: number): void {
    const count = Math.min(batchSize, total - offset);
    const index = offset / batchSize + 1;
    const rounds = Math.ceil(total / batchSize);
    this.#logger.info(
      { count, total, index, rounds, intervalMs },
      `DRAINING ${count} of ${total} total connection(s) every ${intervalMs}ms - round ${index} of ${rounds}`,
    );
    if (telemetry.socketDrained.hasSubscribers) {
      telemetry.socketDrained.publish({ endpoint: this, count, total, index, rounds, intervalMs });
    }
  }

  async #close(options: DrainOptions | undefined): Promise<void> {
    // A server that is about to listen is closed once it does.
    await this.#listening?.catch(() => {});
    await this.drain(options);
    await Promise.all(this.#mounts.map((mount) => mount.closed()));
    await Promise.all(this.#inspectors.map((inspector) => inspector.close()));
    for (const [server, detach] of this.#servers) if (server !== this.#ownServer) detach();
    const server = this.#ownServer;
    if (server !== null) {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    }
    for (const callback of this.#onClose) callback();
    await this.#pubsub.close();
    this.#tracer.close();
  }

  // ── looking on ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Follows messages through this node, step by step: from the frame that came in to every frame that went out for
   * it. Without options, all messages. Keys that `filterParameters` name are hidden. It costs time while it is open,
   * so close it, or leave its loop.
   *
   * @throws ConfigError (`invalid_option`, `unknown_option`)
   */
  trace(options?: TraceOptions): Trace {
    return this.#tracer.open(options);
  }

  /**
   * Tells what is known of a refusal, an error reply, a crash or a close, by the id that is in its log line; and,
   * while a trace is open, of any message. The latest 500 of each kind are kept.
   *
   * @returns Null if the id isn't known, or not any more.
   * @throws ConfigError (`invalid_argument`) if the id isn't a string.
   */
  explain(id: string): Explanation | null {
    return this.#tracer.explain(id);
  }

  /**
   * Serves a web page at `path` that shows what this node does: its sockets, channels, topics, presences and documents,
   * and the flow of their messages as it happens. Without `authorize` it is for this machine only.
   *
   * Security: it shows what clients send, but for what `filterParameters` name. Behind a proxy, on which every client
   * seems to come from this machine, give `authorize`.
   *
   * @throws ConfigError (`invalid_argument`, `invalid_option`, `unknown_option`), StateError (`closed`)
   */
  inspect(path: string, options?: InspectOptions): void {
    this.#assertOpen("inspect");
    const normal = checkedPath(path, "an inspector's path", "/inspector");
    if (this.#inspectors.some((inspector) => inspector.path === normal)) {
      throw new ConfigError("invalid_argument", `an inspector is mounted at ${normal} already`);
    }
    const host = {
      endpoint: this,
      tracer: this.#tracer,
      pubsub: this.#pubsub,
      logger: this.#logger,
      filter: this.#mountHost.filter,
      parts: this.#shown,
      connections: () => this.#mounts.flatMap((mount) => [...mount.connections]),
    };
    // What it sends itself goes through an endpoint of its own, so that it doesn't see itself.
    const own = (logger: Logger) => new Endpoint({ clock: this.#clock, logger });
    this.#inspectors.push(new Inspector(normal, options, host, own));
  }

  /** What this node holds at the moment. */
  stats(): EndpointStats {
    let channels = 0;
    let connections = 0;
    let bufferedBytes = 0;
    let queued = 0;
    for (const mount of this.#mounts) {
      for (const connection of mount.connections) {
        connections++;
        channels += connection.channels;
        bufferedBytes += connection.bufferedBytes;
        queued += connection.queued;
      }
    }
    let documents = 0;
    let queuedOps = 0;
    for (const part of this.#shown) {
      for (const document of part.documents?.() ?? []) {
        documents++;
        queuedOps += document.queued;
      }
    }
    return {
      connections,
      channels,
      topics: this.#pubsub.size,
      bufferedBytes,
      queued,
      documents,
      queuedOps,
      draining: this.#draining !== null,
      ...this.#counters,
    };
  }

  #assertOpen(call: string): void {
    if (this.#closing !== null)
      throw new StateError("closed", `${call}: the endpoint is closed; make a new one`);
  }
}

function checkedPath(path: unknown, what: string, example: string): string {
  if (typeof path === "string" && path.startsWith("/") && !path.includes("?")) {
    return `/${pathSegments(path).join("/")}`;
  }
  throw new ConfigError(
    "invalid_argument",
    `${what} begins with a slash, as "${example}"; got ${describe(path)}`,
  );
}

/** Node takes text for the path of a pipe, and nothing for any port. */
function assertAddress(port: unknown, host: unknown): void {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535) {
    throw new ConfigError(
      "invalid_argument",
      `listen needs a port, a number from 0 to 65535, got ${describe(port)}`,
    );
  }
  if (host !== undefined && typeof host !== "string") {
    throw new ConfigError("invalid_argument", `listen: a host is a string, got ${describe(host)}`);
  }
}

import { randomBytes } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Channel, channelContext } from "./channel.ts";
import { type Clock, systemClock } from "./clock.ts";
import { assertEvent, assertTopic } from "./connection/arguments.ts";
import { Counters } from "./connection/counters.ts";
import { type InspectOptions, Inspector } from "./debug/inspector/inspector.ts";
import type { Trace, TraceOptions } from "./debug/trace.ts";
import { EndpointTracer, type Explanation } from "./debug/tracer.ts";
import { checkDrainOptions, type DrainOptions, drain } from "./endpoint/drain.ts";
import type { EndpointInternals } from "./endpoint/internals.ts";
import { checkEndpointOptions, type EndpointOptions } from "./endpoint/options.ts";
import { Servers } from "./endpoint/servers.ts";
import { type EndpointStats, takeStats } from "./endpoint/stats.ts";
import { ConfigError, describe, StateError } from "./errors.ts";
import type { Inspectable } from "./inspectable.ts";
import { filterParameters, type Logger, quietLogger } from "./logger.ts";
import { Mount, type MountHost, type MountMatch, type MountOptions, pathSegments } from "./mount.ts";
import { EMPTY_PAYLOAD, encodePayload, type Payload } from "./protocol/payload.ts";
import type { Broadcast } from "./pubsub/broadcast.ts";
import { PubSub } from "./pubsub/pubsub.ts";
import type { Socket, SocketClass } from "./socket.ts";
import { requestTarget, splitTarget } from "./transport/connect-info.ts";

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
  readonly #servers = new Servers({
    handleUpgrade: (request, socket, head) => this.handleUpgrade(request, socket, head),
    handleRequest: (request, response) => this.handleRequest(request, response),
    assertOpen: (call) => this.#assertOpen(call),
  });
  #draining: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  /** @throws ConfigError (`invalid_option`, `unknown_option`) */
  constructor(options?: EndpointOptions) {
    const checked = checkEndpointOptions(options);
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
    this.#servers.attach(server);
  }

  /**
   * Serves on an HTTP server of its own, on all addresses unless `host` names one. Port 0 picks a free one.
   *
   * @returns The address, once it listens. Further calls return the same promise.
   */
  listen(port: number, host?: string): Promise<AddressInfo> {
    return this.#servers.listen(port, host);
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
        this.#draining = drain(this.#mounts, this.#mountHost, checkDrainOptions(options, "drain"));
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
        checkDrainOptions(options, "close");
      } catch (error) {
        return Promise.reject(error);
      }
      this.#closing = this.#close(options);
    }
    return this.#closing;
  }

  async #close(options: DrainOptions | undefined): Promise<void> {
    // A server that is about to listen is closed once it does.
    await this.#servers.settled();
    await this.drain(options);
    await Promise.all(this.#mounts.map((mount) => mount.closed()));
    await Promise.all(this.#inspectors.map((inspector) => inspector.close()));
    await this.#servers.close();
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
    return takeStats({
      mounts: this.#mounts,
      parts: this.#shown,
      pubsub: this.#pubsub,
      counters: this.#counters,
      draining: this.#draining !== null,
    });
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

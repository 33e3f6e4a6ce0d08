import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type MountedClass, type MountWishes, ON_MOUNT } from "./channel/channel-class.ts";
import type { Clock } from "./clock.ts";
import { type ConnectOptions, connect } from "./connection/connect.ts";
import type { Connection, ConnectionHost } from "./connection/connection.ts";
import type { Counters } from "./connection/counters.ts";
import { checkRateLimit, type RateLimit, RateLimiter } from "./connection/rate-limit.ts";
import { Reporter } from "./connection/reporter.ts";
import { compileRoutes } from "./connection/routes.ts";
import type { Endpoint } from "./endpoint.ts";
import { ConfigError, describe } from "./errors.ts";
import type { Logger } from "./logger.ts";
import { bool, checkOptions, having, integer, method, type OptionCheck } from "./options.ts";
import { negotiate, type Serializer } from "./protocol/serializer.ts";
import { V1JSONSerializer } from "./protocol/v1-json.ts";
import { V2JSONSerializer } from "./protocol/v2-json.ts";
import type { PubSub } from "./pubsub/pubsub.ts";
import { assertSchema } from "./schema.ts";
import { Socket, type SocketClass } from "./socket.ts";
import type { Tracer } from "./tracing.ts";
import type { Connect, OnRefusal } from "./transport/accept.ts";
import { LongPolling } from "./transport/longpoll.ts";
import { type CheckOrigin, originCheck } from "./transport/origin.ts";
import { type Refusal, refuseUpgrade } from "./transport/refusal.ts";
import { Upgrades } from "./transport/upgrade.ts";

/** Options of a mount, for both transports or for one of them. */
export interface TransportOptions {
  /** Which origins may connect. @default true */
  readonly checkOrigin?: CheckOrigin;
  /** Channels joined or joining on one connection. @default 100 */
  readonly maxChannels?: number;
  /** Bytes of one frame from a client; a larger one closes with 1009. @default 1_048_576 */
  readonly maxPayload?: number;
  /** Bytes that may wait for a client that doesn't read, before it is closed with 1013. @default 4_194_304 */
  readonly maxBufferedBytes?: number;
  /** Messages that may wait for one channel, before reading from its client pauses. @default 1000 */
  readonly maxQueued?: number;
  /** Milliseconds without a byte from the client, after which it is closed with 1002. @default 60_000 */
  readonly idleTimeout?: number;
  /** Milliseconds that `connect` may take, before the client gets 503. @default 10_000 */
  readonly connectTimeout?: number;
  /** Milliseconds that a client may take to answer a close, before its TCP connection is cut. @default 5_000 */
  readonly closeTimeout?: number;
  /** Messages that a client may send; what is over it is refused, a flood closes with 1008. @default false */
  readonly rateLimit?: RateLimit | false;
  /** The wire formats, in the order in which a client's `vsn` is tried. @default V1 and V2 */
  readonly serializers?: readonly Serializer[];
  /** Takes the official client's `authToken`, into `info.authToken`. @default false */
  readonly authToken?: boolean;
}

export interface WebSocketOptions extends TransportOptions {
  /**
   * Answers a client that `connect` refused, by the reason it gave. Nothing means 403.
   */
  readonly onRefused?: (request: IncomingMessage, reason: unknown) => Refusal | undefined;
}

export interface LongPollOptions extends TransportOptions {
  /** Milliseconds that a poll waits for messages. @default 10_000 */
  readonly windowMs?: number;
}

export interface MountOptions extends TransportOptions {
  /** WebSockets at `path/websocket`. @default true */
  readonly websocket?: boolean | WebSocketOptions;
  /** Long-polling at `path/longpoll`. @default true */
  readonly longpoll?: boolean | LongPollOptions;
  readonly onRefused?: WebSocketOptions["onRefused"];
}

type Checked<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };
type OptionTable<T> = { readonly [K in keyof T]-?: OptionCheck<Exclude<T[K], undefined>> };

const milliseconds = integer(1, "milliseconds");

const TRANSPORT_OPTIONS: OptionTable<TransportOptions> = {
  checkOrigin: (value) => {
    originCheck(value);
    return value as CheckOrigin;
  },
  maxChannels: integer(1, "channels"),
  maxPayload: integer(1, "bytes", 2 ** 31 - 1),
  maxBufferedBytes: integer(1, "bytes"),
  maxQueued: integer(1, "messages"),
  idleTimeout: milliseconds,
  connectTimeout: milliseconds,
  closeTimeout: integer(1, "milliseconds", 2 ** 31 - 1),
  rateLimit: (value, name) => (value === false ? false : checkRateLimit(value, name)),
  serializers: (value, name) => {
    if (!Array.isArray(value) || value.length === 0) {
      throw new ConfigError(
        "invalid_option",
        `${name} must be a list of serializers, got ${describe(value)}`,
      );
    }
    const check = having<Serializer>("decode", "encodePush", "encodeReply", "encodeBroadcast");
    return value.map((item, i) => {
      const serializer = check(item, `${name}[${i}]`);
      if (negotiate([serializer], serializer.version) !== undefined) return serializer;
      throw new ConfigError(
        "invalid_option",
        `${name}[${i}].version must be a version such as "2.0.0", got ${describe(serializer.version)}`,
      );
    });
  },
  authToken: bool,
};

const WEBSOCKET_OPTIONS: OptionTable<WebSocketOptions> = { ...TRANSPORT_OPTIONS, onRefused: method };

const LONGPOLL_OPTIONS: OptionTable<LongPollOptions> = { ...TRANSPORT_OPTIONS, windowMs: milliseconds };

const MOUNT_OPTIONS: OptionTable<MountOptions> = {
  ...WEBSOCKET_OPTIONS,
  websocket: (value, name) =>
    typeof value === "boolean"
      ? value
      : checkOptions<WebSocketOptions>(value, WEBSOCKET_OPTIONS, name, "true, false or "),
  longpoll: (value, name) =>
    typeof value === "boolean"
      ? value
      : checkOptions<LongPollOptions>(value, LONGPOLL_OPTIONS, name, "true, false or "),
};

const DEFAULTS: Checked<TransportOptions & MountWishes> = {
  checkOrigin: true,
  maxChannels: 100,
  maxPayload: 1024 * 1024,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxQueued: 1000,
  idleTimeout: 60_000,
  connectTimeout: 10_000,
  closeTimeout: 5_000,
  rateLimit: false,
  serializers: [V1JSONSerializer, V2JSONSerializer],
  authToken: false,
  pingInterval: 30_000,
};

/** What a mount gets from its endpoint. */
export interface MountHost {
  readonly endpoint: Endpoint;
  readonly pubsub: PubSub;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /** False if the logger is the quiet one. */
  readonly logs: boolean;
  /** Signs long-poll tokens. */
  readonly secret: Buffer;
  /** Hides what filterParameters name. */
  filter(value: unknown): unknown;
}

/** An address of a mount that a request asks for, and the params in its path. */
export interface MountMatch {
  readonly transport: "websocket" | "longpoll";
  readonly pathParams: Record<string, string>;
}

/** How clients of one transport get in, for the test kit, whose clients aren't on the network. */
export interface MountDoor {
  readonly connect: ConnectOptions;
  readonly onRefusal: OnRefusal;
  readonly counters: Counters;
  readonly idleTimeout: number;
  readonly maxPayload: number;
  readonly authToken: boolean;
}

/** A socket class at a path. */
export class Mount {
  readonly path: string;
  readonly socketClass: SocketClass;
  readonly doors: { readonly [kind in "websocket" | "longpoll"]?: MountDoor };
  readonly connections = new Set<Connection>();
  /** Their clients are gone, but a handler or a terminate still runs. */
  readonly lingering = new Set<Connection>();
  readonly #segments: readonly string[];
  readonly #upgrades: Upgrades | null = null;
  readonly #longPolling: LongPolling | null = null;

  /** @throws ConfigError */
  constructor(path: string, socketClass: unknown, options: unknown, host: MountHost) {
    this.path = path;
    this.#segments = pathSegments(path);
    assertSocketClass(socketClass);
    this.socketClass = socketClass;
    const doors: { [kind in "websocket" | "longpoll"]?: MountDoor } = {};
    this.doors = doors;
    const { paramsSchema } = socketClass;
    if (paramsSchema !== undefined) assertSchema(paramsSchema, `${socketClass.name}.paramsSchema`);
    const { find: router, classes } = compileRoutes(socketClass);
    const wishes: MountWishes = Object.assign(
      {},
      ...[...classes].map((channelClass) => (channelClass as MountedClass)[ON_MOUNT]?.(host.endpoint)),
    );
    const where = `socket(${describe(path)})`;
    const checked = checkOptions<MountOptions>(options, MOUNT_OPTIONS, where);
    const { websocket = true, longpoll = true, onRefused = null, ...shared } = checked;

    // One for both transports, unless they have their own: a socket id counts wherever it comes from.
    const limiters = new Map<RateLimit, RateLimiter>();
    const limiter = (limit: RateLimit | false) => {
      if (limit === false) return null;
      const made = limiters.get(limit) ?? new RateLimiter(limit);
      limiters.set(limit, made);
      return made;
    };

    /** The options of one transport, and the connections that it makes. */
    const transport = <T extends object>(
      kind: "websocket" | "longpoll",
      given: true | (TransportOptions & T),
    ) => {
      const own = { ...DEFAULTS, ...wishes, ...shared, ...(given === true ? {} : given) } as Checked<
        TransportOptions & MountWishes
      > &
        T;
      const { serializers, rateLimit, checkOrigin, ...rest } = own;
      const report = new Reporter(
        { endpoint: host.endpoint, socket: socketClass.name, transport: kind },
        host,
      );
      const connectionHost: ConnectionHost = {
        ...host,
        ...rest,
        report,
        router,
        socketName: socketClass.name,
        rateLimiter: limiter(rateLimit),
        ended: (connection) => {
          this.connections.delete(connection);
          this.lingering.add(connection);
        },
        settled: (connection) => this.lingering.delete(connection),
      };
      const connectOptions = {
        host: connectionHost,
        socketClass,
        paramsSchema,
        // Long-polling carries binary frames to the server only: such a client would get no answer to its join.
        serializers: kind === "longpoll" ? serializers.filter((one) => one.binaryOnly !== true) : serializers,
        opened: (connection: Connection) => this.connections.add(connection),
      };
      const ask: Connect = (info, pathParams) => connect(connectOptions, info, pathParams);
      const onRefusal: OnRefusal = (refused, since) => report.refused(refused, since);
      doors[kind] = { ...rest, connect: connectOptions, onRefusal, counters: host.counters };
      return { ...host, ...rest, checkOrigin: originCheck(checkOrigin), connect: ask, onRefusal };
    };
    if (websocket !== false) {
      this.#upgrades = new Upgrades({ onRefused, ...transport<WebSocketOptions>("websocket", websocket) });
    }
    if (longpoll !== false) {
      this.#longPolling = new LongPolling({
        windowMs: 10_000,
        ...transport<LongPollOptions>("longpoll", longpoll),
      });
    }
  }

  match(path: readonly string[]): MountMatch | null {
    const transport = path.at(-1);
    if (transport !== "websocket" && transport !== "longpoll") return null;
    if ((transport === "websocket" ? this.#upgrades : this.#longPolling) === null) return null;
    const pathParams = matchPath(this.#segments, path.slice(0, -1));
    return pathParams === null ? null : { transport, pathParams };
  }

  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    { transport, pathParams }: MountMatch,
    draining: boolean,
  ): void {
    if (transport === "websocket") this.#upgrades?.handle(request, socket, head, pathParams, draining);
    else {
      socket.on("error", () => socket.destroy());
      refuseUpgrade(socket, { status: 400 });
    }
  }

  request(
    request: IncomingMessage,
    response: ServerResponse,
    { transport, pathParams }: MountMatch,
    draining: boolean,
  ): void {
    if (transport === "longpoll") {
      void this.#longPolling?.handle(request, response, pathParams, draining);
    } else {
      response
        .writeHead(400, { "Content-Type": "text/plain; charset=utf-8" })
        .end("This address takes WebSockets: the request has no Upgrade header that says so.");
    }
  }

  /** The params that a client's path has. */
  get pathParams(): string[] {
    return this.#segments.filter((segment) => segment.startsWith(":")).map((segment) => segment.slice(1));
  }

  /** What the app is at work on for the clients of this mount, in words. */
  inFlight(): string[] {
    return [...this.connections, ...this.lingering].flatMap((connection) => connection.inFlight());
  }

  /** Refuses the clients about which connect hasn't decided yet. */
  drain(): void {
    this.#upgrades?.drain();
    this.#longPolling?.drain();
  }

  async closed(): Promise<void> {
    await Promise.all([this.#upgrades?.closed(), this.#longPolling?.closed()]);
  }
}

/** Splits a path as Plug does: empty segments don't count, so a trailing slash makes no difference. */
export function pathSegments(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function matchPath(pattern: readonly string[], path: readonly string[]): Record<string, string> | null {
  if (pattern.length !== path.length) return null;
  const params: Record<string, string> = {};
  for (const [i, segment] of pattern.entries()) {
    const got = path[i] ?? "";
    if (segment.startsWith(":")) {
      try {
        params[segment.slice(1)] = decodeURIComponent(got);
      } catch {
        return null;
      }
    } else if (segment !== got) {
      return null;
    }
  }
  return params;
}

function assertSocketClass(value: unknown): asserts value is SocketClass {
  if (typeof value === "function" && value.prototype instanceof Socket) return;
  throw new ConfigError(
    "invalid_socket",
    `endpoint.socket needs a class that extends Socket, got ${describe(value)}`,
  );
}

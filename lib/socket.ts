import type { ChannelClass } from "./channel/channel-class.ts";
import type { Endpoint } from "./endpoint.ts";
import { ConfigError } from "./errors.ts";
import { error, ok, type Reply } from "./reply.ts";
import type { Schema } from "./schema.ts";
import type { ConnectInfo } from "./transport/connect-info.ts";

/** The params of a connection, from the query string. Everything in them is what the client says. */
export type ConnectParams = { readonly [name: string]: unknown };

/** What `connect` returns: `ok()`, or `error(reason)` to refuse. */
export type ConnectResult = Reply<"ok"> | Reply<"error">;

/** A channel class, alone or with assigns that its channels begin with. */
export type ChannelRoute = ChannelClass | { readonly channel: ChannelClass; readonly assigns?: object };

/**
 * The seam between a socket and its connection. Apps never see one: they write no constructor.
 *
 * @internal
 */
export interface SocketContext {
  readonly endpoint: Endpoint;
  disconnect(reason: string | undefined): void;
  /** Takes what the app gave as `expiresAt`, and checks it. */
  expiresAt(value: unknown): void;
}

/** A class of sockets, as `endpoint.socket` takes it. */
export interface SocketClass {
  new (context: SocketContext): Socket<object>;
  readonly name: string;
  readonly channels: Readonly<Record<string, ChannelRoute>>;
  readonly paramsSchema?: Schema;
}

/**
 * One connection of one client (`Phoenix.Socket`). Subclass it for each mount: it says who may connect, and
 * which channel takes which topic.
 *
 * @typeParam Assigns What connect learns of the client, in `assigns`; each channel begins with a copy.
 */
export abstract class Socket<Assigns extends object = object> {
  /**
   * Topics and their channel classes: an exact topic, or a prefix that ends with `*`. The first that matches
   * takes the join.
   */
  static channels: Readonly<Record<string, ChannelRoute>> = {};
  /** Checks and shapes the params before `connect` sees them; a client whose params it refuses gets 403. */
  static paramsSchema?: Schema;

  /** The connection's state. Channels get a shallow copy when they are joined. */
  assigns: Assigns = {} as Assigns;

  readonly #context: SocketContext;
  #expiresAt: Date | number | null = null;

  /** @internal */
  constructor(context: SocketContext) {
    const { endpoint, disconnect } = (context ?? {}) as Partial<SocketContext>;
    if (endpoint === undefined || typeof disconnect !== "function") {
      throw new ConfigError(
        "invalid_socket",
        `sockets are made by their endpoint, and ${new.target.name} needs no constructor: set up in connect instead`,
      );
    }
    this.#context = context;
  }

  /**
   * Decides whether the client may connect, and sets `assigns` (`connect/3`). Return `ok()`, `error(reason?)` or a
   * promise of them; the default lets everybody in. A refusal answers 403, or what the mount's `onRefused` says.
   * A throw answers 500.
   *
   * Security: params and headers come from the client.
   */
  connect(_params: ConnectParams, _info: ConnectInfo): ConnectResult | Promise<ConnectResult> {
    return ok();
  }

  /**
   * Names the connection's user, for `endpoint.disconnect(id)`; all connections with one id are closed together
   * (`id/1`). Called once, after connect. Null, the default, is no name.
   */
  id(): string | null {
    return null;
  }

  /**
   * Takes a new token that the client pushed as `access_token {token}` on any of its channels, if the class
   * overrides this; else the event is the channel's. Return `ok()`, after moving `expiresAt`, or `error(reason?)`:
   * the client gets it as the reply, and an error changes nothing else.
   *
   * Security: the token comes from the client.
   */
  refresh(_token: string): ConnectResult | Promise<ConnectResult> {
    return error();
  }

  /**
   * Until when the connection is authorized: a Date, or milliseconds since the epoch (a JWT's `exp` times 1000).
   * Set it in `connect` and `refresh`. A minute before, or when half of the time has passed if that is later,
   * every joined channel pushes `token_expiring {expires_in}` with the seconds left; then the connection is closed
   * with 1001. Null, the default, is no end.
   *
   * @throws ConfigError (`invalid_argument`)
   */
  get expiresAt(): Date | number | null {
    return this.#expiresAt;
  }

  set expiresAt(value: Date | number | null) {
    this.#context.expiresAt(value);
    this.#expiresAt = value;
  }

  get endpoint(): Endpoint {
    return this.#context.endpoint;
  }

  /**
   * Closes this connection with 1001, upon which the official client reconnects and asks `connect` again.
   *
   * @param reason The close frame's reason, at most 123 bytes.
   */
  disconnect(reason?: string): void {
    this.#context.disconnect(reason);
  }
}

import type { Endpoint } from "../endpoint.ts";
import { ConfigError, describe, ReturnError, StateError } from "../errors.ts";
import { negotiate, type Serializer } from "../protocol/serializer.ts";
import { Reply } from "../reply.ts";
import { isPromise, type Schema } from "../schema.ts";
import type { ConnectParams, Socket, SocketClass, SocketContext } from "../socket.ts";
import type { RefusalCause } from "../telemetry.ts";
import type { Accepted, Refused } from "../transport/accept.ts";
import type { ConnectInfo } from "../transport/connect-info.ts";
import { decodeParams, InvalidQueryError } from "../transport/params.ts";
import type { Transport } from "../transport/transport.ts";
import { thrownBy, validated } from "./callbacks.ts";
import { CLOSE } from "./close-codes.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { checkExpiresAt } from "./expiry.ts";

/** A mount's side of the handshake: who may connect, with which serializer. */
export interface ConnectOptions {
  readonly host: ConnectionHost;
  readonly socketClass: SocketClass;
  readonly paramsSchema: Schema | undefined;
  readonly serializers: readonly Serializer[];
  opened(connection: Connection): void;
}

/** What the params of a client failed; `connect` isn't asked then. */
class InvalidParams {
  readonly reply: Reply;

  constructor(reply: Reply) {
    this.reply = reply;
  }
}

/**
 * Asks the app whether a client may connect. Neither throws nor rejects; synchronous if the app is.
 */
export function connect(
  options: ConnectOptions,
  info: ConnectInfo,
  pathParams: Readonly<Record<string, string>>,
): Accepted | Refused | Promise<Accepted | Refused> {
  const { host, socketClass, serializers } = options;
  const { report } = host;
  const started = report.now;
  let params: Record<string, unknown>;
  try {
    params = decodeParams(info.uri.search.slice(1));
  } catch (error) {
    if (error instanceof InvalidQueryError) return refused("invalid_query", 400, { query: error.message });
    throw error;
  }
  Object.assign(params, pathParams);

  const vsn = params.vsn ?? "1.0.0";
  const serializer = negotiate(serializers, vsn);
  if (serializer === undefined) {
    const spoken = serializers.map(({ version }) => version).join(", ");
    return refused("vsn", 403, { vsn: describe(vsn), spoken });
  }

  const crashed = (thrown: unknown): Refused => {
    const err = thrownBy(socketClass.name, "connect", thrown);
    return refused("connect_crashed", 500, { err });
  };
  try {
    const link = new SocketLink(report.endpoint);
    const socket = new socketClass(link);
    const answered = (result: unknown): Accepted | Refused => {
      try {
        const outcome = settle(socket, socketClass.name, result);
        if (!(outcome instanceof Connecting)) return outcome;
        return {
          open(transport) {
            const { id } = outcome;
            const told = (connection: Connection) => report.connected(connection, params, started);
            return opened(options, link, socket, id, serializer, transport, told);
          },
        };
      } catch (error) {
        return crashed(error);
      }
    };
    const ask = (checked: unknown) => socket.connect(checked as ConnectParams, info);
    const result = validated(options.paramsSchema, params, ask, (reply) => new InvalidParams(reply));
    return isPromise(result) ? Promise.resolve(result).then(answered, crashed) : answered(result);
  } catch (error) {
    return crashed(error);
  }
}

/**
 * Lets a client in without asking the app, for the test kit.
 *
 * @param prepare Sets up the socket as connect would.
 */
export function admit(
  options: ConnectOptions,
  id: string | null,
  serializer: Serializer,
  prepare: (socket: Socket<object>) => void,
): (transport: Transport) => Connection {
  const link = new SocketLink(options.host.report.endpoint);
  const socket = new options.socketClass(link);
  prepare(socket);
  return (transport) => opened(options, link, socket, id, serializer, transport);
}

function opened(
  options: ConnectOptions,
  link: SocketLink,
  socket: Socket<object>,
  id: string | null,
  serializer: Serializer,
  transport: Transport,
  told?: (connection: Connection) => void,
): Connection {
  const connection = new Connection(options.host, socket, id, serializer, transport);
  told?.(connection);
  link.connection = connection;
  if (socket.expiresAt !== null) connection.expiresAt(socket.expiresAt);
  options.opened(connection);
  return connection;
}

/**
 * A socket's way to its connection, which is made after connect. A class, since a closure would keep all that
 * connect knew of the request, for as long as the client stays.
 */
class SocketLink implements SocketContext {
  readonly endpoint: Endpoint;
  connection: Connection | null = null;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  disconnect(reason: string | undefined): void {
    if (this.connection === null) {
      throw new StateError(
        "not_connected",
        "disconnect: the socket isn't connected yet; return error() from connect",
      );
    }
    this.connection.close({ ...CLOSE.disconnect, reason: closeReason(reason) });
  }

  expiresAt(value: unknown): void {
    checkExpiresAt(value);
    this.connection?.expiresAt(value);
  }
}

/** The app has said yes. */
class Connecting {
  readonly id: string | null;

  constructor(id: string | null) {
    this.id = id;
  }
}

function settle(socket: Socket<object>, name: string, result: unknown): Connecting | Refused {
  if (result instanceof InvalidParams) return { cause: "params", status: 403, reason: result.reply.payload };
  const isReply = result instanceof Reply;
  if (isReply && result.status === "error") return { cause: "connect", status: 403, reason: result.payload };
  if (!isReply || result.status !== "ok") {
    return misreturned(
      "invalid_return",
      `${name}.connect returned ${describe(result)}; expected ok() or error(reason?)`,
    );
  }
  const id: unknown = socket.id();
  if (id !== null && (typeof id !== "string" || id === "")) {
    return misreturned("invalid_id", `${name}.id returned ${describe(id)}; expected a string or null`);
  }
  return new Connecting(id);
}

function misreturned(cause: RefusalCause, message: string): Refused {
  return refused(cause, 403, { err: new ReturnError("invalid_return", message) });
}

function refused(cause: RefusalCause, status: number, details: object): Refused {
  return { cause, status, details };
}

function closeReason(reason: unknown): string {
  if (reason === undefined) return "";
  if (typeof reason !== "string" || Buffer.byteLength(reason) > 123) {
    throw new ConfigError(
      "invalid_argument",
      `disconnect(reason) takes a string of at most 123 bytes, got ${describe(reason)}`,
    );
  }
  return reason;
}

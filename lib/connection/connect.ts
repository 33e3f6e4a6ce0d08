import { ConfigError, describe } from "../errors.ts";
import { negotiate, type Serializer } from "../protocol/serializer.ts";
import { Reply } from "../reply.ts";
import { isPromise, type Schema, validate } from "../schema.ts";
import type { ConnectParams, Socket, SocketClass } from "../socket.ts";
import type { Accepted, Refused } from "../transport/accept.ts";
import type { ConnectInfo } from "../transport/connect-info.ts";
import { decodeParams, InvalidQueryError } from "../transport/params.ts";
import { CLOSE } from "./close-codes.ts";
import { Connection, type ConnectionHost } from "./connection.ts";

/** A mount's side of the handshake: who may connect, with which serializer. */
export interface ConnectOptions {
  readonly host: ConnectionHost;
  readonly socketClass: SocketClass;
  readonly paramsSchema: Schema | undefined;
  readonly serializers: readonly Serializer[];
  opened(connection: Connection): void;
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
  const started = host.clock.now();
  let params: Record<string, unknown>;
  try {
    params = decodeParams(info.uri.search.slice(1));
  } catch (error) {
    if (error instanceof InvalidQueryError) return refused(400, error.message);
    throw error;
  }
  Object.assign(params, pathParams);

  const vsn = params.vsn ?? "1.0.0";
  const serializer = negotiate(serializers, vsn);
  if (serializer === undefined) {
    const spoken = serializers.map(({ version }) => version).join(", ");
    host.logger.warn({ vsn: describe(vsn) }, `refused a client whose vsn isn't one of ${spoken}`);
    return refused(403, "unsupported vsn");
  }

  const log = (verb: string) => {
    if (!host.logs) return;
    const ms = (host.clock.now() - started).toFixed(1);
    host.logger.info(
      { transport: info.transport, serializer: serializer.name, params: host.filter(params) },
      `${verb} ${socketClass.name} in ${ms}ms`,
    );
  };
  const crashed = (error: unknown): Refused => {
    host.logger.error({ err: error }, `connect crashed in ${socketClass.name}`);
    return refused(500, "connect crashed");
  };
  let socket: Socket<object>;
  let connection: Connection | null = null;
  const answered = (result: unknown): Accepted | Refused => {
    const outcome = settle(options, serializer, socket, result, (opened) => {
      connection = opened;
    });
    log("open" in outcome ? "CONNECTED TO" : "REFUSED CONNECTION TO");
    return outcome;
  };
  const guarded = (result: unknown): Accepted | Refused => {
    try {
      return answered(result);
    } catch (error) {
      return crashed(error);
    }
  };
  try {
    socket = new socketClass({
      endpoint: host.endpoint,
      disconnect: (reason) => connection?.close({ ...CLOSE.disconnect, reason: closeReason(reason) }),
    });
    const result = checkParams(options.paramsSchema, params, (checked) => socket.connect(checked, info));
    return isPromise(result) ? Promise.resolve(result).then(guarded, crashed) : guarded(result);
  } catch (error) {
    return crashed(error);
  }
}

function checkParams(
  schema: Schema | undefined,
  params: ConnectParams,
  next: (params: ConnectParams) => unknown,
): unknown {
  if (schema === undefined) return next(params);
  const validated = validate(schema, params);
  const check = (result: Awaited<typeof validated>) =>
    "issues" in result
      ? new Reply("error", { reason: "invalid params", issues: result.issues })
      : next(result.value as ConnectParams);
  return isPromise(validated) ? Promise.resolve(validated).then(check) : check(validated);
}

function settle(
  options: ConnectOptions,
  serializer: Serializer,
  socket: Socket<object>,
  result: unknown,
  opened: (connection: Connection) => void,
): Accepted | Refused {
  const { host, socketClass } = options;
  const isReply = result instanceof Reply;
  if (isReply && result.status === "error") return { status: 403, byApp: true, reason: result.payload };
  if (!isReply || result.status !== "ok") {
    host.logger.error(
      {},
      `${socketClass.name}.connect returned ${describe(result)}; expected ok() or error(reason?)`,
    );
    return refused(403, "invalid return");
  }
  const id: unknown = socket.id();
  if (id !== null && (typeof id !== "string" || id === "")) {
    host.logger.error({}, `${socketClass.name}.id returned ${describe(id)}; expected a string or null`);
    return refused(403, "invalid id");
  }
  return {
    open(transport) {
      const connection = new Connection(host, socket, id, serializer, transport);
      opened(connection);
      options.opened(connection);
      return connection;
    },
  };
}

function refused(status: number, reason: string): Refused {
  return { status, byApp: false, reason };
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

import { Endpoint, type EndpointOptions, type MountOptions, type SocketClass } from "../../lib/index.ts";
import { afterTest } from "./teardown.ts";

/** One line that the library logged. */
export interface LogLine {
  readonly level: string;
  readonly details: Record<string, unknown>;
  readonly message: string;
}

/** A logger that keeps what it is given. */
export function recordingLogger() {
  const lines: LogLine[] = [];
  const at = (level: string) => (details: object, message: string) => {
    lines.push({ level, details: details as Record<string, unknown>, message });
  };
  const logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  return { logger, lines };
}

export interface ServedEndpoint {
  readonly endpoint: Endpoint;
  /** Everything the library logged. */
  readonly lines: LogLine[];
}

export interface Served extends ServedEndpoint {
  readonly port: number;
  /** For raw clients: ws://…/socket/websocket */
  readonly url: string;
  /** For the official client: ws://…/socket */
  readonly mount: string;
}

/** An endpoint with a socket class at /socket, whose log is kept. */
export function makeEndpoint(
  socketClass: SocketClass,
  mountOptions: MountOptions,
  endpointOptions: EndpointOptions,
): ServedEndpoint {
  const { logger, lines } = recordingLogger();
  const endpoint = new Endpoint({ logger, ...endpointOptions });
  endpoint.socket("/socket", socketClass, mountOptions);
  return { endpoint, lines };
}

/** Serves a socket class at /socket on a free port; closed after the test. */
export async function serve(
  socketClass: SocketClass,
  mountOptions: MountOptions = {},
  endpointOptions: EndpointOptions = {},
): Promise<Served> {
  const { endpoint, lines } = makeEndpoint(socketClass, mountOptions, endpointOptions);
  const { port } = await endpoint.listen(0, "127.0.0.1");
  afterTest(() => endpoint.close({ timeoutMs: 0 }));
  const mount = `ws://127.0.0.1:${port}/socket`;
  return { endpoint, port, url: `${mount}/websocket`, mount, lines };
}

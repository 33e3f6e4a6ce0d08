import type { ConnectInfo } from "./connect-info.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** A client that may connect: `open` makes its connection. */
export interface Accepted {
  readonly open: (transport: Transport) => TransportListener;
}

/** A client that may not. */
export interface Refused {
  /** The HTTP status of a refused upgrade. */
  readonly status: number;
  /** `connect` said so: `onRefused` may answer. */
  readonly byApp: boolean;
  /** What `connect` gave. */
  readonly reason?: unknown;
}

/** Asks the app, once the transport has checked what is its own. Neither throws nor rejects. */
export type Connect = (
  info: ConnectInfo,
  pathParams: Readonly<Record<string, string>>,
) => Accepted | Refused | Promise<Accepted | Refused>;

import type { RefusalCause } from "../telemetry.ts";
import type { ConnectInfo } from "./connect-info.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** A client that may connect: `open` makes its connection. */
export interface Accepted {
  readonly open: (transport: Transport) => TransportListener;
}

/** A client that may not. */
export interface Refused {
  readonly cause: RefusalCause;
  /** The HTTP status of a refused upgrade. */
  readonly status: number;
  /** What `connect` gave to `error`. */
  readonly reason?: unknown;
  /** For the log: what was wrong, and how to mend it. */
  readonly details?: object;
}

/** Asks the app, once the transport has checked what is its own. Neither throws nor rejects. */
export type Connect = (
  info: ConnectInfo,
  pathParams: Readonly<Record<string, string>>,
) => Accepted | Refused | Promise<Accepted | Refused>;

/** Told of each client that isn't let in, with when it came. Returns the id that `explain` takes, for the answer. */
export type OnRefusal = (refused: Refused, since: number) => string;

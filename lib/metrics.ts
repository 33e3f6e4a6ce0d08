import type { Channel as DiagnosticsChannel } from "node:diagnostics_channel";
import { Counter, register as defaultRegistry, Gauge, Histogram, type Registry } from "prom-client";
import type { EndpointStats } from "./endpoint/stats.ts";
import { Endpoint } from "./endpoint.ts";
import { ConfigError, describe } from "./errors.ts";
import {
  type ChannelErrored,
  type ChannelHandledIn,
  type ChannelJoined,
  type SocketClosed,
  type SocketConnected,
  type SocketRefused,
  telemetry,
} from "./telemetry.ts";

export interface MetricsOptions {
  /** Where the metrics are registered. @default prom-client's own registry */
  readonly register?: Registry;
  /** What the names begin with. @default "phoenix_" */
  readonly prefix?: string;
}

/** The gauges and counters that are read from `endpoint.stats()` when they are scraped. */
const FROM_STATS: readonly [
  name: string,
  help: string,
  read: (stats: EndpointStats) => number,
  total?: true,
][] = [
  ["connections", "Open connections", (s) => s.connections],
  ["channels", "Channels joined or joining", (s) => s.channels],
  ["topics", "Topics with a subscriber on this node", (s) => s.topics],
  ["queued_messages", "Messages that wait behind slow handlers", (s) => s.queued],
  ["documents", "Sessions of documents on this node", (s) => s.documents],
  ["queued_ops", "Pushes of ops that wait for the documents' log", (s) => s.queuedOps],
  ["buffered_bytes", "Bytes that wait for clients", (s) => s.bufferedBytes],
  ["frames_in_total", "Frames from clients", (s) => s.framesIn, true],
  ["frames_out_total", "Frames to clients", (s) => s.framesOut, true],
  ["bytes_in_total", "Bytes of frames from clients", (s) => s.bytesIn, true],
  ["bytes_out_total", "Bytes of frames to clients", (s) => s.bytesOut, true],
  ["dropped_messages_total", "Messages that slow clients missed", (s) => s.dropped, true],
  ["rate_limited_messages_total", "Messages refused for their rate", (s) => s.rateLimited, true],
];

/** What a handler may come to, besides a reply with a status of the app's own. */
const RESULTS: ReadonlySet<string> = new Set(["ok", "error", "noreply", "stop", "crash"]);

/** Seconds; most handlers take less than a millisecond. */
const BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/**
 * Registers an endpoint's metrics with prom-client. Labels hold no topics, and no events: a client picks those.
 *
 * @returns Ends the counting, and takes the metrics out of the registry.
 * @throws ConfigError (`invalid_argument`)
 */
export function collectMetrics(endpoint: Endpoint, options: MetricsOptions = {}): () => void {
  if (!(endpoint instanceof Endpoint)) {
    throw new ConfigError("invalid_argument", `collectMetrics needs an Endpoint, got ${describe(endpoint)}`);
  }
  const { register = defaultRegistry, prefix = "phoenix_" } = options;
  const registers = [register];
  const names: string[] = [];
  const named = (name: string) => {
    names.push(prefix + name);
    return prefix + name;
  };

  // A scrape reads all of them in one turn: the connections are walked over once.
  let latest: EndpointStats | null = null;
  const stats = () => {
    if (latest === null) {
      latest = endpoint.stats();
      queueMicrotask(() => {
        latest = null;
      });
    }
    return latest;
  };
  for (const [name, help, read, total] of FROM_STATS) {
    if (total) {
      let seen = 0;
      new Counter({
        name: named(name),
        help,
        registers,
        collect() {
          const now = read(stats());
          this.inc(now - seen);
          seen = now;
        },
      });
    } else {
      new Gauge({
        name: named(name),
        help,
        registers,
        collect() {
          this.set(read(stats()));
        },
      });
    }
  }

  const connects = new Counter({
    name: named("connects_total"),
    help: "Clients that connected",
    labelNames: ["transport", "serializer"],
    registers,
  });
  const refusals = new Counter({
    name: named("refusals_total"),
    help: "Clients that were refused, by cause",
    labelNames: ["transport", "cause"],
    registers,
  });
  const closes = new Counter({
    name: named("closes_total"),
    help: "Connections that ended, by close code",
    labelNames: ["transport", "code"],
    registers,
  });
  const joins = new Counter({
    name: named("joins_total"),
    help: "Joins, by channel class and result",
    labelNames: ["channel", "result"],
    registers,
  });
  const handled = new Histogram({
    name: named("handler_seconds"),
    help: "Time that handlers took, by channel class and result",
    labelNames: ["channel", "result"],
    buckets: BUCKETS,
    registers,
  });
  const errors = new Counter({
    name: named("channel_errors_total"),
    help: "Throws and wrong returns of the app, by channel class and callback",
    labelNames: ["channel", "callback"],
    registers,
  });

  const stops: (() => void)[] = [];
  const listen = <M extends { readonly endpoint: Endpoint }>(
    channel: DiagnosticsChannel,
    take: (message: M) => void,
  ) => {
    const listener = (message: unknown) => {
      if ((message as M).endpoint === endpoint) take(message as M);
    };
    channel.subscribe(listener);
    stops.push(() => channel.unsubscribe(listener));
  };
  listen<SocketConnected>(telemetry.socketConnected, ({ transport, serializer }) =>
    connects.inc({ transport, serializer }),
  );
  listen<SocketRefused>(telemetry.socketRefused, ({ transport, cause }) =>
    refusals.inc({ transport, cause }),
  );
  listen<SocketClosed>(telemetry.socketClosed, ({ transport, code }) =>
    closes.inc({ transport, code: known(code) }),
  );
  listen<ChannelJoined>(telemetry.channelJoined, ({ channel, result }) => joins.inc({ channel, result }));
  listen<ChannelHandledIn>(telemetry.channelHandledIn, ({ channel, result, duration }) =>
    handled.observe({ channel, result: RESULTS.has(result) ? result : "other" }, duration / 1000),
  );
  listen<ChannelErrored>(telemetry.channelErrored, ({ channel, callback }) =>
    errors.inc({ channel, callback }),
  );

  return () => {
    for (const stop of stops) stop();
    for (const name of names) register.removeSingleMetric(name);
  };
}

/** A client may close with any code it likes; a label must not grow with it. */
function known(code: number): string {
  return code < 3000 ? String(code) : "other";
}

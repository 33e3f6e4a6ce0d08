// A process that loads one server: opens connections, keeps messages in flight, and counts what comes back.
import { answerParent, usage } from "../support/child.ts";
import { LoadConnection } from "./connection.ts";
import { type DialectName, dialect } from "./dialects.ts";

export interface LoadOptions {
  readonly dialect: DialectName;
  readonly port: number;
  /** echo: each connection keeps one request in flight. fanout: the first one publishes to all. */
  readonly kind: "echo" | "fanout";
  readonly connections: number;
  /** Broadcasts, for fanout. */
  readonly inFlight: number;
  readonly bytes: number;
}

/** Opened at a time; the backlog of a listening socket has its limits. */
const OPENED_AT_ONCE = 50;

let received = 0;
let running = false;
/** Messages on their way; when they are home, a generator that was told to stop has stopped. */
let outstanding = 0;
let onIdle = () => {};
let begin = () => {};
let failed: Promise<never> = new Promise(() => {});

function home(): void {
  outstanding--;
  if (outstanding === 0) onIdle();
}

async function open(options: LoadOptions): Promise<void> {
  const { publish, echo, ...hello } = dialect(options.dialect, options.bytes);
  const connections: LoadConnection[] = [];
  for (let i = 0; i < options.connections; i += OPENED_AT_ONCE) {
    const some: LoadConnection[] = [];
    while (some.length < Math.min(OPENED_AT_ONCE, options.connections - i)) {
      some.push(new LoadConnection(options.port));
    }
    await Promise.all(some.map((connection) => connection.open({ ...hello, publish, echo })));
    connections.push(...some);
  }
  failed = Promise.race(connections.map((connection) => connection.failed));
  failed.catch(() => {});
  if (options.kind === "echo") loadEcho(connections, echo);
  else loadFanout(connections, publish, options.inFlight);
}

function loadEcho(connections: readonly LoadConnection[], request: Buffer): void {
  begin = () => {
    outstanding = connections.length;
    for (const connection of connections) connection.write(request);
  };
  for (const connection of connections) {
    connection.onFrames = () => {
      received++;
      if (running) connection.write(request);
      else home();
    };
  }
}

/**
 * Keeps `inFlight` broadcasts under way: the next is published when every subscriber has received the oldest.
 * Each client's frames come in order, so a client's n-th frame is the n-th broadcast.
 */
function loadFanout(connections: readonly LoadConnection[], request: Buffer, inFlight: number): void {
  const publisher = connections[0];
  if (publisher === undefined) throw new Error("fanout needs a connection");
  /** How many clients have yet to receive each broadcast under way, by its number modulo `inFlight`. */
  const missing = new Int32Array(inFlight).fill(connections.length);
  const batches = Array.from({ length: inFlight + 1 }, (_, n) => Buffer.concat(Array(n).fill(request)));
  const publish = (count: number) => publisher.write(batches[count] ?? request);
  begin = () => {
    outstanding = inFlight;
    publish(inFlight);
  };
  for (const connection of connections) {
    let next = 0;
    connection.onFrames = (count) => {
      received += count;
      let complete = 0;
      for (let i = 0; i < count; i++) {
        const left = (missing[next] ?? 0) - 1;
        missing[next] = left;
        if (left === 0) {
          missing[next] = connections.length;
          complete++;
        }
        if (++next === inFlight) next = 0;
      }
      if (complete === 0) return;
      if (running) publish(complete);
      else for (let i = 0; i < complete; i++) home();
    };
  }
}

answerParent({
  open,
  start() {
    running = true;
    begin();
  },
  /** Messages received until now: replies, or deliveries to one subscriber each. */
  sample: () => ({ ...usage(), received }),
  stop() {
    const idle = new Promise<void>((resolve) => {
      onIdle = resolve;
    });
    running = false;
    return Promise.race([idle, failed]);
  },
});

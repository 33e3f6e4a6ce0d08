// A process of clients that join, stay, and come and go.
import { LoadConnection } from "../load/connection.ts";
import { answerParent, usage } from "../support/child.ts";
import { clientFrame } from "../support/frames.ts";

const TOPIC = "room:bench";
/** Opened at a time; the backlog of a listening socket has its limits. */
const OPENED_AT_ONCE = 50;
const LEAVE = frame("2", "phx_leave", {});
const NOTHING = Buffer.alloc(0);
/** A connection that says nothing by itself. */
const SILENT = { path: "/socket/websocket?vsn=2.0.0", hello: [], publish: NOTHING, echo: NOTHING };
/** The reply, and one message at least that says who is there. */
const FRAMES_OF_JOIN = 2;

interface Client {
  readonly connection: LoadConnection;
  readonly join: Buffer;
}

const clients: Client[] = [];
let observed = 0;
let lost = 0;
let timer: NodeJS.Timeout | undefined;

function frame(ref: string, event: string, payload: object): Buffer {
  return clientFrame(JSON.stringify(["1", ref, TOPIC, event, payload]));
}

async function open({ port, count }: { port: number; count: number }): Promise<void> {
  while (clients.length < count) {
    const size = Math.min(OPENED_AT_ONCE, count - clients.length);
    const some = Array.from({ length: size }, (_, i) => ({
      connection: new LoadConnection(port),
      join: frame("1", "phx_join", { user: `user-${clients.length + i}` }),
    }));
    await Promise.all(some.map(({ connection }) => connection.open(SILENT)));
    for (const { connection } of some) connection.failed.catch(() => lost++);
    clients.push(...some);
  }
}

/**
 * All join, in waves: a wave begins when those of the one before have got what they get first.
 *
 * @returns How many have joined by the time limit.
 */
async function join({ wave, limitMs }: { wave: number; limitMs: number }): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < clients.length; i += wave) {
    if (performance.now() - started > limitMs) clients.length = i;
    const joined = clients.slice(i, i + wave).map(({ connection, join }) => {
      let frames = 0;
      const arrived = new Promise<void>((resolve) => {
        connection.onFrames = (count) => {
          frames += count;
          if (frames >= FRAMES_OF_JOIN) resolve();
        };
      });
      connection.write(join);
      return Promise.race([arrived, connection.failed]);
    });
    await Promise.all(joined);
  }
  for (const { connection } of clients) connection.onFrames = () => {};
  const [observer] = clients;
  if (observer === undefined) throw new Error("there are no clients");
  // It stays, and counts for all others.
  observer.connection.onFrames = (frames) => {
    observed += frames;
  };
  return clients.length;
}

/** From now on `perSecond` clients leave in each second, and join again in the next half of a second. */
function churn({ perSecond }: { perSecond: number }): void {
  const gone: Client[] = [];
  const half = Math.ceil(perSecond / 2);
  const started = performance.now();
  let next = 0;
  let left = 0;
  timer = setInterval(() => {
    // What is due by now, so that a late timer doesn't slow down the churn.
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; left < due; left++) {
      next = (next % (clients.length - 1)) + 1;
      const leaving = clients[next] as Client;
      leaving.connection.write(LEAVE);
      gone.push(leaving);
      if (gone.length <= half) continue;
      const joining = gone.shift() as Client;
      joining.connection.write(joining.join);
    }
  }, 5);
}

/** What the clients have received until now. */
export interface GeneratorSample {
  /** Messages to the client that stays. */
  readonly observed: number;
  /** Connections that were lost. */
  readonly lost: number;
}

answerParent({
  open,
  join,
  churn,
  stop: () => clearInterval(timer),
  usage,
  sample: (): GeneratorSample => ({ observed, lost }),
});

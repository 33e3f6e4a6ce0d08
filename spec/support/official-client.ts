import {
  type Channel,
  type ClientMessage,
  type CloseInfo,
  LongPoll,
  type Push,
  Socket,
  type SocketOptions,
  type TransportClass,
} from "phoenix";
import { WebSocket } from "ws";
import type { Serializer } from "../../lib/index.ts";
import { afterTest } from "./teardown.ts";

/** One way in which the official client talks to a server. */
export interface TransportRow {
  readonly name: string;
  /** As `info.transport` of the server names it. */
  readonly kind: "websocket" | "longpoll";
  /** What the client's constructor gets for it. */
  readonly options: SocketOptions;
  /** Which way it carries binary messages. */
  readonly binary: "both ways" | "to the server" | "no way";
  /** Its messages carry a join_ref, by which the client knows what belongs to an earlier join. */
  readonly joinRefs: boolean;
  /** The client sends heartbeats over it. */
  readonly heartbeats: boolean;
  /** The client learns the server's close code. */
  readonly closeCodes: boolean;
  /** What the mount must take besides the defaults, for clients of this row. */
  readonly serializers?: readonly Serializer[];
}

/** The wire format of Phoenix before 1.3, in which the client no longer ships. */
const V1: Pick<SocketOptions, "vsn" | "encode" | "decode"> = {
  vsn: "1.0.0",
  encode: ({ topic, event, payload, ref }, callback) => {
    callback(JSON.stringify({ topic, event, payload, ref }));
  },
  decode: (data, callback) => callback(JSON.parse(data as string) as ClientMessage),
};

// `ws` takes the place of the browser's WebSocket.
const transport = WebSocket as unknown as TransportClass;

/** Every flow of the official client runs over each of them. */
export const TRANSPORTS: readonly TransportRow[] = [
  {
    name: "websocket",
    kind: "websocket",
    options: { transport },
    binary: "both ways",
    joinRefs: true,
    heartbeats: true,
    closeCodes: true,
  },
  {
    name: "websocket, vsn 1.0.0",
    kind: "websocket",
    options: { transport, ...V1 },
    binary: "no way",
    joinRefs: false,
    heartbeats: true,
    closeCodes: true,
  },
  {
    name: "long-polling",
    kind: "longpoll",
    options: { transport: LongPoll },
    binary: "to the server",
    joinRefs: true,
    heartbeats: false,
    closeCodes: false,
  },
];

/**
 * An official client that retries at once; it is connected, unless the caller does that, and disconnected after the
 * test. A push that gets no answer fails a spec through its timeout, by {@link answer}.
 */
export function officialClient(row: TransportRow, mount: string, options: SocketOptions = {}): Socket {
  const socket = new Socket(mount, {
    timeout: 5000,
    reconnectAfterMs: () => 2,
    rejoinAfterMs: () => 2,
    ...row.options,
    ...options,
  });
  afterTest(() => {
    for (const channel of socket.channels) channel.leave();
    socket.disconnect();
  });
  return socket;
}

export interface Answer {
  readonly status: string;
  readonly response: unknown;
}

/** The first answer to a push or join, a timeout included. Statuses of the app's own are named. */
export function answer(push: Push, ...statuses: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    for (const status of ["ok", "error", "timeout", ...statuses]) {
      push.receive(status, (response) => resolve({ status, response }));
    }
  });
}

/** Keeps what a client is told, in order, until a spec asks for it. */
export class Inbox<T> {
  /** Everything that has arrived, taken or not. */
  readonly all: T[] = [];
  #taken = 0;
  #waiting: ((item: T) => void)[] = [];

  readonly put = (item: T): void => {
    this.all.push(item);
    const taker = this.#waiting.shift();
    if (taker === undefined) return;
    this.#taken++;
    taker(item);
  };

  /** The next one, whether it has arrived or not. */
  next(): Promise<T> {
    if (this.#taken < this.all.length) return Promise.resolve(this.all[this.#taken++] as T);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async take(count: number): Promise<T[]> {
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(await this.next());
    return items;
  }
}

/** The payloads of an event on a channel. */
export function inbox(channel: Channel, event: string): Inbox<unknown> {
  const box = new Inbox<unknown>();
  channel.on(event, box.put);
  return box;
}

/** What happens to a channel besides its messages. */
export function ends(channel: Channel): { readonly closes: Inbox<unknown>; readonly errors: Inbox<unknown> } {
  const closes = new Inbox<unknown>();
  const errors = new Inbox<unknown>();
  channel.onClose(closes.put);
  channel.onError(errors.put);
  return { closes, errors };
}

/** What happens to a client's connection. */
export function connectionEvents(socket: Socket): {
  readonly opens: Inbox<undefined>;
  readonly closes: Inbox<CloseInfo>;
  readonly errors: Inbox<unknown>;
} {
  const opens = new Inbox<undefined>();
  const closes = new Inbox<CloseInfo>();
  const errors = new Inbox<unknown>();
  socket.onOpen(() => opens.put(undefined));
  socket.onClose(closes.put);
  socket.onError(errors.put);
  return { opens, closes, errors };
}

/** Each "ok" to a channel's join: the first one, and those of the rejoins that the client makes by itself. */
export function joins(push: Push): Inbox<unknown> {
  const box = new Inbox<unknown>();
  push.receive("ok", box.put);
  return box;
}

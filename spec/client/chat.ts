import { once } from "node:events";
import type { Channel as ClientChannel, Socket as ClientSocket, SocketOptions } from "phoenix";
import {
  Channel,
  type ConnectInfo,
  type ConnectParams,
  type EndpointOptions,
  error,
  type MountOptions,
  ok,
  reply,
  Socket,
  stop,
  type TerminateReason,
} from "../../lib/index.ts";
import { type Answer, answer, Inbox, officialClient, type TransportRow } from "../support/official-client.ts";
import { type Served, serve } from "../support/server.ts";

interface JoinPayload {
  readonly refuse?: string;
  /** Answer only when the client has changed its mind. */
  readonly wait?: boolean;
  readonly [key: string]: unknown;
}

/** A server for the flows, and what it saw of its clients. */
export interface Chat extends Served {
  readonly connected: Inbox<{ params: ConnectParams; info: ConnectInfo }>;
  readonly joined: Inbox<{ topic: string; payload: JoinPayload }>;
  readonly ended: Inbox<{ topic: string; reason: TerminateReason }>;
  /** Whom connect turns away, by the id in the params. */
  readonly banned: Set<unknown>;
  /** A client of this server's. */
  client(options?: SocketOptions): ClientSocket;
  /** A connected client, with this id. */
  user(id: string, options?: SocketOptions): ClientSocket;
}

/** The app of the flows: rooms that do what their clients ask for. */
export function chatApp() {
  const connected: Chat["connected"] = new Inbox();
  const joined: Chat["joined"] = new Inbox();
  const ended: Chat["ended"] = new Inbox();
  const banned = new Set<unknown>();

  class RoomChannel extends Channel<object, UserSocket> {
    override async join(topic: string, payload: JoinPayload) {
      joined.put({ topic, payload });
      if (payload.wait === true && !this.signal.aborted) await once(this.signal, "abort");
      return payload.refuse === undefined ? ok({ topic, payload }) : error({ reason: payload.refuse });
    }
    override terminate(reason: TerminateReason) {
      ended.put({ topic: this.topic, reason });
    }
    static {
      this.on("echo", (payload) => ok(payload));
      this.on("fail", (payload) => error(payload));
      this.on("maybe", (payload) => reply("maybe", payload));
      this.on("silence", () => {});
      this.on("size", (payload) => ok({ size: payload instanceof Uint8Array ? payload.length : null }));
      this.on("later", function () {
        const send = this.deferReply();
        queueMicrotask(() => send(ok({ later: true })));
      });
      this.on("who", function () {
        return ok({ userId: this.assigns.userId, authToken: this.assigns.authToken });
      });
      this.on("push_me", function (payload: object) {
        this.push("pushed", payload);
        return ok();
      });
      this.on("shout", function (payload: object) {
        this.broadcast("shouted", payload);
        return ok();
      });
      this.on("whisper", function (payload: object) {
        this.broadcastFrom("whispered", payload);
        return ok();
      });
      this.on("boom", () => {
        throw new Error("boom");
      });
      this.on("stop", (payload: { reason: string; bye?: boolean }) =>
        stop(payload.reason, payload.bye === true ? ok({ bye: true }) : undefined),
      );
      this.on("disconnect", function (payload: { reason?: string }) {
        this.socket.disconnect(payload.reason);
      });
    }
  }

  class UserSocket extends Socket<{ userId: string | null; authToken: string | null }> {
    static override channels = { "room:*": RoomChannel };
    override connect(params: ConnectParams, info: ConnectInfo) {
      connected.put({ params, info });
      if (banned.has(params.id) || banned.has(info.authToken)) return error("banned");
      this.assigns.userId = typeof params.id === "string" ? params.id : null;
      this.assigns.authToken = info.authToken;
      return ok();
    }
    override id() {
      return this.assigns.userId === null ? null : `users:${this.assigns.userId}`;
    }
  }

  return { UserSocket, connected, joined, ended, banned };
}

/** Serves the app, and makes clients of one transport. */
export async function serveChat(
  row: TransportRow,
  mountOptions?: MountOptions,
  endpointOptions?: EndpointOptions,
): Promise<Chat> {
  const { UserSocket, ...seen } = chatApp();
  const served = await serve(UserSocket, { serializers: row.serializers, ...mountOptions }, endpointOptions);
  const client = (options?: SocketOptions) => officialClient(row, served.mount, options);
  const user = (id: string, options?: SocketOptions) => {
    const socket = client({ params: { id }, ...options });
    socket.connect();
    return socket;
  };
  return { ...served, ...seen, client, user };
}

/** A channel that is joined. */
export async function joinedChannel(
  socket: ClientSocket,
  topic: string,
  params?: object | (() => object),
): Promise<ClientChannel> {
  const channel = socket.channel(topic, params);
  const { status } = await answer(channel.join());
  if (status !== "ok") throw new Error(`joining ${topic} answered ${status}`);
  return channel;
}

/** The answer to a push. */
export function ask(channel: ClientChannel, event: string, payload: object = {}): Promise<Answer> {
  return answer(channel.push(event, payload));
}

// Each marked line must fail to compile: options, statics, and the arguments of calls.

import express from "express";
import { z } from "zod";
import { Channel, Endpoint, error, noreply, ok, reply, Socket, stop } from "../../../lib/index.ts";

class RoomChannel extends Channel {
  override join() {
    // @ts-expect-error a payload is an object or bytes
    this.push("text", "hello");
    // @ts-expect-error null is neither
    this.push("null", null);
    // @ts-expect-error a list is neither
    this.push("list", [1, 2]);
    // @ts-expect-error an event is a string
    this.push(5, {});
    // @ts-expect-error a payload is an object or bytes
    this.broadcast("text", "hello");
    // @ts-expect-error a list is neither
    this.broadcast("list", [{ body: "hi" }]);
    // @ts-expect-error a Map is written as {} by JSON
    this.broadcast("map", new Map([["a", 1]]));
    // @ts-expect-error a payload is an object or bytes
    this.broadcastFrom("number", 5);
    // @ts-expect-error the delay stands in options
    this.sendSelf("later", 500);
    // @ts-expect-error an unknown option
    this.sendSelf("later", { afterMs: 500 });
    // @ts-expect-error an unknown option
    this.subscribe("other", { fastlan: true });
    // @ts-expect-error a topic is a string
    this.unsubscribe(5);
    // @ts-expect-error its value must be a reply
    this.deferReply(Promise.resolve("done"));
    // @ts-expect-error a promise, not a function
    this.deferReply(async () => ok());
    // @ts-expect-error the answer is a reply
    this.deferReply()("done");
    // @ts-expect-error a close frame's reason is a string
    this.socket.disconnect(5);
    return ok();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": RoomChannel };
}

// @ts-expect-error channels are made by their connection
new RoomChannel();
// @ts-expect-error sockets are made by their endpoint
new UserSocket();

export class Constructing extends Channel {
  constructor() {
    // @ts-expect-error channels need no constructor
    super();
    this.sendSelf("made");
  }
  override join() {
    return ok();
  }
}

class Model {}
abstract class Unfinished extends Channel {}

// @ts-expect-error not a class of channels
export class ModelRoute extends Socket {
  static override channels = { "room:*": Model };
}

// @ts-expect-error a socket is no channel
export class SocketRoute extends Socket {
  static override channels = { "room:*": UserSocket };
}

// @ts-expect-error the class itself, not its name
export class NamedRoute extends Socket {
  static override channels = { "room:*": "RoomChannel" };
}

// @ts-expect-error an abstract class can't be joined
export class AbstractRoute extends Socket {
  static override channels = { "room:*": Unfinished };
}

// @ts-expect-error the channel is missing
export class AssignsRoute extends Socket {
  static override channels = { "room:*": { assigns: { db: 1 } } };
}

// @ts-expect-error assigns are an object
export class TextAssignsRoute extends Socket {
  static override channels = { "room:*": { channel: RoomChannel, assigns: "db" } };
}

// @ts-expect-error a list has no patterns
export class ListRoutes extends Socket {
  static override channels = [RoomChannel];
}

// @ts-expect-error not a Standard Schema
export class ParamsSchema extends Socket {
  static override paramsSchema = { token: "string" };
}

// @ts-expect-error not a Standard Schema
export class JoinSchema extends RoomChannel {
  static override joinSchema = { token: "string" };
}

// @ts-expect-error a list of events
export class Intercepts extends RoomChannel {
  static override intercepts = "new_msg";
}

// @ts-expect-error true or false
export class SubscribesAtJoin extends RoomChannel {
  static override subscribesAtJoin = "no";
}

// @ts-expect-error an object or false
export class Log extends RoomChannel {
  static override log = "info";
}

// @ts-expect-error an unknown option
new Endpoint({ loger: console });
// @ts-expect-error a logger has four levels
new Endpoint({ logger: { info() {} } });
// @ts-expect-error a list of words
new Endpoint({ filterParameters: "password" });
// @ts-expect-error a string
new Endpoint({ secret: 5 });
// @ts-expect-error a clock has now and schedule
new Endpoint({ clock: Date });
// @ts-expect-error an adapter has five methods
new Endpoint({ pubsub: { publish() {} } });

const endpoint = new Endpoint();

// @ts-expect-error not a class of sockets
endpoint.socket("/socket", RoomChannel);
// @ts-expect-error Socket itself is abstract
endpoint.socket("/socket", Socket);
// @ts-expect-error a path is a string
endpoint.socket(/socket/, UserSocket);
// @ts-expect-error an unknown option
endpoint.socket("/socket", UserSocket, { maxChannel: 5 });
// @ts-expect-error a number
endpoint.socket("/socket", UserSocket, { maxChannels: "5" });
// @ts-expect-error a list, not one origin
endpoint.socket("/socket", UserSocket, { checkOrigin: "https://example.com" });
// @ts-expect-error a check is synchronous: a promise would let in everybody
endpoint.socket("/socket", UserSocket, { checkOrigin: async () => true });
// @ts-expect-error both limit and interval
endpoint.socket("/socket", UserSocket, { rateLimit: { limit: 5 } });
// @ts-expect-error a limit, or false
endpoint.socket("/socket", UserSocket, { rateLimit: true });
// @ts-expect-error an unknown key
endpoint.socket("/socket", UserSocket, { rateLimit: { limit: 5, interval: 1000, burst: 5 } });
// @ts-expect-error a serializer has methods
endpoint.socket("/socket", UserSocket, { serializers: ["2.0.0"] });
// @ts-expect-error true or false
endpoint.socket("/socket", UserSocket, { authToken: "token" });
// @ts-expect-error long-polling's option
endpoint.socket("/socket", UserSocket, { websocket: { windowMs: 5 } });
// @ts-expect-error long-polling's option, which stands in longpoll
endpoint.socket("/socket", UserSocket, { windowMs: 5 });
// @ts-expect-error true, false or options
endpoint.socket("/socket", UserSocket, { websocket: "on" });
// @ts-expect-error a refusal has a status
endpoint.socket("/socket", UserSocket, { onRefused: () => ({ body: "no" }) });
// @ts-expect-error and is known at once
endpoint.socket("/socket", UserSocket, { onRefused: async () => ({ status: 403 }) });

// @ts-expect-error the server, not the framework's app
endpoint.attach(express());
// @ts-expect-error a port is a number
endpoint.listen("4000");
// @ts-expect-error a payload is an object or bytes
endpoint.broadcast("room:a", "text", "hello");
// @ts-expect-error a list is neither
endpoint.localBroadcast("room:a", "list", ["hello"]);
// @ts-expect-error a topic is a string
endpoint.broadcast(5, "event");
// @ts-expect-error the channel comes first
endpoint.broadcastFrom("room:a", "event", {});
// @ts-expect-error a listener is a function
endpoint.subscribe("room:a", "event");
// @ts-expect-error a broadcast has no data
endpoint.subscribe("room:a", (broadcast) => broadcast.data);
// @ts-expect-error an id is a string
endpoint.disconnect(7);
// @ts-expect-error an unknown option
endpoint.drain({ timeout: 5 });
// @ts-expect-error a number
endpoint.close({ timeoutMs: "5" });

// @ts-expect-error a reason is a string or an Error
stop(5);
// @ts-expect-error the answer is a reply
stop("normal", "bye");
// @ts-expect-error and not the lack of one
stop("normal", noreply());
// @ts-expect-error a status
reply();
// @ts-expect-error a string
reply(5);

const schema = z.object({});
// @ts-expect-error the events of Channel itself would be everybody's
Channel.on("all", schema);
export const answers: [string, unknown] = [ok({ n: 1 }).status, error("no").payload];

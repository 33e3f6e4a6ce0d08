// Each marked line must fail to compile: handlers, their payloads, and what callbacks return.

import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  Channel,
  error,
  noreply,
  ok,
  reply,
  Socket,
  stop,
  type TerminateReason,
} from "../../../lib/index.ts";

const ZodMsg = z.object({ body: z.string() });
const ValibotMsg = v.object({ body: v.string() });
const ArktypeMsg = type({ body: "string" });

class UserSocket extends Socket<{ userId: string }> {}

class RoomChannel extends Channel<{ room: string }, UserSocket> {
  override join() {
    // @ts-expect-error the room is a string
    this.assigns.room = 5;
    // @ts-expect-error and so is the socket's userId
    this.assigns.userId = 5;
    // @ts-expect-error nobody declares it
    this.assigns.nobody = 1;
    // @ts-expect-error assigns are changed, not replaced
    this.assigns = { room: "a", userId: "1" };
    // @ts-expect-error the socket's assigns keep their types
    this.socket.assigns.userId = null;
    // @ts-expect-error the topic is the client's
    this.topic = "room:other";
    return ok();
  }

  static {
    // @ts-expect-error the schema's output has no such key
    this.on("zod", ZodMsg, (msg) => ok(msg.text));
    // @ts-expect-error nor has this one
    this.on("valibot", ValibotMsg, (msg) => ok(msg.text));
    // @ts-expect-error nor this one
    this.on("arktype", ArktypeMsg, (msg) => ok(msg.text));
    // @ts-expect-error the schema's body is a string
    this.on("annotated", ZodMsg, (msg: { body: number }) => ok(msg.body));
    // @ts-expect-error without a schema the payload is unknown
    this.on("unknown", (payload) => ok(payload.body));
    // @ts-expect-error an event is a string
    this.on(5, () => ok());
    // @ts-expect-error a schema needs a handler
    this.on("zod only", ZodMsg);
    // @ts-expect-error also one that is a function
    this.on("arktype only", ArktypeMsg);
    // @ts-expect-error the handler comes last
    this.on("turned", () => ok(), ZodMsg);
    // @ts-expect-error not a Standard Schema
    this.on("no schema", { body: "string" }, () => ok());
    // @ts-expect-error a handler's reply comes from ok()
    this.on("text", () => "done");
    // @ts-expect-error also an object
    this.on("object", () => ({ id: 1 }));
    // @ts-expect-error that only looks like a reply
    this.on("lookalike", () => ({ status: "ok", payload: {} }));
    // @ts-expect-error also with a schema
    this.on("number", ZodMsg, () => 5);
    // @ts-expect-error also in a promise
    this.on("promise", async () => ({ id: 1 }));
    // @ts-expect-error true is no reply
    this.on("boolean", async () => true);
    // @ts-expect-error nothing is undefined, not null
    this.on("null", () => null);
    this.on("this", function () {
      // @ts-expect-error `this` is the channel, which has no such method
      this.shout();
    });
    // @ts-expect-error an arrow function's `this` is the class
    this.on("arrow", () => ok({ room: this.assigns.room }));
  }

  // @ts-expect-error a reply has nobody to go to
  override handleOut() {
    return ok();
  }

  // @ts-expect-error here neither
  override async handleInfo() {
    return reply("maybe");
  }

  // @ts-expect-error terminate's reason is one of six kinds
  override terminate(reason: { kind: "gone" }) {
    return reason.kind;
  }
}

export function kinds(reason: TerminateReason): boolean {
  // @ts-expect-error there is no such kind
  return reason.kind === "gone";
}

export class TextJoin extends Channel {
  // @ts-expect-error join returns ok() or error()
  override join() {
    return "ok";
  }
}

export class NoJoin extends Channel {
  // @ts-expect-error join has to answer
  override join() {}
}

export class BooleanJoin extends Channel {
  // @ts-expect-error join returns ok() or error()
  override async join() {
    return true;
  }
}

export class StopJoin extends Channel {
  // @ts-expect-error there is nothing to stop yet: return error()
  override join() {
    return stop("normal");
  }
}

export class NoReplyJoin extends Channel {
  // @ts-expect-error a join is always answered
  override join() {
    return noreply();
  }
}

export class StatusJoin extends Channel {
  // @ts-expect-error a join's status is ok or error
  override join() {
    return reply("maybe");
  }
}

// @ts-expect-error join is abstract
export class WithoutJoin extends Channel {}

export class BooleanConnect extends Socket {
  // @ts-expect-error connect returns ok() or error()
  override connect() {
    return true;
  }
}

export class NoConnect extends Socket {
  // @ts-expect-error connect has to answer
  override connect() {}
}

export class AsyncConnect extends Socket {
  // @ts-expect-error also as a promise
  override async connect() {
    return { userId: "1" };
  }
}

export class StopConnect extends Socket {
  // @ts-expect-error there is nothing to stop yet: return error()
  override connect() {
    return stop();
  }
}

export class AssignsSocket extends Socket<{ userId: string }> {
  override connect() {
    // @ts-expect-error the userId is a string
    this.assigns.userId = 7;
    // @ts-expect-error nobody declares it
    this.assigns.name = "n";
    // @ts-expect-error the userId is missing
    this.assigns = {};
    return error();
  }
}

export class BooleanRefresh extends Socket {
  // @ts-expect-error refresh returns ok() or error()
  override refresh(token: string) {
    // @ts-expect-error a Date, milliseconds or null
    this.expiresAt = "tomorrow";
    return token === "valid";
  }
}

export class NumberId extends Socket {
  // @ts-expect-error an id is a string or null
  override id() {
    return 7;
  }
}

export class AsyncId extends Socket {
  // @ts-expect-error and known at once
  override async id() {
    return "users:1";
  }
}

export { RoomChannel };

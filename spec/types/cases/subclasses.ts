// Class hierarchies, statics and generics that an app may write.

import { z } from "zod";
import {
  Broadcast,
  Channel,
  type ConnectInfo,
  error,
  ok,
  Socket,
  stop,
  type TerminateReason,
} from "../../../lib/index.ts";
import { expectType, type Same } from "./expect-type.ts";

interface Services {
  db: Map<string, string>;
}

// A base of several channels: abstract, with a table of its own.
export abstract class BaseChannel<A extends object> extends Channel<A & Services, UserSocket> {
  abstract readonly kind: string;
  static {
    this.on("ping", () => ok({ pong: true }));
    this.on("kind", function () {
      expectType<Same<typeof this.kind, string>>();
      return ok({ kind: this.kind, size: this.assigns.db.size });
    });
  }
}

export class DocChannel extends BaseChannel<{ doc: string }> {
  readonly kind = "doc";
  static override joinSchema = z.object({ version: z.number().default(0) });
  static override intercepts = ["edited"];
  static override subscribesAtJoin = false;

  override async join(topic: string, payload: z.output<typeof DocChannel.joinSchema>) {
    this.assigns.doc = topic;
    expectType<Same<typeof this.assigns.db, Map<string, string>>>();
    this.subscribe(`doc-key:${topic}`, { fastlane: true });
    const cancel = this.sendSelf({ kind: "hello" }, { after: 10 });
    if (cancel !== false) cancel();
    return payload.version > 1 ? error({ reason: "too new" }) : ok({ version: payload.version });
  }
  override handleOut(event: string, payload: unknown) {
    this.push(event, { payload });
    if (event === "last") return stop();
    return;
  }
  override async handleInfo(message: unknown) {
    if (message instanceof Broadcast) {
      expectType<Same<typeof message.payload, unknown>>();
      this.push(message.event, { from: message.topic });
    }
  }
  override terminate(reason: TerminateReason) {
    if (reason.kind === "left") this.assigns.db.delete(this.topic);
  }
}

// Statics need no annotation, though TypeScript widens their literals to string and boolean.

export class QuietChannel extends Channel {
  static override log = false;
  static override rateLimit = false;
  static override overflow = {};
  override join() {
    return ok();
  }
}

export class LoudChannel extends Channel {
  static override log = { join: "warn", handleIn: "info" };
  override join() {
    return ok();
  }
}

export class HalfQuietChannel extends Channel {
  static override log = { handleIn: false };
  static override overflow = { cursor: "drop" };
  static override rateLimit = { limit: 5, interval: 1000, by: "id" };
  override join() {
    return ok();
  }
}

const Params = z.object({ token: z.string(), page: z.string().transform(Number).optional() });
interface Params extends z.output<typeof Params> {}

export class UserSocket extends Socket<{ userId: string }> {
  static override paramsSchema = Params;
  static override channels = {
    "doc:*": { channel: DocChannel, assigns: { db: new Map<string, string>() } },
    "quiet:*": QuietChannel,
    "loud:*": LoudChannel,
    "half:*": HalfQuietChannel,
  };
  // The params may be an interface, though it has no index signature.
  override async connect(params: Params, info: ConnectInfo) {
    expectType<Same<typeof params.page, number | undefined>>();
    this.assigns.userId = params.token;
    if (info.signal.aborted) return error();
    return ok();
  }
  override id() {
    return this.assigns.userId === "" ? null : this.assigns.userId;
  }
}

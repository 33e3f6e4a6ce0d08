import type { Clock } from "../../clock.ts";
import { decodeFrame, encodeFrame, type Foreign, type Message } from "./frames.ts";
import type { Trace } from "./trace.ts";
import type { OpenSocket } from "./websocket.ts";

/** The connection is over, or what comes over it is not the protocol. */
export type Ending =
  | {
      readonly kind: "closed";
      readonly code: number;
      readonly reason: string;
      /** What was wrong with the server's frames, if that ended it. */
      readonly broken: string | null;
    }
  | ({ readonly kind: "foreign" } & Foreign);

/** The channel ended by itself. */
export interface ChannelEnd {
  readonly kind: "ended";
  readonly event: "phx_error" | "phx_close";
  readonly payload: unknown;
}

/** How a wait can fail. */
export type Failure = ChannelEnd | Ending | { readonly kind: "timeout" };

export interface ReplyTo {
  readonly kind: "reply";
  readonly status: string;
  readonly response: unknown;
}

/** What became of a message. */
export type Answer = ReplyTo | Failure;

interface Waiter {
  /** Whether the message settles it. */
  take(message: Message): boolean;
  end(ending: Ending): void;
}

const MAX_KEPT = 2_000;

/** A server that sends one of these echoes. */
const ONLY_FROM_CLIENTS: ReadonlySet<string> = new Set(["phx_join", "phx_leave", "heartbeat"]);

/** A client of the protocol that hides nothing: what happens to each message is a value, not an event. */
export class PhoenixClient {
  readonly name: string;
  readonly #received: Message[] = [];
  /** How many of the first messages are kept no more. */
  #dropped = 0;
  readonly #socket: OpenSocket;
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #waiters = new Set<Waiter>();
  /** The join_ref of each topic that was joined. */
  readonly #joinRefs = new Map<string, string>();
  /** Topic and ref of what was asked, as JSON. */
  readonly #asked = new Set<string>();
  #ending: Ending | null = null;
  #ref = 0;

  constructor(name: string, socket: OpenSocket, clock: Clock, trace: Trace) {
    this.name = name;
    this.#socket = socket;
    this.#clock = clock;
    this.#trace = trace;
    socket.listen({
      frame: (data, isBinary) => this.#onFrame(data, isBinary),
      closed: (code, reason, broken) => this.#end({ kind: "closed", code, reason, broken }),
    });
  }

  /** How many messages have come; for `since` and `expect`. */
  get count(): number {
    return this.#dropped + this.#received.length;
  }

  /** The messages that came after the first `count`. */
  since(count: number): readonly Message[] {
    return this.#received.slice(Math.max(0, count - this.#dropped));
  }

  /** A reply to something that this client didn't ask; undefined if there was none. */
  misaddressed(): Message | undefined {
    return this.#received.find(
      ({ event, topic, ref }) => event === "phx_reply" && !this.#asked.has(JSON.stringify([topic, ref])),
    );
  }

  join(topic: string, payload: unknown, timeoutMs: number): Promise<Answer> {
    const ref = String(++this.#ref);
    this.#joinRefs.set(topic, ref);
    return this.#ask({ joinRef: ref, ref, topic, event: "phx_join", payload }, timeoutMs);
  }

  push(topic: string, event: string, payload: unknown, timeoutMs: number): Promise<Answer> {
    return this.#ask(this.#message(topic, event, payload), timeoutMs);
  }

  /** Pushes a message, and waits for its reply or for another message that `pick` takes, whichever comes first. */
  pushFor<T>(
    topic: string,
    event: string,
    payload: unknown,
    pick: (message: Message) => T | undefined,
    timeoutMs: number,
  ): Promise<ReplyTo | { readonly kind: "message"; readonly value: T } | Failure> {
    const message = this.#message(topic, event, payload);
    const either = this.expect<ReplyTo | { readonly kind: "message"; readonly value: T }>(
      topic,
      (received) => {
        const reply = replyTo(message, received);
        if (reply !== undefined) return reply;
        const value = pick(received);
        return value === undefined ? undefined : { kind: "message", value };
      },
      timeoutMs,
    );
    this.#send(message);
    return either.then((result) => (result.kind === "message" ? result.value : result));
  }

  /** Pushes a message to which no reply is awaited. */
  cast(topic: string, event: string, payload: unknown): void {
    this.#send(this.#message(topic, event, payload));
  }

  leave(topic: string, timeoutMs: number): Promise<Answer> {
    // A leave is followed by phx_close, which is no fault.
    return this.#ask(this.#message(topic, "phx_leave", {}), timeoutMs, "");
  }

  heartbeat(timeoutMs: number): Promise<Answer> {
    const ref = String(++this.#ref);
    return this.#ask({ joinRef: null, ref, topic: "phoenix", event: "heartbeat", payload: {} }, timeoutMs);
  }

  /**
   * Waits for a message that `pick` takes: one that came after the first `from`, by default a later one.
   *
   * @param topic The channel whose end ends the wait.
   */
  expect<T>(
    topic: string,
    pick: (message: Message) => T | undefined,
    timeoutMs: number,
    from = this.count,
  ): Promise<{ readonly kind: "message"; readonly value: T } | Failure> {
    return new Promise((resolve) => {
      const take = (message: Message) => {
        const value = pick(message);
        if (value !== undefined) return settle({ kind: "message", value });
        const ended = this.#endOf(topic, message);
        return ended === null ? false : settle(ended);
      };
      const waiter: Waiter = { take, end: (ending) => settle(ending) };
      let cancel = () => {};
      const settle = (result: { readonly kind: "message"; readonly value: T } | Failure) => {
        cancel();
        this.#waiters.delete(waiter);
        resolve(result);
        return true;
      };
      for (const message of this.since(from)) if (take(message)) return;
      if (this.#ending !== null) {
        settle(this.#ending);
        return;
      }
      cancel = this.#clock.schedule(() => settle({ kind: "timeout" }), timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Resolves when the connection is over, or something foreign came. */
  ended(): Promise<Ending> {
    if (this.#ending !== null) return Promise.resolve(this.#ending);
    return new Promise((resolve) => {
      this.#waiters.add({ take: () => false, end: resolve });
    });
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  /** Closes at once, without waiting for the server. */
  cut(): void {
    this.#socket.cut();
  }

  #message(topic: string, event: string, payload: unknown): Message {
    const joinRef = this.#joinRefs.get(topic) ?? null;
    return { joinRef, ref: String(++this.#ref), topic, event, payload };
  }

  #ask(message: Message, timeoutMs: number, ends = message.topic): Promise<Answer> {
    const answer = this.expect(ends, (received) => replyTo(message, received), timeoutMs);
    this.#send(message);
    return answer.then((result) => (result.kind === "message" ? result.value : result));
  }

  #send(message: Message): void {
    if (this.#ending?.kind === "closed") return;
    this.#asked.add(JSON.stringify([message.topic, message.ref]));
    this.#trace.add(this.name, "out", message);
    this.#socket.send(encodeFrame(message));
  }

  /** Whether a message ends the channel of the topic, and isn't about an earlier join of it. */
  #endOf(topic: string, message: Message): ChannelEnd | null {
    const { event } = message;
    if (message.topic !== topic || (event !== "phx_error" && event !== "phx_close")) return null;
    const { joinRef } = message;
    if (joinRef !== null && joinRef !== this.#joinRefs.get(topic)) return null;
    return { kind: "ended", event, payload: message.payload };
  }

  #onFrame(data: Buffer, isBinary: boolean): void {
    const frame = decodeFrame(data, isBinary);
    this.#trace.add(this.name, "in", frame);
    if ("foreign" in frame) {
      this.#end({ kind: "foreign", ...frame });
      return;
    }
    if (ONLY_FROM_CLIENTS.has(frame.event)) {
      this.#end({ kind: "foreign", foreign: "text", text: `${frame.event} comes back as it was sent` });
      return;
    }
    if (this.#received.length === MAX_KEPT) {
      this.#received.shift();
      this.#dropped++;
    }
    this.#received.push(frame);
    for (const waiter of [...this.#waiters]) waiter.take(frame);
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    for (const waiter of [...this.#waiters]) waiter.end(ending);
    this.#waiters.clear();
  }
}

/** The reply, if a received message is the one to what was asked. */
function replyTo(asked: Message, { topic, ref, event, payload }: Message): ReplyTo | undefined {
  if (topic !== asked.topic || ref !== asked.ref || event !== "phx_reply") return undefined;
  const { status, response } = (payload ?? {}) as { status?: unknown; response?: unknown };
  return { kind: "reply", status: typeof status === "string" ? status : "", response };
}

import type { ChannelContext } from "../channel/context.ts";
import { Reply } from "../reply.ts";
import { type Claims, SCOPES } from "./claims.ts";
import { type OpDraft, SUMMARIZE } from "./op.ts";
import { nackPayload, OpRefusal } from "./refusal.ts";
import type { Submission } from "./submission.ts";
import { inCourse, note } from "./trace.ts";

/** How a client is connected: a writer has a join in the log and holds the minimum sequence number, a reader neither. */
export type Mode = "read" | "write";

/** What a session needs of the channel of a client. */
export type ClientPort = Pick<
  ChannelContext,
  | "pushEncoded"
  | "send"
  | "bufferedBytes"
  | "isBehind"
  | "onceDrained"
  | "overflow"
  | "stop"
  | "maxBufferedBytes"
  | "topic"
  | "joinRef"
  | "tracer"
  | "whom"
>;

/** Answers one push. */
export type Answer = (reply: Reply) => void;

/** A push that waits for its place in the order. */
export interface QueuedPush {
  readonly submission: Submission;
  readonly answer: Answer;
  /** When it came, by the clock. */
  readonly since: number;
}

/** A sequenced push, whose answer follows its ops. */
interface Acknowledgement {
  readonly first: number;
  readonly last: number;
  readonly answer: Answer;
}

export type OnSequenced = (submission: Submission, first: number, last: number) => void;

/** One connected client of a document. */
export class DocumentClient {
  readonly clientId: string;
  readonly mode: Mode;
  /** What the other clients learn of it. */
  readonly detail: object;
  readonly port: ClientPort;
  /** Told what was sequenced of this client's, once it is durable. */
  readonly onSequenced: OnSequenced | null;
  claims: Claims;
  /** From when on its token no longer counts, by the clock. */
  until: number;
  /** Every op up to here has been written to the client, unless it is live: then the session knows. */
  cursor = 0;
  /** Gets ops as the session delivers them; else it is being caught up. */
  live = false;
  /** Nothing is accepted from it and nothing delivered, until it brings a new token. */
  paused = false;
  ended = false;
  /** A pull is under way. */
  pulling = false;
  /** When it last sent something that moved the document, by the clock. */
  heardAt: number;
  /** Pushes that wait, oldest first, and what they take. */
  readonly queue: QueuedPush[] = [];
  queuedOps = 0;
  queuedBytes = 0;
  #acknowledgements: Acknowledgement[] = [];

  constructor(init: {
    readonly clientId: string;
    readonly mode: Mode;
    readonly detail: object;
    readonly port: ClientPort;
    readonly claims: Claims;
    readonly until: number;
    readonly now: number;
    readonly onSequenced: OnSequenced | null;
  }) {
    this.clientId = init.clientId;
    this.mode = init.mode;
    this.detail = init.detail;
    this.port = init.port;
    this.claims = init.claims;
    this.until = init.until;
    this.heardAt = init.now;
    this.onSequenced = init.onSequenced;
  }

  get userId(): string {
    return this.claims.user.id;
  }

  /** Its ops are durable: the answer goes out behind them. */
  acknowledge(first: number, last: number, answer: Answer): void {
    this.#acknowledgements.push({ first, last, answer });
  }

  /** Every op up to this one has been written to the client: the answers may follow. */
  written(cursor: number): void {
    const waiting = this.#acknowledgements;
    if (waiting.length === 0) return;
    let done = 0;
    for (const { first, last, answer } of waiting) {
      if (last > cursor) break;
      done++;
      inCourse(this.port, answer, () => answer(acknowledged(first, last)));
    }
    if (done === waiting.length) this.#acknowledgements = [];
    else waiting.splice(0, done);
  }

  /** Answers a push with an error, beside which a nack goes out. */
  refuse(answer: Answer, refusal: OpRefusal, head: number): void {
    const { reason, code, message, retryAfter } = refusal;
    inCourse(this.port, answer, () => {
      note(this.port, "nacked", { clientId: this.clientId, reason, code, message, head });
      answer(
        new Reply("error", retryAfter === undefined ? { reason, message } : { reason, message, retryAfter }),
      );
      this.port.pushEncoded("nack", nackPayload(refusal, head));
    });
  }

  /** Why the client may not submit these ops at this time, or null. */
  mayWrite(ops: readonly OpDraft[], now: number): OpRefusal | null {
    const { scopes } = this.claims;
    if (this.paused || now >= this.until) {
      return new OpRefusal("token_expired", "the token has expired: push access_token with a new one");
    }
    if (this.mode === "read") return new OpRefusal("read_only", 'the client is connected with mode "read"');
    const needed = ops.some(({ type }) => type === SUMMARIZE)
      ? [SCOPES.write, SCOPES.summarize]
      : [SCOPES.write];
    const missing = needed.find((scope) => !scopes.includes(scope));
    return missing === undefined
      ? null
      : new OpRefusal("missing_scope", `the token lacks the scope ${missing}, it has ${scopes.join(", ")}`);
  }

  /** Forgets what waits: nobody is there to be answered. */
  drop(): void {
    this.queue.length = 0;
    this.queuedOps = 0;
    this.queuedBytes = 0;
    this.#acknowledgements = [];
  }
}

/** The reply to a push whose ops are sequenced. */
export function acknowledged(first: number, last: number): Reply<"ok", undefined> {
  return new Reply("ok", undefined, `{"sequenceNumber":${last},"first":${first}}`);
}

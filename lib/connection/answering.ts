import { printable } from "../errors.ts";
import type { Ref } from "../protocol/message.ts";
import type { Reply } from "../reply.ts";
import type { ChannelProcess } from "./channel-process.ts";

/** The client's message that a handler works on. */
export interface InHand {
  readonly ref: Ref;
  readonly event: string;
  answered: boolean;
  /** `deferReply` was called without a promise. */
  deferred: boolean;
  /** The id by which the log and `explain` know its error reply, if it gets one. */
  failure: string | null;
}

/** Answers a message, now or after its handler has returned. False if it wasn't sent. */
export function answer(process: ChannelProcess, inHand: InHand, reply: Reply): boolean {
  const { topic, joinRef, connection, state } = process;
  const { ref, event } = inHand;
  if (state === "ended") return false;
  const { report } = connection.host;
  if (inHand.answered) {
    report.logger.warn({ topic, ref }, `a second reply to one message on ${printable(topic)} was dropped`);
    return false;
  }
  inHand.answered = true;
  if (inHand.deferred) process.deferred--;
  if (reply.status === "error") {
    const id = failureId(process, inHand);
    report.denied(connection, { joinRef, ref, topic, event }, reply.encoded, process.name, id);
  }
  return connection.reply(joinRef, ref, topic, reply.status, reply.encoded);
}

/** The id of a message's error reply, for a log line that comes before it. */
export function failureId({ connection }: ChannelProcess, inHand: InHand): string {
  const { tracer } = connection.host;
  inHand.failure ??= tracer.cause ?? tracer.newId();
  return inHand.failure;
}

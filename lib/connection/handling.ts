import { hasHandler } from "../channel/events.ts";
import type { Channel } from "../channel.ts";
import { printable } from "../errors.ts";
import type { Message } from "../protocol/message.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import { NoReply, Reply, Stop } from "../reply.ts";
import type { HandlerResult } from "../telemetry.ts";
import type { TracedCallback } from "../tracing.ts";
import { settle } from "./callbacks.ts";
import type { ChannelProcess, InHand } from "./channel-process.ts";
import { refresh, refreshes } from "./refresh.ts";

/** The event by which a client brings a new token. */
const ACCESS_TOKEN = "access_token";

/** Runs the handler of a client's message, and does what it returns. */
export function handleIn(
  process: ChannelProcess,
  channel: Channel,
  { event, payload, ref }: Message,
): Promise<void> | undefined {
  const { socket, host } = process.connection;
  const { report } = host;
  const { logHandleIn } = process.route;
  const started = report.timesHandledIn(logHandleIn) ? report.now : null;
  const inHand: InHand = { ref, event, answered: false, deferred: false, failure: null };
  process.inHand = inHand;
  const handled = (result: HandlerResult) => {
    process.inHand = null;
    if (started === null) return;
    report.handledIn(process, logHandleIn, event, payload, result, started, inHand.failure);
  };
  const refreshing = event === ACCESS_TOKEN && refreshes(socket) && !hasHandler(channel, event);
  return callApp(
    process,
    "handleIn",
    event,
    () => (refreshing ? refresh(socket, host.socketName, payload) : channel.handleIn(event, payload)),
    (result) => {
      if (result === undefined || result instanceof NoReply) {
        handled("noreply");
      } else if (result instanceof Reply) {
        if (result.status === "error") process.failureId(inHand);
        handled(result.status);
        process.answer(inHand, result);
      } else if (result instanceof Stop) {
        handled("stop");
        if (result.reply !== undefined) process.answer(inHand, result.reply);
        process.stop(result.reason);
      } else {
        handled("crash");
        process.misreturned("handleIn", `handleIn(${JSON.stringify(printable(event))})`, result, event);
      }
    },
    (error) => {
      handled("crash");
      process.crash("handleIn", error, event);
    },
  );
}

export function handleInfo(
  process: ChannelProcess,
  channel: Channel,
  message: unknown,
): Promise<void> | undefined {
  return callApp(
    process,
    "handleInfo",
    undefined,
    () => channel.handleInfo(message),
    (result) => handledOther(process, "handleInfo", result),
    (error) => process.crash("handleInfo", error),
  );
}

/** Runs an interception. */
export function handleOut(
  process: ChannelProcess,
  channel: Channel,
  { broadcast }: Envelope,
): Promise<void> | undefined {
  const { event, payload } = broadcast;
  const { report } = process.connection.host;
  const started = report.timesHandledOut ? report.now : null;
  const handled = (result: HandlerResult) => {
    if (started !== null) report.handledOut(process, event, result, started);
  };
  return callApp(
    process,
    "handleOut",
    event,
    () => channel.handleOut?.(event, payload),
    (result) => handled(handledOther(process, "handleOut", result)),
    (error) => {
      handled("crash");
      process.crash("handleOut", error, event);
    },
  );
}

function handledOther(
  process: ChannelProcess,
  callback: "handleInfo" | "handleOut",
  result: unknown,
): "noreply" | "stop" | "crash" {
  if (result === undefined || result instanceof NoReply) return "noreply";
  if (result instanceof Stop && result.reply === undefined) {
    process.stop(result.reason);
    return "stop";
  }
  process.misreturned(callback, callback, result);
  return "crash";
}

/** Calls the app as `settle` does; a trace sees it begin and end. */
export function callApp(
  process: ChannelProcess,
  callback: TracedCallback,
  event: string | undefined,
  call: () => unknown,
  done: (result: unknown) => void,
  failed: (error: unknown) => void,
): Promise<void> | undefined {
  const { tracer, clock } = process.connection.host;
  if (!tracer.active) return settle(call, done, failed);
  const { topic, joinRef, whom, name } = process;
  const facts = { callback, channel: name, topic, joinRef, ref: process.inHand?.ref ?? null, event };
  tracer.step({ step: "handling", ...facts, waited: tracer.waited() }, whom);
  const started = clock.now();
  let told = false;
  const handled = (result: HandlerResult, error: object) => {
    if (told || !tracer.active) return;
    told = true;
    tracer.step({ step: "handled", ...facts, result, duration: clock.now() - started, ...error }, whom);
  };
  return settle(
    call,
    (result) => {
      handled(resultOf(result), {});
      done(result);
    },
    (error) => {
      handled("crash", { error: tracer.shownError(error) });
      failed(error);
    },
  );
}

function resultOf(result: unknown): HandlerResult {
  if (result instanceof Reply) return result.status;
  if (result instanceof Stop) return "stop";
  return result === undefined || result instanceof NoReply ? "noreply" : "crash";
}

import { hasHandler } from "../channel/events.ts";
import type { Channel, TerminateReason } from "../channel.ts";
import { printable } from "../errors.ts";
import { type Message, PHX_JOIN } from "../protocol/message.ts";
import type { Envelope } from "../pubsub/broadcast.ts";
import { NoReply, Reply, Stop } from "../reply.ts";
import type { HandlerResult } from "../telemetry.ts";
import type { TracedCallback } from "../tracing.ts";
import { answer, failureId, type InHand } from "./answering.ts";
import { type Callback, invalidReturn, settle, thrownBy, validated } from "./callbacks.ts";
import type { ChannelProcess } from "./channel-process.ts";
import { refresh, refreshes } from "./refresh.ts";

/** The event by which a client brings a new token. */
const ACCESS_TOKEN = "access_token";

const JOIN_CRASHED = JSON.stringify({ reason: "join crashed" });

/**
 * Runs a join, and does what it returns.
 *
 * @param make Makes the app's channel, whose constructor may throw.
 */
export function join(process: ChannelProcess, payload: unknown, make: () => Channel): void {
  const { name, topic, route } = process;
  const failed = (thrown: unknown) => {
    const error = thrownBy(name, "join", thrown);
    const id = process.connection.host.report.errored(process, "join", error, PHX_JOIN);
    process.refuse(JOIN_CRASHED, id);
  };
  callApp(
    process,
    "join",
    PHX_JOIN,
    () => {
      const channel = make();
      return validated(route.joinSchema, payload, (value) => channel.join(topic, value));
    },
    (result) => {
      if (!(result instanceof Reply) || (result.status !== "ok" && result.status !== "error")) {
        failed(invalidReturn(name, "join", "join", result));
      } else if (result.status === "error") {
        process.refuse(result.encoded, null);
      } else {
        process.accept(result);
      }
    },
    failed,
  );
}

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
        if (result.status === "error") failureId(process, inHand);
        handled(result.status);
        answer(process, inHand, result);
      } else if (result instanceof Stop) {
        handled("stop");
        if (result.reply !== undefined) answer(process, inHand, result.reply);
        process.stop(result.reason);
      } else {
        handled("crash");
        misreturned(process, "handleIn", `handleIn(${JSON.stringify(printable(event))})`, result, event);
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
    (result) => handled(handledOther(process, "handleOut", result, event)),
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
  event?: string,
): "noreply" | "stop" | "crash" {
  if (result === undefined || result instanceof NoReply) return "noreply";
  if (result instanceof Stop && result.reply === undefined) {
    process.stop(result.reason);
    return "stop";
  }
  misreturned(process, callback, callback, result, event);
  return "crash";
}

/**
 * Ends a channel whose callback has returned what it may not.
 *
 * @param where The callback, with the event for `handleIn`.
 */
export function misreturned(
  process: ChannelProcess,
  callback: Callback,
  where: string,
  result: unknown,
  event?: string,
): void {
  process.crash(callback, invalidReturn(process.name, callback, where, result), event);
}

/** Runs terminate, whose result is of no interest. `done` follows in any case. */
export function terminate(
  process: ChannelProcess,
  channel: Channel,
  reason: TerminateReason,
  done: () => void,
): Promise<void> | undefined {
  return callApp(
    process,
    "terminate",
    undefined,
    () => channel.terminate(reason),
    done,
    (error) => {
      process.connection.host.report.errored(process, "terminate", error);
      done();
    },
  );
}

/** Calls the app as `settle` does; a trace sees it begin and end. */
function callApp(
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

import type { TerminateReason } from "../channel.ts";
import type { Message, Ref } from "../protocol/message.ts";
import type { EncodedPayload } from "../protocol/payload.ts";
import type { Delivery, JoinedStep, RoutedStep, Shown, Tracer, UnroutedStep, Whom } from "../tracing.ts";
import type { ChannelProcess } from "./channel-process.ts";
import type { Connection } from "./connection.ts";

/*
 * What a trace is told of a client's messages and channels. Those that are called for every message ask whether there
 * is a trace at all; the others are only called if there is.
 */

export function tellDecoded(connection: Connection, message: Message, size: number): void {
  const { tracer } = connection.host;
  const { payload, ...names } = message;
  tracer.follow(message);
  tracer.step({ step: "decoded", ...names, ...tracer.shown(payload, size) }, connection);
}

export function tellRouted(
  connection: Connection,
  message: Message,
  to: RoutedStep["to"],
  process: ChannelProcess | null = null,
): void {
  const { tracer } = connection.host;
  if (!tracer.active) return;
  const { payload: _, ...names } = message;
  const channel = process === null ? {} : { channel: process.name, waiting: process.queued };
  tracer.step({ step: "routed", to, ...names, ...channel }, connection);
}

export function tellUnrouted(connection: Connection, message: Message, why: UnroutedStep["why"]): void {
  const { tracer } = connection.host;
  if (!tracer.active) return;
  const { payload: _, ...names } = message;
  tracer.step({ step: "unrouted", why, ...names }, connection);
}

export function tellJoined(process: ChannelProcess, result: JoinedStep["result"]): void {
  const { topic, joinRef, name: channel, connection } = process;
  const { tracer } = connection.host;
  if (tracer.active) tracer.step({ step: "joined", topic, joinRef, channel, result }, connection);
}

export function tellEnded(process: ChannelProcess, { kind, reason }: TerminateReason): void {
  const { topic, joinRef, name: channel, connection } = process;
  const { tracer } = connection.host;
  if (tracer.active) tracer.step({ step: "ended", topic, joinRef, channel, kind, reason }, connection);
}

/** What became of a broadcast for one client; of one that only waits, nothing yet. */
export function tellDelivery(
  tracer: Tracer,
  whom: Whom,
  delivery: Delivery,
  names: { readonly topic: string; readonly event: string; readonly joinRef?: Ref },
  payload: EncodedPayload,
  shown: Shown = {},
): void {
  if (delivery === "sent") {
    const frame = { of: "broadcast", size: payload.length, binary: typeof payload !== "string" } as const;
    tracer.step({ step: "frame_out", ...names, ...frame, ...shown }, whom);
  } else if (delivery === "slow" || delivery === "uncarried" || delivery === "closed") {
    tracer.step({ step: "lost", ...names, why: delivery }, whom);
  }
}

import type { Ending, Failure, PhoenixClient, ReplyTo } from "../client/phoenix-client.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import type { FaultId } from "./faults.ts";
import { span } from "./time.ts";

/** What was waited for. */
export interface Wait {
  readonly client: PhoenixClient;
  readonly topic: string;
  /** For sentences: "the join", "`submitOp`". */
  readonly what: string;
  readonly timeoutMs: number;
  /** The fault if it isn't answered, while heartbeats are. */
  readonly unanswered: FaultId;
  /** The fault if `phx_error` comes instead. @default channel_crashed */
  readonly crashed?: FaultId;
}

/** Why there was no answer. */
export async function diagnoseFailure(failure: Failure, wait: Wait): Promise<Diagnosis> {
  switch (failure.kind) {
    case "closed":
    case "foreign":
      return diagnoseEnding(failure, wait.what);
    case "ended": {
      const { crashed = "channel_crashed" } = wait;
      const fault = failure.event === "phx_error" ? crashed : "channel_closed";
      return diagnosis(
        fault,
        `${failure.event} came instead of the answer to ${wait.what}`,
        payloadOf(failure),
      );
    }
    case "timeout":
      return diagnoseSilence(wait);
  }
}

function payloadOf({ payload }: { readonly payload: unknown }): string {
  return `its payload is ${shown(payload)}`;
}

async function diagnoseSilence(wait: Wait): Promise<Diagnosis> {
  const { client, what, timeoutMs, unanswered } = wait;
  const silence = `no answer to ${what} within ${span(timeoutMs)}`;
  const stray = client.misaddressed();
  if (stray !== undefined) {
    const { topic, ref } = stray;
    return diagnosis(
      "reply_misaddressed",
      silence,
      `a reply came with the topic ${shown(topic)} and the ref ${shown(ref)}, which nobody asked with`,
    );
  }
  if (unanswered === "heartbeat_unanswered") return diagnosis("heartbeat_unanswered", silence);
  const beat = await client.heartbeat(timeoutMs);
  if (beat.kind === "reply") return diagnosis(unanswered, silence, "a heartbeat sent then was answered");
  if (beat.kind === "closed" || beat.kind === "foreign") return diagnoseEnding(beat, what);
  return diagnosis("heartbeat_unanswered", silence, "nor to a heartbeat sent then");
}

/** The connection is over, or something came over it that isn't the protocol. */
export function diagnoseEnding(ending: Ending, what: string): Diagnosis {
  if (ending.kind === "foreign") {
    if (ending.foreign === "v1") return diagnosis("version_ignored", `a frame came: ${shown(ending.text)}`);
    return diagnosis("not_phoenix", `what came is no message of the protocol: ${shown(ending.text)}`);
  }
  const { code, reason, broken } = ending;
  if (broken !== null) return diagnosis("broken_frames", broken);
  const why = reason === "" ? "no reason" : `the reason ${shown(reason)}`;
  const seen =
    code === 1006
      ? `the connection broke without a close frame, before the answer to ${what}`
      : `the server closed with ${code} and ${why}, before the answer to ${what}`;
  return diagnosis(closeFault(code, reason), seen);
}

function closeFault(code: number, reason: string): FaultId {
  switch (code) {
    case 1006:
      return "connection_lost";
    case 1002:
    case 1003:
    case 1007:
    case 1010:
    case 1011:
      return "frame_refused";
    case 1008:
      return /auth|token|forbid|denied/i.test(reason) ? "disconnected" : "rate_limited";
    case 1009:
      return "message_too_large";
    case 1012:
    case 1013:
      return "draining";
    default:
      return "disconnected";
  }
}

/** The app's or library's word for why. */
export function reasonOf(response: unknown): string {
  const { reason } = (response ?? {}) as { reason?: unknown };
  if (typeof reason === "string") return reason;
  return typeof response === "string" ? response : "";
}

/** The faults that any message may be answered with; null if the reason is another. */
export function commonRefusal({ response }: ReplyTo, what: string): Diagnosis | null {
  const seen = `${what} was answered ${shown(response)}`;
  switch (reasonOf(response)) {
    case "rate_limited":
    case "throttled": {
      const { retry_after, retryAfter } = response as { retry_after?: unknown; retryAfter?: unknown };
      const seconds = retry_after ?? retryAfter;
      return diagnosis("rate_limited", seen, ...(seconds === undefined ? [] : [`try again in ${seconds} s`]));
    }
    case "not_authenticated":
      return diagnosis("not_authenticated", seen);
    default:
      return null;
  }
}

export function diagnoseJoinRefusal(reply: ReplyTo, topic: string): Diagnosis {
  const seen = `the join of ${shown(topic)} was answered ${shown(reply.response)}`;
  const faults: Readonly<Record<string, FaultId>> = {
    "unmatched topic": "topic_unmatched",
    "join crashed": "join_crashed",
    "too many channels joined": "too_many_channels",
    "invalid payload": "join_payload_refused",
  };
  const fault = Object.hasOwn(faults, reasonOf(reply.response))
    ? faults[reasonOf(reply.response)]
    : undefined;
  if (fault !== undefined) return diagnosis(fault, seen, ...issues(reply.response));
  const common = commonRefusal(reply, "the join");
  if (common !== null && common.fault === "rate_limited") return common;
  if (reply.status === "error") return diagnosis("join_refused", seen);
  return diagnosis(
    "unknown",
    `the join was answered with the status ${shown(reply.status)}, not ok or error`,
  );
}

/** Why a push to a joined channel was answered `error`. */
export function diagnosePushRefusal(
  reply: ReplyTo,
  event: string,
  client: PhoenixClient,
  topic: string,
): Diagnosis {
  const seen = `${shown(event)} was answered ${shown(reply.response)}`;
  switch (reasonOf(reply.response)) {
    case "unmatched topic":
      return diagnoseGone(client, topic, seen);
    case "unmatched event":
      return diagnosis("event_unmatched", seen);
    case "invalid payload":
      return diagnosis("payload_refused", seen, ...issues(reply.response));
    default:
      return commonRefusal(reply, shown(event)) ?? diagnosis("push_refused", seen);
  }
}

/** The channel isn't there any more; how it ended may have come before. */
export function diagnoseGone(client: PhoenixClient, topic: string, seen: string): Diagnosis {
  const end = client
    .since(0)
    .find(({ topic: of, event }) => of === topic && /^phx_(error|close)$/.test(event));
  if (end === undefined) return diagnosis("channel_gone", seen);
  const fault = end.event === "phx_error" ? "channel_crashed" : "channel_closed";
  return diagnosis(fault, `${end.event} came before it`, payloadOf(end), seen);
}

function issues(response: unknown): string[] {
  const { issues: list } = (response ?? {}) as { issues?: unknown };
  if (!Array.isArray(list)) return [];
  return list.slice(0, 5).map((issue: { message?: unknown; path?: unknown } | null) => {
    const path = Array.isArray(issue?.path) && issue.path.length > 0 ? `${issue.path.join(".")}: ` : "";
    return `${path}${shown(issue?.message)}`;
  });
}

import type { Message } from "../client/frames.ts";
import type { Failure, PhoenixClient } from "../client/phoenix-client.ts";
import { diagnoseEnding } from "./answers.ts";
import { type Diagnosis, diagnosis, shown } from "./diagnosis.ts";
import { span } from "./time.ts";

/** What a second connection waits for. */
export interface BroadcastWatch {
  readonly first: PhoenixClient;
  readonly second: PhoenixClient;
  readonly topic: string;
  /** Whether a message is the one, whatever its topic. */
  readonly isIt: (message: Message) => boolean;
  /** What is wrong with the one that came on the topic; null if nothing is. */
  readonly check: (message: Message) => Diagnosis | null;
  /** How many messages each had before. */
  readonly marks: readonly [first: number, second: number];
  /** Null if it came as it should, a diagnosis if something is wrong with it. */
  readonly arrival: Promise<{ readonly kind: "message"; readonly value: Diagnosis | null } | Failure>;
}

/** Begins to wait, before the message is sent. */
export function watch(
  first: PhoenixClient,
  second: PhoenixClient,
  topic: string,
  isIt: (message: Message) => boolean,
  timeoutMs: number,
  check: (message: Message) => Diagnosis | null = () => null,
): BroadcastWatch {
  const marks = [first.count, second.count] as const;
  const pick = (message: Message) => (message.topic === topic && isIt(message) ? check(message) : undefined);
  return { first, second, topic, isIt, check, marks, arrival: second.expect(topic, pick, timeoutMs) };
}

/** Why it didn't come: looks at what came instead, and where. */
export async function diagnoseMissing(
  { first, second, topic, isIt, check, marks }: BroadcastWatch,
  timeoutMs: number,
): Promise<Diagnosis> {
  const missing = `the second connection got nothing within ${span(timeoutMs)}`;
  // What was on its way is there when this is answered.
  const beat = await second.heartbeat(timeoutMs);
  if (beat.kind === "closed" || beat.kind === "foreign") {
    return diagnoseEnding(beat, "the broadcast, on the second connection");
  }
  if (beat.kind !== "reply") {
    return diagnosis("heartbeat_unanswered", missing, "nor is a heartbeat answered there");
  }
  const late = second.since(marks[1]).find((message) => message.topic === topic && isIt(message));
  if (late !== undefined) {
    return check(late) ?? diagnosis("slow_server", `it came after more than ${span(timeoutMs)}`);
  }
  const elsewhere = second.since(marks[1]).find(isIt);
  if (elsewhere !== undefined) {
    const { topic: of, event } = elsewhere;
    return diagnosis(
      "broadcast_wrong_topic",
      `${shown(event)} came with the topic ${shown(of)}; joined is ${shown(topic)}`,
    );
  }
  const own = first.since(marks[0]).find((message) => message.topic === topic && isIt(message));
  if (own !== undefined) {
    return diagnosis("broadcast_not_subscribed", missing, "the first connection got it");
  }
  const others = [...new Set(second.since(marks[1]).map(({ event }) => event))].filter(
    (e) => e !== "phx_reply",
  );
  const evidence = [missing, "nor did the first"];
  if (others.length > 0) evidence.push(`it got other events: ${others.slice(0, 10).map(shown).join(", ")}`);
  return diagnosis("broadcast_missing", ...evidence);
}

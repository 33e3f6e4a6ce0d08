import type { Fault } from "./faults.ts";

/** Faults of channels of any kind. */
export const CHANNEL_FAULTS = {
  topic_unmatched: {
    kind: "channel",
    symptom: "the join is answered `unmatched topic`",
    cause: "no pattern of the socket's channels matches the topic: a misspelling, or another mount's topic",
    fix: 'add the pattern to `static channels` (Phoenix: channel "room:*"), or correct the topic',
  },
  join_refused: {
    kind: "channel",
    symptom: "the app's `join` refuses",
    cause: "the channel's own rule; its reason stands below",
    fix: "give what it asks for: --join '{…}', or connect as a user who may",
  },
  join_payload_refused: {
    kind: "channel",
    symptom: "the join's payload doesn't match the channel's schema",
    cause: "`joinSchema` refused it; the issues stand below",
    fix: "send what the schema asks for: --join '{…}'",
  },
  join_crashed: {
    kind: "channel",
    symptom: "the join is answered `join crashed`",
    cause: "the channel's `join` threw, or returned neither ok nor error",
    fix: "see the server's log, which has the error",
  },
  join_timeout: {
    kind: "channel",
    symptom: "the join isn't answered, while heartbeats are",
    cause: "the channel's `join` waits for something: a database, a lock, a promise that never settles",
    fix: "see what `join` awaits; after-join work belongs behind the reply (`sendSelf`)",
  },
  too_many_channels: {
    kind: "channel",
    symptom: "the join is answered `too many channels joined`",
    cause: "the connection has as many channels as `maxChannels` allows",
    fix: "leave channels that aren't needed, or raise `maxChannels`",
  },
  channel_crashed: {
    kind: "channel",
    symptom: "the channel ends with `phx_error`",
    cause: "a handler threw; on Elixir servers also an event for which there is no `handle_in`",
    fix: "see the server's log, which has the error",
  },
  channel_closed: {
    kind: "channel",
    symptom: "the channel ends with `phx_close`, which nobody asked for",
    cause: "the app stopped it by intent, or the topic was joined again on this connection",
    fix: "see where the channel's code calls stop()",
  },
  channel_gone: {
    kind: "channel",
    symptom: "a message to the joined channel is answered `unmatched topic`",
    cause: "the channel has ended in between",
    fix: "see the server's log for its end, and join again",
  },
  event_unmatched: {
    kind: "channel",
    symptom: "the message is answered `unmatched event`",
    cause: "the channel has no handler for the event",
    fix: "check the event's spelling, or add a handler with `on`",
  },
  payload_refused: {
    kind: "channel",
    symptom: "the message's payload doesn't match the event's schema",
    cause: "the schema given to `on` refused it; the issues stand below",
    fix: "send what the schema asks for",
  },
  push_refused: {
    kind: "channel",
    symptom: "the message is answered with an error",
    cause: "the handler's own rule; its reason stands below",
    fix: "see the handler of this event",
  },
  push_unanswered: {
    kind: "channel",
    symptom: "the message isn't answered, while heartbeats are",
    cause: "the handler waits for something, or it replies nothing by intent",
    fix: "return a reply from the handler; if it has none, say so with --no-reply",
  },
  reply_misaddressed: {
    kind: "channel",
    symptom: "a reply comes, for something that nobody asked",
    cause:
      "the server doesn't return topic and ref as they were sent: they must be equal, strings as strings",
    fix: "let the server's replies carry the message's own ref and topic",
  },
  leave_unanswered: {
    kind: "channel",
    symptom: "the leave isn't answered",
    cause: "a handler of the channel still runs, and the leave waits behind it",
    fix: "see what the channel's handlers wait for",
  },
  broadcast_missing: {
    kind: "delivery",
    symptom: "the message was accepted, and nobody gets the broadcast",
    cause: "the handler doesn't broadcast, or under another event's name; or a filter (`handleOut`) drops it",
    fix: "see the handler; compare the names of events on both sides, letter by letter",
  },
  broadcast_not_subscribed: {
    kind: "delivery",
    symptom: "the sender gets the message, the second connection doesn't",
    cause: "the handler pushes to its own client only; or the two are on nodes that share no PubSub",
    fix: "use `broadcast` instead of `push`; give the endpoint a `pubsub` adapter that connects the nodes",
  },
  broadcast_wrong_topic: {
    kind: "delivery",
    symptom: "the broadcast comes under another topic",
    cause: "the server broadcasts to a topic that isn't the one joined: clients ignore it",
    fix: "broadcast to exactly the topic that clients join, letter by letter",
  },
} as const satisfies Record<string, Fault>;

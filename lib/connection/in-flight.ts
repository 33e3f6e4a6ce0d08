import { describe, printable } from "../errors.ts";
import type { ChannelProcess } from "./channel-process.ts";

/** What the app is at work on in one channel, in words; nothing if the channel rests. */
export function inFlight({ name, topic, state, inHand, busy, queued, awaited }: ChannelProcess): string[] {
  const where = `${name} on ${printable(topic)}`;
  if (state === "joining") return [`join of ${where} hasn't answered`];
  const found: string[] = [];
  if (inHand !== null) found.push(`handleIn(${describe(inHand.event)}) of ${where} is running`);
  else if (busy) found.push(`a callback of ${where} is running`);
  if (queued > 0) found.push(`${queued} message(s) wait for ${where}`);
  if (awaited > 0) found.push(`${awaited} deferred reply(s) of ${where} are pending`);
  return found;
}

import { ManualClock } from "../support/manual-clock.ts";
import { playLongPoll } from "./longpoll-player.ts";
import { replay } from "./replay.ts";

describe("conformance: long-polling, with the auth token option", () => {
  const options = { longpoll: { windowMs: 1000 }, authToken: true };
  replay("longpoll-auth.json", options, playLongPoll, () => new ManualClock());
});

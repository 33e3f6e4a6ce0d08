import { ManualClock } from "../support/manual-clock.ts";
import { playLongPoll } from "./longpoll-player.ts";
import { replay } from "./replay.ts";

describe("conformance: long-polling", () => {
  replay("longpoll.json", { longpoll: { windowMs: 1000 } }, playLongPoll, () => new ManualClock());
});

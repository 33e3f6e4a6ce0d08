import { setTimeout as timersPhase } from "node:timers/promises";
import { expect } from "chai";
import { turn } from "../../support/gate.ts";
import type { HttpExchange } from "../../support/http-client.ts";
import { chat } from "./chat.ts";
import { bodyOf, servePolling } from "./polling-client.ts";

const TOPIC = "room:1";
const ROUNDS = 15;
const STEPS = 20;

/** Mulberry32: the same numbers for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The numbers in an answer; none if the client hung up before it had it. */
async function numbersOf(poll: HttpExchange): Promise<number[]> {
  const answer = await poll.answer.catch(() => null);
  const { messages = [] } = answer === null ? {} : bodyOf(answer);
  return messages.map((message) => JSON.parse(message)[4].n);
}

describe("long-polling: messages, polls and hang-ups in any order", () => {
  it("each message comes once, and in order", async () => {
    const { ChatSocket } = chat();
    const { endpoint, open } = await servePolling(ChatSocket);
    const client = await open();
    await client.join(TOPIC);
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const below = random(seed);
      const log: string[] = [];
      const polls: HttpExchange[] = [];
      let said = 0;
      // A client that has its answer has no reason to.
      const unanswered = () => (polls.at(-1)?.answered === false ? polls.at(-1) : undefined);
      const say = () => endpoint.broadcast(TOPIC, "shout", { n: ++said });
      const acts: [what: string, act: () => unknown][] = [
        ["say", say],
        ["poll", () => polls.push(client.poll())],
        // At a moment from which the server reads before it writes. If an end crosses an answer on the wire, it
        // looks to the server like that of a client which has read the answer, as most do.
        ["hang up", () => timersPhase(0).then(() => unanswered()?.abort())],
      ];
      for (let step = 0; step < STEPS; step++) {
        const [what, act] = acts[below(acts.length)] as (typeof acts)[number];
        const turns = below(4);
        await act();
        for (let i = 0; i < turns; i++) await turn();
        log.push(`${what} ${turns}`);
      }
      say();
      const heard: number[] = [];
      for (let round = 0; round < 10 && heard.at(-1) !== said; round++) {
        const numbers = polls.splice(0).map(async (poll) => {
          await client.http.settle(poll);
          // One that waits while a newer one got the messages.
          if (!poll.answered) poll.abort();
          return numbersOf(poll);
        });
        heard.push(...(await Promise.all(numbers)).flat());
        polls.push(client.poll());
      }
      polls[0]?.abort();
      const expected = Array.from({ length: said }, (_, i) => i + 1);
      expect(heard, `seed ${seed}: ${log.join(", ")}`).to.deep.equal(expected);
    }
  });
});

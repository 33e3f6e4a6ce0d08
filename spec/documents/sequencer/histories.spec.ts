import { expect } from "chai";
import fc from "fast-check";
import { histories } from "./actions.ts";
import { World } from "./world.ts";

/** How many histories are made up; the release runs 1,000. */
const HISTORIES = Number(process.env.HISTORIES ?? 100);

describe("the order of a document, over generated histories of many clients", function () {
  this.timeout(60_000 + HISTORIES * 500);

  it("is what the design says of it, and what anybody reads in its log", () => {
    const totals: Record<string, number> = {};
    fc.assert(
      fc.property(histories, (history) => {
        const world = new World();
        world.run(history);
        world.end();
        for (const [what, count] of Object.entries(world.counts)) totals[what] = (totals[what] ?? 0) + count;
      }),
      { numRuns: HISTORIES },
    );
    // A generator that makes nothing of some kind proves nothing about it.
    for (const [what, count] of Object.entries(totals)) expect(count, what).to.be.above(HISTORIES / 20);
  });

  it("is the same to the byte when the same things happen again", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const [once, again] = [new World(), new World()];
        for (const world of [once, again]) {
          world.run(history);
          world.end();
        }
        // The last id is a hash of all that comes before.
        expect(again.records.at(-1)?.id).to.equal(once.records.at(-1)?.id);
      }),
      { numRuns: Math.ceil(HISTORIES / 5) },
    );
  });
});

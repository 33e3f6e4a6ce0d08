import { expect } from "chai";
import { systemClock } from "../../lib/clock.ts";
import { Channel, ok, Socket } from "../../lib/index.ts";
import { connect } from "../support/client.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";

const LONGEST = 2 ** 31 - 1;

/** The delays that Node's timers are asked for, and a way to let them pass. */
function patchTimers() {
  const { setTimeout, clearTimeout } = globalThis;
  const timers: { readonly delay: number; run: (() => void) | null }[] = [];
  afterTest(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  Object.assign(globalThis, {
    setTimeout: (run: () => void, delay: number) => {
      const timer = { delay, run, unref: () => timer };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (timer: { run: (() => void) | null }) => {
      timer.run = null;
    },
  });
  return timers;
}

describe("the system's clock", () => {
  it("reaches beyond the longest delay of a timer of Node's, in steps", () => {
    const timers = patchTimers();
    let calls = 0;
    systemClock.schedule(() => calls++, 2 * LONGEST + 5);
    for (const delay of [LONGEST, LONGEST, 5]) {
      expect(calls).to.equal(0);
      expect(timers.at(-1)?.delay).to.equal(delay);
      timers.at(-1)?.run?.();
    }
    expect(calls).to.equal(1);
    expect(timers).to.have.length(3);
  });

  it("takes the longest delay in one step", () => {
    const timers = patchTimers();
    systemClock.schedule(() => {}, LONGEST);
    expect(timers.map(({ delay }) => delay)).to.deep.equal([LONGEST]);
  });

  it("cancels in each of the steps", () => {
    const timers = patchTimers();
    let calls = 0;
    const cancel = systemClock.schedule(() => calls++, LONGEST + 5);
    timers[0]?.run?.();
    cancel();
    expect(timers.map(({ run }) => run === null)).to.deep.equal([false, true]);
    const early = systemClock.schedule(() => calls++, LONGEST + 5);
    early();
    early();
    expect(timers[2]?.run).to.equal(null);
    expect(calls).to.equal(0);
  });

  it("never falls, and counts from the epoch", () => {
    const first = systemClock.now();
    expect(systemClock.now()).to.be.at.least(first);
    // 2020 and 2100: what a token's exp is compared with.
    expect(first).to.be.within(Date.UTC(2020, 0), Date.UTC(2100, 0));
  });

  it("an expiresAt beyond 2^31 ms neither warns nor closes at once", async () => {
    class Room extends Channel {
      override join() {
        return ok();
      }
    }
    class RoomSocket extends Socket {
      static override channels = { "room:*": Room };
      override connect() {
        this.expiresAt = systemClock.now() + 2 ** 32;
        return ok();
      }
    }
    const { url } = await serve(RoomSocket);
    const client = await connect(url);
    await client.join("room:a");
    // Node would make a delay that is too long one of 1 ms: such a timer fires before this one, which is younger.
    await new Promise<void>((resolve) => systemClock.schedule(resolve, 1));
    expect(await client.settle()).to.deep.equal([]);
  });
});

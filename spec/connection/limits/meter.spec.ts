import { expect } from "chai";
import fc from "fast-check";
import { RateLimiter, RateMeter } from "../../../lib/connection/rate-limit.ts";

/** So many verdicts, one after the other. */
function take(meter: RateMeter, count: number, now = 0): string[] {
  return Array.from({ length: count }, () => meter.take(now));
}

describe("a rate meter", () => {
  it("lets a burst of the limit through, then one for each part of the interval", () => {
    const meter = new RateMeter({ limit: 4, interval: 1000 }, 0);
    expect(take(meter, 5)).to.deep.equal(["ok", "ok", "ok", "ok", "limited"]);
    expect(meter.take(249)).to.equal("limited");
    expect(meter.take(250)).to.equal("ok");
    expect(meter.take(250)).to.equal("limited");
    expect(take(meter, 3, 750)).to.deep.equal(["ok", "ok", "limited"]);
  });

  it("saves up no more than the limit", () => {
    const meter = new RateMeter({ limit: 2, interval: 1000 }, 0);
    expect(take(meter, 3, 1_000_000)).to.deep.equal(["ok", "ok", "limited"]);
  });

  it("floods past ten times the limit, or the hard limit; what was limited counts", () => {
    expect(take(new RateMeter({ limit: 2, interval: 1000 }, 0), 21)).to.deep.equal([
      "ok",
      "ok",
      ...Array.from({ length: 18 }, () => "limited"),
      "flood",
    ]);
    const meter = new RateMeter({ limit: 2, interval: 1000, hardLimit: 3 }, 0);
    expect(take(meter, 4)).to.deep.equal(["ok", "ok", "limited", "flood"]);
  });

  it("lets through whoever waits for retryAfter, and no earlier", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 }),
        (limit, interval, waits) => {
          let now = 0;
          const meter = new RateMeter({ limit, interval, hardLimit: 1e9 }, now);
          for (const idle of waits) {
            now += (idle * interval) / limit / 40;
            while (meter.take(now) === "ok");
            // Whole milliseconds.
            const wait = Math.round(meter.retryAfter * 1000);
            expect(meter.retryAfter).to.equal(wait / 1000);
            expect(wait).to.be.within(1, Math.ceil(interval / limit));
            expect(meter.take(now + wait - 1)).to.equal("limited");
            now += wait;
            expect(meter.take(now)).to.equal("ok");
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a rate limiter", () => {
  it("gives all users of an id one meter, and forgets it with the last of them", () => {
    const limiter = new RateLimiter({ limit: 1, interval: 1000, by: "id" });
    const first = limiter.open("ada", 0);
    expect(limiter.open("ada", 0)).to.equal(first);
    expect(limiter.open("bob", 0)).to.not.equal(first);
    limiter.close("ada");
    expect(limiter.open("ada", 0)).to.equal(first);
    limiter.close("ada");
    limiter.close("ada");
    expect(limiter.open("ada", 0)).to.not.equal(first);
  });

  it("gives each its own without an id, or by connection", () => {
    const byId = new RateLimiter({ limit: 1, interval: 1000, by: "id" });
    expect(byId.open(null, 0)).to.not.equal(byId.open(null, 0));
    byId.close(null);
    const byConnection = new RateLimiter({ limit: 1, interval: 1000 });
    expect(byConnection.open("ada", 0)).to.not.equal(byConnection.open("ada", 0));
    byConnection.close("ada");
  });
});

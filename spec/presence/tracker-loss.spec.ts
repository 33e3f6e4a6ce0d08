import { expect } from "chai";
import { Tracker } from "../../lib/presence/tracker.ts";
import { DOWN_PERIOD, HEARTBEAT, hold, pair } from "./cluster.ts";

describe("a tracker", () => {
  describe("cut off from another", () => {
    it("for less than the down period, has nobody leave, and catches up", () => {
      const { cluster, a, b } = pair();
      const old = a.add();
      cluster.delivery = () => [];
      a.add();
      b.add();
      cluster.clock.advance(DOWN_PERIOD - 1);
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
      expect(b.reported.filter((report) => report.endsWith(old))).to.deep.equal([`+${old}`]);
    });

    it("for longer, takes it for dead, and back when it is heard again", () => {
      const { cluster, a, b } = pair();
      a.add();
      b.add();
      cluster.delivery = () => [];
      cluster.clock.advance(DOWN_PERIOD);
      expect([...a.seen.keys()]).to.deep.equal(["a0"]);
      expect([...b.seen.keys()]).to.deep.equal(["b0"]);
      expect(a.tracker.replicas).to.deep.equal([]);
      a.add();
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
      expect(b.reported).to.deep.equal(["+a0", "+b0", "-a0", "+a0", "+a1"]);
    });

    it("in one direction only, is still seen by the other", () => {
      const { cluster, a, b } = pair();
      a.add();
      b.add();
      cluster.delivery = ({ from }) => (from === a ? [] : [0]);
      cluster.clock.advance(DOWN_PERIOD);
      expect([...a.seen.keys()].sort()).to.deep.equal(["a0", "b0"]);
      expect([...b.seen.keys()]).to.deep.equal(["b0"]);
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
    });
  });

  describe("of a node that ends", () => {
    it("without a word: its entries leave after the down period, and not before", () => {
      const { cluster, a, b } = pair();
      a.add();
      a.die();
      cluster.clock.advance(DOWN_PERIOD - HEARTBEAT);
      expect(b.reported).to.deep.equal(["+a0"]);
      cluster.clock.advance(HEARTBEAT);
      expect(b.reported).to.deep.equal(["+a0", "-a0"]);
      expect(b.tracker.replicas).to.deep.equal([]);
    });

    it("and returns under a new name: the old entries leave, the new ones stay", () => {
      const { cluster, a, b } = pair();
      a.add();
      a.die();
      const again = cluster.start("a again");
      again.add();
      expect([...b.seen.keys()]).to.deep.equal(["a0", "a again0"]);
      cluster.clock.advance(DOWN_PERIOD);
      cluster.expectAgreement();
      expect(b.reported).to.deep.equal(["+a0", "+a again0", "-a0"]);
    });

    it("with a goodbye: they leave at once, and what arrives late of it is ignored", () => {
      const { cluster, a, b } = pair();
      a.add();
      const held = hold(cluster, a);
      a.add();
      a.tracker.receive({ type: "request", replica: "b" });
      cluster.clock.advance(HEARTBEAT);
      cluster.delivery = () => [0];
      a.stop();
      expect(b.reported).to.deep.equal(["+a0", "-a0"]);
      expect(held.map(({ type }) => type)).to.deep.equal(["delta", "state", "heartbeat"]);
      for (const message of held) b.tracker.receive(message);
      cluster.clock.advance(DOWN_PERIOD);
      for (const message of held) b.tracker.receive(message);
      expect(b.reported).to.deep.equal(["+a0", "-a0"]);
      expect(b.tracker.replicas).to.deep.equal([]);
    });

    it("leaves nothing: neither a timer, nor a word", () => {
      const { cluster, a, b } = pair();
      b.die();
      b.tracker.stop();
      a.add();
      a.stop();
      expect(cluster.clock.pending).to.equal(0);
      cluster.sent.length = 0;
      a.up = true;
      a.add();
      expect(cluster.sent).to.deep.equal([]);
    });

    it("is a ghost for no longer than the down period, if its messages come later than any memory of it", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      a.add();
      a.tracker.receive({ type: "request", replica: "b" });
      cluster.delivery = () => [0];
      a.stop();
      cluster.clock.advance(DOWN_PERIOD * 3);
      for (const message of held) b.tracker.receive(message);
      expect(b.reported).to.deep.equal(["+a0"]);
      cluster.clock.advance(DOWN_PERIOD);
      cluster.expectAgreement();
    });
  });

  it("that stood still itself takes nobody for dead", () => {
    const tasks: { at: number; callback: () => void }[] = [];
    let now = 0;
    const left: string[] = [];
    const tracker = new Tracker({
      replica: "a",
      clock: {
        now: () => now,
        schedule: (callback, ms) => {
          const task = { at: now + ms, callback };
          tasks.push(task);
          return () => tasks.splice(tasks.indexOf(task), 1);
        },
      },
      heartbeatMs: HEARTBEAT,
      downPeriodMs: DOWN_PERIOD,
      send: () => {},
      onJoin: () => {},
      onLeave: ({ ref }) => left.push(ref),
    });
    // Timers come late, as in a process that was stopped and goes on.
    const goOn = (ms: number) => {
      now += ms;
      for (const task of tasks.splice(0)) {
        if (task.at <= now) task.callback();
        else tasks.push(task);
      }
    };
    tracker.start();
    const entries = [{ ref: "b0", topic: "room:a", key: "k", meta: {} }];
    tracker.receive({ type: "state", replica: "b", version: 1, part: 0, parts: 1, entries });
    goOn(DOWN_PERIOD * 6);
    expect(left).to.deep.equal([]);
    for (let i = 0; i < DOWN_PERIOD / HEARTBEAT; i++) goOn(HEARTBEAT);
    expect(left).to.deep.equal(["b0"]);
  });
});

import { expect } from "chai";
import { Tracker, type TrackerMessage } from "../../lib/presence/tracker.ts";
import { Cluster, DOWN_PERIOD, HEARTBEAT, hold, pair } from "./cluster.ts";

describe("the tracker", () => {
  it("tells all nodes of what comes and goes on each, once", () => {
    const cluster = new Cluster();
    const nodes = ["a", "b", "c"].map((name) => cluster.start(name));
    for (const node of nodes) node.add();
    cluster.expectAgreement();
    nodes[0]?.remove("a0");
    cluster.expectAgreement();
    expect(nodes.map(({ reported }) => reported)).to.deep.equal([
      ["+a0", "+b0", "+c0", "-a0"],
      ["+a0", "+b0", "+c0", "-a0"],
      ["+a0", "+b0", "+c0", "-a0"],
    ]);
    expect(nodes[0]?.tracker.replicas.sort()).to.deep.equal(["b", "c"]);
  });

  it("tells a node that starts what is there already, also what nobody was told of yet", () => {
    const cluster = new Cluster();
    const a = cluster.start("a");
    a.add();
    a.add(false);
    const b = cluster.start("b");
    cluster.expectAgreement();
    a.tracker.flush();
    a.add();
    cluster.expectAgreement();
    expect(b.reported).to.deep.equal(["+a0", "+a1", "+a2"]);
    expect(cluster.take("request")).to.deep.equal([]);
  });

  it("sends the changes of a flush in one message, and no message without changes", () => {
    const { cluster, a } = pair();
    a.add(false);
    a.remove(a.add(false), false);
    a.tracker.flush();
    a.tracker.flush();
    expect(cluster.take("delta")).to.have.length(1);
    cluster.expectAgreement();
  });

  it("of one node alone knows its own entries, and sends nothing", () => {
    const sent: TrackerMessage[] = [];
    const { clock } = new Cluster();
    const tracker = new Tracker({
      replica: "alone",
      clock,
      heartbeatMs: HEARTBEAT,
      downPeriodMs: DOWN_PERIOD,
      send: (message) => sent.push(message),
      onJoin: () => {},
      onLeave: () => {},
    });
    tracker.add({ ref: "1", topic: "room:a", key: "k", meta: {} });
    tracker.flush();
    clock.advance(DOWN_PERIOD);
    expect(sent).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });

  it("gives an entry in the words it was tracked with", () => {
    const { a, b } = pair();
    const entry = {
      ref: "r",
      topic: "__proto__",
      key: "constructor",
      meta: JSON.parse('{"__proto__": {"x": 1}, "deep": [{"ü": null}]}'),
    };
    a.tracker.add(entry);
    a.tracker.flush();
    expect(b.seen.get("r")).to.deep.equal(entry);
    expect(Object.keys(b.seen.get("r")?.meta ?? {})).to.deep.equal(["__proto__", "deep"]);
  });

  describe("whose messages overtake each other", () => {
    it("applies deltas in their order, however they arrive", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      a.add();
      a.remove("a0");
      a.add();
      for (const i of [2, 1, 0]) b.tracker.receive(held[i] as TrackerMessage);
      expect(b.reported).to.deep.equal(["+a0", "-a0", "+a1"]);
    });

    it("applies the deltas behind a state that arrives after them", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      a.add();
      a.add();
      b.tracker.receive(held.pop() as TrackerMessage);
      const state = held.pop();
      expect(state).to.include({ type: "state", version: 2 });
      a.add();
      a.add();
      const [third, fourth] = held.splice(-2);
      b.tracker.receive(third as TrackerMessage);
      expect(b.reported).to.deep.equal([]);
      b.tracker.receive(state as TrackerMessage);
      b.tracker.receive(fourth as TrackerMessage);
      expect(b.reported).to.deep.equal(["+a0", "+a1", "+a2", "+a3"]);
      expect(cluster.take("request")).to.have.length(1);
    });

    it("forgets an old state, an old delta and an old heartbeat", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      a.add();
      cluster.clock.advance(HEARTBEAT);
      a.tracker.receive({ type: "request", replica: "b" });
      a.remove("a0");
      const old = held.slice(0, 3);
      expect(old.map(({ type }) => type)).to.deep.equal(["delta", "heartbeat", "state"]);
      for (const message of [...held, ...old]) b.tracker.receive(message);
      expect(b.reported).to.deep.equal(["+a0", "-a0"]);
      expect(cluster.take("request")).to.deep.equal([]);
    });

    it("and double reports nothing twice", () => {
      const { cluster, a, b } = pair();
      cluster.delivery = () => [0, 0, 5];
      const c = cluster.start("c");
      a.add();
      b.remove(b.add());
      a.tracker.receive({ type: "request", replica: "b" });
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
      for (const { reported, mistakes } of [a, b, c]) {
        expect(reported.sort()).to.deep.equal(["+a0", "+b0", "-b0"]);
        expect(mistakes).to.deep.equal([]);
      }
    });
  });

  describe("that has missed something", () => {
    it("sees it by the next delta, and asks for the state at once", () => {
      const { cluster, a } = pair();
      cluster.delivery = () => [];
      a.add();
      a.remove(a.add());
      cluster.delivery = () => [0];
      a.add();
      cluster.expectAgreement();
    });

    it("sees it by the next heartbeat, if there is no delta", () => {
      const { cluster, a, b } = pair();
      cluster.delivery = () => [];
      a.add();
      cluster.delivery = () => [0];
      expect(b.seen.size).to.equal(0);
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
    });

    it("asks once in a heartbeat for what doesn't come, and again after it", () => {
      const { cluster, a, b } = pair();
      cluster.delivery = () => [];
      a.add();
      cluster.delivery = ({ message }) => (message.type === "state" ? [] : [0]);
      for (let i = 0; i < 10; i++) a.add();
      expect(cluster.take("request")).to.have.length(1);
      cluster.clock.advance(HEARTBEAT);
      expect(cluster.take("request")).to.have.length(1);
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
      expect(b.reported).to.have.length(11);
    });

    it("asks at once for what it misses after the state has come", () => {
      const { cluster, a } = pair();
      for (let i = 0; i < 3; i++) {
        cluster.delivery = () => [];
        a.add();
        cluster.delivery = () => [0];
        a.add();
        cluster.expectAgreement();
      }
    });

    it("keeps so many deltas as may wait for a state, and no more", () => {
      const { cluster, a, b } = pair();
      cluster.delivery = () => [];
      a.add();
      cluster.delivery = ({ message }) => (message.type === "state" ? [] : [0]);
      for (let i = 0; i < 1_500; i++) a.add();
      expect(b.seen.size).to.equal(0);
      cluster.delivery = ({ message }) => (message.type === "request" ? [] : [0]);
      // The state at the first version, as if it had been under way.
      const entries = [...a.own.values()].slice(0, 1);
      b.tracker.receive({ type: "state", replica: "a", version: 1, part: 0, parts: 1, entries });
      expect(b.seen.size).to.equal(1_001);
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT * 2);
      cluster.expectAgreement();
    });

    it("learns of a node whose hello was lost", () => {
      const cluster = new Cluster();
      const a = cluster.start("a");
      a.add();
      cluster.delivery = () => [];
      const b = cluster.start("b");
      b.add();
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
      expect(a.tracker.replicas).to.deep.equal(["b"]);
    });
  });

  describe("with much to tell", () => {
    it("puts no more than 500 changes or entries into a message", () => {
      const { cluster, a } = pair();
      for (let i = 0; i < 1_201; i++) a.add(false);
      a.tracker.flush();
      expect(cluster.take("delta").map(({ ops }) => ops.length)).to.deep.equal([500, 500, 201]);
      cluster.expectAgreement();
      cluster.start("c");
      const parts = cluster.take("state").filter(({ replica }) => replica === "a");
      expect(parts.map(({ entries }) => entries.length)).to.deep.equal([500, 500, 201]);
      cluster.expectAgreement();
    });

    it("is understood when all parts of a state have come, in any order, some of them twice", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      for (let i = 0; i < 1_201; i++) a.add(false);
      a.tracker.flush();
      held.length = 0;
      a.tracker.receive({ type: "request", replica: "b" });
      const [first, second, third] = held.splice(0) as [TrackerMessage, TrackerMessage, TrackerMessage];
      for (const part of [third, first, third]) b.tracker.receive(part);
      expect(b.seen.size).to.equal(0);
      b.tracker.receive(second);
      cluster.expectAgreement();
    });

    it("is asked again for a state of which a part is lost; parts of two states aren't mixed", () => {
      const { cluster, a, b } = pair();
      const held = hold(cluster, a);
      for (let i = 0; i < 600; i++) a.add(false);
      a.tracker.flush();
      a.tracker.receive({ type: "request", replica: "b" });
      const [oldFirst, oldSecond] = held.slice(-2) as [TrackerMessage, TrackerMessage];
      a.remove("a0");
      a.tracker.receive({ type: "request", replica: "b" });
      const [newFirst] = held.slice(-2) as [TrackerMessage];
      for (const part of [oldFirst, newFirst, oldSecond]) b.tracker.receive(part);
      expect(b.seen.size).to.equal(0);
      cluster.delivery = () => [0];
      cluster.clock.advance(HEARTBEAT);
      cluster.expectAgreement();
    });
  });

  it("answers all who ask at one version with the same state, whatever hasn't been flushed", () => {
    const { cluster, a, b } = pair();
    const held = hold(cluster, a);
    for (let i = 0; i < 600; i++) a.add();
    a.tracker.receive({ type: "request", replica: "b" });
    const [first] = held.slice(-2) as [TrackerMessage];
    a.remove("a0", false);
    a.tracker.receive({ type: "request", replica: "b" });
    const [, second] = held.slice(-2) as [TrackerMessage, TrackerMessage];
    for (const part of [first, second]) b.tracker.receive(part);
    cluster.delivery = () => [0];
    cluster.clock.advance(HEARTBEAT);
    cluster.expectAgreement();
  });
});

import { expect } from "chai";
import { ConfigError, Endpoint, type TraceStep } from "../../lib/index.ts";
import { kinds, ofEvent, serveRooms } from "./rooms.ts";

/** The events of the messages that a trace has followed, in order. */
function events(steps: readonly TraceStep[]): unknown[] {
  return steps.flatMap((step) => (step.step === "decoded" ? [`${step.event} ${step.topic}`] : []));
}

describe("a trace", () => {
  for (const [options, expected] of [
    [{ topic: "room:a" }, ["echo room:a", "shout room:a"]],
    [{ topic: "room:*" }, ["echo room:a", "shout room:a", "echo room:b"]],
    [{ topic: "hall:*" }, ["echo hall:a"]],
    [{ event: "echo" }, ["echo room:a", "echo room:b", "echo hall:a"]],
    [{ event: "echo", topic: "room:a" }, ["echo room:a"]],
    [{ socketId: "user:ada" }, ["echo room:a", "shout room:a"]],
    [{ connection: 1, event: "echo" }, ["echo room:a"]],
    [{ topic: "room:a", socketId: "user:bob" }, ["shout room:a"]],
    [{ topic: "room" }, []],
    [{ socketId: "user" }, []],
  ] as const) {
    it(`of ${JSON.stringify(options)} follows ${expected.length} of 4 messages`, async () => {
      const { endpoint, client } = await serveRooms();
      const ada = await client("ada", "room:a");
      const bob = await client("bob", "room:b", "room:a");
      const trace = endpoint.trace(options);
      await ada.ask("1", "2", "room:a", "echo");
      ada.send(["1", "3", "room:a", "shout", {}]);
      await ada.next();
      await bob.next();
      await bob.ask("1", "4", "room:b", "echo");
      await bob.ask("1", "5", "hall:a", "echo");
      const followed = events(trace.take());
      // What bob sent himself, too, where it is asked for by him.
      expect(followed.slice(0, expected.length)).to.deep.equal(expected);
      expect(followed).to.have.length(expected.length);
    });
  }

  it("has every step of a message that it follows, also those before it was known to", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const bob = await client("bob", "room:a");
    const [all, ofBob] = [endpoint.trace(), endpoint.trace({ socketId: "user:bob" })];
    ada.send(["1", "2", "room:a", "shout", {}]);
    await bob.next();
    const whole = ofEvent(all.take(), "shout");
    expect(kinds(whole)).to.include("frame_in");
    expect(ofBob.take()).to.deep.equal(whole);
  });

  it("finds the broadcast that a client didn't get, by who asks for the client", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    await client("bob", "room:a");
    const trace = endpoint.trace({ socketId: "user:ada", event: "whispered" });
    ada.send(["1", "2", "room:a", "whisper", {}]);
    await ada.settle();
    expect(kinds(trace.take())).to.include("broadcast: whispered");
  });

  it("follows one message by its id", async () => {
    const { endpoint, client, gate } = await serveRooms();
    const ada = await client("ada", "room:a");
    const all = endpoint.trace();
    ada.send(["1", "2", "room:a", "later", {}]);
    await ada.settle();
    const { id = "" } = all.take()[0] ?? {};
    const one = endpoint.trace({ id });
    gate.open();
    await ada.next();
    await ada.settle();
    expect(kinds(one.take()).slice(-3)).to.deep.equal([
      "handled handleIn: ok",
      "reply: ok",
      "frame_out: reply",
    ]);
  });

  it("hides what the endpoint's filterParameters name", async () => {
    const { endpoint, client } = await serveRooms({}, { filterParameters: ["card"] });
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    ada.send(["1", "2", "room:a", "shout", { a: { creditCard: "4711" }, token: "shown" }]);
    await ada.next();
    const text = JSON.stringify(trace.take());
    expect(text).not.to.include("4711");
    expect(text.match(/"creditCard":"\[FILTERED\]"/g)).to.have.length(2);
    expect(text).to.include('"token":"shown"');
  });

  it("cuts what is long: names, and payloads with the length that they had", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    const long = "x".repeat(5_000);
    await ada.ask(long, long, `room:${long}`, long, { text: long });
    const huge = "x".repeat(100_000);
    await ada.ask("1", "3", "room:a", "echo", { text: huge });
    const steps = trace.take();
    for (const step of steps) expect(JSON.stringify(step).length, step.step).to.be.below(6_000);
    const [first, second] = steps.filter((step) => step.step === "decoded");
    expect(first).to.include({ cut: JSON.stringify({ text: long }).length });
    expect(first?.topic).to.equal(`room:${"x".repeat(251)}…`);
    expect(second?.payload).to.match(/^<\d+ bytes>$/);
    const [, reply] = steps.filter((step) => step.step === "reply");
    expect(reply?.payload).to.match(/^<\d+ bytes>$/);
  });

  it("keeps payloads up to the largest maxPayload of the open traces", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const [plain, large] = [endpoint.trace(), endpoint.trace({ maxPayload: 100_000 })];
    const payload = { text: "x".repeat(90_000), token: "t" };
    await ada.ask("1", "2", "room:a", "echo", payload);
    for (const trace of [plain, large]) {
      const steps = trace.take();
      for (const kind of ["decoded", "reply"]) {
        const step = steps.find(({ step }) => step === kind);
        expect(step, kind).to.deep.include({ payload: { ...payload, token: "[FILTERED]" } });
      }
    }
    large.close();
    await ada.ask("1", "3", "room:a", "echo", { text: "x".repeat(3_000) });
    expect(plain.take().find(({ step }) => step === "decoded")).to.include({ cut: 3_011 });
  });

  it("takes a payload as it came, whatever the handler makes of it", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    await ada.ask("1", "2", "room:a", "echo", { list: [1, { deep: null }], __proto__: {} });
    const [, decoded] = trace.take();
    expect(decoded).to.have.deep.property("payload", { list: [1, { deep: null }] });
  });

  for (const [options, message] of [
    [{ topic: "" }, 'trace: topic must be a string that isn\'t empty, got ""'],
    [{ event: 7 }, "trace: event must be a string that isn't empty, got 7"],
    [{ connection: 0 }, "trace: connection must be a number of connections of at least 1, got 0"],
    [{ maxSteps: 0 }, "trace: maxSteps must be a number of steps of at least 1, got 0"],
    [{ maxPayload: -1 }, "trace: maxPayload must be a number of characters from 0 to 4194304, got -1"],
    [{ topics: "a" }, 'trace has no option "topics"'],
    ["room:a", 'trace takes an object of options, got "room:a"'],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      const endpoint = new Endpoint();
      expect(() => endpoint.trace(options as never)).to.throw(ConfigError, message);
    });
  }
});

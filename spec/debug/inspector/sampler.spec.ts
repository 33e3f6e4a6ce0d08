import { expect } from "chai";
import { Sampler } from "../../../lib/debug/inspector/sampler.ts";
import type { TraceStep } from "../../../lib/index.ts";

let seq = 0;

function step(id: string, kind: string, facts: object = {}): TraceStep {
  return { seq: ++seq, at: 0, id, step: kind, connection: 1, ...facts } as unknown as TraceStep;
}

/** Two steps of so many messages. */
function messages(prefix: string, count: number): TraceStep[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`).flatMap((id) => [
    step(id, "decoded"),
    step(id, "reply"),
  ]);
}

describe("the inspector's sampler", () => {
  it("shows everything while that can be read", () => {
    const steps = messages("a", 20);
    const sample = new Sampler().take(steps);
    expect(sample).to.deep.equal({ steps, messages: 20, picked: 20, dropped: 0 });
  });

  it("picks whole messages of more than that, and says how many there were", () => {
    const sampler = new Sampler();
    const sample = sampler.take(messages("a", 100));
    expect(sample).to.include({ messages: 100, picked: 20 });
    expect(sample.steps).to.have.length(40);
    expect(new Set(sample.steps.map(({ id }) => id)).size).to.equal(20);
  });

  it("goes on with a message that it has picked, and never begins in the middle of another", () => {
    const sampler = new Sampler();
    sampler.take(messages("a", 21));
    const late = sampler.take([step("a0", "frame_out"), step("a20", "frame_out"), step("new", "decoded")]);
    expect(late.steps.map(({ id }) => id)).to.deep.equal(["a0", "new"]);
    expect(late).to.include({ messages: 1, picked: 1 });
  });

  it("shows failures of messages that it hasn't picked, some of them", () => {
    const sampler = new Sampler();
    const failed = Array.from({ length: 30 }, (_, i) => step(`a${i + 50}`, "denied"));
    const { steps } = sampler.take([...messages("a", 100), ...failed]);
    expect(steps.filter(({ step }) => step === "denied")).to.have.length(10);
  });

  it("picks fewer messages when they are large", () => {
    const large = Array.from({ length: 20 }, (_, i) =>
      step(`a${i}`, "decoded", { payload: "x".repeat(100_000) }),
    );
    expect(new Sampler().take(large)).to.include({ messages: 20, picked: 3 });
  });

  it("gives 2,000 steps at most, of a message that goes to many", () => {
    const frames = Array.from({ length: 2_500 }, () => step("a", "frame_out"));
    const sample = new Sampler().take([step("a", "decoded"), ...frames]);
    expect([sample.steps.length, sample.dropped]).to.deep.equal([2_000, 501]);
  });

  it("tells of steps that came faster than they were taken, and doesn't take them for a message", () => {
    const sample = new Sampler().take([step("", "dropped", { count: 700 }), step("a", "decoded")]);
    expect(sample).to.include({ dropped: 700, messages: 1, picked: 1 });
    expect(sample.steps).to.have.length(1);
  });
});

import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { expect } from "chai";
import type { Trace, TraceStep } from "../../lib/index.ts";
import { turn } from "../support/gate.ts";
import { afterTest } from "../support/teardown.ts";
import { kinds, serveRooms } from "./rooms.ts";

/** Reads so many steps, and leaves. */
async function read(trace: Trace, count: number): Promise<TraceStep[]> {
  const steps: TraceStep[] = [];
  for await (const step of trace) {
    steps.push(step);
    if (steps.length === count) break;
  }
  return steps;
}

describe("reading a trace", () => {
  it("gives steps as they come", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const reading = read(endpoint.trace(), 7);
    await turn();
    await ada.ask("1", "2", "room:a", "echo");
    expect(kinds(await reading)).to.deep.equal([
      "frame_in",
      "decoded",
      "routed to channel",
      "handling handleIn",
      "handled handleIn: ok",
      "reply: ok",
      "frame_out: reply",
    ]);
  });

  it("ends with the loop that is left: nothing is recorded any more", async () => {
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    await ada.settle();
    await read(trace, 1);
    trace.take();
    await ada.ask("1", "2", "room:a", "echo");
    expect(trace.take()).to.deep.equal([]);
    expect(await read(trace, 1)).to.deep.equal([]);
  });

  it("ends when it is closed, behind the steps that are there", async () => {
    const { endpoint } = await serveRooms();
    const trace = endpoint.trace();
    const waiting = read(trace, 9);
    await turn();
    endpoint.broadcast("room:a", "news");
    trace.close();
    trace.close();
    endpoint.broadcast("room:a", "news");
    expect(kinds(await waiting)).to.deep.equal(["broadcast: news"]);
  });

  it("ends when the endpoint is closed, with the closes of its connections", async () => {
    const { endpoint, client } = await serveRooms();
    await client("ada", "room:a");
    const trace = endpoint.trace();
    const reading = read(trace, 1_000);
    await endpoint.close({ timeoutMs: 0 });
    expect(kinds(await reading)).to.include("closed: drain");
    expect(await read(endpoint.trace(), 1)).to.deep.equal([]);
  });

  it("keeps at most maxSteps for a reader that is behind, the newest, and says how many it missed", async () => {
    const { endpoint } = await serveRooms();
    const trace = endpoint.trace({ maxSteps: 3 });
    for (let n = 0; n < 5_000; n++) endpoint.broadcast("room:a", `n${n}`);
    const steps = trace.take();
    expect(steps[0]).to.include({ step: "dropped", count: 4_997, id: "" });
    expect(kinds(steps.slice(1))).to.deep.equal([4997, 4998, 4999].map((n) => `broadcast: n${n}`));
    expect(trace.dropped).to.equal(4_997);
    expect(steps[1]?.seq).to.equal((steps[0]?.seq ?? 0) + 1);
    endpoint.broadcast("room:a", "next");
    expect(kinds(trace.take())).to.deep.equal(["broadcast: next"]);
  });

  it("is independent of other traces", async () => {
    const { endpoint } = await serveRooms();
    const [one, two] = [endpoint.trace(), endpoint.trace({ event: "b" })];
    for (const event of ["a", "b"]) endpoint.broadcast("room:a", event);
    one.close();
    endpoint.broadcast("room:a", "b");
    expect(kinds(one.take())).to.deep.equal(["broadcast: a", "broadcast: b"]);
    expect(kinds(two.take())).to.deep.equal(["broadcast: b", "broadcast: b"]);
  });

  it("writes lines of JSON into a file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "phoenix-channels-trace-"));
    afterTest(() => rm(directory, { recursive: true, force: true }));
    const { endpoint, client } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    const copy = endpoint.trace();
    const file = join(directory, "trace.jsonl");
    const written = pipeline(trace.toJSONL(), createWriteStream(file));
    await ada.ask("1", "2", "room:a", "echo", { text: "two\nlines\u2028" });
    trace.close();
    await written;
    const steps: unknown[] = [];
    for await (const line of createInterface(createReadStream(file))) steps.push(JSON.parse(line));
    expect(steps).to.have.length(7);
    expect(steps).to.deep.equal(JSON.parse(JSON.stringify(copy.take())));
  });

  it("leaves a channel's own async context to the app", async () => {
    // A trace makes one of its own; the app's must go through.
    const { endpoint, client, gate } = await serveRooms();
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    ada.send(["1", "2", "room:a", "later", { n: 1 }]);
    await ada.settle();
    // Ended in the middle of a handler, that goes on.
    trace.close();
    gate.open();
    expect((await ada.next())[4]).to.deep.equal({ status: "ok", response: { n: 1 } });
    const next = endpoint.trace();
    await ada.ask("1", "3", "room:a", "echo");
    expect(kinds(next.take())).to.have.length(7);
  });
});

import { AsyncLocalStorage } from "node:async_hooks";
import { expect } from "chai";
import { channelContext } from "../../lib/channel.ts";
import { endpointInternals } from "../../lib/endpoint.ts";
import { Channel, ok, Socket, telemetry } from "../../lib/index.ts";
import { Envelope } from "../../lib/pubsub/broadcast.ts";
import { connect, refused } from "../support/client.ts";
import { turn } from "../support/gate.ts";
import { serve } from "../support/server.ts";
import { afterTest } from "../support/teardown.ts";
import { kinds, only, serveRooms } from "./rooms.ts";

describe("without a trace", () => {
  /** Counts how often a context is entered or left, which makes every promise of the process dearer. */
  function countContexts(): { readonly entered: () => number; readonly disabled: () => number } {
    let count = 0;
    let disabled = 0;
    const { run, disable } = AsyncLocalStorage.prototype;
    AsyncLocalStorage.prototype.disable = function () {
      disabled++;
      disable.call(this);
    };
    AsyncLocalStorage.prototype.run = function (this: never, ...args: never[]) {
      count++;
      return Reflect.apply(run, this, args);
    } as typeof run;
    afterTest(() => {
      AsyncLocalStorage.prototype.run = run;
      AsyncLocalStorage.prototype.disable = disable;
    });
    return { entered: () => count, disabled: () => disabled };
  }

  it("no asynchronous context is made, and none after the last trace has gone", async () => {
    const { client, endpoint } = await serveRooms();
    const { tracer } = endpointInternals(endpoint);
    const ada = await client("ada", "room:a");
    const { entered, disabled } = countContexts();
    await ada.ask("1", "2", "room:a", "echo");
    ada.send(["1", "3", "room:a", "shout", {}]);
    await ada.next();
    expect(tracer.within("id", () => tracer.cause)).to.equal(null);
    expect(entered()).to.equal(0);
    const [one, two] = [endpoint.trace(), endpoint.trace()];
    await ada.ask("1", "4", "room:a", "echo");
    const used = entered();
    expect(used).to.be.above(0);
    one.close();
    await ada.ask("1", "5", "room:a", "echo");
    expect(entered()).to.be.above(used);
    expect(disabled()).to.equal(0);
    two.close();
    expect(disabled()).to.equal(1);
    const last = entered();
    await ada.ask("1", "6", "room:a", "echo");
    expect(entered()).to.equal(last);
  });

  it("no step is told: only failures are", async () => {
    const { client, endpoint, url } = await serveRooms();
    const { tracer } = endpointInternals(endpoint);
    const told: string[] = [];
    const { step, fail } = tracer;
    tracer.step = (...args) => {
      told.push(args[0].step);
      return step.apply(tracer, args);
    };
    tracer.fail = (...args) => {
      told.push(args[0].step);
      return fail.apply(tracer, args);
    };
    const ada = await client("ada", "room:a");
    for (const event of ["echo", "shout", "intercept", "to_self"]) ada.send(["1", "2", "room:a", event, {}]);
    await ada.take(4);
    expect(told).to.deep.equal([]);
    await ada.ask("1", "3", "room:a", "whistle");
    await refused(url, "vsn=9.0.0");
    await ada.close();
    while (endpoint.stats().connections > 0) await turn();
    expect(told).to.deep.equal(["denied", "refused"]);
  });
});

describe("the ids of failures in telemetry", () => {
  it("are those of the log and of explain", async () => {
    const { client, endpoint, url } = await serveRooms();
    const ids = new Map<string, unknown>();
    for (const event of [
      "socketRefused",
      "socketClosed",
      "channelJoined",
      "channelHandledIn",
      "channelErrored",
    ]) {
      const channel = telemetry[event as keyof typeof telemetry];
      const listener = (message: unknown) => {
        const { id, endpoint: from } = message as { id: unknown; endpoint: unknown };
        if (from === endpoint) ids.set(event, id);
      };
      channel.subscribe(listener);
      afterTest(() => channel.unsubscribe(listener));
    }
    const ada = await client("ada", "room:a");
    expect([...ids]).to.deep.equal([["channelJoined", null]]);
    await ada.ask("1", "2", "room:a", "echo");
    expect(ids.get("channelHandledIn")).to.equal(null);
    await ada.join("room:refused", {}, "2");
    await ada.ask("1", "3", "room:a", "deny");
    ada.send(["1", "4", "room:a", "boom", {}]);
    await ada.next();
    expect(kinds(endpoint.explain(String(ids.get("channelErrored")))?.steps ?? [])).to.deep.equal([
      "crashed: handleIn",
    ]);
    ids.set("channelHandledIn", null);
    await refused(url, "vsn=9.0.0");
    endpoint.disconnect("user:ada");
    await ada.closed;
    while (!ids.has("socketClosed")) await turn();
    const codes = ["socketRefused", "channelJoined", "socketClosed"].map(
      (event) => endpoint.explain(String(ids.get(event)))?.failure?.code,
    );
    expect(codes).to.deep.equal(["vsn", "full", "disconnect"]);
  });

  it("are null for a client that leaves in good order", async () => {
    const { client, endpoint } = await serveRooms();
    const ids: unknown[] = [];
    const listener = (message: unknown) => {
      const { id, endpoint: from } = message as { id: unknown; endpoint: unknown };
      if (from === endpoint) ids.push(id);
    };
    telemetry.socketClosed.subscribe(listener);
    afterTest(() => telemetry.socketClosed.unsubscribe(listener));
    const ada = await client("ada");
    await ada.close();
    while (ids.length === 0) await turn();
    expect(ids).to.deep.equal([null]);
  });
});

describe("a part of the library that stands on channels", () => {
  it("sends what it shares among clients, and a trace tells of each frame, or that it is lost", async () => {
    class Doc extends Channel {
      override join() {
        this.sendSelf(null);
        return ok();
      }
      override handleInfo() {
        const report = () => {};
        for (const payload of ["{}", Uint8Array.of(1)]) {
          channelContext(this).send(new Envelope("key", "op", payload, null, report));
        }
      }
    }
    class DocSocket extends Socket {
      static override channels = { "doc:*": Doc };
    }
    const { endpoint, url } = await serve(DocSocket);
    const trace = endpoint.trace({ topic: "doc:a" });
    const old = await connect(url, "vsn=1.0.0");
    old.send({ topic: "doc:a", event: "phx_join", payload: {}, ref: "1" });
    await old.take(2);
    const steps = trace.take();
    expect(new Set(steps.map(({ id }) => id))).to.have.property("size", 1);
    expect(kinds(steps).slice(-4)).to.deep.equal([
      "handling handleInfo",
      "frame_out: broadcast",
      "lost: uncarried",
      "handled handleInfo: noreply",
    ]);
  });

  it("tells steps of its own, in the course of the message that it works for", async () => {
    const { client, endpoint } = await serveRooms();
    const { tracer } = endpointInternals(endpoint);
    const ada = await client("ada", "room:a");
    const trace = endpoint.trace();
    const op = {};
    tracer.within("doc-1", () => {
      tracer.follow(op);
      tracer.step({ step: "note", part: "documents", name: "op_queued", topic: "doc:a", facts: { csn: 1 } });
    });
    tracer.resume(op, () => {
      tracer.step({ step: "note", part: "documents", name: "op_stamped", topic: "doc:a", facts: { sn: 7 } });
      endpoint.broadcast("room:a", "op");
    });
    await ada.next();
    const steps = trace.take();
    expect(new Set(steps.map(({ id }) => id))).to.deep.equal(new Set(["doc-1"]));
    expect(kinds(steps)).to.deep.equal(["note", "note", "broadcast: op", "frame_out: broadcast"]);
    expect(only(steps.slice(0, 1), "note")).to.deep.include({ name: "op_queued", facts: { csn: 1 } });
  });
});

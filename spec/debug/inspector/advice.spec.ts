import { expect } from "chai";
import { FAULTS } from "../../../lib/debug/doctor/faults.ts";
import { adviceOf } from "../../../lib/debug/inspector/advice.ts";
import { CONNECT_REASONS, OP_REASONS } from "../../../lib/documents/refusal.ts";
import type { FailureStep } from "../../../lib/index.ts";
import { source } from "../../docs/markdown.ts";
import { refused } from "../../support/client.ts";
import { serveInspected } from "./looking.ts";

const denied = (facts: object) => ({ step: "denied", code: "error", ...facts }) as FailureStep;

/** The words of a union of strings in a source file. */
function union(path: string, name: string): string[] {
  const [, body = ""] = new RegExp(`export type ${name} =([^;]+);`).exec(source(path)) ?? [];
  return [...body.matchAll(/"(\w+)"/g)].map((match) => match[1] as string);
}

describe("the inspector's advice", () => {
  it("is there for each cause of a refusal and of a close", () => {
    const causes = {
      refused: union("lib/telemetry.ts", "RefusalCause"),
      closed: union("lib/tracing.ts", "CloseCause"),
    };
    for (const [step, codes] of Object.entries(causes)) {
      expect(codes).to.have.length.above(10);
      for (const code of codes) {
        const advice = adviceOf({ step, code } as FailureStep);
        expect(advice, `${step} ${code}`).to.include.all.keys("symptom", "cause", "fix");
      }
    }
  });

  it("is there for each of the library's own error replies", () => {
    const [, list = ""] = /const PHRASES[^[]+\[([^\]]+)\]/.exec(source("lib/connection/denials.ts")) ?? [];
    const reasons = [...list.matchAll(/"([^"]+)"/g)].map((match) => match[1] as string);
    expect(reasons).to.include("unmatched topic");
    for (const reason of [...reasons, "rate_limited", "malformed_token"]) {
      const advice = adviceOf(denied({ code: reason.replaceAll(" ", "_"), reason, event: "phx_join" }));
      expect(advice?.fault, reason).not.to.be.oneOf([null, undefined, "join_refused", "push_refused"]);
    }
  });

  it("is there for each reason of the document channel, on its topics only", () => {
    for (const reason of [...CONNECT_REASONS.keys(), ...OP_REASONS.keys()]) {
      const event = "submitOp";
      const topic = "document:acme:doc";
      expect(adviceOf(denied({ reason, event, topic }))?.fault, reason).not.to.equal("push_refused");
      expect(adviceOf(denied({ reason, event, topic: "room:a" }))?.fault, reason).to.equal("push_refused");
    }
  });

  it("tells a refused join from a refused message, and an unmatched topic from a channel that has gone", () => {
    const fault = (facts: object) => adviceOf(denied(facts))?.fault;
    expect(fault({ event: "phx_join", reason: "members only" })).to.equal("join_refused");
    expect(fault({ event: "shout", reason: "members only" })).to.equal("push_refused");
    expect(fault({ event: "phx_join", code: "unmatched_topic" })).to.equal("topic_unmatched");
    expect(fault({ event: "shout", code: "unmatched_topic" })).to.equal("channel_gone");
    expect(fault({ event: "phx_join", code: "invalid_payload" })).to.equal("join_payload_refused");
  });

  it("speaks of no command line", () => {
    const cli = Object.entries(FAULTS).filter(
      ([, { fix }]) => fix.includes("--json") || fix.includes("--param"),
    );
    expect(cli.length).to.be.above(0);
    for (const code of union("lib/telemetry.ts", "RefusalCause")) {
      expect(adviceOf({ step: "refused", code } as FailureStep)?.fix, code).not.to.match(
        /--(param|join|token)\b/,
      );
    }
  });

  it("comes with the explanation of a failure, and what led to it", async () => {
    const { client, look, url } = await serveInspected();
    const ada = await client("ada", "room:a");
    await refused(url, "vsn=2.0.0&user=mallory");
    ada.send(["1", "2", "room:a", "boom", {}]);
    await ada.next();
    const looker = await look();
    const { rows } = await looker.table("errors");
    expect(rows.map(({ step, code, reason }) => [step, code, reason])).to.deep.equal([
      ["crashed", "handleIn", "TypeError: no such user"],
      ["refused", "connect", "banned"],
    ]);
    const { response } = await looker.ask("explain", { id: rows[0]?.id });
    expect(response.failure).to.include({ step: "crashed", topic: "room:a", event: "boom" });
    expect(response.advice.fault).to.equal("channel_crashed");
    expect((await looker.ask("explain", { id: rows[1]?.id })).response.advice.fault).to.equal(
      "connect_refused",
    );
    for (const id of ["unknown", 7, undefined]) {
      expect((await looker.ask("explain", { id })).status).to.equal("error");
    }
  });
});

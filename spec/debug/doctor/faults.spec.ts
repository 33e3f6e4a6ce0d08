import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { FAULTS, type Fault, type FaultId } from "../../../lib/debug/doctor/faults.ts";
import { EXIT } from "../../../lib/debug/exit-codes.ts";
import { source, sources } from "../../docs/markdown.ts";

const ids = Object.keys(FAULTS) as FaultId[];
const doctor = sources()
  .filter((path) => path.startsWith("lib/debug/") && !/\/faults(-\w+)?\.ts$/.test(path))
  .map(source)
  .join("\n");
const specs = readdirSync(new URL(".", import.meta.url))
  .filter((name) => name.endsWith(".spec.ts") && name !== "faults.spec.ts")
  .map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
  .join("\n");

describe("the doctor's faults", () => {
  it("are sentences, with a kind that has an exit code", () => {
    for (const [id, fault] of Object.entries<Fault>(FAULTS)) {
      expect(id).to.match(/^[a-z]+(_[a-z]+)*$/);
      expect(EXIT[fault.kind], id).to.be.within(1, 8);
      for (const text of [fault.symptom, fault.cause, fault.fix]) {
        expect(text, id).to.match(/^\S.{5,140}[^.\s]$/);
      }
    }
  });

  it("are told apart by their symptoms", () => {
    const symptoms = Object.values<Fault>(FAULTS).map(({ symptom }) => symptom);
    expect(new Set(symptoms).size).to.equal(symptoms.length);
  });

  it("are each named by the code that finds them", () => {
    expect(ids.filter((id) => !doctor.includes(`"${id}"`))).to.deep.equal([]);
  });

  it("are each made by a spec, on a server", () => {
    const made = new Set([
      ...[...specs.matchAll(/expectFault\(\s*"(\w+)"/g)].map(([, id]) => id),
      ...[...specs.matchAll(/fault\)\.to\.equal\("(\w+)"\)/g)].map(([, id]) => id),
      ...[...specs.matchAll(/include\("(\w+)(?:: )?"\)/g)].map(([, id]) => id),
      ...[...specs.matchAll(/\[\d{3}, (?:"[^"]*", )?"(\w+)"\]/g)].map(([, id]) => id),
    ]);
    expect(ids.filter((id) => !made.has(id))).to.deep.equal([]);
  });
});

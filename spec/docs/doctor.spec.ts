import { expect } from "chai";
import type { Command } from "commander";
import { systemClock } from "../../lib/clock.ts";
import {
  AUTH_TOKEN_VARIABLE,
  SECRET_VARIABLE,
  TOKEN_VARIABLE,
} from "../../lib/debug/cli/connection-options.ts";
import { program } from "../../lib/debug/cli/program.ts";
import { FAULTS, type Fault } from "../../lib/debug/doctor/faults.ts";
import { EXIT } from "../../lib/debug/exit-codes.ts";
import { Redactor } from "../../lib/debug/redact.ts";
import { code, readPage, rows, section } from "./markdown.ts";

const PAGE = "docs/doctor.md";

function commands(): readonly Command[] {
  const output = { write: () => {} };
  const stdin = (async function* () {})();
  const { signal } = new AbortController();
  const io = { stdin, stdout: output, stderr: output, env: {}, clock: systemClock, signal };
  return program(io, new Redactor(), () => {}).commands;
}

describe("docs/doctor.md", () => {
  it("has the faults of the code, word for word", () => {
    const documented = rows(section(PAGE, "Faults"), "fault").map(({ fault, exit, symptom, cause, fix }) => [
      code(fault),
      Number(exit),
      symptom,
      cause,
      fix,
    ]);
    const known = Object.entries<Fault>(FAULTS).map(([id, { kind, symptom, cause, fix }]) => [
      id,
      EXIT[kind],
      symptom,
      cause,
      fix,
    ]);
    expect(documented).to.deep.equal(known);
  });

  it("has the exit codes", () => {
    const documented = rows(section(PAGE, "Exit codes"), "code").map((row) => [
      code(row.name),
      Number(row.code),
    ]);
    expect(documented).to.deep.equal(Object.entries(EXIT));
  });

  it("has the commands", () => {
    const documented = rows(section(PAGE, "Commands"), "command").map(
      (row) => code(row.command).split(" ")[0],
    );
    expect(documented).to.deep.equal(commands().map((command) => command.name()));
  });

  it("has each option, of the commands that take it, with its default", () => {
    const all = commands();
    const names = all.map((command) => command.name()).join(", ");
    const documented = rows(section(PAGE, "Options"), "option").map((row) => {
      const of = row.of === "all" ? names : row.of;
      return `${code(row.option)} of ${of}: ${row.default === "" ? "" : code(row.default)}`;
    });
    const taken = new Map<string, { of: string[]; value: string }>();
    for (const command of all) {
      for (const { long, defaultValue, negate } of command.options) {
        const entry = taken.get(long ?? "") ?? { of: [], value: "" };
        entry.of.push(command.name());
        const isShown = !negate && defaultValue !== undefined && !Array.isArray(defaultValue);
        if (isShown) entry.value = String(defaultValue);
        taken.set(long ?? "", entry);
      }
    }
    // Its default is where the payload is read.
    const join = taken.get("--join");
    if (join !== undefined) join.value = "{}";
    expect(documented).to.have.members(
      [...taken].map(([option, { of, value }]) => `${option} of ${of.join(", ")}: ${value}`),
    );
  });

  it("names the variables of the environment", () => {
    const text = section(PAGE, "Tokens and secrets");
    for (const name of [TOKEN_VARIABLE, SECRET_VARIABLE, AUTH_TOKEN_VARIABLE])
      expect(text).to.include(`\`${name}\``);
  });

  it("has command lines that are understood", () => {
    const lines = [...readPage(PAGE).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) =>
      (text ?? "").replaceAll("\\\n", " ").trim(),
    );
    expect(lines).to.have.length.above(2);
    for (const line of lines) {
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
      expect(words.slice(0, 2)).to.deep.equal(["npx", "phoenix-channels-server"]);
      const [name, ...argv] = words.slice(2);
      const command = commands().find((one) => one.name() === name);
      expect(command?.parseOptions(argv).unknown, line).to.deep.equal([]);
    }
  });
});

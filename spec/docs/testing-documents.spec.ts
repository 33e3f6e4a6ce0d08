import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { TestDocumentClient, TestOpLog, TestTokens } from "../../lib/testing/documents.ts";
import { newDocumentCase } from "../testing/document.ts";
import { code, example, ROOT, rows, section, snippets } from "./markdown.ts";
import { runTests } from "./run-tests.ts";
import { runCompiler, workshop } from "./workshop.ts";

const PAGE = "docs/testing-documents.md";

/** The page's tests in one file: the complete one, and those that go on from it. */
function tests(): string {
  const rest = snippets(PAGE).filter(({ lang, file }) => lang === "ts" && file === null);
  return [example(PAGE, "notes.test.ts"), ...rest.map((each) => each.code)].join("\n");
}

async function written(): Promise<string> {
  const directory = await workshop();
  await writeFile(join(directory, "package.json"), '{"type": "module"}');
  await writeFile(join(directory, "notes.ts"), example(PAGE, "notes.ts"));
  await writeFile(join(directory, "notes.test.ts"), tests());
  return directory;
}

/** The names that a table's first column calls, such as `` `submitOp(…ops)` ``. */
function called(heading: string): string[] {
  return rows(section(PAGE, heading), "call").flatMap(({ call = "" }) =>
    [...call.matchAll(/`(\w+)/g)].map(([, name = ""]) => name),
  );
}

function members(type: abstract new (...args: never[]) => object): string[] {
  return Object.getOwnPropertyNames(type.prototype);
}

describe("docs/testing-documents.md", function () {
  this.timeout(60_000);

  it("has snippets that compile with strict settings", async () => {
    const directory = await written();
    await symlink(
      join(ROOT, "node_modules", "@types"),
      join(directory, "node_modules", "@types"),
      "junction",
    );
    const options = ["--strict", "--noEmit", "--skipLibCheck", "--target", "ES2022", "--module", "NodeNext"];
    runCompiler([...options, "--types", "node", "notes.test.ts"], directory);
  });

  it("notes.ts and notes.test.ts, with all other snippets: they run, and pass", async () => {
    const { status, output } = await runTests(await written(), "notes.test.ts");
    const count = tests().match(/^test\(/gm)?.length ?? 0;
    expect(count).to.be.above(12);
    expect(output).to.include(`# pass ${count}\n# fail 0`);
    expect(status).to.equal(0);
  });

  it("lists what tokens, clients and the log can do, and nothing else", () => {
    const tokens = members(TestTokens).filter((name) => name !== "constructor");
    expect(called("Tokens")).to.have.members(tokens);
    expect(members(TestDocumentClient)).to.include.members(called("Operations"));
    const internal = ["constructor", "connect", "takeOver", "replied", "pushed"];
    for (const name of members(TestDocumentClient).filter((each) => !internal.includes(each))) {
      const named =
        ["tenant", "document", "resumed", "resume"].includes(name) || called("Operations").includes(name);
      if (!named) expect(section(PAGE, "Operations")).to.include(`\`${name}`);
    }
    expect(members(TestOpLog)).to.include.members(called("Outages"));
  });

  it("lists the options and their defaults", () => {
    const listed = rows(section(PAGE, "Set up"), "option");
    const names = listed.flatMap(({ option = "" }) =>
      [...option.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    let message = "";
    try {
      newDocumentCase({ none: 1 } as never);
    } catch (error) {
      message = String(error);
    }
    const known = /; it has (.*)$/.exec(message)?.[1]?.split(", ");
    expect(names).to.have.members(known ?? []);
    const kit = newDocumentCase();
    const [first] = listed;
    expect(first?.default).to.equal(`\`"${kit.tenant}"\`, \`"${kit.document}"\``);
    expect(code(first?.option)).to.equal("tenant");
  });
});

import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const here = dirname(fileURLToPath(import.meta.url));
const compiler = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin",
  "tsc",
);

/** Runs the compiler on a project of this directory: what it reports, by file and line, and all it read. */
function compile(project: string): Promise<{ code: number; errors: string[]; files: string[] }> {
  return new Promise((resolve) => {
    const args = [compiler, "-p", join(here, project), "--pretty", "false", "--listFiles"];
    execFile(process.execPath, args, { cwd: here, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
      resolve({
        code: error === null ? 0 : Number(error.code),
        // A listed file is an absolute path and nothing else.
        errors: lines.filter((line) => !/^\S*\/[^(]*\.[cm]?ts$/.test(line)),
        files: lines,
      });
    });
  });
}

describe("the types", () => {
  it("of the design's example, of inference and of misuse are as the cases say", async function () {
    this.timeout(60_000);
    const { code, errors, files } = await compile("tsconfig.json");
    expect(errors).to.deep.equal([]);
    expect(code).to.equal(0);
    // An empty report counts only if the compiler has read the cases.
    const cases = (await readdir(join(here, "cases"))).map((name) => join(here, "cases", name));
    expect(cases).to.have.length.above(5);
    expect(files).to.include.members([...cases, join(here, "example", "example.ts")]);
  });

  it("are really checked: a wrong file is reported, line by line", async function () {
    this.timeout(60_000);
    const { code, errors } = await compile("tsconfig.wrong.json");
    expect(code).to.not.equal(0);
    expect(errors.map((line) => line.replace(/: error (TS\d+).*/, " $1"))).to.deep.equal([
      "example/wrong.ts(7,5) TS2322",
      "example/wrong.ts(11,37) TS18046",
      "example/wrong.ts(12,5) TS2578",
    ]);
  });
});

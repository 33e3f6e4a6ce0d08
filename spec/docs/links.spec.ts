import { existsSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, normalize } from "node:path";
import { expect } from "chai";
import * as library from "../../lib/index.ts";
import { Channel, Endpoint, Socket } from "../../lib/index.ts";
import { anchor, PAGES, prose, ROOT, readPage, snippets, source } from "./markdown.ts";
import { runCompiler, workshop } from "./workshop.ts";

const all = PAGES.flatMap(snippets);

/** What a class's instances have, private things aside. */
function members(base: abstract new (...args: never[]) => object): string[] {
  return Object.getOwnPropertyNames(base.prototype);
}

describe("the documentation", () => {
  for (const page of PAGES) {
    it(`${page}: its links lead somewhere`, () => {
      const broken = [...prose(page).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)]
        .map((match) => match[1] ?? "")
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [path = "", fragment] = link.split("#");
          const target = path === "" ? page : normalize(join(dirname(page), path));
          if (!existsSync(join(ROOT, target))) return true;
          if (fragment === undefined) return false;
          const headings = [...prose(target).matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1] ?? ""));
          return !headings.includes(fragment);
        });
      expect(broken).to.deep.equal([]);
    });
  }

  it("docs/README.md lists all pages", () => {
    const listed = [...readPage("docs/README.md").matchAll(/\]\(([^)]+)\)/g)].map(
      (match) => `docs/${match[1]}`,
    );
    expect(listed).to.have.members(PAGES.filter((page) => /^docs\/(?!README)/.test(page)));
  });

  it("has snippets that parse", async () => {
    const { transform } = createRequire(createRequire(import.meta.url).resolve("tsx/package.json"))(
      "esbuild",
    ) as {
      transform(code: string, options: object): Promise<unknown>;
    };
    const parsed = all.filter(({ lang }) => lang === "js" || lang === "ts");
    expect(parsed).to.have.length.above(10);
    for (const { page, line, lang, code } of parsed) {
      await transform(code, { loader: lang, format: "esm", logLevel: "silent" }).catch((cause: Error) => {
        expect.fail(`${page}:${line}: ${cause.message}`);
      });
    }
  });

  it("has TypeScript examples that compile in an app with strict settings", async function () {
    this.timeout(60_000);
    const directory = await workshop(["zod"]);
    await symlink(
      join(ROOT, "node_modules", "@types"),
      join(directory, "node_modules", "@types"),
      "junction",
    );
    const examples = all.filter(({ lang, file }) => lang === "ts" && file !== null);
    expect(examples).to.not.have.length(0);
    for (const { file, code } of examples) await writeFile(join(directory, file ?? ""), code);
    const options = { target: "ES2022", module: "NodeNext", strict: true, noEmit: true, types: ["node"] };
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: { ...options, skipLibCheck: true, noUncheckedIndexedAccess: true },
        files: examples.map(({ file }) => file),
      }),
    );
    runCompiler(["-p", "."], directory);
  });

  it("has no complete example that no spec runs", () => {
    const pages = [
      "readme",
      "getting-started",
      "coming-from-phoenix",
      "authentication",
      "deploying",
      "op-logs",
      "telemetry",
      "tracing",
      "debugging",
      "testing",
      "testing-documents",
    ];
    const specs = pages.map((name) => source(`spec/docs/${name}.spec.ts`));
    const idle = all
      .filter(({ file, lang }) => file !== null && ["js", "ts"].includes(lang))
      .filter(({ file }) => !specs.some((text) => text.includes(`"${file}"`)));
    expect(idle.map(({ page, file }) => `${page}: ${file}`)).to.deep.equal([]);
    const complete = all.filter(({ code }) => /^import [^;]* from "phoenix-channels-server";/m.test(code));
    const unnamed = complete.filter(({ file, code }) => file === null && code.includes("class "));
    expect(unnamed.map(({ page, line }) => `${page}:${line}`)).to.deep.equal([]);
  });

  it("calls no method that isn't there", () => {
    const known: [pattern: RegExp, names: string[]][] = [
      [/\bendpoint\.(\w+)\(/g, members(Endpoint)],
      [/\bsocket\.(\w+)\(/g, [...members(Socket), "connect", "channel", "disconnect"]],
      [/\bthis\.(\w+)\(/g, [...members(Channel), "on"]],
    ];
    for (const page of PAGES) {
      for (const [pattern, names] of known) {
        const called = [...readPage(page).matchAll(pattern)].map((match) => match[1] ?? "");
        expect(names, page).to.include.members(called);
      }
    }
  });

  it("imports nothing that the library doesn't export", () => {
    const types = new Set([...source("lib/index.ts").matchAll(/\w+/g)].map(([word]) => word));
    for (const { page, line, code } of all) {
      for (const match of code.matchAll(/import \{([^}]*)\} from "phoenix-channels-server"/g)) {
        for (const name of (match[1] ?? "").split(",").map((part) => part.trim())) {
          if (name === "") continue;
          const isThere = name.startsWith("type ") ? types.has(name.slice(5)) : name in library;
          expect(isThere, `${page}:${line}: ${name}`).to.equal(true);
        }
      }
    }
  });

  it("names every method of an endpoint and a channel somewhere", () => {
    const text = PAGES.map(readPage).join("\n");
    const names = [...members(Endpoint), ...members(Channel), ...members(Socket)];
    const missing = names.filter((name) => name !== "constructor" && !new RegExp(`\\b${name}\\b`).test(text));
    expect(missing).to.deep.equal([]);
  });
});

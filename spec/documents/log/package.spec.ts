import { execFileSync } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect } from "chai";
import { emptyDirectory } from "./directory.ts";

const LIB = fileURLToPath(new URL("../../../lib", import.meta.url));

describe("an LMDB log where lmdb isn't installed", () => {
  it("says what to install, as soon as it is made; other logs don't need it", async () => {
    const directory = await emptyDirectory();
    await cp(LIB, join(directory, "lib"), { recursive: true });
    await mkdir(join(directory, "node_modules"));
    await writeFile(
      join(directory, "app.ts"),
      `import { LmdbOpLog } from "./lib/documents/log/lmdb.ts";
       import { MemoryOpLog } from "./lib/documents/log/memory.ts";
       new MemoryOpLog();
       try {
         new LmdbOpLog({ path: "./data" });
       } catch (error) {
         console.log(\`\${error.constructor.name} \${error.code}: \${error.message}\`);
       }`,
    );
    await writeFile(join(directory, "package.json"), '{"type": "module"}');
    const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
    const env = { ...process.env, NODE_OPTIONS: "", NODE_PATH: "" };
    const printed = execFileSync(process.execPath, ["--import", tsx, "app.ts"], {
      cwd: directory,
      encoding: "utf8",
      env,
    });
    expect(printed).to.equal("OpLogError log_failed: LmdbOpLog needs the package lmdb: npm install lmdb\n");
  });
});

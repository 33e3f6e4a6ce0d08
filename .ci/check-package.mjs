// Installs the packed tarball into an empty directory, as a user would, and runs host apps against it.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const hosts = fileURLToPath(new URL("./hosts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "pcs-package-"));
let passed = 0;
let failed = 0;

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

async function check(name, body) {
  try {
    await body();
    passed++;
    console.log(`  ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`  FAILED ${name}\n${error.message}`);
  }
}

/** Starts a host app, which prints its port, and calls back while it runs. */
async function serving(file, use) {
  const host = spawn(process.execPath, [file], { cwd: scratch, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const port = await new Promise((resolve, reject) => {
      host.stdout.once("data", (data) => resolve(data.toString().trim()));
      host.once("exit", (code) => reject(new Error(`${file} exited with ${code}`)));
    });
    use(port);
  } finally {
    host.kill();
  }
}

try {
  const tarball = run("npm", ["pack", "--silent", "--pack-destination", scratch], root)
    .trim()
    .split("\n")
    .pop();
  const { devDependencies } = JSON.parse(run("npm", ["pkg", "get", "--json"], root));
  const version = (name) => `${name}@${devDependencies[name]}`;
  cpSync(hosts, scratch, { recursive: true });
  writeFileSync(join(scratch, "package.json"), '{"private": true}\n');
  const packages = [
    "express",
    "fastify",
    "lmdb",
    "mocha",
    "phoenix",
    "typescript",
    "@types/node",
    "@types/express",
    "zod",
  ].map(version);
  run(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      `./${tarball}`,
      ...packages,
      "typescript5@npm:typescript@5",
      // The latest that runs on the oldest Node that is supported.
      "vitest@3",
    ],
    scratch,
  );

  for (const file of readdirSync(scratch).filter((name) => name.startsWith("serve-"))) {
    await check(`${file} serves the official client`, () =>
      serving(file, (port) => run(process.execPath, ["client.mjs", port], scratch)),
    );
  }
  for (const [runner, args, passes] of [
    ["mocha", ["node_modules/mocha/bin/mocha.js", "kit-mocha.mjs"], /4 passing/],
    [
      "vitest",
      ["node_modules/vitest/vitest.mjs", "run", "./kit-vitest.mjs", "--config", "vitest.config.mjs"],
      /5 passed/,
    ],
    ["node:test", ["--test", "kit-node-test.mjs"], /pass 4\n/],
  ]) {
    await check(`the test kit runs under ${runner}`, () => {
      const output = run(process.execPath, args, scratch);
      // A runner that found no test would be content too.
      if (!passes.test(output)) throw new Error(output);
    });
  }
  await check("documents outlive their server, on LMDB", () =>
    run(process.execPath, ["documents.mjs", join(scratch, "data")], scratch),
  );
  await check("the command line says its version, and the doctor finds a host healthy", () =>
    serving("serve-http.mjs", (port) => {
      const bin = join("node_modules", ".bin", "phoenix-channels-server");
      run(bin, ["--version"], scratch);
      run(bin, ["doctor", `ws://127.0.0.1:${port}/socket`, "--topic", "room:lobby"], scratch);
    }),
  );
  await check("a typed host app compiles", () =>
    run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], scratch),
  );
  await check("and with TypeScript 5", () =>
    run(process.execPath, ["node_modules/typescript5/bin/tsc", "-p", "."], scratch),
  );
  await check("the package has no specs and sources in it", () => {
    const files = JSON.parse(run("npm", ["pack", "--dry-run", "--json", "--silent"], root))[0].files.map(
      ({ path }) => path,
    );
    const stray = files.filter(
      (path) => !/^(dist\/|docs\/|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/.test(path),
    );
    if (stray.length > 0) throw new Error(`unexpected in the package: ${stray.join(", ")}`);
  });
} catch (error) {
  failed++;
  console.log(error.message);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

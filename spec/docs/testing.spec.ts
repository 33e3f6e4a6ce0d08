import { execFile } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { channelCase } from "../../lib/testing/index.ts";
import { FAULT_KINDS } from "../../lib/testing/simulation/faults.ts";
import { TestChannel } from "../../lib/testing/test-channel.ts";
import { failureOf } from "../testing/app.ts";
import { code, example, ROOT, rows, section, snippets } from "./markdown.ts";
import { runCompiler, workshop } from "./workshop.ts";

const PAGE = "docs/testing.md";
const all = snippets(PAGE);
const require = createRequire(import.meta.url);

/** The page's tests in one file: the complete one, and those that go on from it. */
function tests(): string {
  const rest = all.filter(({ lang, file }) => lang === "ts" && file === null).map((each) => each.code);
  return [example(PAGE, "room.test.ts"), ...rest].join("\n");
}

/** What the page's tests import. */
async function writeSources(directory: string): Promise<void> {
  await writeFile(join(directory, "room.ts"), example(PAGE, "room.ts"));
  await writeFile(join(directory, "client.mjs"), example("docs/documents.md", "client.mjs"));
}

/** Runs a file of tests by node's own runner. */
function runTests(directory: string, file: string): Promise<{ status: number; output: string }> {
  const loader = pathToFileURL(require.resolve("tsx")).href;
  const args = ["--import", loader, "--test", "--test-reporter", "tap", file];
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: directory, env }, (error, stdout, stderr) => {
      resolve({ status: Number(error?.code ?? 0), output: `${stdout}${stderr}` });
    });
  });
}

describe("docs/testing.md", function () {
  this.timeout(60_000);

  it("has snippets that compile with strict settings", async () => {
    const directory = await workshop();
    await symlink(
      join(ROOT, "node_modules", "@types"),
      join(directory, "node_modules", "@types"),
      "junction",
    );
    await writeFile(join(directory, "package.json"), '{"type": "module"}');
    await writeSources(directory);
    await writeFile(join(directory, "room.test.ts"), tests());
    const options = ["--strict", "--noEmit", "--skipLibCheck", "--target", "ES2022", "--module", "NodeNext"];
    runCompiler([...options, "--allowJs", "--types", "node", "room.test.ts"], directory);
  });

  it("room.ts and room.test.ts, with all other snippets: they run, and pass", async () => {
    const directory = await workshop();
    await writeFile(join(directory, "package.json"), '{"type": "module"}');
    await writeSources(directory);
    await writeFile(join(directory, "room.test.ts"), tests());
    const { status, output } = await runTests(directory, "room.test.ts");
    const count = tests().match(/^test\(/gm)?.length ?? 0;
    expect(count).to.be.above(12);
    expect(output).to.include(`# pass ${count}\n# fail 0`);
    expect(status).to.equal(0);
  });

  it("shows a failure as it is", async () => {
    const [shown = ""] = all.filter(({ lang }) => lang === "text").map((each) => each.code);
    const directory = await workshop();
    await writeFile(join(directory, "package.json"), '{"type": "module"}');
    await writeFile(join(directory, "room.ts"), example(PAGE, "room.ts"));
    const { RoomChannel, UserSocket } = await import(pathToFileURL(join(directory, "room.ts")).href);
    const { channelCase: built } = await import(
      pathToFileURL(join(directory, "node_modules", "phoenix-channels-server", "dist", "testing", "index.js"))
        .href
    );
    const kit = built() as ReturnType<typeof channelCase>;
    const client = kit.socket(UserSocket, null, { userId: "ada" } as never);
    const room = await client.subscribeAndJoin(RoomChannel, "room:lobby");
    room.push("new_msg", { body: "hi" });
    const failed = await failureOf(room.assertPush("new_msg", { body: "ho" }));
    await kit.close();
    expect(`${failed.message}\n`).to.equal(shown);
  });

  it("lists the methods of a channel's client", () => {
    const listed = rows(section(PAGE, "Operations"), "call").flatMap((row) =>
      [...(row.call ?? "").matchAll(/`(\w+)/g)].map(([, name]) => name),
    );
    expect(listed).to.include.members(["push", "assertReply", "leave"]);
    for (const name of listed) expect(Object.getOwnPropertyNames(TestChannel.prototype)).to.include(name);
    for (const name of ["assertBroadcast", "assertBroadcastFrom", "refuteBroadcast", "broadcastFrom"]) {
      expect(section(PAGE, "Broadcasts")).to.include(`${name}`);
    }
  });

  it("lists the faults of a simulation", () => {
    const listed = rows(section(PAGE, "Faults"), "fault").map((row) => code(row.fault));
    expect(listed).to.deep.equal(FAULT_KINDS);
  });

  it("gives the defaults that the kit has", async () => {
    const kit = channelCase();
    expect(kit.timeout).to.equal(1000);
    expect(section(PAGE, "When an assertion waits")).to.include("1,000 ms");
    await kit.close();
  });
});

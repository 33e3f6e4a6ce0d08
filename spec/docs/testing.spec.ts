import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { channelCase } from "../../lib/testing/index.ts";
import { FAULT_KINDS } from "../../lib/testing/simulation/faults.ts";
import { TestChannel } from "../../lib/testing/test-channel.ts";
import { failureOf } from "../testing/app.ts";
import { code, example, ROOT, rows, section, snippets, source } from "./markdown.ts";
import { runTests } from "./run-tests.ts";
import { runCompiler, workshop } from "./workshop.ts";

const PAGE = "docs/testing.md";
const all = snippets(PAGE);

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

/** Writes the trace that the page replays: of the page's own app, built as its readers have it. */
async function record(directory: string): Promise<void> {
  const library = join(directory, "node_modules", "phoenix-channels-server", "dist", "testing", "index.js");
  const { UserSocket } = await import(pathToFileURL(join(directory, "room.ts")).href);
  const { channelCase: built } = await import(pathToFileURL(library).href);
  const kit = built() as ReturnType<typeof channelCase>;
  const trace = kit.endpoint.trace();
  const [ada, bob] = await Promise.all(
    ["ada", "bob"].map(async (user) => {
      const client = await kit.connect(UserSocket, { token: `valid:${user}` });
      return client.subscribeAndJoin("room:lobby");
    }),
  );
  for (const room of [ada, bob]) await room?.assertReply(room.push("new_msg", { body: "hi" }), "ok");
  ada?.push("typing");
  await kit.settle();
  const lines = trace.take().map((step) => `${JSON.stringify(step)}\n`);
  await kit.close();
  await writeFile(join(directory, "tuesday.jsonl"), lines.join(""));
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
    await record(directory);
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

  it("lists the options of replay", () => {
    const [, options = ""] =
      /interface ReplayOptions \{([\s\S]*?)\n\}/.exec(source("lib/testing/replay/replay.ts")) ?? [];
    const names = [...options.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? "");
    const listed = rows(section(PAGE, "Replaying a trace"), "option").map((row) => code(row.option));
    expect(listed).to.have.members(names);
  });

  it("gives the defaults that the kit has", async () => {
    const kit = channelCase();
    expect(kit.timeout).to.equal(1000);
    expect(section(PAGE, "When an assertion waits")).to.include("1,000 ms");
    await kit.close();
  });
});

import { expect } from "chai";
import { run as runCommand } from "../debug/support/run.ts";
import { answer, inbox } from "../support/official-client.ts";
import { example } from "./markdown.ts";
import { blocks, commandLine } from "./transcripts.ts";
import { connectClient, run, workshop } from "./workshop.ts";

const server = example("README.md", "server.mjs");

/** The same program as a CommonJS module. */
function commonjs(program: string): string {
  return program.replaceAll(/^import (\{[^}]*\}) from ("[^"]+");$/gm, "const $1 = require($2);");
}

describe("the example in README.md", function () {
  this.timeout(60_000);

  for (const [file, program] of [
    ["server.mjs", server],
    ["server.cjs", commonjs(server)],
  ] as const) {
    it(`runs as ${file}, and the official client joins, asks and is answered`, async () => {
      const port = await (await run(await workshop(), file, program)).port();
      const room = connectClient(port, { params: { user: "ada" } }).channel("room:lobby");
      expect(await answer(room.join())).to.deep.equal({ status: "ok", response: { topic: "room:lobby" } });
      const message = inbox(room, "new_msg");
      expect(await answer(room.push("new_msg", { body: "hello" }))).to.deep.equal({
        status: "ok",
        response: {},
      });
      expect(await message.next()).to.deep.equal({ user: "ada", body: "hello" });
    });
  }

  it("is healthy, says the doctor as README.md asks it", async () => {
    const port = await (await run(await workshop(), "server.mjs", server)).port();
    const [command = ""] = blocks("README.md", "Testing and debugging")
      .filter(({ kind }) => kind === "sh")
      .map(({ text }) => text.replace("localhost:4000", "127.0.0.1:4000"));
    const { code, stdout } = await runCommand(commandLine(command, port, new Map()).argv);
    expect(code, stdout).to.equal(0);
  });

  it("has a CommonJS form that differs", () => {
    expect(commonjs(server)).to.match(/^const \{ .* = require\("phoenix-channels-server"\);\n/);
    expect(commonjs(server)).to.not.include("import ");
  });

  it("talks to the client beside it, which prints what it hears", async () => {
    const directory = await workshop(["phoenix", "ws"]);
    const port = await (await run(directory, "server.mjs", server)).port();
    const address = "ws://127.0.0.1:4000/";
    const [before, after, ...rest] = example("README.md", "client.mjs").split(address);
    expect(rest).to.deep.equal([]);
    // Of a browser it needs no more than the WebSocket.
    const browser = 'import { WebSocket } from "ws";\nglobalThis.WebSocket = WebSocket;\n';
    const client = await run(directory, "client.mjs", `${browser}${before}ws://127.0.0.1:${port}/${after}`);
    await client.line(/^ada: hello$/);
  });
});

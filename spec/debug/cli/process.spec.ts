import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { Channel, ok, Socket } from "../../../lib/index.ts";
import { serve } from "../../support/server.ts";
import { afterTest } from "../../support/teardown.ts";
import { DOCUMENT, SECRET, serveDocuments, TENANT, TOPIC } from "../support/documents.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CLI = fileURLToPath(new URL("../../../lib/cli.ts", import.meta.url));

class Room extends Channel {
  override join() {
    return ok();
  }
}

class UserSocket extends Socket {
  static override channels = { "room:*": Room };
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Starts the command line as a process of its own. */
function start(argv: readonly string[], { env = {}, stdin }: Options = {}) {
  const child = spawn(process.execPath, ["--import", "tsx", CLI, ...argv], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  afterTest(() => child.kill("SIGKILL"));
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
    });
  }
  child.stdin?.end(stdin);
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...printed }));
  return { child, ended, printed };
}

describe("phoenix-channels-server, as a process", function () {
  this.timeout(30_000);

  it("finds a document healthy, with token and secret from where nobody sees them, and ends", async () => {
    const { mount, jwt } = await serveDocuments();
    const token = jwt.generateFullAccessToken(TENANT, DOCUMENT, "ada");
    const { code, stdout, stderr } = await start(["doctor", mount, "-t", TOPIC, "--token", "-"], {
      stdin: `${token}\n`,
      env: { PHOENIX_CHANNELS_SECRET: SECRET },
    }).ended;
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout)
      .to.match(/✓ broadcast +[\d.]+ ms/)
      .and.include("all is well");
    expect(stdout).to.not.include(token);
  });

  it("exits with the code of the fault", async () => {
    const { mount } = await serve(UserSocket);
    const unmatched = await start(["doctor", mount, "-t", "rooms:a"]).ended;
    expect(unmatched.code).to.equal(4);
    expect(unmatched.stdout).to.include("topic_unmatched");
    const usage = await start(["doctor"]).ended;
    expect({ code: usage.code, stdout: usage.stdout }).to.deep.equal({ code: 64, stdout: "" });
  });

  it("taps until it is interrupted, and ends well", async () => {
    const { mount } = await serve(UserSocket);
    const { child, ended, printed } = start(["tap", mount, "-t", "room:a"]);
    child.stdout?.on("data", () => {
      if (printed.stdout.includes("reply ok")) child.kill("SIGINT");
    });
    const { code, signal, stderr } = await ended;
    expect({ code, signal, stderr }).to.deep.equal({ code: 0, signal: null, stderr: "" });
  });

  it("ends quietly when nobody reads its output any more", async () => {
    const { mount, endpoint } = await serve(UserSocket);
    const { child, ended, printed } = start(["tap", mount, "-t", "room:a"]);
    child.stdout?.on("data", () => {
      if (!printed.stdout.includes("reply ok")) return;
      child.stdout?.destroy();
      endpoint.broadcast("room:a", "news", {});
    });
    const { code, stderr } = await ended;
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  });

  it("is built as a program, and its entry points don't load it", () => {
    const built = join(ROOT, "dist", "cli.js");
    if (!existsSync(built)) execFileSync("npm", ["run", "build"], { cwd: ROOT, stdio: "pipe" });
    expect(readFileSync(built, "utf8")).to.match(/^#!\/usr\/bin\/env node\n/);
    const printed = execFileSync(process.execPath, [built, "--version"], { encoding: "utf8" });
    const { version, exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(printed).to.equal(`${version}\n`);
    expect(JSON.stringify(exports)).to.not.include("cli");
  });
});

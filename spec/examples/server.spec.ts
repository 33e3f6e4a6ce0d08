import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { WebSocket } from "ws";
import { RawClient } from "../support/client.ts";
import { afterTest } from "../support/teardown.ts";

const root = new URL("../../", import.meta.url);

async function temporaryDir(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "examples-"));
  afterTest(() => rm(made, { recursive: true }));
  return made;
}

/** Connects to one of the apps as a browser does, and joins a topic. */
async function connect(url: string, app: string, topic: string): Promise<RawClient> {
  const address = `${url.replace("http", "ws")}${app}/socket/websocket?vsn=2.0.0&name=Ada`;
  const token = btoa("a token of some length").replaceAll("=", "");
  const ws = new WebSocket(address, ["phoenix", `base64url.bearer.phx.${token}`]);
  afterTest(() => ws.terminate());
  const client = new RawClient(ws);
  await once(ws, "open");
  expect((await client.join(topic))[4].status).to.equal("ok");
  return client;
}

describe("npm start", function () {
  this.timeout(30_000);

  /** Starts what the script of package.json starts after the build. */
  async function launch(port: number): Promise<ChildProcess> {
    const { scripts } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
    const [command, ...args] = scripts.start.split(" ");
    expect(command).to.equal("node");
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, PORT: String(port), HOST: "127.0.0.1", DATA_DIR: await temporaryDir() },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = once(child, "exit");
    afterTest(async () => {
      child.kill("SIGKILL");
      await exited;
    });
    return child;
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`serves until ${signal}, and exits with 0`, async () => {
      const child = await launch(0);
      const [line] = await once(createInterface(child.stdout as NodeJS.ReadableStream), "line");
      const url = /^The documents are at (http:\/\/127\.0\.0\.1:\d+\/)$/.exec(line)?.[1];
      if (url === undefined) throw new Error(`unexpected output: ${line}`);
      expect(await (await fetch(url)).text()).to.include("<title>Phoenix Docs</title>");
      expect(await (await fetch(`${url}chat/`)).text()).to.include("<title>Chat</title>");
      expect(await (await fetch(`${url}inspector/`)).text()).to.include(
        "<title>Inspector · Phoenix Channels</title>",
      );
      const clients = await Promise.all([
        connect(url, "documents", "library"),
        connect(url, "chat", "room:lobby"),
      ]);
      // Neither open connections nor one that says nothing hold it back.
      const silent = connectTcp(Number(new URL(url).port), "127.0.0.1");
      silent.on("error", () => {});
      await once(silent, "connect");

      const exited = once(child, "exit");
      child.kill(signal);
      for (const client of clients) expect((await client.closed).code).to.equal(1012);
      expect(await exited).to.deep.equal([0, null]);
    });
  }

  it("says so and exits with 1 if the port is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    afterTest(() => taken.close());
    await once(taken, "listening");
    const child = await launch((taken.address() as AddressInfo).port);
    const exited = once(child, "exit");
    const [line] = await once(createInterface(child.stderr as NodeJS.ReadableStream), "line");
    expect(line).to.match(/^The examples can't start: listen EADDRINUSE/);
    expect(await exited).to.deep.equal([1, null]);
  });
});

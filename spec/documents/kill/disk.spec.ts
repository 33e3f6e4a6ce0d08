import { spawnSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { afterTest } from "../../support/teardown.ts";
import { DocumentPeer } from "../document-peer.ts";
import { emptyDirectory, openLog } from "../log/directory.ts";
import { hasCommand, needs } from "../log/process.ts";
import { opsIn, written } from "../log-contents.ts";
import { serveDocuments } from "../served.ts";
import { ServerProcess } from "./server-process.ts";
import { tokenFor } from "./token.ts";

describe("documents on a disk", function () {
  this.timeout(30_000);

  it("are flushed to it before an ok goes out (needs strace)", async function () {
    needs(this, "strace", hasCommand("strace"));
    const directory = await emptyDirectory();
    const trace = join(directory, "trace");
    const calls = "trace=fdatasync,pwrite64,pwritev,write,writev,sendmsg,sendto";
    const strace = ["strace", "-f", "-y", "-s", "400", "-o", trace, "-e", calls];
    const server = await ServerProcess.start(join(directory, "log"), strace);
    const peer = await DocumentPeer.open(server.url, "2.0.0", "document:acme:doc-1");
    await peer.join();
    await peer.connectDocument({ token: tokenFor("ada") });
    for (let i = 0; i < 5; i++) {
      const { response } = await peer.submit(`op ${i}`);
      expect(response.sequenceNumber).to.equal(i + 2);
    }
    await server.end();
    let unflushed = 0;
    let pages = 0;
    let answers = 0;
    for (const line of systemCalls(await readFile(trace, "utf8"))) {
      if (/^pwrite(64|v)\(.*data\.mdb>.*= \d{4,}$/.test(line)) {
        unflushed++;
        pages++;
      } else if (/^fdatasync\(.*data\.mdb>.*= 0$/.test(line)) {
        unflushed = 0;
      } else if (/phx_reply.*\\"first\\":\d/.test(line)) {
        expect(pages, "pages written for an answer").to.be.above(0);
        expect(unflushed, "pages that aren't flushed").to.equal(0);
        pages = 0;
        answers++;
      }
    }
    expect(answers).to.equal(5);
  });

  it("refuse writers while it is full, lose nothing, and go on when there is space (needs mount)", async function () {
    const disk = await emptyDirectory();
    needs(this, "the right to mount a tmpfs", mounted(disk));
    const ballast = join(disk, "ballast");
    await writeFile(ballast, new Uint8Array(1024 * 1024));
    const path = join(disk, "log");
    const log = openLog({ path });
    const served = await serveDocuments({ documents: { log } });
    const [ada, bob] = [await served.enter(), await served.enter({ user: "bob", connect: { mode: "read" } })];
    const acknowledged: string[] = [];
    let owed = "";
    // Fills the disk: the op that no longer fits stays in flight.
    for (let i = 0; owed === ""; i++) {
      const contents = `${i} ${"x".repeat(50_000)}`;
      const ref = ada.send("submitOp", ada.submission(ada.op(contents)));
      const answered = ada.reply(ref).then(() => acknowledged.push(contents));
      const isFull = () => served.logged().includes("no space left on its disk");
      while (acknowledged.at(-1) !== contents && !isFull()) await ada.settle();
      if (acknowledged.at(-1) !== contents) owed = contents;
      else await answered;
    }
    const waits = ada.send("submitOp", ada.submission(ada.op("waits")));
    await ada.settle();
    served.clock.skip(5000);
    expect((await ada.reply(waits)).response).to.include({ reason: "throttled", retryAfter: 2 });
    const eve = await served.lurk({ user: "eve" });
    const refused = await eve.tryConnect({ token: served.token({ user: "eve" }) });
    expect(refused.reply.response).to.include({ reason: "unavailable", code: 503 });
    // Reads go on, from memory and from the disk.
    const { response } = await bob.ask("requestOps", { from: 0 });
    expect(response.ops.length).to.be.above(3);
    const rita = await served.enter({ user: "rita", connect: { mode: "read" } });
    expect(written(await rita.caughtUp(acknowledged.length + 1))).to.deep.equal(acknowledged);
    const lines = served.lines.filter(({ level }) => level === "error");
    expect(lines.map(({ details }) => (details.err as { code?: string }).code)).to.deep.equal(["log_full"]);

    await rm(ballast);
    served.clock.skip(2000);
    const head = acknowledged.length + 2;
    expect(written(await bob.caughtUp(head)).at(-1)).to.equal(owed);
    while (acknowledged.at(-1) !== owed) await ada.settle();
    const again = ada.op("waits", { clientSequenceNumber: acknowledged.length + 1 });
    expect((await ada.ask("submitOp", ada.submission(again))).status).to.equal("ok");
    expect(written(await opsIn(log))).to.deep.equal([...acknowledged, "waits"]);
    await served.endpoint.close({ timeoutMs: 1000 });
    await served.documents.close();
    expect(written(await opsIn(openLog({ path })))).to.deep.equal([...acknowledged, "waits"]);
  });
});

/** The lines of a trace without their thread; a write that is interrupted counts from when it begins. */
function* systemCalls(trace: string): Generator<string> {
  const begun = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, thread = "", text = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const unfinished = " <unfinished ...>";
    if (text.endsWith(unfinished)) {
      const start = text.slice(0, -unfinished.length);
      if (/^(writev?|send\w+)\(/.test(start)) yield start;
      else begun.set(thread, start);
    } else if (text.startsWith("<... ")) {
      const start = begun.get(thread);
      begun.delete(thread);
      if (start !== undefined) yield start + text.slice(text.indexOf("resumed>") + "resumed>".length);
    } else {
      yield text;
    }
  }
}

/** Mounts a small disk at a directory, until the test is over. */
function mounted(directory: string): boolean {
  const mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", directory];
  if (spawnSync("mount", mount, { stdio: "ignore" }).status !== 0) return false;
  afterTest(() => spawnSync("umount", ["-l", directory]));
  return true;
}

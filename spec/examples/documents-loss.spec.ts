import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Page, WebSocketRoute } from "playwright-core";
import { useChromium } from "../support/chromium.ts";
import { afterTest } from "../support/teardown.ts";
import { readEdits } from "./document-client.ts";
import { makeDocument, useDocumentsStage } from "./documents-stage.ts";
import { pageErrors } from "./pages.ts";
import { Writer } from "./writer.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("a document whose server is killed, in Chromium", function () {
  this.timeout(90_000);
  const browser = useChromium();

  afterEach("no page has reported an error", () => {
    expect(pageErrors.splice(0)).to.deep.equal([]);
  });

  interface Server {
    readonly url: string;
    readonly port: number;
    /** As `kill -9`. */
    kill(): Promise<void>;
  }

  async function launch(dataDir: string, port = 0): Promise<Server> {
    const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", "examples/server.ts"], {
      cwd: root,
      env: { ...process.env, PORT: String(port), HOST: "127.0.0.1", DATA_DIR: dataDir },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const kill = async () => {
      child.kill("SIGKILL");
      await exited;
    };
    afterTest(kill);
    const [line] = await once(createInterface(child.stdout as NodeJS.ReadableStream), "line");
    const url = /http:\S+/.exec(line)?.[0] ?? "";
    return { url, port: Number(new URL(url).port), kill };
  }

  it("has all that was written before, meanwhile and after, once and in one order", async () => {
    const { dataDir, id } = await makeDocument("documents");
    let server = await launch(dataDir);
    const visit = (name: string) =>
      Writer.visit(browser(), { name, url: `${server.url}d/${id}`, prepare: async () => {} });
    const [ada, ben] = await Promise.all([visit("Ada"), visit("Ben")]);
    for (const writer of [ada, ben]) await writer.is("saved");
    await ada.write("before. ");
    await ben.reads("before. ");

    // In the middle of what is being written.
    const writing = ada.body.pressSequentially("Ada goes on and on. ");
    await server.kill();
    await writing;
    for (const writer of [ada, ben]) await writer.is("offline");
    await ben.select((await ben.body.inputValue()).length);
    await ben.body.pressSequentially("Ben too. ");
    expect(await ben.page.locator("#status").textContent()).to.equal("Offline, edits kept");
    await ben.page.locator("#banner").getByText("What you write is kept in this browser").waitFor();

    server = await launch(dataDir, server.port);
    for (const writer of [ada, ben]) await writer.is("saved");
    // The end of what Ada wrote may have reached Ben before the end: then his stands behind it, else within.
    const late = await visit("Late");
    await late.is("saved");
    const text = await late.body.inputValue();
    expect(text.replace("Ben too. ", "")).to.equal("before. Ada goes on and on. ");
    expect(text).to.include("Ben too. ");
    for (const writer of [ada, ben]) await writer.reads(text);
    await ada.page.reload();
    await ada.reads(text);
    await ada.is("saved");
    await ada.select(text.length);
    await ada.write("After.");
    for (const writer of [ben, late]) await writer.reads(`${text}After.`);

    const edits = await readEdits(server.url, id);
    expect(new Set(edits).size).to.equal(edits.length);
  });
});

describe("a document whose connection breaks, in Chromium", function () {
  this.timeout(60_000);
  const stage = useDocumentsStage();
  const { visit } = stage;

  /** Breaks the connection at a frame: when it is sent, before the server gets it; or at one from the server. */
  function breakAt(page: Page, direction: "up" | "down", isIt: (frame: string) => boolean): Promise<unknown> {
    let broken = false;
    return page.routeWebSocket(/documents\/socket/, (client: WebSocketRoute) => {
      const server = client.connectToServer();
      const pass = (from: WebSocketRoute, to: WebSocketRoute, active: boolean) =>
        from.onMessage((frame) => {
          if (broken || !active || !isIt(String(frame))) return to.send(frame);
          broken = true;
          void server.close();
          void client.close({ code: 1013 });
        });
      pass(client, server, direction === "up");
      pass(server, client, direction === "down");
    });
  }

  const isAcknowledgement = (frame: string) => frame.includes('"phx_reply"') && frame.includes('"first"');

  it("has an edit once that arrived, but wasn't confirmed", async () => {
    const ada = await visit("Ada", { prepare: (page) => breakAt(page, "down", isAcknowledgement) });
    await ada.body.fill("delicate");
    await ada.is("offline");
    await ada.is("saved");
    expect(await readEdits(stage.host.url, stage.id)).to.have.length(1);
    await ada.write("!");
    expect(await readEdits(stage.host.url, stage.id)).to.have.length(2);
  });

  it("has an edit once that didn't arrive", async () => {
    const isEdit = (frame: string) => frame.includes('"submitOp"');
    const ada = await visit("Ada", { prepare: (page) => breakAt(page, "up", isEdit) });
    await ada.body.fill("delicate");
    await ada.is("offline");
    await ada.is("saved");
    expect(await readEdits(stage.host.url, stage.id)).to.have.length(1);
    await (await visit("Ben")).reads("delicate");
  });

  it("has an edit once that arrived, if the page is reloaded before it is confirmed", async () => {
    const ada = await visit("Ada", { prepare: (page) => breakAt(page, "down", isAcknowledgement) });
    await ada.body.fill("delicate");
    await ada.is("offline");
    await ada.page.reload();
    await ada.is("saved");
    await ada.reads("delicate");
    expect(await readEdits(stage.host.url, stage.id)).to.have.length(1);
  });

  describe("and stays broken", () => {
    let blocked = false;

    const block = async (page: Page) => {
      blocked = false;
      await page.routeWebSocket(/documents\/socket/, (client) => {
        if (blocked) return void client.close({ code: 1013 });
        const server = client.connectToServer();
        client.onMessage((frame) => {
          if (!blocked) return server.send(frame);
          void server.close();
          void client.close({ code: 1013 });
        });
      });
      await page.route(/longpoll/, (route) => (blocked ? route.abort() : route.continue()));
    };

    it("keeps text and edits over a reload of the page, and saves them when it can", async () => {
      const ben = await visit("Ben");
      const ada = await visit("Ada", { prepare: block });
      await ada.write("kept ");
      // The copy in the browser is made a moment after the last change.
      await ada.page.evaluate(copyIsMade(stage.id));
      blocked = true;
      await ada.body.pressSequentially("and patient");
      await ada.is("offline");
      await ada.page.reload();
      await ada.is("offline");
      await ada.reads("kept and patient");
      await ada.select(16);
      await ada.body.pressSequentially(", twice");
      await ben.select(0);
      await ben.write("Ben: ");
      blocked = false;
      await ada.page.reload();
      await ada.is("saved");
      for (const writer of [ada, ben]) await writer.reads("Ben: kept and patient, twice");
    });

    it("keeps the edits of a tab that is closed, for the next that is opened", async () => {
      const ben = await visit("Ben");
      const ada = await visit("Ada", { prepare: (page) => block(page) });
      const second = await ada.openTab(`${stage.host.url}`);
      blocked = true;
      await ada.body.pressSequentially("left behind");
      await ada.is("offline");
      await ada.page.close();
      // It isn't even that document which is opened.
      await second.page.reload();
      await ben.reads("left behind");
      await ben.meets("Ben (you)");
    });
  });

  it("can be opened and written while the server is away", async () => {
    const ben = await visit("Ben");
    const ada = await visit("Ada", { serviceWorkers: "allow" });
    await ada.title.fill("Title");
    await ada.write("here ");
    await ada.page.evaluate(copyIsMade(stage.id));
    // The page is the last that is put there.
    await ada.page.evaluate(`new Promise((resolve) => {
      const look = async () => ((await caches.match("/")) ? resolve() : requestAnimationFrame(look));
      look();
    })`);
    await stage.restart(async () => {
      await ada.page.reload();
      await ada.is("offline");
      await ada.readsTitle("Title");
      await ada.select(5);
      await ada.body.pressSequentially("and away");
      await ada.page.reload();
      await ada.reads("here and away");
      await ada.is("offline");
    });
    await ada.is("saved");
    for (const writer of [ada, ben]) await writer.reads("here and away");
  });

  it("gets back from the pages what the server has lost", async () => {
    const ada = await visit("Ada");
    await ada.title.fill("Backup");
    await ada.write("all that is left");
    await stage.restart(() => rm(join(stage.dataDir, "log"), { recursive: true }));
    await ada.is("saved");
    const ben = await visit("Ben");
    await ben.readsTitle("Backup");
    await ben.reads("all that is left");
    await ben.select(16);
    await ben.write("!");
    await ada.reads("all that is left!");
  });
});

/** An expression that resolves when the browser has a copy of a document with all that the page shows. */
function copyIsMade(id: string): string {
  return `new Promise((resolve) => {
    const seen = Number(document.getElementById("status").dataset.seen);
    const look = () => {
      const request = indexedDB.open("examples:documents", 1);
      request.onsuccess = () => {
        const get = request.result.transaction("copies").objectStore("copies").get("${id}");
        get.onsuccess = () => {
          request.result.close();
          if (get.result?.seen >= seen) resolve();
          else requestAnimationFrame(look);
        };
      };
    };
    look();
  })`;
}

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { Doc } from "yjs";
import { DocumentClient, type SequencedOp } from "./document-client.ts";
import { useDocumentsStage } from "./documents-stage.ts";
import { pageErrors } from "./pages.ts";

const EDITS = 120;

/** Updates of a document in which something is written, one letter at a time. */
function typing(count: number): { update: string }[] {
  const doc = new Doc();
  const edits: { update: string }[] = [];
  doc.on("update", (update) => edits.push({ update: Buffer.from(update).toString("base64") }));
  for (let i = 0; i < count; i++) doc.getText("body").insert(i, String.fromCharCode(97 + (i % 26)));
  return edits;
}

const text = Array.from({ length: EDITS }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");

describe("summaries of a document, in Chromium", function () {
  this.timeout(60_000);
  const stage = useDocumentsStage();
  const { visit } = stage;

  /** Resolves to the ops of the log, once they end with what is looked for. */
  async function logEnding(client: DocumentClient, type: string): Promise<SequencedOp[]> {
    for (;;) {
      const ops = await client.log();
      if (ops.some((op) => op.type === type)) return ops;
    }
  }

  /** Writes many edits, of which whoever is in the document makes a summary. */
  async function writeALot(): Promise<DocumentClient> {
    const client = await DocumentClient.connect(stage.host.url, stage.id);
    const edits = typing(EDITS);
    for (let i = 0; i < EDITS; i += 60) {
      const { status } = await client.submit(edits.slice(i, i + 60), i + 1, 0);
      expect(status).to.equal("ok");
    }
    return client;
  }

  /** The sequence numbers of the ops that a page has received. */
  function received(page: Page): number[] {
    const numbers: number[] = [];
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => {
        const [, , , event, content] = JSON.parse(String(payload));
        const ops = event === "connect_document_success" ? content.initialMessages : content.op;
        for (const { sequenceNumber } of ops ?? []) numbers.push(sequenceNumber);
      });
    });
    return numbers;
  }

  it("are made by who is there, and spare who comes later the log", async () => {
    const ada = await visit("Ada");
    const client = await writeALot();
    await ada.reads(text);
    const ops = await logEnding(client, "summaryAck");
    const summarize = ops.find(({ type }) => type === "summarize");
    const { handle } = summarize?.contents ?? {};
    expect(await readdir(join(stage.dataDir, "snapshots", stage.id))).to.deep.equal([handle]);

    let numbers: number[] = [];
    const late = await visit("Late", {
      prepare: async (page) => {
        numbers = received(page);
      },
    });
    await late.reads(text);
    expect(numbers.length).to.be.within(1, ops.length - EDITS + 5);
    await late.select(EDITS);
    await late.write("!");
    await ada.reads(`${text}!`);
    // The history has every edit nevertheless.
    await late.page.getByRole("button", { name: "History" }).click();
    await late.page.getByText(`${EDITS + 1} edits by 2 people`).waitFor();
  });

  it("are refused if nobody could load them", async () => {
    const ada = await visit("Ada");
    const client = await DocumentClient.connect(stage.host.url, stage.id);
    const contents = { handle: "f".repeat(64), head: "", message: "" };
    const op = { type: "summarize", clientSequenceNumber: 1, referenceSequenceNumber: 1, contents };
    await client.ask("submitOp", { clientId: client.clientId, messageBatches: [[op]] });
    const ops = await client.log();
    expect(ops.at(-1)?.type).to.equal("summaryNack");
    await ada.write("unimpressed");
    await (await visit("Late")).reads("unimpressed");
  });

  it("that can't be read are made up for by the log", async () => {
    const ada = await visit("Ada");
    const client = await writeALot();
    await logEnding(client, "summaryAck");
    await ada.page.close();
    const directory = join(stage.dataDir, "snapshots", stage.id);
    const [name = ""] = await readdir(directory);
    const whole = await readFile(join(directory, name));
    await writeFile(join(directory, name), whole.subarray(0, 20));
    await (await visit("Late")).reads(text);
    expect(pageErrors.splice(0).join()).to.match(/^Failed to load resource.* 404 \(Not Found\)$/);
  });
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Browser } from "playwright-core";
import { type DocumentsAppOptions, documents } from "../../examples/documents/documents.ts";
import { Library } from "../../examples/documents/library.ts";
import { type Host, startHost } from "../../examples/host.ts";
import { useChromium } from "../support/chromium.ts";
import { afterTest } from "../support/teardown.ts";
import { pageErrors, type Visit } from "./pages.ts";
import { Writer } from "./writer.ts";

/** What each test of a suite in the browser has: documents of its own, one of them empty, and who visits it. */
export interface DocumentsStage {
  readonly dataDir: string;
  readonly host: Host;
  /** The id of the document. */
  readonly id: string;
  /** Its address. */
  readonly url: string;
  readonly browser: () => Browser;
  /** Opens the document, and waits until the server says all is saved. */
  visit(name: string, options?: Partial<Visit>): Promise<Writer>;
  /** Stops the server, and starts it again where it was. */
  restart(meanwhile?: () => Promise<unknown>, options?: Partial<DocumentsAppOptions>): Promise<void>;
  visits<N extends string[]>(...names: N): Promise<{ [I in keyof N]: Writer }>;
}

/** A directory with an empty document in it, or in a part of it. It is removed after the test. */
export async function makeDocument(part = ""): Promise<{ dataDir: string; id: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), "documents-"));
  afterTest(() => rm(dataDir, { recursive: true }));
  const library = await Library.open(join(dataDir, part, "library.json"));
  const entry = await library.create();
  if (entry === null) throw new Error("the library takes no document");
  return { dataDir, id: entry.id };
}

/** Sets the stage for a suite. No page may report an error in its tests. */
export function useDocumentsStage(): DocumentsStage {
  const browser = useChromium();
  let made: { dataDir: string; id: string };
  let host: Host;

  async function start(port: number, options: Partial<DocumentsAppOptions> = {}): Promise<void> {
    const closeTimeoutMs = 500;
    const { dataDir } = made;
    const started = await startHost({ port, closeTimeoutMs }, [
      documents({ dataDir, closeTimeoutMs, ...options }),
    ]);
    afterTest(() => started.close());
    host = started;
  }

  beforeEach(async () => {
    made = await makeDocument();
    await start(0);
  });

  afterEach("no page has reported an error", () => {
    expect(pageErrors.splice(0)).to.deep.equal([]);
  });

  const visit = async (name: string, options: Partial<Visit> = {}) => {
    const writer = await Writer.visit(browser(), { name, url: `${host.url}d/${made.id}`, ...options });
    await writer.page.locator("#status:is([data-state=saved], [data-state=reading])").waitFor();
    return writer;
  };
  return {
    browser,
    get dataDir() {
      return made.dataDir;
    },
    get host() {
      return host;
    },
    get id() {
      return made.id;
    },
    get url() {
      return `${host.url}d/${made.id}`;
    },
    visit,
    restart: async (meanwhile, options) => {
      await host.close();
      await meanwhile?.();
      await start(host.port, options);
    },
    visits: async (...names) => (await Promise.all(names.map((name) => visit(name)))) as never,
  };
}

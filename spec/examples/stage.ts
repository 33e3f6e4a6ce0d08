import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type ChatOptions, chat } from "../../examples/chat/chat.ts";
import { type Host, startHost } from "../../examples/host.ts";
import { useChromium } from "../support/chromium.ts";
import { afterTest } from "../support/teardown.ts";
import { pageErrors, type Visit } from "./pages.ts";
import { Person } from "./person.ts";

/** What each test of a suite in the browser has: a chat of its own, and who visits it. */
export interface Stage {
  readonly dataDir: string;
  /** The server, with the address of the chat. */
  readonly chat: Host;
  visit(name: string | null, options?: Partial<Visit>): Promise<Person>;
  /** Visits by several people at once. */
  visits<N extends string[]>(...names: N): Promise<{ [I in keyof N]: Person }>;
  /** Starts the chat again, where it was. */
  restart(options?: Partial<ChatOptions>): Promise<void>;
}

/** Sets the stage for a suite. No page may report an error in its tests. */
export function useStage(): Stage {
  const browser = useChromium();
  let dataDir: string;
  let host: Host;

  async function start(options: Partial<ChatOptions> = {}, port = 0): Promise<void> {
    // Long-polling clients that have just gone are waited for in vain.
    const closeTimeoutMs = 500;
    const started = await startHost({ port, closeTimeoutMs }, [
      chat({ dataDir, closeTimeoutMs, ...options }),
    ]);
    afterTest(() => started.close());
    host = { ...started, url: `${started.url}chat/` };
  }

  beforeEach(async () => {
    const made = await mkdtemp(join(tmpdir(), "chat-"));
    dataDir = made;
    afterTest(() => rm(made, { recursive: true }));
    await start();
  });

  afterEach("no page has reported an error", () => {
    expect(pageErrors.splice(0)).to.deep.equal([]);
  });

  const visit = (name: string | null, options: Partial<Visit> = {}) =>
    Person.visit(browser(), { name, url: host.url, ...options });

  return {
    get dataDir() {
      return dataDir;
    },
    get chat() {
      return host;
    },
    visit,
    visits: async (...names) => (await Promise.all(names.map((name) => visit(name)))) as never,
    restart: async (options) => {
      await host.close();
      await start(options, host.port);
    },
  };
}
